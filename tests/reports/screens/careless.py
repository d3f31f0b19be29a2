"""The page that a gate is there for: the target's leader forgot the rest, two others may ship, one stays undecided."""

from __future__ import annotations

from tests.reports import fixtures
from tests.reports.fixtures import Made


def build() -> Made:
    """All four candidates."""
    return fixtures.full()
