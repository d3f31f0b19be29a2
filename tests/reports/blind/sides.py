"""Two candidates' answers to one suite, made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from harness.records import Measured, Sample
from reports.blind.key import Key, package_paths, read_key
from reports.blind.package import Plan, export
from tests.reports.votes.ballots import run_of


def measured(name: str, texts: Sequence[str | None], *, suite: str = "pref", prompt_hash: str = "h", **sample: Any) -> Measured:
    """``sample``: fields of every sample; a list has one value for each."""
    run = msgspec.structs.replace(run_of(name), suite=suite)
    samples = tuple(
        Sample(
            key=f"item{index}",
            task="pref",
            prompt=f"Question {index}?",
            outputs=() if text is None else (text,),
            scores=None if text is None else {"win": 0.5},
            error="the engine died" if text is None else None,
            prompt_hash=prompt_hash,
            **{name: value[index] if isinstance(value, list) else value for name, value in sample.items()},
        )
        for index, text in enumerate(texts)
    )
    return Measured(run=run, samples=samples)


def pair(count: int = 12, **sample: Any) -> tuple[Measured, Measured]:
    old, new = ([f"{word} {n}" for n in range(count)] for word in ("old", "new"))
    return measured("prod", old, **sample), measured("week47", new, **sample)


def packed(folder: Path, sides: tuple[Measured, Measured] | None = None, **plan: Any) -> tuple[Path, Key]:
    """The first package of a review, and its key."""
    path = export(*(sides or pair()), folder=folder, plan=Plan(**plan))
    key = read_key(path)
    return package_paths(path, key)[0], key
