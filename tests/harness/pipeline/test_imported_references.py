"""Forgetting of imported scores is counted against the candidate that the config names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.suites.test_scores import GOOD, Imports, changed

CONFIG = """
store = "runs"
baseline = "prod"
candidates = [
  { name = "prod", engine = "none" },
  { name = "base", engine = "none" },
  { name = "new", engine = "none", reference = "base" },
]
suites = [{ name = "mmlu", use = "scores", retained = true }]
[[rules]]
metric = "mmlu/lost"
require = "at_most"
value = 0.2
against = "reference"
"""


def test_rules_about_forgetting_look_at_the_reference_of_the_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    imports = Imports(tmp_path, capsys)
    imports.config.write_text(CONFIG)
    imports.scores("prod", GOOD)
    imports.scores("base", GOOD)
    imports.scores("new", changed(q1=0))
    imports("gate", str(imports.config))
    said = imports.conclusion()
    assert said.reference == {"new": "base"}
    found = {verdict.candidate: verdict.findings[0] for verdict in said.verdicts}["new"]
    assert found.outcome == "pass"
    assert found.comparison is not None
    assert found.comparison.baseline == "base"
    imports.config.write_text(CONFIG.replace(', reference = "base"', ""))
    imports("gate", str(imports.config), code=12)
    assert "no reference of" in imports.conclusion().verdicts[0].sentence, "a reference is the config's word, not the run's"
