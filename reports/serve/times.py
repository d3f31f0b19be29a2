"""What each metric of a suite was over time, over all runs of the same questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from msgspec.structs import replace

from harness.baselines import Pins
from harness.history import history
from harness.records import History, Record
from reports.courses.panel import ShiftLine, course
from reports.figures import Figure, count_figure
from reports.history import HistoryCard, history_card
from reports.serve.listing import Listed
from reports.serve.overview import pair_link
from reports.serve.stands import MOST, stretches
from reports.wording import moment

MOST_METRICS = 12
"""Metrics that are drawn."""


class Stretch(Record, frozen=True, kw_only=True):
    """Runs of the same questions. ``shown``: the page is about these; ``changed`` leads to what is not as in the last run of the
    stretch before."""

    first: str
    last: str
    runs: Figure
    link: str
    shown: bool
    changed: str


class Times(Record, frozen=True, kw_only=True):
    """``left``: metrics that have a score and are not drawn; ``data``: what the page embeds."""

    cards: tuple[HistoryCard, ...]
    left: tuple[str, ...]
    stretches: tuple[Stretch, ...]
    data: dict[str, Any]


def times(runs: Sequence[Listed], like: Listed, pins: Pins, reference: str, link: str) -> Times:
    """The suite's first metric, then the others that ``like`` has a score of, over the runs of its questions. ``link``: the suite's
    page."""
    names = list(dict.fromkeys([like.run.primary, *like.run.scores]))
    every = [each.run for each in runs]
    found = [history(every, replace(like.run, primary=name), pins, now=(), most=MOST) for name in names[:MOST_METRICS]]
    kept: list[History] = [each for each in found if each is not None]
    courses = [course(each, like.run.reference or reference) for each in kept]
    parts = stretches(runs)
    return Times(
        cards=tuple(history_card(index, each, courses[index]) for index, each in enumerate(kept)),
        left=tuple(names[MOST_METRICS:]),
        stretches=tuple(_stretch(parts, place, like, link) for place in range(len(parts))),
        data={"conclusion": {"history": kept}, "courses": courses, "stretches": [len(each) for each in parts]},
    )


def _stretch(parts: Sequence[Sequence[Listed]], place: int, like: Listed, link: str) -> Stretch:
    part = parts[place]
    return Stretch(
        first=moment(part[0].run.created),
        last=moment(part[-1].run.created),
        runs=count_figure(len(part), f"/stretches/{place}"),
        link=f"{link}&like={quote(part[-1].name, safe='')}",
        shown=like in part,
        changed=pair_link("/changed", parts[place - 1][-1].name, part[0].name) if place else "",
    )


def linked(runs: Sequence[Listed]) -> Callable[[ShiftLine, str], str]:
    """Where a page about the runs before and after a shift is."""
    names = {each.run.graded: each.name for each in runs}
    return lambda shift, path: pair_link(path, names[shift.last], names[shift.graded])
