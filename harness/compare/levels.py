"""One candidate's own score against a fixed value: for ``at_least`` and ``at_most``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import stats
from harness.compare.columns import Column


@dataclass(frozen=True)
class Level:
    """``above``, ``below``: p of the claim that the true score is above (below) the value. ``low``, ``high`` None: not bounded.
    ``exact``: of independent right-or-wrong items, by the binomial."""

    score: float
    low: float | None
    high: float | None
    above: float
    below: float
    method: str
    items: int
    clusters: int
    parameters: dict[str, Any]
    exact: bool = False


@dataclass(frozen=True)
class End:
    """The end of the range that scores are looked at from: distances to it instead of scores, so that rare misses near the top are
    treated like rare hits near the bottom. ``turned``: from above. Without ``bounds``, scores as they are."""

    bounds: tuple[float, float] | None
    turned: bool

    @property
    def _zero(self) -> float:
        return 0.0 if self.bounds is None else self.bounds[self.turned]

    def seen(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distances of scores from the end."""
        return self._zero - scores if self.turned else scores - self._zero

    def place(self, value: float) -> float:
        """The distance of a value from the end."""
        return self._zero - value if self.turned else value - self._zero

    def back(self, distance: float, interval: stats.Interval) -> tuple[float, float | None, float | None]:
        """Score and ends of its interval, from a mean distance and its own; nothing lies outside the bounds."""
        low, high = (None if end is None else self._score(end) for end in (interval.low, interval.high))
        low, high = (high, low) if self.turned else (low, high)
        if self.bounds is not None:
            low = None if low is None else max(self.bounds[0], low)
            high = None if high is None else min(self.bounds[1], high)
        return self._score(distance), low, high

    def _score(self, distance: float) -> float:
        return self._zero - distance if self.turned else self._zero + distance


def end_of(bounds: tuple[float, float] | None, mean: float) -> End:
    """The end that a mean score is nearer to."""
    return End(bounds, bounds is not None and 2 * mean > bounds[0] + bounds[1])


def level_of(column: Column, value: float, *, level: float, seed: int) -> Level | None:
    """Binomial where items are independent and right or wrong, else t or score, else bootstrap; None without an item."""
    if not column.keys:
        return None
    if column.metric.aggregator != "mean":
        return _corpus(column, value, level, seed)
    scores, items = column.table[:, 0], len(column.keys)
    whole = bool(np.isin(scores, (0.0, 1.0)).all()) and float(np.ptp(column.weights)) == 0.0
    if column.metric.kind == "binary" and whole and int(np.bincount(column.clusters).max()) == 1:
        hits = int(scores.sum())
        low, high = stats.clopper_pearson(hits, items, level)
        above, below = stats.binomial_p(hits, items, value, "greater"), stats.binomial_p(hits, items, value, "less")
        return Level(hits / items, low, high, above, below, "exact binomial", items, items, {"value": value}, exact=True)
    return _mean(column, value, level, seed)


def _mean(column: Column, value: float, level: float, seed: int) -> Level:
    scores = column.table[:, 0]
    end = end_of(column.metric.bounds, float(scores.mean()))
    border = end.place(value)
    sample = stats.MeanPairs(
        end.seen(scores),
        column.clusters,
        column.strata,
        column.weights,
        span=column.metric.span,
        ordinal=column.metric.kind == "ordinal",
        seed=seed,
        alone=True,
    )
    above, below = sample.test(border, "greater"), sample.test(border, "less")
    score, low, high = end.back(sample.gain, sample.interval(level))
    above, below = (below, above) if end.turned else (above, below)
    parameters = {**above.parameters, "value": value}
    return Level(score, low, high, above.p, below.p, above.method, len(column.keys), sample.units, parameters)


def _corpus(column: Column, value: float, level: float, seed: int) -> Level:
    table = column.table
    pairs = stats.CorpusPairs(
        column.metric.aggregator, table, table, column.clusters, column.strata, seed=seed, shares=column.shares
    )
    bottom, top = column.metric.bounds or stats.limits(column.metric.aggregator)
    documents, score = len(table), pairs.values[1]
    seen = stats.Resampled(score, pairs.resampled[1], pairs.units, skewed=True) if pairs.units > 1 else None
    if seen is None or seen.still:  # an interval without width would be a lie
        why = stats.ALONE if seen is None else "the documents do not vary"
        return Level(score, None, None, 1.0, 1.0, f"undefined: {why}", documents, pairs.units, {"value": value})
    parameters = {"value": value, "resamples": len(seen.plain), "seed": seed}
    ends = seen.ends(level)
    low, high = (None, None) if ends is None else (max(ends[0], bottom), min(ends[1], top))
    return Level(
        score, low, high, seen.p(value, "greater"), seen.p(value, "less"),
        "bootstrap, expanded percentile", documents, pairs.units, parameters,
    )  # fmt: skip
