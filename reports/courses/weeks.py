"""A score week by week against the reference, and whether it is slowly lost although no single week shows it.

A week's run is the one that was promoted, else the last; weeks are those of UTC. The slope is the median of all slopes between two
weeks (Theil–Sen), its p that of no trend (Kendall's tau, exact for few weeks).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from math import fsum, inf
from statistics import linear_regression

from msgspec.structs import replace
from scipy.stats import kendalltau, norm, theilslopes

from harness.history import instant
from harness.records import History, HistoryPoint, Record
from reports.courses.shifts import noise_of, whole

FEWEST = 5
ALPHA = 0.05
STEP = 2.0
"""A step of so many standard deviations (of a difference of two runs) is seen by itself, where there are few."""


class Week(Record, frozen=True, kw_only=True):
    """``gain`` against the reference and ``step`` against the run before are above zero where it is better. ``missed``: weeks
    without a run since then; ``runs``: how many this week has."""

    name: str
    candidate: str
    graded: str
    runs: int
    missed: int
    monday: str
    score: float
    gain: float
    step: float | None


class Weekly(Record, frozen=True, kw_only=True):
    """``reference`` is whose score the weeks are compared with: the reference's, else the ``first`` week's. ``slope``: gain per
    week. ``slow``: it gets worse for sure, and no step of it is larger than chance."""

    reference: str
    reference_score: float
    first: bool
    weeks: tuple[Week, ...]
    slope: float | None = None
    p: float | None = None
    slow: bool = False

    @property
    def total(self) -> float:
        return self.weeks[-1].gain


def weekly(history: History, reference: str) -> Weekly | None:
    """None where there are not two weeks to speak of."""
    points = [point for _, point in whole(history)]
    anchors = [point for point in points if reference and point.candidate == reference]
    chosen = _by_week(point for point in points if (not anchors or point.candidate != reference) and instant(point.created) > -inf)
    if len(chosen) < 2:
        return None
    sign = 1.0 if history.direction == "higher" else -1.0
    anchor = anchors[-1] if anchors else next(iter(chosen.values()))[-1]
    mondays = list(chosen)
    weeks: list[Week] = []
    for before, monday in pairwise([None, *mondays]):
        assert monday is not None
        point = chosen[monday][-1]
        year, week, _ = monday.isocalendar()
        weeks.append(
            Week(
                name=f"{year}-W{week:02d}", candidate=point.candidate, graded=point.graded, score=point.score,
                gain=sign * (point.score - anchor.score), runs=len(chosen[monday]), monday=f"{monday:%Y-%m-%d}",
                missed=0 if before is None else (monday - before).days // 7 - 1,
                step=None if before is None else sign * (point.score - chosen[before][-1].score),
            )
        )  # fmt: skip
    found = Weekly(reference=anchor.candidate, reference_score=anchor.score, first=not anchors, weeks=tuple(weeks))
    return _with_slope(found, [instant(chosen[monday][-1].created) / 604_800 for monday in mondays], history)


def _with_slope(found: Weekly, times: list[float], history: History) -> Weekly:
    gains = [week.gain for week in found.weeks]
    if len(gains) < FEWEST or len(set(gains)) < 2:
        return found
    slope, p = float(theilslopes(gains, times).slope), float(kendalltau(times, gains).pvalue)
    noise, _ = noise_of(history)
    largest = max(STEP, float(norm.isf(ALPHA / (len(gains) - 1))))  # of so many steps one is large by chance
    seen = noise is not None and any(-(week.step or 0.0) > largest * noise * 2**0.5 for week in found.weeks)
    return replace(found, slope=slope, p=p, slow=slope < 0 and p <= ALPHA and not seen)


def sudden(found: Weekly) -> bool:
    """Whether one step between two weeks fits the scores better than a line does."""
    gains = [week.gain for week in found.weeks]
    times = [date.fromisoformat(week.monday).toordinal() for week in found.weeks]
    slope, start = linear_regression(times, gains)
    line = fsum((gain - start - slope * time) ** 2 for time, gain in zip(times, gains, strict=True))
    return min(_spread(gains[:split]) + _spread(gains[split:]) for split in range(1, len(gains))) < line


def _spread(values: list[float]) -> float:
    middle = fsum(values) / len(values)
    return fsum((value - middle) ** 2 for value in values)


def _by_week(points: Iterable[HistoryPoint]) -> dict[date, list[HistoryPoint]]:
    """Monday -> the runs of its week, weeks and runs from the oldest on; the last stands for the week, and what was promoted is
    later than what was not."""
    found: dict[date, list[HistoryPoint]] = {}
    for point in sorted(points, key=lambda point: instant(point.created)):
        day = datetime.fromtimestamp(instant(point.created), UTC).date()
        found.setdefault(day - timedelta(days=day.weekday()), []).append(point)
    return {monday: sorted(runs, key=lambda point: bool(point.promoted)) for monday, runs in found.items()}
