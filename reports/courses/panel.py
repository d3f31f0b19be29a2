"""The course of a score, as a history shows it."""

from __future__ import annotations

from msgspec.structs import replace

from harness.records import Conclusion, History, Record
from reports.courses.anchors import Anchor, anchor
from reports.courses.shifts import Shift, noise_of, shifts
from reports.courses.weeks import Weekly, sudden, weekly
from reports.figures import Figure, count_figure, gain_figure, p_figure, score_figure


class Course(Record, frozen=True, kw_only=True):
    """What a page embeds. ``runs``: points; ``noise``: how much one run moves by itself, ``seeds``: whether runs that differ by a
    seed say so, else it is guessed from the steps between runs."""

    runs: int
    anchor: Anchor | None
    noise: float | None
    seeds: bool
    shifts: tuple[Shift, ...]
    weekly: Weekly | None
    total: float | None


class ShiftLine(Record, frozen=True, kw_only=True):
    """``last`` and ``graded``: the runs before and after, as their folders name them."""

    candidate: str
    day: str
    last: str
    graded: str
    otherwise: tuple[str, ...]
    before: Figure
    after: Figure
    gain: Figure
    better: bool


class WeekLine(Record, frozen=True, kw_only=True):
    """``runs``: how many the week has, where it is more than one; ``missed``: weeks without a run before it."""

    name: str
    candidate: str
    runs: Figure | None
    missed: Figure | None
    score: Figure
    gain: Figure
    step: Figure | None


class CourseCard(Record, frozen=True, kw_only=True):
    course: Course
    shifts: tuple[ShiftLine, ...]
    weeks: tuple[WeekLine, ...]
    slope: Figure | None
    p: Figure | None
    total: Figure | None


def course(history: History, reference: str, baseline: str = "") -> Course:
    """Shifts, or a slow loss: a slope has no place where it shifts, although a segmentation cuts it somewhere; and a step is no
    slow loss, although noise may hide it between its two weeks."""
    noise, seeds = noise_of(history)
    if noise is None and history.noise:
        noise, seeds = history.noise, True
    found = weekly(history, reference)
    shifted = shifts(history)
    if found is not None and found.slow and shifted and sudden(found):
        found = replace(found, slow=False)
    slow = found is not None and found.slow
    return Course(
        runs=len(history.points),
        anchor=anchor(history, baseline, reference),
        noise=noise,
        seeds=seeds,
        shifts=() if slow else shifted,
        weekly=found,
        total=None if found is None else found.total,
    )


def reference_of(conclusion: Conclusion) -> str:
    """Whom forgetting is measured against, where all candidates have the same one; else the baseline."""
    named = set(conclusion.reference.values())
    return named.pop() if len(named) == 1 else conclusion.baseline


def course_card(found: Course, history: History, at: str) -> CourseCard:
    """``at`` points to the course in the page's data."""
    kind, unit = history.kind, history.unit
    lines = tuple(
        ShiftLine(
            candidate=each.candidate,
            day=each.created[:10],
            last=each.last,
            graded=each.graded,
            otherwise=each.otherwise,
            before=score_figure(each.before, f"{at}/shifts/{place}/before", kind, unit),
            after=score_figure(each.after, f"{at}/shifts/{place}/after", kind, unit),
            gain=gain_figure(each.gain, f"{at}/shifts/{place}/gain", kind, unit),
            better=each.gain > 0,
        )
        for place, each in enumerate(found.shifts)
    )
    told = found.weekly
    weeks = () if told is None else tuple(
        WeekLine(
            name=each.name,
            candidate=each.candidate,
            runs=count_figure(each.runs, f"{at}/weekly/weeks/{place}/runs") if each.runs > 1 else None,
            missed=count_figure(each.missed, f"{at}/weekly/weeks/{place}/missed") if each.missed else None,
            score=score_figure(each.score, f"{at}/weekly/weeks/{place}/score", kind, unit),
            gain=gain_figure(each.gain, f"{at}/weekly/weeks/{place}/gain", kind, unit),
            step=None if each.step is None else gain_figure(each.step, f"{at}/weekly/weeks/{place}/step", kind, unit),
        )
        for place, each in enumerate(told.weeks)
    )  # fmt: skip
    return CourseCard(
        course=found,
        shifts=lines,
        weeks=weeks[::-1],
        slope=None if told is None or told.slope is None else gain_figure(told.slope, f"{at}/weekly/slope", kind, unit),
        p=None if told is None or told.p is None else p_figure(told.p, f"{at}/weekly/p"),
        total=None if found.total is None else gain_figure(found.total, f"{at}/total", kind, unit),
    )
