"""A metric over many runs as a picture, and its weeks against the reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from markupsafe import Markup

from harness.records import History, HistoryPoint
from reports.courses.panel import Course
from reports.courses.shifts import torn
from reports.courses.weeks import STEP
from reports.drawing.lettering import fitted, tick_texts, width_of
from reports.drawing.svg import Scale, picture, tag, ticks
from reports.drawing.svg import span as data_range
from reports.wording import gain_text, score_text

WIDTH, HEIGHT, LOW = 1160.0, 300.0, 210.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 150.0, 34.0, 46.0
LONGEST = 104.0
"""Pixels that a name under the picture may take."""
MOST_TOLD = 8
"""Points that are told to those who do not see the picture; the table has all."""
SPREAD = 2.0
"""Half the band's width, in standard deviations."""


def course_picture(index: int, shown: History, found: Course) -> Markup:
    """Runs from left to right in the order of time; the band is what one run moves by itself, around the anchor."""
    points, anchor = shown.points, found.anchor
    reach = SPREAD * found.noise if found.noise else 0.0
    held = [] if anchor is None else [anchor.score - reach, anchor.score + reach]
    x = Scale((0, max(1, len(points) - 1)), (LEFT + 20, WIDTH - RIGHT - 20))
    y = Scale(data_range([point.score for point in points], pad=0.12, include=held), (HEIGHT - BOTTOM, TOP))
    parts: list[Markup] = []
    if anchor is not None and reach:
        parts.append(_band(y(held[1]), y(held[0])))
    parts += _levels(y, shown)
    if anchor is not None:
        parts += _held(y(anchor.score), f"{anchor.what}: {anchor.name}" if anchor.name else anchor.what)
    for place, point in enumerate(points):
        if point.otherwise:
            parts += _sign((x(place - 1) + x(place)) / 2, "≠", "otherwise")
    for shift in found.shifts:
        word = f"{'▲' if shift.gain > 0 else '▼'} {gain_text(shift.gain, shown.kind, shown.unit)}"
        parts += _sign((x(shift.place - 1) + x(shift.place)) / 2, word, "shift")
    for stretch in _stretches(points):
        places = " ".join(f"{x(place):.1f},{y(points[place].score):.1f}" for place in stretch)
        parts.append(tag("polyline", points=places, class_="line train"))
    parts += [_dot(x(place), y(point.score), point) for place, point in enumerate(points)]
    parts += _names(points, x, {shift.place for shift in found.shifts})
    parts.append(tag("text", _better(shown), x=LEFT, y=12, class_="axis"))
    words = "; ".join(f"{point.candidate} {score_text(point.score, shown.kind, shown.unit)}" for point in points[-MOST_TOLD:])
    title = f"{shown.suite}/{shown.metric} over {len(points)} runs"
    return picture(WIDTH, HEIGHT, title, words, parts, name=f"history-{index}", kind="long")


def weeks_picture(index: int, shown: History, found: Course) -> Markup | None:
    """Gains against the reference by week, at the distance that weeks have; a dashed line where there were weeks without a run."""
    if found.weekly is None:
        return None
    weeks = found.weekly.weeks
    times = [date.fromisoformat(week.monday).toordinal() / 7 for week in weeks]
    reach = STEP * found.noise * 2**0.5 if found.noise else 0.0
    x = Scale((times[0], times[-1]), (LEFT + 20, WIDTH - RIGHT - 20))
    y = Scale(data_range([week.gain for week in weeks], pad=0.12, include=(0.0, reach, -reach)), (LOW - BOTTOM, TOP))
    parts = [_band(y(reach), y(-reach))] if reach else []
    parts += _levels(y, shown, gain=True)
    parts += _held(y(0.0), f"{'first' if found.weekly.first else 'reference'}: {found.weekly.reference}")
    if found.weekly.slow and found.weekly.slope is not None:
        slope = found.weekly.slope
        start = sorted(week.gain - slope * time for week, time in zip(weeks, times, strict=True))[len(weeks) // 2]
        ends = [start + slope * time for time in (times[0], times[-1])]
        parts.append(tag("line", x1=x(times[0]), x2=x(times[-1]), y1=y(ends[0]), y2=y(ends[1]), class_="trend"))
    for left, right, earlier, later in zip(times, times[1:], weeks, weeks[1:], strict=False):
        ends = [y(earlier.gain), y(later.gain)]
        parts.append(
            tag("line", x1=x(left), x2=x(right), y1=ends[0], y2=ends[1], class_="line train gap" if later.missed else "line train")
        )
    parts += [
        tag("circle", cx=x(time), cy=y(week.gain), r=4.5, class_="point mute") for time, week in zip(times, weeks, strict=True)
    ]
    parts += _labels([(x(time), week.name, "") for time, week in zip(times, weeks, strict=True)], range(len(weeks)), LOW)
    parts.append(tag("text", "↑ better than the reference", x=LEFT, y=12, class_="axis"))
    words = "; ".join(f"{week.name} {gain_text(week.gain, shown.kind, shown.unit)}" for week in weeks[-MOST_TOLD:])
    title = f"{shown.suite}/{shown.metric} by week against {found.weekly.reference}"
    return picture(WIDTH, LOW, title, words, parts, name=f"weeks-{index}", kind="long")


# -------------------------------------------------------------------------------------------------------------- parts


def _better(shown: History) -> str:
    return f"{shown.unit or shown.metric}, {'↑' if shown.direction == 'higher' else '↓'} better"


def _band(top: float, bottom: float) -> Markup:
    return tag("rect", x=LEFT, y=top, width=WIDTH - LEFT - RIGHT, height=bottom - top, class_="band")


def _levels(y: Scale, shown: History, *, gain: bool = False) -> Iterator[Markup]:
    values = ticks(y.low, y.high, 5)
    for value, text in zip(values, tick_texts(values, shown.kind, gain=gain), strict=True):
        yield tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y(value), y2=y(value), class_="grid")
        yield tag("text", text, x=LEFT - 8, y=y(value) + 4, text_anchor="end")


