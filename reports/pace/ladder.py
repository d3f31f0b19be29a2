"""The load ladder: speed as more conversations are held at once. Medians, with the middle half of the items."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import log2

from markupsafe import Markup

from harness.records import Record
from reports.drawing.axes import height_axis, looks, names_beside
from reports.drawing.lettering import width_of
from reports.drawing.strips import dot
from reports.drawing.svg import Scale, broken, picture, tag
from reports.drawing.svg import span as data_range
from reports.figures import Figure, count_figure, pointer, score_figure
from reports.pace.spread import CUTS, Quantiles

WIDTH, LEFT, RIGHT, TOP, LOW = 620.0, 60.0, 104.0, 14.0, 210.0
TOKENS = "tokens"
"""What was read and written is no matter of the load."""
DODGE = 8.0
"""Pixels between the marks of two candidates under one load."""
MOST_DODGED = 56.0
LOWER, MIDDLE, UPPER = (CUTS.index(share) for share in (25, 50, 75))


class LadderRow(Record, frozen=True, kw_only=True):
    """One candidate under one load."""

    candidate: str
    load: int
    items: Figure
    middle: Figure
    lower: Figure
    upper: Figure


class LadderCard(Record, frozen=True, kw_only=True):
    name: str
    metric: str
    unit: str
    picture: Markup
    rows: tuple[LadderRow, ...]


def load_of(task: str) -> int | None:
    """Of ``load4``: 4."""
    found = re.fullmatch(r"load(\d{1,9})", task)
    return int(found[1]) if found else None


def ladder_cards(found: Sequence[Quantiles]) -> tuple[LadderCard, ...]:
    """One picture and table for each metric that was measured under two loads or more."""
    groups: dict[tuple[str, str], dict[int, int]] = {}
    for place, each in enumerate(found):
        load = load_of(each.task)
        if load and each.unit != TOKENS:
            groups.setdefault((each.suite, each.metric), {})[place] = load
    laddered = [members for members in groups.values() if len(set(members.values())) > 1]
    return tuple(_card(number, found, members) for number, members in enumerate(laddered))


def _card(number: int, found: Sequence[Quantiles], loads: Mapping[int, int]) -> LadderCard:
    first = found[next(iter(loads))]
    rows = []
    for place, load in loads.items():
        cuts = {
            name: score_figure(found[place].cuts[cut], pointer("spread", place, "cuts", cut), "real")
            for name, cut in (("lower", LOWER), ("middle", MIDDLE), ("upper", UPPER))
        }
        items = count_figure(found[place].items, pointer("spread", place, "items"))
        rows.append(LadderRow(candidate=found[place].candidate, load=load, items=items, **cuts))
    order = list(dict.fromkeys(row.candidate for row in rows))
    rows.sort(key=lambda row: (order.index(row.candidate), row.load))
    metric, name = f"{first.suite}/{first.metric}", f"ladder-{number}"
    return LadderCard(name=name, metric=metric, unit=first.unit, picture=_picture(name, metric, first.unit, rows), rows=tuple(rows))


def _picture(name: str, metric: str, unit: str, rows: Sequence[LadderRow]) -> Markup:
    loads = sorted({row.load for row in rows})
    names = list(dict.fromkeys(row.candidate for row in rows))
    apart = min(DODGE, MOST_DODGED / len(names))
    edge = apart * (len(names) - 1) / 2 + 10
    x = Scale((log2(loads[0]), log2(loads[-1])), (LEFT + edge, WIDTH - RIGHT - edge))
    ends = [figure.value for row in rows for figure in (row.lower, row.upper) if figure.value is not None]
    y = Scale(data_range(ends, include=(0.0,), pad=0.04), (LOW, TOP))
    parts = height_axis(y, LEFT, WIDTH - RIGHT, 5)
    parts += _loads(loads, x)
    labels = []
    for number, candidate in enumerate(names):
        (style, form), shift = looks(number), apart * (number - (len(names) - 1) / 2)
        own = [row for row in rows if row.candidate == candidate]
        at = [(x(log2(row.load)) + shift, y(row.middle.value or 0.0)) for row in own]
        for row, (px, _) in zip(own, at, strict=True):
            parts.append(
                tag("line", x1=px, x2=px, y1=y(row.lower.value or 0.0), y2=y(row.upper.value or 0.0), class_=f"reach {style}")
            )
        parts += broken(at, f"line {style}")
        parts += [dot(form, px, py, 3, f"dot {style}") for px, py in at]
        labels.append((at[-1][1], candidate, style))
    parts += names_beside(labels, WIDTH - RIGHT + 6, TOP, LOW)
    words = "; ".join(
        f"{row.candidate} under a load of {row.load}: half of the items up to {row.middle.text} {unit}".rstrip() for row in rows
    )
    return picture(WIDTH, LOW + 44, f"{metric} by load", words, parts, name=name)


def _loads(loads: Sequence[int], x: Scale) -> list[Markup]:
    """The loads that there were, below their places; one that would touch its neighbour is left to the table."""
    parts, last = [], -99.0
    for load in loads:
        at, half = x(log2(load)), width_of(str(load)) / 2
        if at - half > last + 6:
            parts.append(tag("text", str(load), x=at, y=LOW + 16, text_anchor="middle"))
            last = at + half
    return [*parts, tag("text", "conversations at once", x=LEFT, y=LOW + 36, class_="axis")]
