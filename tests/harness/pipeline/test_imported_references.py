"""Forgetting of imported scores is counted against the candidate that the config names."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.store import Store
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


def test_scores_that_are_selected_for_another_candidate_decide_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A hand-merged ``current.json``: the runs are as they were written, and stand for each other."""
    imports = Imports(tmp_path, capsys)
    imports.config.write_text(CONFIG)
    for name, rows in (("prod", GOOD), ("base", GOOD), ("new", changed(q1=0))):
        imports.scores(name, rows)
    store = Store(tmp_path / "runs")
    selected = store.current()
    store.set_current({**selected, ("mmlu", "new"): selected["mmlu", "base"], ("mmlu", "base"): selected["mmlu", "new"]})
    assert "as the scores of 'base' in suite 'mmlu' are those of 'new'" in imports("gate", str(imports.config), code=12)
    store.set_current(selected)
    imports("gate", str(imports.config))


def test_a_verdict_against_what_the_baseline_was_before_promotes_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    imports = Imports(tmp_path, capsys)
    imports.config.write_text(CONFIG)
    imports.scores("prod", changed(q1=0))
    imports.scores("base", GOOD)
    imports.scores("new", GOOD)
    imports("gate", str(imports.config))
    imports.scores("prod", GOOD)
    said = imports("baseline", "promote", str(imports.config), "new", "--by", "me", code=12)
    assert "no verdict about 'new'" in said
    imports("gate", str(imports.config))
    imports("baseline", "promote", str(imports.config), "new", "--by", "me")
