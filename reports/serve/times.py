"""What each metric of a suite was over time, over all runs of the same questions."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from harness.baselines import Pins
from harness.history import history
from harness.records import History
from reports.courses.panel import course
from reports.history import HistoryCard, history_card
from reports.serve.listing import Listed

MOST = 12
"""Metrics that are drawn."""


def cards(runs: Sequence[Listed], pins: Pins) -> list[HistoryCard]:
    """The suite's first metric, then the others that its newest run has a score of."""
    newest = runs[-1].run
    names = dict.fromkeys([newest.primary, *newest.scores])
    every = [each.run for each in runs]
    found = [history(every, replace(newest, primary=name), pins, now=()) for name in list(names)[:MOST]]
    kept: list[History] = [each for each in found if each is not None]
    return [history_card(index, each, course(each, newest.reference or "")) for index, each in enumerate(kept)]
