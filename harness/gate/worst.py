"""A score with the items that are missing counted at their worst, for rules about a value."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.compare import Column, Level, level_of
from harness.records import Rule


def at_worst(rule: Rule, column: Column, missing: int, *, level: float, seed: int) -> Level | None:
    """The level over all items and the ``missing`` ones, each at the end that the rule fears, as heavy as the heaviest and a
    cluster of its own. None where nothing is missing, or a score has no worst end."""
    bounds = column.metric.bounds if column.metric.aggregator == "mean" else None
    if rule.value is None or missing == 0 or not column.keys or bounds is None:
        return None
    end = bounds[0] if rule.require == "at_least" else bounds[1]
    full = replace(
        column,
        keys=(*column.keys, *(f"missing {index}" for index in range(missing))),
        table=np.concatenate([column.table, np.full((missing, 1), end)]),
        clusters=np.concatenate([column.clusters, column.clusters.max() + 1 + np.arange(missing, dtype=np.intp)]),
        strata=np.concatenate([column.strata, np.full(missing, column.strata[0], dtype=np.intp)]),
        weights=np.concatenate([column.weights, np.full(missing, column.weights.max())]),
    )
    return level_of(full, rule.value, level=level, seed=seed)
