"""Where only the baseline was measured, the gate has nothing to decide, and the report shows what there is and says so."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from lxml import html as lxml_html

from tests.harness.pipeline.gated import Gate


def test_the_report_of_one_candidate_opens_says_so_and_is_no_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gate = Gate(tmp_path, capsys)
    gate.config["candidates"].pop()
    assert "only the baseline 'old' was measured" in gate.does("run", code=12)
    gate.does("report")
    page = lxml_html.parse(str(tmp_path / "runs" / "report.html")).getroot()
    answer, shown = page.get_element_by_id("answer").text_content(), page.body.xpath("string(//main)")
    assert "There is no candidate to decide about: only the baseline was measured." in answer
    assert " pp" not in shown, "nothing was compared, and no gain is shown"
    assert "only the baseline was measured" in (tmp_path / "runs" / "summary.md").read_text()
    junit = ElementTree.parse(tmp_path / "runs" / "junit.xml").getroot()
    assert (junit.get("tests"), junit.get("errors")) == ("1", "1"), "who reads only this file must not see green"
    assert gate.conclusion().exit_code == 12
