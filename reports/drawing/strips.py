"""Pictures that are cells of a table: a value with its interval, or shares of a whole, on an axis that all rows share. The numbers
stand in the row; names are the table's, so that none can be too long."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from markupsafe import Markup

from harness.records import MetricKind, Record
from reports.drawing.lettering import tick_texts, width_of
from reports.drawing.svg import Scale, tag, ticks
from reports.drawing.svg import span as data_range
from reports.wording import MINUS

WIDTH = 240.0
EDGE = 8.0
LANE = 20.0
"""Height of a row, or of each of several marks in one."""
TALL = 16.0
THINNEST = 1.5
"""Pixels of a part that is there, however small it is."""
STRIPE = 5.0

Look = str
"""``win``, ``tie``, ``loss``, ``plain``: colours of the page's style; ``loss`` is striped as well."""


class Mark(Record, frozen=True, kw_only=True):
    """A value with its interval. ``shape``: disc, square, diamond or cross, so that several in one row are told apart."""

    value: float
    low: float | None = None
    high: float | None = None
    shape: str = "disc"


SHAPES = ("disc", "square", "diamond", "cross")


def shared(values: Iterable[float | None], include: Sequence[float] = ()) -> Scale:
    """The axis of a table: all that its rows show, and what they are measured by."""
    return Scale(data_range([value for value in values if value is not None], include=include), (EDGE, WIDTH - EDGE))


def marks(found: Sequence[Mark], scale: Scale, words: str, zero: float | None = None) -> Markup:
    """One row of marks, each in a lane of its own; a line at ``zero``, where nothing is to choose."""
    tall = LANE * max(1, len(found))
    parts = [] if zero is None else [tag("line", x1=scale(zero), x2=scale(zero), y1=0, y2=tall, class_="zero")]
    for number, each in enumerate(found):
        middle = LANE * number + LANE / 2
        parts += whisker(scale, each.low, each.high, middle)
        parts.append(dot(each.shape, scale(each.value), middle, 4.2, "point mute"))
    return _row(parts, words, tall)


def whisker(scale: Scale, low: float | None, high: float | None, middle: float, tone: str = "mute") -> list[Markup]:
    """An interval; nothing where there is none."""
    if low is None or high is None:
        return []
    return [
        tag("line", x1=scale(low), x2=scale(high), y1=middle, y2=middle, class_=f"whisker {tone}"),
        *(tag("line", x1=scale(end), x2=scale(end), y1=middle - 4, y2=middle + 4, class_=f"whisker {tone}") for end in (low, high)),
    ]


def dot(shape: str, x: float, y: float, reach: float, look: str) -> Markup:
    """A mark by its shape, ``reach`` pixels to each side; a cross is drawn in lines only."""
    left, right, top, low = (f"{value:.1f}" for value in (x - reach, x + reach, y - reach, y + reach))
    if shape == "square":
        return tag("path", d=f"M{left} {top}H{right}V{low}H{left}Z", class_=look)
    if shape == "diamond":
        wide = reach * 1.35
        path = f"M{x:.1f} {y - wide:.1f}L{x + wide:.1f} {y:.1f}L{x:.1f} {y + wide:.1f}L{x - wide:.1f} {y:.1f}Z"
        return tag("path", d=path, class_=f"{look} hollow")
    if shape == "cross":
        return tag("path", d=f"M{left} {top}L{right} {low}M{left} {low}L{right} {top}", class_=f"{look} cross")
    return tag("circle", cx=x, cy=y, r=reach, class_=look)


def axis(scale: Scale, kind: MetricKind = "real", *, both: bool = False) -> Markup:
    """The numbers below the rows; without signs where ``both`` sides count upwards from 0."""
    places = ticks(scale.low, scale.high, 5)
    said = [text.lstrip(MINUS) if both else text for text in tick_texts(places, kind)]
    return numbered(scale, places, said)


