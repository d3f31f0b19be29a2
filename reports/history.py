"""What a suite said before: its first metric over the runs that the store holds of the same items, as a picture and a table."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from harness.records import SHARES, Conclusion, History, HistoryPoint, Record
from reports.courses.panel import Course, CourseCard, course, course_card, reference_of
from reports.figures import Figure, count_figure, gain_figure, pointer, score_figure
from reports.svg import Scale, picture, tag, ticks
from reports.svg import span as data_range
from reports.wording import fixed, moment, score_text, significant

WIDTH, HEIGHT = 620.0, 250.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 24.0, 26.0, 44.0
MOST_NAMES = 8
"""Names under the picture; where there are more points, only some are named."""

SPREAD = 2.0
"""Half the band's width, in standard deviations."""


class HistoryRow(Record, frozen=True, kw_only=True):
    """One run, newest first on the page."""

    candidate: str
    when: str
    score: Figure
    marks: tuple[str, ...]
    now: bool


class HistoryCard(Record, frozen=True, kw_only=True):
    metric: str
    unit: str
    direction: str
    picture: Markup
    rows: tuple[HistoryRow, ...]
    omitted: Figure | None
    noise: Figure | None
    noise_runs: Figure | None
    noise_of: str
    course: CourseCard


def history_cards(conclusion: Conclusion) -> tuple[HistoryCard, ...]:
    """One card per suite that has a history."""
    named = reference_of(conclusion)
    return tuple(
        history_card(index, each, conclusion.baseline, course(each, named)) for index, each in enumerate(conclusion.history)
    )


def history_card(index: int, shown: History, baseline: str, found: Course) -> HistoryCard:
    """One metric over its runs."""
    at = pointer("conclusion", "history", index)
    rows = [
        HistoryRow(
            candidate=point.candidate,
            when=moment(point.created),
            score=score_figure(point.score, f"{at}/points/{number}/score", shown.kind, shown.unit),
            marks=tuple(_marks(point)),
            now=point.now,
        )
        for number, point in enumerate(shown.points)
    ]
    noise = None
    if shown.noise is not None:
        noise = gain_figure(shown.noise, f"{at}/noise", shown.kind, shown.unit)
        noise = Figure(text=noise.text.lstrip("+"), value=noise.value, at=noise.at)
    return HistoryCard(
        metric=f"{shown.suite}/{shown.metric}",
        unit=shown.unit,
        direction=shown.direction,
        picture=_picture(index, shown, baseline, found),
        rows=tuple(reversed(rows)),
        omitted=count_figure(shown.omitted, f"{at}/omitted") if shown.omitted else None,
        noise=noise,
        noise_runs=count_figure(shown.noise_runs, f"{at}/noise_runs") if shown.noise_runs else None,
        noise_of=shown.noise_of,
        course=course_card(found, shown, pointer("courses", index)),
    )


def _marks(point: HistoryPoint) -> list[str]:
    """What a person should know about a run, in words."""
    marks = [f"pinned as {name}" for name in point.pins]
    if point.baseline:
        marks.append("the promoted baseline")
    elif point.promoted:
        marks.append(f"promoted {point.promoted[:10]}")
    if point.replicate:
        marks.append(f"repetition {point.replicate}")
    return marks


def _picture(index: int, shown: History, baseline: str, found: Course) -> Markup:
    """Runs from left to right in the order in which they were made; the band is what moves by itself, around the baseline."""
    scores = [point.score for point in shown.points]
    middle = _middle(shown, baseline)
    reach = SPREAD * shown.noise if shown.noise else 0.0
    band = (middle - reach, middle + reach) if middle is not None and reach > 0 else None
    x = Scale((0, max(1, len(scores) - 1)), (LEFT + 16, WIDTH - RIGHT - 16))
    y = Scale(data_range(scores, pad=0.12, include=band or ()), (HEIGHT - BOTTOM, TOP))
    parts: list[Markup] = []
    if band is not None:
        parts.append(tag("rect", x=LEFT, y=y(band[1]), width=WIDTH - LEFT - RIGHT, height=y(band[0]) - y(band[1]), class_="band"))
    for value in ticks(y.low, y.high, 5):
        parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y(value), y2=y(value), class_="grid"))
        text = f"{fixed(value * 100, 1)}%" if shown.kind in SHARES else significant(value, 3)
        parts.append(tag("text", text, x=LEFT - 8, y=y(value) + 4, text_anchor="end"))
    for shift in found.shifts:
        between = (x(shift.place - 1) + x(shift.place)) / 2
        parts.append(tag("line", x1=between, x2=between, y1=TOP, y2=HEIGHT - BOTTOM, class_="margin"))
    whole = [(x(number), y(point.score)) for number, point in enumerate(shown.points) if not point.replicate]
    parts.append(tag("polyline", points=" ".join(f"{px:.1f},{py:.1f}" for px, py in whole), class_="line train"))
    parts += [_dot(x(number), y(point.score), point) for number, point in enumerate(shown.points)]
    parts += _names(shown.points, x)
    better = "↑ better" if shown.direction == "higher" else "↓ better"
    parts.append(tag("text", f"{shown.unit or shown.metric}, {better}", x=LEFT, y=TOP - 10, class_="axis"))
    words = "; ".join(
        f"{point.candidate} {score_text(point.score, shown.kind, shown.unit)}" for point in shown.points[-MOST_NAMES:]
    )
    title = f"{shown.suite}/{shown.metric} over {len(scores)} runs"
    return picture(WIDTH, HEIGHT, title, words, parts, name=f"history-{index}")


def _middle(shown: History, baseline: str) -> float | None:
    """The score of the baseline that is judged by now."""
    pinned = baseline.partition(":")[2]
    here = [point for point in shown.points if point.now and (pinned in point.pins if pinned else point.candidate == baseline)]
    return here[0].score if here else None


def _dot(x: float, y: float, point: HistoryPoint) -> Markup:
    """A pin is a diamond, what is judged now a filled disc, a repetition a small one, the rest hollow."""
    if point.pins:
        path = f"M{x:.1f} {y - 7:.1f}L{x + 7:.1f} {y:.1f}L{x:.1f} {y + 7:.1f}L{x - 7:.1f} {y:.1f}Z"
        return tag("path", d=path, class_=f"point {'good' if point.baseline else 'hollow mute'}")
    if point.replicate:
        return tag("circle", cx=x, cy=y, r=2.2, class_="point mute")
    return tag("circle", cx=x, cy=y, r=4.5, class_=f"point {'unsure' if point.now else 'hollow mute'}")


def _names(points: Sequence[HistoryPoint], x: Scale) -> list[Markup]:
    """Names under the points, two rows in turn: all where there is room, else pins, the judged, and the ends."""
    chosen = [number for number, point in enumerate(points) if not point.replicate]
    if len(chosen) > MOST_NAMES:
        marked = [number for number in chosen if points[number].pins or points[number].now]
        chosen = sorted({chosen[0], *marked[-(MOST_NAMES - 2) :], chosen[-1]})
    parts = []
    for turn, number in enumerate(chosen):
        name = points[number].candidate
        short = name if len(name) <= 14 else f"{name[:13]}…"
        height = HEIGHT - BOTTOM + 18 + 15 * (turn % 2)
        anchor = "start" if number == 0 else "end" if number == len(points) - 1 else "middle"
        parts.append(tag("text", short, x=x(number), y=height, text_anchor=anchor, class_="quiet"))
    return parts
