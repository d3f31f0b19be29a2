"""Many candidates against one baseline: step-down max-T from resamples that all of them share.

The candidates share the baseline and the items, so that their p-values rise and fall together, and Holm pays for tests that are
nearly one. Here the dependence is resampled instead: the same units change sides for all candidates at once (Westfall & Young,
Resampling-Based Multiple Testing, 1993, algorithm 2.8). A statistic counts by its rank among its own resamples (their "min-P" form
of max-T), so that a noisy candidate, or one with three discordant items, does not decide for the others. The p-values that go in
may come from the exact and score tests that the gate decides by: only how they hang together is taken from the resamples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.stats import resampling
from harness.stats.multiplicity import holm

Array = NDArray[np.float64]

NORMAL_UNITS = 100
"""From so many differing units of every candidate on (1/Σr⁴ of the standardised ones: equal units count fully, and one huge among
many as one), the flipped sums are drawn from their normal limit, which has the same correlations."""


def step_down(p: Sequence[float], null: Array) -> list[float]:
    """Adjusted p-values of one-sided or two-sided tests with these ``p``, in their order.

    ``null``: shape (resamples, tests), statistics under the joint null, larger against it, what was seen among the rows. Strong
    control of the family-wise error where the resamples are exchangeable under every intersection of nulls, as whole-unit flips
    are. Never below ``p``, and never above Holm's, which is what no dependence at all would cost.
    """
    own = np.asarray(p, dtype=float)
    if null.ndim != 2 or null.shape[1] != len(own) or len(null) == 0:
        raise ValueError(f"max-T of {len(own)} tests needs resamples of shape (…, {len(own)}), found {null.shape}")
    tails = np.stack([_tail(column) for column in null.T], axis=1)
    order = np.argsort(own, kind="stable")
    smallest = np.minimum.accumulate(tails[:, order[::-1]], axis=1)[:, ::-1]  # of each test and all less significant ones
    joint = (smallest <= own[order] * (1 + 1e-9)).mean(axis=0)
    adjusted = np.empty_like(own)
    adjusted[order] = np.maximum.accumulate(joint)
    return [float(value) for value in np.clip(adjusted, own, holm(p))]


def flipped(centred: Array, seed: int, *, two_sided: bool = False, resamples: int = resampling.RESAMPLES) -> Array:
    """Standardised sums after flipping the signs of whole units, the same for all candidates; shape (resamples, candidates).

    ``centred``: shape (units, candidates), each unit's summed (difference − delta), 0 where a candidate does not have the unit.
    What was seen is the first row. Few units: every pattern of signs.
    """
    scale = np.sqrt((centred**2).sum(axis=0))
    table = centred[np.abs(centred).any(axis=1)] / np.where(scale > 0, scale, 1.0)
    seen = table.sum(axis=0)[None, :]
    effective = 1 / (table**4).sum(axis=0)[scale > 0]
    if resampling.exact(len(table)):
        rows = [seen - 2 * chunk @ table for chunk in resampling.flips(len(table), seed)]
    elif float(effective.min()) >= NORMAL_UNITS:
        values, vectors = np.linalg.eigh(table.T @ table)
        normal = np.random.default_rng(seed).standard_normal((resamples, len(values)))
        rows = [seen, (normal * np.sqrt(np.maximum(values, 0.0))) @ vectors.T]
    else:
        rows = [seen, *(seen - 2 * chunk @ table for chunk in resampling.flips(len(table), seed, resamples))]
    null = np.concatenate(rows)
    return np.asarray(np.abs(null) if two_sided else null, dtype=float)


def _tail(column: Array) -> Array:
    """For each resample, the share of resamples that are at least as large: its p-value among its own."""
    order = np.argsort(column)
    rising = column[order]
    tolerance = 1e-9 * max(1.0, abs(float(rising[0])), abs(float(rising[-1])))
    tail = np.empty_like(column)
    tail[order] = 1 - np.searchsorted(rising, rising - tolerance, side="left") / len(column)
    return tail
