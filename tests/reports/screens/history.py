"""A history with a sudden loss under pins and a promotion, and one that is lost slowly, a little every week."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from harness.records import History, HistoryPoint
from tests.reports import fixtures
from tests.reports.fixtures import Made

START = datetime(2026, 8, 3, 10, tzinfo=UTC)
SUDDEN = (0.905, 0.912, 0.908, 0.915, 0.911, 0.874, 0.879, 0.871, 0.876)
SLOW = (0.836, 0.831, 0.829, 0.826, 0.824, 0.820, 0.818, 0.813, 0.811)


def build() -> Made:
    """The whole set, with nine weeks before it."""
    conclusion, measured, training = fixtures.small()
    histories = (_history("facts", SUDDEN), _history("instructions", SLOW))
    return replace(conclusion, history=histories), measured, training


def _history(suite: str, scores: tuple[float, ...]) -> History:
    points = tuple(
        HistoryPoint(
            candidate=f"week{32 + number}",
            created=(START + timedelta(weeks=number)).isoformat(),
            score=score,
            graded=f"{number}",
            pins=("w34",) if number == 2 else ("w38",) if number == 6 else (),
            promoted="2026-08-18" if number == 2 else "",
            baseline=number == 2,
            now=number == len(scores) - 1,
        )
        for number, score in enumerate(scores)
    )
    return History(
        suite=suite, metric="acc", kind="bounded", direction="higher", points=points, noise=0.005, noise_runs=3,
        noise_of="training seed",
    )  # fmt: skip
