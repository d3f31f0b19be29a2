"""A whole gate that looks while it asks, over vLLM: a harmless adapter and a broken one are both decided early, crash or not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.config import load
from harness.engines.vllm import Vllm
from harness.errors import EngineError
from harness.pipeline import conclude, measure, prepare
from harness.pipeline.concluding import read_measured
from harness.protocols import Asked
from harness.store import Store

pytestmark = [pytest.mark.models, pytest.mark.vllm]

ITEMS = 400


class FragileVllm(Vllm):
    """vLLM that dies when it is asked more than ``lives`` requests."""

    lives = 10**9
    sent = 0

    def submit(self, asked: Sequence[Asked]) -> None:
        own = sum(one.ticket >= 0 for one in asked)  # the others are probes
        if FragileVllm.sent + own > FragileVllm.lives:
            raise EngineError("the device is gone")
        FragileVllm.sent += own
        super().submit(asked)


def scaled(pattern: Path, folder: Path, factor: float) -> None:
    """The same adapter, so many times as strong."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(pattern, folder)
    weights = load_file(folder / "adapter_model.safetensors")
    changed = {name: weight * factor if "lora_B" in name else weight for name, weight in weights.items()}
    save_file(changed, folder / "adapter_model.safetensors")


def test_harmless_and_broken_adapters_are_decided_early_and_a_crash_costs_nothing(
    tmp_path: Path, lab_test: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("vllm")
    from benchmarks.models import random_adapter

    pattern = random_adapter(lab_test.base, tmp_path / "pattern")
    scaled(pattern, tmp_path / "harmless", 0.005)
    scaled(pattern, tmp_path / "broken", 50.0)
    rows = [json.loads(line) for line in (lab_test.data / "suites" / "facts.jsonl").read_text().splitlines()[:ITEMS]]
    rows = [{key: row[key] for key in ("key", "task", "prompt", "target")} for row in rows]  # wordings count one by one here
    (tmp_path / "facts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    shared = {
        "model": str(lab_test.base),
        "engine": f"{__name__}:FragileVllm",
        "options": {"dtype": "float32"},
        "resources": {"max_num_seqs": 16},
    }
    config = {
        "baseline": "base",
        "candidates": [{"name": "base", **shared}, *({"name": n, **shared, "adapter": n} for n in ("harmless", "broken"))],
        "suites": [{"name": "facts", "use": "prompted", "options": {"items": "facts.jsonl", "max_tokens": 12}}],
        "rules": [{"metric": "facts/*/exact_match", "require": "non_inferior", "margin": 0.1}],
        "sequential": {"looks": 5, "min_items": 40},
    }
    path = tmp_path / "gate.yaml"
    path.write_text(json.dumps(config))
    loaded = load(path)

    monkeypatch.setattr(FragileVllm, "lives", ITEMS + 200)  # in the second look
    with pytest.raises(EngineError, match="the device is gone"):
        measure(prepare(loaded))
    before = FragileVllm.sent
    assert ITEMS < before <= ITEMS + 200
    monkeypatch.setattr(FragileVllm, "lives", 10**9)
    done = measure(prepare(loaded))

    store = Store(tmp_path / "runs")
    runs = {name: store.read(done.paths["facts", name]).run for name in ("base", "harmless", "broken")}
    for name in ("harmless", "broken"):
        looks = runs[name].looks
        assert looks is not None
        assert looks.stopped
        assert runs[name].asked == looks.made[-1] <= ITEMS // 2, "decided by the middle of the suite"
        assert runs[name].failed == 0
    assert (runs["base"].asked, runs["base"].looks) == (ITEMS, None)
    asked = sum(run.asked for run in runs.values())
    assert before - 64 <= asked - done.sent <= before, "only what was in flight is asked again"
    verdicts = {verdict.candidate: verdict.outcome for verdict in conclude(loaded, read_measured(loaded)).verdicts}
    assert verdicts == {"harmless": "pass", "broken": "fail"}
    again = measure(prepare(loaded))
    assert (again.sent, again.engines, again.skipped) == (0, 0, 3)
