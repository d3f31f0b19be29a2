"""Long prompts, several turns and dated prompts, the whole way over a real model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.config import load
from harness.pipeline import conclude, measure, prepare
from harness.pipeline.concluding import read_measured
from harness.records import Sample
from trainers.lab import LabPaths

pytestmark = pytest.mark.models

ROWS = {
    "long": [
        {"key": "long", "prompt": "what is 7 plus 5? " * 60, "target": "12"},
        {"key": "short", "prompt": "what is 7 plus 5?", "target": "12"},
    ],
    "turns": [{"key": "k", "turns": ["what is 7 plus 5?", "what is 2 plus 2?", "what is 3 plus 3?"], "target": "6"}],
}


def _config(folder: Path, lab: LabPaths, *, dates: Mapping[str, str] | None = None, **options: Any) -> Path:
    """Two candidates, one model: what differs between them is the day that their templates are told."""
    for name, rows in ROWS.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    own = {"max_model_len": 96}
    grading = {"score": "contains", "max_tokens": 16, **options}
    config = {
        "baseline": "old",
        "candidates": [
            {
                "name": name,
                "engine": "transformers",
                "model": str(lab.base),
                "options": own | ({"template_date": dates[name]} if dates else {}),
            }
            for name in ("old", "new")
        ],
        "suites": [
            {
                "name": name,
                "use": "prompted",
                "options": {"items": f"{name}.jsonl", **grading},
            }
            for name in ROWS
        ],
        "rules": [{"metric": "turns/*/contains", "require": "not_regressed"}],
    }
    path = folder / "gate.yaml"
    path.write_text(json.dumps(config))  # JSON is YAML
    return path


def _samples(path: Path) -> dict[str, Sample]:
    found = read_measured(load(path))
    return {sample.key: sample for (suite, name), each in found.items() if name == "old" for sample in each.samples}


def test_what_does_not_fit_is_an_error_or_is_cut_and_flagged(lab_test: LabPaths, tmp_path: Path) -> None:
    refusing = _config(tmp_path, lab_test)
    measure(prepare(load(refusing)))
    samples = _samples(refusing)
    assert samples["long"].scores is None
    assert "in a context of 96" in (samples["long"].error or "")
    assert "overlong = 'truncate_left'" in (samples["long"].error or "")
    assert samples["short"].flags == ()
    cutting = _config(tmp_path, lab_test, overlong="truncate_left")
    measure(prepare(load(cutting)))
    samples = _samples(cutting)
    assert "context_cut" in samples["long"].flags
    assert samples["long"].scores is not None
    assert samples["short"].flags == ()


def test_turns_are_remembered_and_graded_anew_without_asking(lab_test: LabPaths, tmp_path: Path) -> None:
    first = measure(prepare(load(_config(tmp_path, lab_test))))
    again = _config(tmp_path, lab_test, normalise=["strip", "lower"])
    second = measure(prepare(load(again)))
    assert first.sent > 0
    assert (second.sent, second.engines) == (1, 1)  # the item that does not fit, for both: they are one model
    sample = _samples(again)["k"]
    assert len(sample.outputs) == 3
    assert sample.scores is not None
    assert sample.prompt.startswith("user: what is 7 plus 5?\n\nassistant: (its own answer)")


def test_candidates_that_were_told_different_days_are_not_comparable(lab_test: LabPaths, tmp_path: Path) -> None:
    path = _config(tmp_path, lab_test, dates={"old": "2026-01-01", "new": "2026-11-20"}, overlong="truncate_left")
    loaded = load(path)
    measure(prepare(loaded))
    conclusion = conclude(loaded, read_measured(loaded))
    assert conclusion.exit_code == 12
    assert {line.what for line in conclusion.parity if line.required and not line.equal} == {"template date"}
