"""Nothing is proven either way, and the page says how many items it would take."""

from __future__ import annotations

from tests.reports import fixtures
from tests.reports.fixtures import Made
from tests.reports.trained import trainings


def build() -> Made:
    """The one candidate that lost a little everywhere."""
    names = ("lora",)
    runs = fixtures.measured(names=names)
    return fixtures.conclusion(runs, names), runs, trainings(names)
