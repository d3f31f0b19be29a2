"""A score week by week against the reference, and whether it is slowly lost although no single week shows it.

A week's run is the one that was promoted, else the last. The slope is the median of all slopes between two weeks (Theil–Sen), its p
that of no trend (Kendall's tau, exact for few weeks).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from scipy.stats import kendalltau, theilslopes

from harness.records import History, HistoryPoint, Record
from reports.courses.shifts import noise_of, whole

FEWEST = 5
ALPHA = 0.05
STEP = 2.0
"""A step of so many standard deviations (of a difference of two runs) is seen by itself."""


class Week(Record, frozen=True, kw_only=True):
    """``gain`` against the reference and ``step`` against the week before are above zero where it is better."""

    name: str
    candidate: str
    score: float
    gain: float
    step: float | None


class Weekly(Record, frozen=True, kw_only=True):
    """``reference`` is whose score the weeks are compared with: the reference's, else the first week's. ``slope``: gain per week.
    ``slow``: it gets worse for sure, and no step of it is larger than chance."""

    reference: str
    reference_score: float
    weeks: tuple[Week, ...]
    slope: float | None = None
    p: float | None = None
    slow: bool = False

    @property
    def total(self) -> float:
        return self.weeks[-1].gain


def weekly(history: History, reference: str) -> Weekly | None:
    """None where there are not two weeks to speak of."""
    anchors = [point for _, point in whole(history) if reference and point.candidate == reference]
    rest = [point for _, point in whole(history) if not anchors or point.candidate != reference]
    chosen = _by_week(point for point in rest if _dated(point))
    if len(chosen) < 2:
        return None
    sign = 1.0 if history.direction == "higher" else -1.0
    anchor = anchors[-1] if anchors else next(iter(chosen.values()))
    weeks: list[Week] = []
    before: HistoryPoint | None = None
    for name, point in chosen.items():
        step = None if before is None else sign * (point.score - before.score)
        weeks.append(
            Week(
                name=f"{name[0]}-W{name[1]:02d}", candidate=point.candidate, score=point.score,
                gain=sign * (point.score - anchor.score), step=step,
            )
        )  # fmt: skip
        before = point
    found = Weekly(reference=anchor.candidate, reference_score=anchor.score, weeks=tuple(weeks))
    return _with_slope(found, [_day(point) / 7 for point in chosen.values()], history)


def _with_slope(found: Weekly, times: list[float], history: History) -> Weekly:
    gains = [week.gain for week in found.weeks]
    if len(gains) < FEWEST or len(set(gains)) < 2:
        return found
    slope, p = float(theilslopes(gains, times).slope), float(kendalltau(times, gains).pvalue)
    noise, _ = noise_of(history)
    seen = noise is not None and any(-(week.step or 0.0) > STEP * noise * 2**0.5 for week in found.weeks)
    return Weekly(
        reference=found.reference, reference_score=found.reference_score, weeks=found.weeks, slope=slope, p=p,
        slow=slope < 0 and p <= ALPHA and not seen,
    )  # fmt: skip


def _by_week(points: Iterable[HistoryPoint]) -> dict[tuple[int, int], HistoryPoint]:
    """Year and ISO week -> its run, oldest first."""
    found: dict[tuple[int, int], HistoryPoint] = {}
    for point in sorted(points, key=lambda point: point.created):
        year, week, _ = _moment(point).isocalendar()
        if not (found.get((year, week), point).promoted and not point.promoted):
            found[year, week] = point
    return found


def _dated(point: HistoryPoint) -> bool:
    """Somebody else's scores may not say when they were measured."""
    try:
        _moment(point)
    except ValueError:
        return False
    return True


def _moment(point: HistoryPoint) -> datetime:
    return datetime.fromisoformat(point.created)


def _day(point: HistoryPoint) -> float:
    return _moment(point).timestamp() / 86_400
