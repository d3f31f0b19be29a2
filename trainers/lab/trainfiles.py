"""The files that candidates are trained on and chosen by: the target skill's three splits, replay, and general validation."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from trainers.lab import device, prose
from trainers.lab.mixture import stream
from trainers.lab.recipe import Recipe
from trainers.lab.tasks import Split, Task
from trainers.lab.world import Country

REPLAY = 3000
GENERAL_VALIDATION = 300
TEXTS = 250


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """One JSON object per line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def write_training_files(folder: Path, recipe: Recipe, world: list[Country]) -> None:
    """``target.{train,validation,test}.jsonl``, ``replay.train.jsonl``, ``general.validation.jsonl`` and ``text.jsonl``."""
    splits: dict[Split, int] = {
        "train": recipe.target_train,
        "validation": recipe.target_validation,
        "test": recipe.target_test,
    }
    for split, count in splits.items():
        write_rows(
            folder / f"target.{split}.jsonl", map(chat_row, device.commands(split, count, recipe.seed), keys(f"device-{split}"))
        )
    replay = islice(stream(world, recipe.mix, Random(f"replay {recipe.seed}"), "train"), REPLAY)
    write_rows(folder / "replay.train.jsonl", map(chat_row, replay, keys("replay")))
    general = islice(stream(world, recipe.mix, Random(f"general {recipe.seed}"), "validation"), GENERAL_VALIDATION)
    write_rows(folder / "general.validation.jsonl", map(chat_row, general, keys("general")))
    rng = Random(f"text {recipe.seed}")
    texts: dict[str, None] = {}
    while len(texts) < TEXTS:
        texts[prose.document(world, rng, "test")] = None
    write_rows(folder / "text.jsonl", ({"key": f"text-{i:04d}", "text": t} for i, t in enumerate(texts)))


def chat_row(task: Task, key: str) -> dict[str, Any]:
    """A task as a line of a training file."""
    turns = [{"role": "user", "content": task.prompt}, {"role": "assistant", "content": task.answer}]
    return {"key": key, "messages": turns}


def keys(stem: str) -> Iterable[str]:
    """``stem-0000``, ``stem-0001`` and so on."""
    number = 0
    while True:
        yield f"{stem}-{number:04d}"
        number += 1
