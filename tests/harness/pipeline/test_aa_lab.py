"""A real model against itself, greedy and sampled, and against a copy of it that was ruined."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.cli import main
from harness.records import SelfTest

pytestmark = pytest.mark.models

ITEMS = 48


def write(folder: Path, lab: Any) -> Path:
    rows = (lab.data / "suites" / "facts.jsonl").read_text(encoding="utf-8").splitlines()[:ITEMS]
    (folder / "facts.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    options = {"items": "facts.jsonl", "score": "exact_match", "max_tokens": 24}
    config = {
        "baseline": "base",
        "candidates": [
            {"name": "base", "model": str(lab.base), "engine": "transformers", "options": {"dtype": "float32"}},
        ],
        "suites": [
            {"name": "facts", "use": "prompted", "options": options, "retained": True},
            {"name": "sampled", "use": "prompted", "options": {**options, "draws": 2, "temperature": 1.5}},
        ],
        "rules": [
            {"metric": "facts/*/exact_match", "require": "non_inferior", "margin": 0.2},
            {"metric": "sampled/*/exact_match", "require": "not_regressed"},
        ],
    }
    path = folder / "gate.yaml"
    path.write_text(json.dumps(config))
    return path


def test_the_lab_model_is_silent_about_itself_and_a_ruined_copy_is_noticed(
    tmp_path: Path, lab_test: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    noised = tmp_path / "noised-cache"
    monkeypatch.setattr("harness.engines.kept_weights.cache_root", lambda: noised)
    code = main(["aa-test", str(write(tmp_path, lab_test)), "--planted"])
    found = msgspec.json.decode((tmp_path / "runs" / "aa.json").read_bytes(), type=SelfTest)
    assert code == 0
    (repetition,) = found.repetitions
    assert repetition.outcome in {"pass", "inconclusive"}
    assert repetition.identical["facts"] == (ITEMS, ITEMS)  # greedy, float32: another order changes nothing
    assert repetition.identical["sampled"][0] < ITEMS  # other dice
    floors = {noise.metric: noise for noise in repetition.noise}
    (greedy,) = (noise for metric, noise in floors.items() if metric.startswith("facts/") and metric.endswith("exact_match"))
    (drawn,) = (noise for metric, noise in floors.items() if metric.startswith("sampled/") and metric.endswith("exact_match"))
    assert (greedy.differ, greedy.sd) == (0, 0.0)
    assert drawn.differ > 0
    assert drawn.sd is not None
    assert 0 < drawn.sd < 1
    assert {plant.how: (plant.outcome, plant.sight) for plant in found.plants} == {
        "shuffled": ("fail", {"facts": "noticed", "sampled": "noticed"}),
        "noised": ("fail", {"facts": "noticed", "sampled": "noticed"}),
    }
    assert len(list((noised / "noised").iterdir())) == 1