def _held(height: float, name: str) -> Iterator[Markup]:
    yield tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=height, y2=height, class_="zero")
    yield tag("text", fitted(name, RIGHT - 10), x=WIDTH - RIGHT + 8, y=height + 4)


def _sign(x: float, word: str, kind: str) -> Iterator[Markup]:
    """A line from top to bottom with a word above it."""
    yield tag("line", x1=x, x2=x, y1=TOP, y2=HEIGHT - BOTTOM, class_=kind)
    yield tag("text", word, x=x, y=TOP - (16 if kind == "shift" else 4), text_anchor="middle", class_=f"label {kind}")


def _stretches(points: Sequence[HistoryPoint]) -> Iterator[list[int]]:
    """Places of the points that one line may join: asked alike, and none a repetition or full of errors."""
    stretch: list[int] = []
    for place, point in enumerate(points):
        if point.otherwise:
            yield stretch
            stretch = []
        if not point.replicate and not torn(point):
            stretch.append(place)
    yield stretch


def _dot(x: float, y: float, point: HistoryPoint) -> Markup:
    """A pin is a diamond, what is judged now a filled disc, a repetition a small one, a run full of errors a cross, the rest
    hollow; above what was promoted stands a wedge."""
    if torn(point):
        shape = tag("path", d=f"M{x - 5:.1f} {y - 5:.1f}l10 10m0 -10l-10 10", class_="point cross mute")
    elif point.pins:
        path = f"M{x:.1f} {y - 7:.1f}L{x + 7:.1f} {y:.1f}L{x:.1f} {y + 7:.1f}L{x - 7:.1f} {y:.1f}Z"
        shape = tag("path", d=path, class_=f"point {'good' if point.baseline else 'hollow mute'}")
    elif point.replicate:
        shape = tag("circle", cx=x, cy=y, r=2.2, class_="point mute")
    else:
        shape = tag("circle", cx=x, cy=y, r=4.5, class_=f"point {'unsure' if point.now else 'hollow mute'}")
    if not point.promoted:
        return shape
    return shape + tag("path", d=f"M{x - 5:.1f} {y - 19:.1f}h10l-5 8z", class_="point good")


def _names(points: Sequence[HistoryPoint], x: Scale, shifted: set[int]) -> list[Markup]:
    """Names and days under as many points as have room, the weightiest first."""
    named = [place for place, point in enumerate(points) if not point.replicate]
    order = sorted(
        named, key=lambda place: (not _weighty(points[place]), place not in shifted, place not in (0, len(points) - 1), place)
    )
    texts = [(x(place), point.candidate, point.created[:10]) for place, point in enumerate(points)]
    return _labels(texts, order, HEIGHT)


def _weighty(point: HistoryPoint) -> bool:
    return bool(point.pins) or point.now


def _labels(texts: Sequence[tuple[float, str, str]], order: Sequence[int], height: float) -> list[Markup]:
    taken: list[tuple[float, float]] = []
    parts = []
    for place in order:
        middle, name, day = texts[place]
        name = fitted(name, LONGEST)
        half = max(width_of(name), width_of(day)) / 2
        middle = min(max(middle, half), WIDTH - half)
        if all(middle + half + 8 < left or right + 8 < middle - half for left, right in taken):
            taken.append((middle - half, middle + half))
            parts.append(tag("text", name, x=middle, y=height - BOTTOM + 20, text_anchor="middle", class_="named"))
            if day:
                parts.append(tag("text", day, x=middle, y=height - BOTTOM + 35, text_anchor="middle"))
    return parts
