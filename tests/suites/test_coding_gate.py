"""Programs through the whole gate: how they were run is said, and nobody is asked where they could not be."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.records import Rule
from suites import coding
from suites.asking import ItemOptions
from suites.coding import Coding, CodingOptions
from tests.harness.pipeline.gated import Gate
from tests.reports import unpacked

WORDS = "Your code should pass these tests:\n\nassert plus(1) == {two}\n\nAnswer with the code in one fenced code block."


@pytest.fixture
def gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Gate:
    made = Gate(tmp_path, capsys)
    rows = [(f"Add {step}.", f"def plus(x): return x + {step}", 1 + step) for step in range(6)]
    made.items(
        [
            {"task_id": index, "text": text, "code": code, "test_list": [f"assert plus(1) == {two}"]}
            for index, (text, code, two) in enumerate(rows)
        ]
    )
    right = {f"{text}\n\n{WORDS.format(two=two)}": f"```python\n{code}\n```" for text, code, two in rows}
    late = dict.fromkeys(list(right)[:5], "```python\ndef plus(x):\n    import time; time.sleep(0)\n    return -x\n```")
    for candidate, answers in zip(made.config["candidates"], (right, right | late), strict=True):
        candidate["options"] = {"answers": answers}
    made.config["suites"] = [{"name": "code", "use": "coding", "options": {"items": "items.jsonl", "sandbox": "limits"}}]
    made.config["rules"] = [{"metric": "code/*/pass@1", "require": "non_inferior", "margin": 0.1}]
    return made


def test_wrong_programs_fail_the_gate_which_says_that_nothing_isolated_them(gate: Gate) -> None:
    said = " ".join(gate.does("run", code=10).split())
    assert "code ran what models wrote without isolation (sandbox = 'limits'): files could be read" in said
    assert "without isolation" in (gate.folder / "runs" / "summary.md").read_text()
    report = (gate.folder / "runs" / "report.html").read_text()
    assert "without isolation" in report
    index, *chunks = unpacked.blocks(report)
    told = [text for texts in unpacked.texts_of(index, chunks) for text in texts or () if text]
    assert any("failed in limits: AssertionError" in text for text in told)
    values = {each.metric: (each.baseline_value, each.candidate_value) for each in gate.conclusion().comparisons}
    assert values["code/items/pass@1"] == pytest.approx((1.0, 1 / 6))


def test_the_config_of_the_card_is_read_as_written_and_its_metrics_are_there(builds: Any) -> None:
    card = (Path(__file__).parents[2] / "docs" / "suites" / "coding.md").read_text(encoding="utf-8")
    config = tomllib.loads(re.findall(r"```toml\n(.*?)```", card, re.DOTALL)[0])
    ((suite,), (rule,)) = config["suites"], msgspec.convert(config["rules"], list[Rule])
    made = builds(Coding, **suite["options"])
    assert list(made.metrics) == ["pass@1", "pass@5", "timeout", "syntax"]
    assert f"{suite['use']}: " in card
    assert rule.metric.rpartition("/")[2] in made.metrics
    assert {f"`{name}`" for name in ("pass@1", "pass@k", "timeout", "syntax")} <= set(
        re.findall(r"^\| (`[^`]+`) ", card, re.MULTILINE)
    )
    assert all(f"`{option}`" in card for option in CodingOptions.__struct_fields__ if option not in ItemOptions.__struct_fields__)


def test_nobody_is_asked_where_programs_cannot_be_run(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coding, "means_of", lambda _: None)
    said = " ".join(gate.does("run", code=2).split())
    assert "suites[0].options.sandbox" in said
    assert "cannot be run safely here" in said
    assert not list((gate.folder / "runs").glob("**/samples*"))
