"""Ten thousand long items of three candidates: the page stays small enough to open."""

from __future__ import annotations

from tests.reports import fixtures
from tests.reports.fixtures import Made


def build() -> Made:
    """More text than the page may hold."""
    return fixtures.large()
