"""What the pictures of a training share: an axis of steps below, and small panels above it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from markupsafe import Markup

from reports.svg import Scale, tag, thinned, ticks
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
    points = " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in known)
    return [
        tag("line", x1=x.start, x2=edge, y1=top + tall, y2=top + tall, class_="grid"),
        tag("polyline", points=points, class_="line rate"),
        tag("text", compact(highest), x=x.start - 6, y=top + 6, text_anchor="end"),
        tag("text", "0", x=x.start - 6, y=top + tall + 4, text_anchor="end"),
        tag("text", name, x=edge + 6, y=top + tall / 2 + 4, class_="quiet"),
    ]


def compact(value: float) -> str:
    """A number of few letters: ``0.0020``, ``1.3``, ``2e−5``."""
    return f"{value:.0e}".replace("e-0", "e−").replace("e-", "e−") if value < 0.001 else significant(value, 2)
