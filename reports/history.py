"""What a suite said before: its first metric over the runs that the store holds of the same items, as a picture and a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from markupsafe import Markup

from harness.records import Conclusion, History, HistoryPoint, Record
from harness.store import HASH_LENGTH
from reports.courses.panel import Course, CourseCard, course, course_card, reference_of
from reports.courses.pictures import course_picture, weeks_picture
from reports.courses.shifts import torn
from reports.figures import Figure, count_figure, gain_figure, pointer, score_figure
from reports.wording import moment

KEYS: tuple[tuple[str, str, Callable[[HistoryPoint], bool]], ...] = (
    ("◆", "pinned, filled where promoted now", lambda point: bool(point.pins)),
    ("▾", "promoted", lambda point: bool(point.promoted)),
    ("●", "judged now", lambda point: point.now),
    ("✕", "too many errors to be on the line", torn),
    ("•", "asked again (A/A)", lambda point: point.replicate > 0),
    ("≠", "asked otherwise from here on", lambda point: bool(point.otherwise)),
)
"""Marks of the picture, explained where they occur."""


class HistoryRow(Record, frozen=True, kw_only=True):
    """One run, newest first on the page. ``hash`` tells runs of one name apart; ``failed``: items with an error, where there are
    any."""

    candidate: str
    hash: str
    failed: Figure | None
    otherwise: tuple[str, ...]
    when: str
    score: Figure
    marks: tuple[str, ...]
    now: bool


class HistoryCard(Record, frozen=True, kw_only=True):
    metric: str
    unit: str
    direction: str
    picture: Markup
    weeks: Markup | None
    keys: tuple[tuple[str, str], ...]
    count: Figure
    rows: tuple[HistoryRow, ...]
    omitted: Figure | None
    elsewhere: Figure | None
    noise: Figure | None
    noise_runs: Figure | None
    noise_of: str
    course: CourseCard


def history_cards(conclusion: Conclusion) -> tuple[HistoryCard, ...]:
    """One card per suite that has a history."""
    named = reference_of(conclusion)
    return tuple(
        history_card(index, each, course(each, named, conclusion.baseline)) for index, each in enumerate(conclusion.history)
    )


def history_card(index: int, shown: History, found: Course) -> HistoryCard:
    """One metric over its runs."""
    at, there = pointer("conclusion", "history", index), pointer("courses", index)
    called = Counter(point.candidate for point in shown.points)
    rows = [
        HistoryRow(
            candidate=point.candidate,
            hash=point.graded[:HASH_LENGTH] if called[point.candidate] > 1 else "",
            failed=count_figure(point.failed, f"{at}/points/{number}/failed") if point.failed else None,
            otherwise=point.otherwise,
            when=moment(point.created),
            score=score_figure(point.score, f"{at}/points/{number}/score", shown.kind, shown.unit),
            marks=tuple(_marks(point)),
            now=point.now,
        )
        for number, point in enumerate(shown.points)
    ]
    noise = None
    if found.noise is not None or shown.noise is not None:
        known = (found.noise, f"{there}/noise") if found.noise is not None else (shown.noise, f"{at}/noise")
        noise = gain_figure(*known, shown.kind, shown.unit)
        noise = Figure(text=noise.text.lstrip("+"), value=noise.value, at=noise.at)
    return HistoryCard(
        metric=f"{shown.suite}/{shown.metric}",
        unit=shown.unit,
        direction=shown.direction,
        picture=course_picture(index, shown, found),
        weeks=weeks_picture(index, shown, found),
        keys=tuple((sign, words) for sign, words, holds in KEYS if any(map(holds, shown.points))),
        count=count_figure(len(rows), f"{there}/runs"),
        rows=tuple(reversed(rows)),
        omitted=count_figure(shown.omitted, f"{at}/omitted") if shown.omitted else None,
        elsewhere=count_figure(shown.elsewhere, f"{at}/elsewhere") if shown.elsewhere else None,
        noise=noise,
        noise_runs=count_figure(shown.noise_runs, f"{at}/noise_runs") if shown.noise_runs else None,
        noise_of=shown.noise_of,
        course=course_card(found, shown, there),
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
