"""What the pictures of a training share: an axis of steps below, one of heights at the left, lines with names, small panels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from markupsafe import Markup

from harness.records import MetricKind
from reports.drawing.lettering import NAME, fitted, tick_texts
from reports.drawing.strips import SHAPES, dot
from reports.drawing.svg import Scale, broken, tag, thinned, ticks
from reports.wording import significant

LETTER = 6.4
"""Pixels that a digit takes in the small print of a picture, at most."""
GAP = 8.0


def step_axis(x: Scale, low: float, height: float) -> list[Markup]:
    """Steps as whole numbers, first to last; the word "step" stands where no number can touch it."""
    places = sorted({round(value) for value in ticks(low, x.high, 5)})
    while len(places) > 1 and _touching(places, x):
        places = thinned(places, len(places) - 1)
    parts = [tag("text", f"{value:d}", x=x(value), y=height, text_anchor="middle") for value in places]
    end = max((x(value) + _half(value) for value in places), default=x.stop)
    return [*parts, tag("text", "step", x=max(x.stop + 6, end + GAP), y=height, class_="quiet")]


def height_axis(y: Scale, left: float, edge: float, count: int, kind: MetricKind = "real", *, gain: bool = False) -> list[Markup]:
    """Lines across the picture, each with its number at the left; that at 0 is stronger where gains are shown."""
    places = ticks(y.low, y.high, count)
    parts = []
    for value, text in zip(places, tick_texts(places, kind, gain=gain), strict=True):
        line = "zero" if gain and value == 0 else "grid"
        parts.append(tag("line", x1=left, x2=edge, y1=y(value), y2=y(value), class_=line))
        parts.append(tag("text", text, x=left - 6, y=y(value) + 4, text_anchor="end"))
    return parts


STYLES = 4
"""Lines that colour and dashes tell apart; there is a class of the page's style for each. Of more, the shape of their dots does."""
LINE_HEIGHT = 13.0
BESIDE = 86.0
"""Pixels for the names beside a picture."""


def looks(index: int) -> tuple[str, str]:
    """Classes and shape of dots of the line that comes at ``index``, so that no two of sixteen look alike."""
    turn = index // STYLES
    return f"series-{index % STYLES}{' again' if turn else ''}", SHAPES[turn % len(SHAPES)]


def named_lines(
    lines: Mapping[str, Sequence[tuple[int, float]]], x: Scale, y: Scale, edge: float, labels: Sequence[tuple[float, str, str]]
) -> list[Markup]:
    """A line for each name, dots where it was looked at, and its name at its end, among further ``labels``: (height, text, style).
    More names than there is room for stand in the table only."""
    parts: list[Markup] = []
    labels = list(labels)
    for index, (name, line) in enumerate(lines.items()):
        style, form = looks(index)
        known = [(x(step), y(value)) for step, value in line if math.isfinite(value)]
        parts += broken([(x(step), y(value)) for step, value in line], f"line {style}")
        parts += [dot(form, px, py, 2.2, f"dot {style}") for px, py in thinned(known, 24)]
        labels += [(known[-1][1], name, style)] if known else []
    return [*parts, *names_beside(labels, edge + 6, min(y.start, y.stop), max(y.start, y.stop))]


def names_beside(labels: Sequence[tuple[float, str, str]], left: float, top: float, low: float) -> list[Markup]:
    """Names in a column, each as near to its height as the others let it be, none below the picture."""
    most = max(1, int((low - top) // LINE_HEIGHT) + 1)
    chosen = sorted(labels[: most if len(labels) <= most else most - 1])
    if len(labels) > most:
        chosen.append((low, "…", "train"))
    heights: list[float] = []
    for height, _, _ in chosen:
        heights.append(max(height, heights[-1] + LINE_HEIGHT) if heights else max(height, top))
    ceiling = low
    for place in range(len(heights) - 1, -1, -1):
        heights[place] = min(heights[place], ceiling)
        ceiling = heights[place] - LINE_HEIGHT
    return [
        tag("text", fitted(text, BESIDE, NAME), x=left, y=height + 4, class_=f"label {style}")
        for height, (_, text, style) in zip(heights, chosen, strict=True)
    ]


def _half(value: int) -> float:
    return len(str(value)) * LETTER / 2


def _touching(places: Sequence[int], x: Scale) -> bool:
    return any(x(left) + _half(left) + GAP > x(right) - _half(right) for left, right in pairwise(places))


def small_panel(
    name: str, steps: Sequence[int], values: Sequence[float], x: Scale, top: float, tall: float, edge: float
) -> list[Markup]:
    """One series from 0 to its largest value, which is named; nothing where all is 0. What overflowed is left out."""
    known = [(step, value) for step, value in zip(steps, values, strict=True) if math.isfinite(value)]
    highest = max((value for _, value in known), default=0.0)
    if not highest > 0:
        return []
    y = Scale((0, highest), (top + tall, top))
    return [
        tag("line", x1=x.start, x2=edge, y1=top + tall, y2=top + tall, class_="grid"),
        *broken([(x(step), y(value)) for step, value in zip(steps, values, strict=True)], "line rate"),
        tag("text", compact(highest), x=x.start - 6, y=top + 6, text_anchor="end"),
        tag("text", "0", x=x.start - 6, y=top + tall + 4, text_anchor="end"),
        tag("text", name, x=edge + 6, y=top + tall / 2 + 4, class_="quiet"),
    ]


def compact(value: float) -> str:
    """A number of few letters: ``0.0020``, ``1.3``, ``2e−5``, ``3e9``."""
    if 0.001 <= value < 100_000:
        return significant(value, 2)
    lead, power = f"{value:.0e}".split("e")
    return f"{lead}e{int(power)}".replace("-", "−")
