"""Nine adapters on one base: when one of them is trained again, only it is asked again, and only it is judged again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.config import load
from harness.pipeline import Measurement, measure, prepare
from harness.pipeline.preparing import Prepared

pytestmark = pytest.mark.models

NAMES = [f"adapter{number}" for number in range(9)]
ITEMS = 4
WORDS = 3  # a verdict is weighed among so many words, in both orders


def config(folder: Path, base: Path) -> Path:
    """Questions, scored texts and a judged suite; the judge is a fake one that likes some words better than others."""
    for name in ("questions", "open"):
        rows = [{"key": f"{name}{i}", "prompt": f"{name} number {i}, and why?", "target": "because"} for i in range(ITEMS)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "texts.jsonl").write_text(
        "".join(json.dumps({"text": f"The {i} foxes stand near the table."}) + "\n" for i in range(ITEMS))
    )
    shared = {"model": str(base), "engine": "transformers", "options": {"dtype": "float32"}}
    decoding = {"max_tokens": 8}
    judged = {"items": "open.jsonl", "judge": "judge", "prompt": "lab_pairwise", "probabilities": True}
    path = folder / "gate.yaml"
    path.write_text(
        json.dumps(
            {
                "baseline": "base",
                "candidates": [{"name": "base", **shared}, *({"name": name, **shared, "adapter": name} for name in NAMES)],
                "engines": {"judge": {"model": "", "engine": "fake"}},
                "suites": [
                    {"name": "questions", "use": "prompted", "options": {"items": "questions.jsonl", **decoding}},
                    {"name": "texts", "use": "forgetting", "options": {"text": "texts.jsonl"}},
                    {"name": "open", "use": "preference", "options": {**judged, **decoding}},
                ],
            }
        )
    )
    return path


def train(pattern: Path, folder: Path, *, seed: int, strength: float = 0.2) -> None:
    """Weights of its own for an adapter of the same shape, strong enough to change what is said."""
    import torch
    from safetensors.torch import load_file, save_file

    shutil.copytree(pattern, folder)
    generator = torch.Generator().manual_seed(seed)
    weights = load_file(folder / "adapter_model.safetensors")
    changed = {
        name: torch.randn(weight.shape, generator=generator) * strength if "lora_B" in name else weight
        for name, weight in weights.items()
    }
    save_file(changed, folder / "adapter_model.safetensors")


def sent(prepared: Prepared, done: Measurement) -> dict[tuple[str, str], int]:
    """Requests that were sent for every selected run when it was measured."""
    return {pair: prepared.store.read(path).run.sent_requests for pair, path in done.paths.items()}


def test_one_adapter_of_nine_trained_again_is_the_only_one_asked_and_judged(tmp_path: Path, lab_test: Any) -> None:
    from benchmarks.models import random_adapter

    random_adapter(lab_test.base, tmp_path / "pattern")
    for number, name in enumerate(NAMES[:-1]):
        train(tmp_path / "pattern", tmp_path / name, seed=number)
    shutil.copytree(tmp_path / NAMES[-2], tmp_path / NAMES[-1])
    loaded = load(config(tmp_path, lab_test.base))
    first = measure(prepare(loaded))
    assert (first.failed, first.skipped, first.engines) == (0, 0, 2)
    assert first.asked == 3 * ITEMS * 10

    asked = sent(prepare(loaded), first)
    assert [asked["questions", name] for name in ("base", *NAMES)] == [ITEMS] * 9 + [0], "the last is a copy of the one before it"

    again = measure(prepare(loaded))
    assert (again.sent, again.engines, again.skipped) == (0, 0, 30)

    shutil.rmtree(tmp_path / "adapter4")
    train(tmp_path / "pattern", tmp_path / "adapter4", seed=99, strength=0.7)  # says what none of the others says
    prepared = prepare(loaded)
    changed = measure(prepared)
    own = {("questions", "adapter4"), ("texts", "adapter4"), ("open", "adapter4")}
    assert {pair for pair, path in changed.paths.items() if first.paths[pair] != path} == own
    assert changed.skipped == 27, "the others finish without asking anything"
    counts = {pair: count for pair, count in sent(prepared, changed).items() if pair in own}
    assert changed.sent == sum(counts.values())
    assert counts["questions", "adapter4"] == counts["texts", "adapter4"] == ITEMS
    consultations = counts["open", "adapter4"] - ITEMS
    assert 0 < consultations <= 2 * WORDS * ITEMS, "its answers, and what the judge says to them"
    assert changed.reused >= ITEMS, "the baseline's answers, which the judge compares with, come from the journal"
    prints = {pair: prepared.store.read(path).run.fingerprints.adapter for pair, path in changed.paths.items() if pair in own}
    assert len(set(prints.values())) == 1
    assert prints != {pair: prepared.store.read(first.paths[pair]).run.fingerprints.adapter for pair in own}

    assert measure(prepare(loaded)).sent == 0
