"""How speed is spread over the items: one row per candidate and metric, from the fastest twentieth to the slowest."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from harness.records import Measured, Record
from reports.drawing.lettering import fitted, tick_texts
from reports.drawing.svg import Scale, picture, tag, ticks
from reports.drawing.svg import span as data_range
from reports.figures import Figure, count_figure, pointer, score_figure
from reports.standing import TIMED
from reports.wording import significant

CUTS = (5, 25, 50, 75, 95)
"""Per cent of the items that are at most as large as each number."""
WIDTH, LEFT, RIGHT, TOP, ROW = 620.0, 150.0, 20.0, 10.0, 26.0


class Quantiles(Record, frozen=True, kw_only=True):
    """What the page embeds: ``cuts`` in the order of ``CUTS``."""

    suite: str
    task: str
    metric: str
    candidate: str
    unit: str
    items: int
    cuts: tuple[float, ...]


class SpreadRow(Record, frozen=True, kw_only=True):
    candidate: str
    items: Figure
    cuts: tuple[Figure, ...]


class SpreadCard(Record, frozen=True, kw_only=True):
    name: str
    metric: str
    unit: str
    picture: Markup
    rows: tuple[SpreadRow, ...]


def quantiles(measured: Mapping[tuple[str, str], Measured], names: Sequence[str]) -> tuple[Quantiles, ...]:
    """Of every metric of a suite about speed, for candidates (``names``, the baseline first) that have two items or more. Task by
    task: two loads have no distribution in common."""
    found = []
    timed = {suite: each.run for (suite, _), each in measured.items() if TIMED in each.run.use}
    for suite, run in timed.items():
        tasks = dict.fromkeys(row.task for name in names if (suite, name) in measured for row in measured[suite, name].samples)
        for metric, declared in run.metrics.items():
            for task in tasks:
                for name in names:
                    values = _values(measured.get((suite, name)), task, metric)
                    if len(values) > 1:
                        cut = statistics.quantiles(values, n=20, method="inclusive")
                        cuts = tuple(cut[share // 5 - 1] for share in CUTS)
                        found.append(
                            Quantiles(
                                suite=suite, task=task, metric=metric, candidate=name, unit=declared.unit, items=len(values),
                                cuts=cuts,
                            )
                        )  # fmt: skip
    return tuple(found)


def _values(side: Measured | None, task: str, metric: str) -> list[float]:
    rows = () if side is None else side.samples
    return [row.scores[metric] for row in rows if row.task == task and row.scores and metric in row.scores]


def spread_cards(found: Sequence[Quantiles]) -> tuple[SpreadCard, ...]:
    """One picture and table per metric of a task."""
    groups: dict[tuple[str, str, str], list[int]] = {}
    for place, each in enumerate(found):
        groups.setdefault((each.suite, each.task, each.metric), []).append(place)
    return tuple(_card(number, [(place, found[place]) for place in places]) for number, places in enumerate(groups.values()))


def _card(number: int, members: Sequence[tuple[int, Quantiles]]) -> SpreadCard:
    first = members[0][1]
    rows = tuple(
        SpreadRow(
            candidate=each.candidate,
            items=count_figure(each.items, pointer("spread", place, "items")),
            cuts=tuple(
                score_figure(value, pointer("spread", place, "cuts", index), "real") for index, value in enumerate(each.cuts)
            ),
        )
        for place, each in members
    )
    metric = "/".join(part for part in (first.suite, first.task, first.metric) if part)
    drawn = _picture(f"spread-{number}", metric, first.unit, [each for _, each in members])
    return SpreadCard(name=f"spread-{number}", metric=metric, unit=first.unit, picture=drawn, rows=rows)


def _picture(name: str, metric: str, unit: str, members: Sequence[Quantiles]) -> Markup:
    low = TOP + ROW * len(members)
    x = Scale(data_range([value for each in members for value in each.cuts]), (LEFT, WIDTH - RIGHT))
    parts: list[Markup] = []
    places = ticks(x.low, x.high, 6)
    for value, text in zip(places, tick_texts(places), strict=True):
        parts.append(tag("line", x1=x(value), x2=x(value), y1=TOP, y2=low, class_="grid"))
        parts.append(tag("text", text, x=x(value), y=low + 16, text_anchor="middle"))
    for number, each in enumerate(members):
        middle = TOP + ROW * number + ROW / 2
        edge, lower, half, upper, end = (x(value) for value in each.cuts)
        parts.append(tag("text", fitted(each.candidate, LEFT - 14), x=LEFT - 10, y=middle + 4, text_anchor="end", class_="quiet"))
        parts.append(tag("line", x1=edge, x2=end, y1=middle, y2=middle, class_="whisker mute"))
        parts.append(tag("rect", x=lower, y=middle - 7, width=max(1.0, upper - lower), height=14, class_="box"))
        parts.append(tag("line", x1=half, x2=half, y1=middle - 9, y2=middle + 9, class_="median"))
    words = "; ".join(f"{each.candidate}: half of the items up to {significant(each.cuts[2])} {unit}" for each in members)
    return picture(WIDTH, low + 24, f"{metric}, spread over the items", words, parts, name=name)
