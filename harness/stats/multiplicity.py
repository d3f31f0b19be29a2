"""Many tests at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p: Sequence[float], *, floors: Sequence[float] | None = None, alpha: float = 0.05) -> list[float]:
    """Holm's adjusted p-values. ``floors``: the smallest p each (discrete) test could have reached, whatever the outcome.

    A test that could never have reached ``alpha`` (two discordant items, say) cannot raise a false alarm, so that it does not count
    in the family (Tarone, Biometrics 46 (1990) 515); its own adjusted p stays what it was.
    """
    values = np.asarray(p, dtype=float)
    counted = np.ones(len(values), dtype=bool) if floors is None else np.asarray(floors) <= alpha
    adjusted = values.copy()
    index = np.flatnonzero(counted)
    order = index[np.argsort(values[index], kind="stable")]
    steps = values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(value) for value in adjusted]


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    """Adjusted p-values that control the false discovery rate: for tables that are read, not for gates."""
    values = np.asarray(p, dtype=float)
    order = np.argsort(values, kind="stable")
    scaled = values[order] * len(values) / np.arange(1, len(values) + 1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return [float(value) for value in adjusted]
