"""One candidate's own score against a fixed value: for ``at_least`` and ``at_most``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

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
    """Bounded scores near 1 are looked at from above, as shortfalls, so that rare misses are treated like rare hits."""
    scores, bounded = column.table[:, 0], column.metric.kind in ("binary", "bounded")
    turned = bounded and float(scores.mean()) > 0.5
    seen, border = (1 - scores, 1 - value) if turned else (scores, value)
    sample = stats.MeanPairs(
        seen,
        column.clusters,
        column.strata,
        column.weights,
        span=1.0 if bounded else None,
        ordinal=column.metric.kind == "ordinal",
        seed=seed,
        alone=True,
    )
    interval = sample.interval(level)
    low, high = interval.low, interval.high
    if bounded:
        low, high = (None if low is None else max(0.0, low)), (None if high is None else min(1.0, high))
    above, below = sample.test(border, "greater"), sample.test(border, "less")
    score = sample.gain
    if turned:
        low, high = (None if high is None else 1 - high), (None if low is None else 1 - low)
        above, below, score = below, above, 1 - score
    parameters = {**above.parameters, "value": value}
    return Level(score, low, high, above.p, below.p, above.method, len(column.keys), sample.units, parameters)


def _corpus(column: Column, value: float, level: float, seed: int) -> Level:
    table = column.table
    pairs = stats.CorpusPairs(
        column.metric.aggregator, table, table, column.clusters, column.strata, seed=seed, shares=column.shares
    )
    documents, score = len(table), pairs.values[1]
    seen = stats.Resampled(score, pairs.resampled[1], pairs.units, skewed=True) if pairs.units > 1 else None
    if seen is None or seen.still:  # an interval without width would be a lie
        why = stats.ALONE if seen is None else "the documents do not vary"
        return Level(score, None, None, 1.0, 1.0, f"undefined: {why}", documents, pairs.units, {"value": value})
    parameters = {"value": value, "resamples": len(seen.plain), "seed": seed}
    bottom, top = stats.limits(column.metric.aggregator)
    ends = seen.ends(level)
    low, high = (None, None) if ends is None else (max(ends[0], bottom), min(ends[1], top))
    return Level(
        score, low, high, seen.p(value, "greater"), seen.p(value, "less"),
        "bootstrap, expanded percentile", documents, pairs.units, parameters,
    )  # fmt: skip
