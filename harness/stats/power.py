"""What could have been seen, and how many items would show it."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats as distributions
from scipy.special import bdtrc, gammaln, ndtr, ndtri, xlog1py, xlogy

EXACT_DISCORDANT = 150
"""Up to so many expected discordant items the power of McNemar's test is enumerated, above that approximated."""


def normal_quantile(probability: float) -> float:
    """Of the standard normal."""
    return float(ndtri(probability))


def _quantiles(alpha: float, power: float) -> float:
    return float(ndtri(1 - alpha) + ndtri(power))


def mcnemar_power(loss: float, discordance: float, items: int, alpha: float) -> float:
    """P(one-sided exact McNemar proves a loss) where the true loss and share of discordant items are these."""
    expected = discordance * items
    if expected > EXACT_DISCORDANT:
        spread = math.sqrt(max(discordance - loss * loss, 1e-12))
        z = (loss * math.sqrt(items) - float(ndtri(1 - alpha)) * math.sqrt(discordance)) / spread
        return float(ndtr(z))
    most = min(items, int(expected + 8 * math.sqrt(expected) + 20))
    counts = np.arange(most + 1)
    rate = min(discordance, 1.0)
    weight = np.exp(_log_binomials(items)[: most + 1] + xlogy(counts, rate) + xlog1py(items - counts, -rate))
    critical = _fewest_losses(alpha)[: most + 1]
    share = min(1.0, (discordance + loss) / (2 * discordance))
    tail = bdtrc(np.clip(critical - 1, 0, counts), np.maximum(counts, 1), share)
    return float((weight * np.where(critical <= counts, tail, 0.0)).sum())


@lru_cache(maxsize=16)
def _fewest_losses(alpha: float) -> NDArray[np.float64]:
    """For each number of discordant items, the fewest losses that are significant one-sided; above it where none are."""
    counts = np.arange(2 * EXACT_DISCORDANT + 1)
    return np.asarray(distributions.binom.isf(alpha, counts, 0.5) + 1, dtype=float)


@lru_cache(maxsize=256)
def _log_binomials(items: int) -> NDArray[np.float64]:
    """log C(items, k) for every k that enumeration may reach."""
    counts = np.arange(min(items, 2 * EXACT_DISCORDANT) + 1)
    return np.asarray(gammaln(items + 1) - gammaln(counts + 1) - gammaln(items - counts + 1), dtype=float)


def binary_mde(discordant: int, items: int, alpha: float, power: float = 0.8) -> float | None:
    """Smallest true loss that McNemar proves with ``power``; None where not even losing everything would be proven.

    The share of discordant items is as observed, with one more (nothing seen is not nothing possible), and never below the loss.
    """
    observed = min(1.0, (discordant + 1) / items)

    def reached(loss: float) -> bool:
        return mcnemar_power(loss, max(observed, loss), items, alpha) >= power

    if not reached(1.0):
        return None
    low, high = 0.0, 1.0
    for _ in range(22):
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def binary_items(discordance: float, distance: float, alpha: float, power: float = 0.8) -> int | None:
    """Items for a one-sided test of a border ``distance`` away: z² p_d / distance², a starting value (STATISTICS §5)."""
    if distance <= 0:
        return None
    share = max(discordance, min(distance, 1.0))
    return math.ceil(_quantiles(alpha, power) ** 2 * share / distance**2)


def mean_mde(standard_error: float, alpha: float, power: float = 0.8) -> float:
    """Smallest true loss seen with ``power`` by a test of this standard error."""
    return _quantiles(alpha, power) * standard_error


def mean_items(standard_error: float, items: int, distance: float, alpha: float, power: float = 0.8) -> int | None:
    """Items (of clusters alike) that bring ``standard_error`` down far enough to see ``distance``."""
    if distance <= 0:
        return None
    return math.ceil(items * (_quantiles(alpha, power) * standard_error / distance) ** 2)
