"""What the points of a history are held against: one run's score, drawn as a line through all others."""

from __future__ import annotations

from typing import Literal

from harness.records import History, HistoryPoint, Record
from reports.courses.shifts import whole


class Anchor(Record, frozen=True, kw_only=True):
    """``what`` the run ``name`` is: the ``baseline`` that is judged by now, the promoted ``pin``, the ``reference`` of forgetting,
    or just the ``first``."""

    what: Literal["baseline", "pin", "reference", "first"]
    name: str
    graded: str
    score: float


def anchor(history: History, baseline: str, reference: str) -> Anchor | None:
    """The first of these that the history has."""
    points = [point for _, point in whole(history)]
    pinned = baseline.partition(":")[2]
    judged = [point for point in points if point.now and (pinned in point.pins if pinned else point.candidate == baseline)]
    if judged:
        return _anchor("baseline", pinned or baseline, judged[0])
    promoted = [point for point in points if point.baseline]
    if promoted:
        return _anchor("pin", promoted[-1].pins[0], promoted[-1])
    referred = [point for point in points if reference and point.candidate == reference]
    if referred:
        return _anchor("reference", reference, referred[-1])
    return _anchor("first", points[0].candidate, points[0]) if points else None


def _anchor(what: Literal["baseline", "pin", "reference", "first"], name: str, point: HistoryPoint) -> Anchor:
    return Anchor(what=what, name=name, graded=point.graded, score=point.score)
