"""Inline SVG, built as escaped text: no style attributes (the page's policy forbids them), classes only."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TypeVar

from markupsafe import Markup, escape

T = TypeVar("T")


def tag(name: str, *children: str, **attributes: str | float | None) -> Markup:
    """One element. Children are escaped unless they are Markup; ``class_`` becomes ``class``, ``text_anchor`` ``text-anchor``."""
    written = Markup("").join(
        Markup(' {}="{}"').format(_attribute(key), _number(value)) for key, value in attributes.items() if value is not None
    )
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), written, Markup("").join(escape(child) for child in children))


def _attribute(key: str) -> Markup:
    if key == "viewBox":
        return Markup(key)
    return Markup(key.rstrip("_").replace("_", "-"))


def _number(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")


def picture(
    width: float, height: float, title: str, description: str, children: Iterable[str], *, name: str, kind: str = ""
) -> Markup:
    """The ``<svg>`` itself: scales to its column, says what it shows to those who cannot see it. ``name`` is unique on a page."""
    head = [tag("title", title, id=f"{name}-title"), tag("desc", description, id=f"{name}-desc")]
    return tag(
        "svg",
        *head,
        *children,
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
        class_=f"chart {kind}".strip(),
    )


def ticks(low: float, high: float, count: int = 6) -> list[float]:
    """Round numbers that cover ``low`` to ``high``, about ``count`` of them, all inside the range."""
    if not high > low:
        return [low]
    raw = (high - low) / max(1, count - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    digits = max(0, 3 - math.floor(math.log10(step)))
    return [round(index * step, digits) for index in range(first, math.floor(high / step + 1e-9) + 1)]


class Scale:
    """A linear map from data to pixels; values outside are held at the edge, what is no number has no place (NaN)."""

    def __init__(self, domain: tuple[float, float], pixels: tuple[float, float]) -> None:
        self.low, self.high = domain if domain[1] > domain[0] else (domain[0] - 0.5, domain[0] + 0.5)
        self.start, self.stop = pixels

    def __call__(self, value: float) -> float:
        if not math.isfinite(value):
            return math.nan
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.stop - self.start)


def span(values: Sequence[float], *, pad: float = 0.06, include: Sequence[float] = ()) -> tuple[float, float]:
    """The range of all finite values and of ``include``, a little wider."""
    finite = [value for value in (*values, *include) if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    room = (high - low or abs(high) or 1.0) * pad
    return low - room, high + room


def broken(points: Sequence[tuple[float, float]], style: str) -> list[Markup]:
    """A line through points that have both numbers; where one has not, it is interrupted. A point between two gaps is a dot."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if math.isfinite(x) and math.isfinite(y):
            runs[-1].append((x, y))
        elif runs[-1]:
            runs.append([])
    return [
        tag("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in run), class_=style)
        if len(run) > 1
        else tag("circle", cx=run[0][0], cy=run[0][1], r=1.6, class_=style.replace("line", "dot", 1))
        for run in runs
        if run
    ]


def thinned(points: Sequence[T], most: int) -> list[T]:
    """At most ``most`` points, evenly spaced, first and last kept."""
    if len(points) <= most:
        return list(points)
    last = len(points) - 1
    return [points[round(index * last / (most - 1))] for index in range(most)]
