"""Row 6: 10,000 paired resamples of 100 metrics over 10,000 items, against a loop over ``scipy.stats.bootstrap``."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats as scipy_stats

from benchmarks.row import Outcome, Setting, Unequal, alternate, row
from harness.stats import Resampled, resampling

Array = NDArray[np.float64]
Ends = list[tuple[float, float]]

SECONDS = 10.0
"""What DESIGN §11 allows our side, whatever the ratio."""
SHARE = 4
"""Metrics that scipy is timed on; every metric costs it the same, so that the rest is a multiplication."""
BATCHES = (10, 100, 1000)
"""Resamples that scipy holds in memory at once; the fastest is used."""


@dataclass(frozen=True)
class PairedResamples:
    """90 % intervals of mean differences. Ours draws the weights once for all metrics, as a gate does for those of one suite."""

    name: str = "10,000 paired resamples x 100 metrics x 10,000 items, against a loop over scipy.stats.bootstrap"
    target: float = 50.0

    def run(self, setting: Setting) -> Outcome:
        """Both sides get the differences ready made; scipy's time is that of ``SHARE`` metrics, multiplied."""
        items, metrics, resamples = (500, 12, 1_000) if setting.quick else (10_000, 100, 10_000)
        table = _differences(items, metrics)
        batch, tried = _best_batch(table[:, 0], resamples)
        setting.say(f"scipy is fastest with batches of {batch}")
        (theirs, their_ends), (ours, our_ends) = alternate(
            (f"scipy, {SHARE} metrics", lambda: _scipy(table[:, :SHARE], resamples, batch)),
            (f"ours, {metrics} metrics", lambda: _ours(table, resamples)),
            setting,
        )
        apart = _same(our_ends[-1], their_ends[-1], table)
        scaled = theirs.median_seconds * metrics / SHARE
        return Outcome(
            row=row(
                self.name, ours=ours.median_seconds, theirs=scaled, target=self.target, condition=ours.median_seconds < SECONDS
            ),
            what=f"seconds; scipy's are those of {SHARE} metrics times {metrics // SHARE}",
            facts={
                "ours": ours,
                "scipy, as measured": {"metrics": SHARE, **_plain(theirs.seconds)},
                "scipy's batch": {"used": batch, "seconds of one metric when tried": tried},
                "ends are apart by at most (standard errors)": apart,
                "ours is": "resampling.sums(resampling.weights(...), table), then Resampled(...).ends(0.90) per metric",
                "theirs is": "scipy.stats.bootstrap((differences,), np.mean, confidence_level=0.90, method='percentile')",
                "items": items,
                "metrics": metrics,
                "resamples": resamples,
            },
        )


def _plain(seconds: tuple[float, ...]) -> dict[str, list[float]]:
    return {"seconds": [round(each, 3) for each in seconds]}


def _differences(items: int, metrics: int) -> Array:
    """Candidate minus baseline: half of the metrics right or wrong with a tenth of the items changed, half of them graded."""
    rng = np.random.default_rng(0)
    whole = rng.choice([-1.0, 0.0, 1.0], size=(items, metrics - metrics // 2), p=[0.05, 0.9, 0.05])
    return np.hstack([whole, rng.normal(0.01, 0.3, size=(items, metrics // 2))])


def _ours(table: Array, resamples: int) -> Ends:
    items = len(table)
    means = resampling.sums(resampling.weights(np.zeros(items, dtype=np.intp), 0, resamples), table) / items
    seen = table.mean(axis=0)
    return [Resampled(float(value), plain, items).ends(0.90) for value, plain in zip(seen, means.T, strict=True)]


def _scipy(table: Array, resamples: int, batch: int) -> Ends:
    found = []
    for column in table.T:
        interval = scipy_stats.bootstrap(
            (column,), np.mean, n_resamples=resamples, confidence_level=0.90, method="percentile", batch=batch,
            rng=np.random.default_rng(0),
        ).confidence_interval  # fmt: skip
        found.append((float(interval.low), float(interval.high)))
    return found


def _best_batch(column: Array, resamples: int) -> tuple[int, dict[str, float]]:
    tried = {}
    for batch in BATCHES:
        started = time.perf_counter()
        _scipy(column[:, None], resamples, batch)
        tried[batch] = time.perf_counter() - started
    return min(tried, key=tried.__getitem__), {str(batch): round(seconds, 3) for batch, seconds in tried.items()}


def _same(ours: Ends, theirs: Ends, table: Array) -> float:
    """How far the ends are apart at most, in standard errors of the mean; Unequal where that is more than resampling explains."""
    errors = table.std(axis=0, ddof=1) / np.sqrt(len(table))
    apart = max(
        abs(a - b) / error
        for mine, other, error in zip(ours, theirs, errors, strict=False)
        for a, b in zip(mine, other, strict=True)
    )
    if apart > 0.25:
        raise Unequal(f"the ends of the intervals are {apart:.2f} standard errors apart")
    return round(float(apart), 3)
