"""What is wrong with a config beyond its types: (where, what) pairs, gathered table by table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

Complaint = tuple[str, str]


class Range(NamedTuple):
    """One value, whether it is within its range, and that range in words."""

    where: str
    found: float
    fine: bool
    expected: str


def ranges(*checked: Range) -> Iterator[Complaint]:
    """The complaints of those out of range."""
    return ((check.where, f"expected {check.expected}, found {check.found}") for check in checked if not check.fine)
