"""``kill -9`` of a gate that looks while it asks, over vLLM: no answer is lost, and asking ends where it would have ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.store import Store
from tests.harness.pipeline.test_looks_over_vllm import scaled
from tests.kills import journalled, undisturbed
from tests.test_kill import SEQUENCES, Gate, _exhaust, _generator, _write

pytestmark = [pytest.mark.models, pytest.mark.vllm, pytest.mark.full]

ITEMS = 300


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory, lab_test: Any) -> Gate:
    """A base, a harmless adapter and a broken one, asked look by look, without being disturbed."""
    pytest.importorskip("vllm")
    from benchmarks.models import random_adapter

    folder = tmp_path_factory.mktemp("undisturbed")
    pattern = random_adapter(lab_test.base, folder / "pattern")
    scaled(pattern, folder / "harmless", 0.005)
    scaled(pattern, folder / "broken", 50.0)
    rows = [json.loads(line) for line in (lab_test.data / "suites" / "facts.jsonl").read_text().splitlines()[:ITEMS]]
    (folder / "facts.jsonl").write_text(
        "".join(json.dumps({key: row[key] for key in ("key", "task", "prompt", "target")}) + "\n" for row in rows)
    )
    shared = {
        "model": str(lab_test.base),
        "engine": "tests.counting:CountingVllm",
        "options": {"dtype": "float32"},
        "resources": {"max_num_seqs": SEQUENCES},
    }
    adapters = [{"name": name, **shared, "adapter": str(folder / name)} for name in ("harmless", "broken")]
    config = {
        "baseline": "base",
        "candidates": [{"name": "base", **shared}, *adapters],
        "suites": [{"name": "facts", "use": "prompted", "options": {"items": str(folder / "facts.jsonl"), "max_tokens": 12}}],
        "rules": [{"metric": "facts/*/exact_match", "require": "non_inferior", "margin": 0.1}],
        "sequential": {"min_items": 40},
    }
    asked, seconds = undisturbed(_write(folder, config), folder / "undisturbed.diary")
    assert ITEMS < len(asked.sent) == len(journalled(folder / "runs")) < 3 * ITEMS
    return Gate(config, asked, seconds, folder / "runs")


@pytest.mark.timeout(1800)
def test_kills_between_and_within_looks_change_no_answer_and_no_decision(gate: Gate, tmp_path: Path) -> None:
    rounds = _exhaust(gate, tmp_path, ["asking", "asking", "asking", "grading and writing"], _generator())
    assert rounds.kills
    ours, theirs = Store(tmp_path / "runs"), Store(gate.store)
    for pair, path in theirs.current().items():
        assert ours.run(ours.current()[pair]).looks == theirs.run(path).looks