def numbered(scale: Scale, places: Sequence[float], said: Sequence[str]) -> Markup:
    """Ticks with these texts, as many as do not touch each other."""
    while len(places) > 2 and any(_touching(*two) for two in pairwise(_ends(places, said, scale))):
        places, said = places[::2], said[::2]
    parts = []
    for value, text, (left, _) in zip(places, said, _ends(places, said, scale), strict=True):
        parts.append(tag("line", x1=scale(value), x2=scale(value), y1=0, y2=4, class_="tick"))
        parts.append(tag("text", text, x=left, y=16))
    return tag("svg", *parts, viewBox=f"0 0 {WIDTH:g} 20", width=WIDTH, height=20, class_="chart row", aria_hidden="true")


def _ends(places: Sequence[float], said: Sequence[str], scale: Scale) -> list[tuple[float, float]]:
    """Left and right end of each number of an axis, none outside the picture."""
    found = []
    for value, text in zip(places, said, strict=True):
        wide = width_of(text)
        left = min(max(0.0, scale(value) - wide / 2), WIDTH - wide)
        found.append((left, left + wide))
    return found


def _touching(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[1] + 5 > other[0]


def stacked(counts: Sequence[tuple[str, int, Look]], words: str) -> Markup:
    """Parts of a whole, side by side over the whole width: (what, how many, look). Every part that is there can be seen, and says
    its name where there is room."""
    total = sum(count for _, count, _ in counts)
    there = [(name, count, look) for name, count, look in counts if count]
    wide = [max(THINNEST, WIDTH * count / total) for _, count, _ in there]
    over = sum(wide) - WIDTH
    if there:
        wide[wide.index(max(wide))] -= over
    parts: list[Markup] = []
    start = 0.0
    for (name, _, look), room in zip(there, wide, strict=True):
        told = width_of(name) + 10 <= room
        parts += part(start, room - (1.0 if room > 4 else 0.0), look, width_of(name) + 8 if told else 0.0)
        if told:
            parts.append(tag("text", name, x=start + room / 2, y=14, text_anchor="middle", class_="onbar"))
        start += room
    if not there:
        parts.append(tag("rect", x=0.5, y=2.5, width=WIDTH - 1, height=TALL - 1, class_="empty"))
    return _row(parts, words, LANE)


def part(start: float, wide: float, look: Look, clear: float = 0.0) -> list[Markup]:
    """One part of a bar; a loss is striped, but for ``clear`` pixels in its middle, where its name stands."""
    top = (LANE - TALL) / 2
    made = [tag("rect", x=start, y=top, width=wide, height=TALL, class_=f"bar {look}")]
    if look == "loss":
        middle = start + wide / 2
        places = [start + STRIPE * (number + 0.5) for number in range(math.ceil(wide / STRIPE - 0.5))]
        lines = "".join(f"M{x:.1f} {top}V{top + TALL}" for x in places if abs(x - middle) > clear / 2)
        made += [tag("path", d=lines, class_="stripes")] if lines else []
    return made


def lost_and_gained(
    lost: float, low: float | None, high: float | None, gained: float, scale: Scale, words: str, noise: float | None = None
) -> Markup:
    """What was lost to the left of 0 with its interval, what was gained to the right; a dashed line: what a second run lost."""
    parts = [*part(scale(-lost), scale(0) - scale(-lost), "loss"), *part(scale(0), scale(gained) - scale(0), "win")]
    if noise is not None:
        parts.append(tag("line", x1=scale(-noise), x2=scale(-noise), y1=0, y2=LANE, class_="margin"))
    parts += whisker(scale, None if high is None else -high, None if low is None else -low, LANE / 2, "ink")
    parts.append(tag("line", x1=scale(0), x2=scale(0), y1=0, y2=LANE, class_="zero"))
    return _row(parts, words, LANE)


def _row(parts: Iterable[Markup], words: str, tall: float) -> Markup:
    """``words``: for those who do not see it."""
    return tag(
        "svg",
        tag("title", words),
        *parts,
        viewBox=f"0 0 {WIDTH:g} {tall:g}",
        width=WIDTH,
        height=tall,
        class_="chart row",
        role="img",
        aria_label=words,
    )
