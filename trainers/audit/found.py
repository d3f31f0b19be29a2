"""Checks, put together from the places where something was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from harness.records import Check, Level, Spot

SHOWN = 20
"""Places that a check lists at most; all are counted."""


def check(
    group: str, name: str, level: Literal["note", "warning", "error"], spots: Sequence[Spot], of: int, said: str, *, count: int = -1
) -> Check:
    """A check that is ``ok`` where nothing was found. ``count``: rows, where they are not the spots themselves."""
    found = len(spots) if count < 0 else count
    worst: Level = level if found else "ok"
    return Check(group=group, name=name, level=worst, count=found, of=of, sentence=said, spots=tuple(spots[:SHOWN]))
