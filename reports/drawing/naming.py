"""Names beside points: each in the first place near its point that is free. What finds none stands in the table only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from reports.drawing.lettering import NAME, SMALL, fitted, width_of
from reports.drawing.svg import tag

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""

LONGEST = 170.0
"""Pixels of a name; the table has all of it."""


def named_points(points: Sequence[tuple[str, float, float]], room: Box, reach: float, style: str = "label") -> list[Markup]:
    """The names of all points (name, x, y), whose marks have a radius of ``reach`` pixels."""
    size = NAME if style == "label" else SMALL
    taken = [(x - reach, y - reach, x + reach, y + reach) for _, x, y in points]
    parts = []
    for name, x, y in points:
        text = fitted(name, LONGEST, size)
        wide = width_of(text, size)
        for left, base, anchor in _places(x, y, reach, wide):
            box = (left, base - size * 0.85, left + wide, base + size * 0.25)
            inside = box[0] >= room[0] and box[1] >= room[1] and box[2] <= room[2] and box[3] <= room[3]
            if inside and not any(
                box[0] < each[2] and each[0] < box[2] and box[1] < each[3] and each[1] < box[3] for each in taken
            ):
                taken.append(box)
                at = {"start": left, "middle": left + wide / 2, "end": left + wide}[anchor]
                parts.append(tag("text", text, x=at, y=base, text_anchor=anchor, class_=style))
                break
    return parts


def _touching(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _places(x: float, y: float, reach: float, wide: float) -> Iterator[tuple[float, float, str]]:
    """Left edge, base line and anchor of each place, the nearest first."""
    yield x + reach + 3, y + 4, "start"
    yield x - reach - 3 - wide, y + 4, "end"
    for drop in (-reach - 4, reach + 14, -reach - 18, reach + 28):
        yield x - wide / 2, y + drop, "middle"
        yield x - reach - wide, y + drop, "end"
        yield x + reach, y + drop, "start"
