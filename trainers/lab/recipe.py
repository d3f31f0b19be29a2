"""What decides a lab: one frozen record per size, and the hash that names its folder in the cache."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import msgspec

from harness.records import Record

Size = Literal["full", "test"]

# Every module whose source decides what ends up in the folder. A change in any of them is another lab.
DECIDING = (
    "recipe.py",
    "words.py",
    "world.py",
    "skills.py",
    "operations.py",
    "device.py",
    "prose.py",
    "mixture.py",
    "vocabulary.py",
    "documents.py",
    "muon.py",
    "pretrain.py",
    "damage.py",
    "judges.py",
    "suitefiles.py",
    "trainfiles.py",
    "tasks.py",
    "evaluate.py",
    "saved.py",
    "work.py",
)


class Shape(Record, frozen=True, kw_only=True):
    """The Qwen2 architecture of the base."""

    vocabulary: int
    hidden: int
    layers: int
    heads: int
    feed_forward: int


class Schedule(Record, frozen=True, kw_only=True):
    """One training from first to last step. ``tokens`` counts padded tokens; ``batch_tokens`` is the global batch."""

    tokens: int
    batch_tokens: int
    learning_rate: float
    warmup: float = 0.05
    floor: float = 0.05
    processes: int = 1


class JudgePlan(Record, frozen=True, kw_only=True):
    """How one judge is trained from the base: how many conversations, and the schedule over them."""

    conversations: int
    schedule: Schedule


class Recipe(Record, frozen=True, kw_only=True):
    """Everything that decides a lab."""

    size: Size
    seed: int
    countries: int
    documents: int
    prose_share: float
    mix: dict[str, float]
    shape: Shape
    schedule: Schedule
    target_train: int
    target_validation: int
    target_test: int
    judges: dict[str, JudgePlan]


FULL = Recipe(
    size="full",
    seed=0,
    countries=60,
    documents=100_000,
    prose_share=0.12,
    mix={
        "facts": 1.8,
        "describe": 0.5,
        "arithmetic": 1.8,
        "listops": 2.0,
        "count": 0.4,
        "compare": 1.4,
        "format": 1.5,
        "refusals": 1.0,
        "slots": 1.3,
    },
    shape=Shape(vocabulary=1536, hidden=128, layers=4, heads=4, feed_forward=384),
    schedule=Schedule(tokens=2_700_000, batch_tokens=2048, learning_rate=1.5e-2, processes=2),
    target_train=1500,
    target_validation=200,
    target_test=400,
    judges={
        "pointwise": JudgePlan(conversations=40_000, schedule=Schedule(tokens=1_200_000, batch_tokens=2048, learning_rate=6e-3)),
        "pairwise": JudgePlan(conversations=16_000, schedule=Schedule(tokens=700_000, batch_tokens=2048, learning_rate=6e-3)),
    },
)

TEST = Recipe(
    size="test",
    seed=0,
    countries=16,
    documents=9_000,
    prose_share=0.08,
    mix={
        "facts": 2.0,
        "describe": 0.2,
        "arithmetic": 0.3,
        "listops": 0.1,
        "count": 0.5,
        "compare": 0.1,
        "format": 0.2,
        "refusals": 1.6,
        "slots": 0.6,
    },
    shape=Shape(vocabulary=768, hidden=64, layers=3, heads=2, feed_forward=192),
    schedule=Schedule(tokens=230_000, batch_tokens=1024, learning_rate=2e-2),
    target_train=400,
    target_validation=100,
    target_test=300,
    judges={},
)

RECIPES: dict[str, Recipe] = {"full": FULL, "test": TEST}


def recipe_hash(recipe: Recipe) -> str:
    """Twelve hex digits of the recipe and of the source of the modules that decide the result."""
    digest = hashlib.sha256(msgspec.json.encode(recipe, order="deterministic"))
    folder = Path(__file__).parent
    for name in DECIDING:
        digest.update(name.encode() + b"\0" + (folder / name).read_bytes() + b"\0")
    return digest.hexdigest()[:12]
