"""One question with its only right answer, and the split that its key falls into."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Literal, NamedTuple

Split = Literal["train", "validation", "test"]


class Task(NamedTuple):
    """``cluster`` joins what is not independent (the same fact); ``key`` decides the split; ``checks`` are IFEval constraints."""

    skill: str
    prompt: str
    answer: str
    cluster: str
    key: str
    checks: tuple[tuple[str, dict[str, Any]], ...] = ()

    @property
    def split(self) -> Split:
        return split_of(self.key)


Sampler = Callable[[Random], Task]


def split_of(key: str, *, validation: int = 5, test: int = 20) -> Split:
    """The split of a key by its md5: ``validation`` and ``test`` in percent, the same on every machine and in every run."""
    bucket = int(hashlib.md5(key.encode()).hexdigest()[:8], 16) % 100
    if bucket < test:
        return "test"
    return "validation" if bucket < test + validation else "train"


def draws(sampler: Sampler, rng: Random, split: Split) -> Iterator[Task]:
    """An endless stream of tasks of one split. Every part of a key is drawn anew, so that no split can be unreachable."""
    while True:
        task = sampler(rng)
        if task.split == split:
            yield task


def distinct(sampler: Sampler, rng: Random, split: Split, count: int, *, tries: int = 400) -> list[Task]:
    """Up to ``count`` tasks of one split with different prompts; fewer where the world has no more."""
    found: dict[str, Task] = {}
    for _ in range(tries * count):
        task = sampler(rng)
        if task.prompt not in found and task.split == split:
            found[task.prompt] = task
            if len(found) == count:
                break
    return list(found.values())
