"""Intervals and tests for one proportion: ``successes`` of ``items``."""

from __future__ import annotations

import math
from typing import Literal

from scipy import stats as distributions
from scipy.special import betaincinv, ndtri

Side = Literal["greater", "less", "two-sided"]


def wilson(successes: float, items: int, level: float) -> tuple[float, float]:
    """Wilson's score interval, two-sided at ``level``; ``successes`` may be fractional (a sum of averaged draws)."""
    if items < 1:
        raise ValueError("an interval needs at least one item")
    z = float(ndtri(0.5 + level / 2))
    rate = successes / items
    centre = (rate + z * z / (2 * items)) / (1 + z * z / items)
    half = z / (1 + z * z / items) * math.sqrt(rate * (1 - rate) / items + z * z / (4 * items * items))
    return max(0.0, centre - half), min(1.0, centre + half)


def clopper_pearson(successes: int, items: int, level: float) -> tuple[float, float]:
    """The exact interval that inverts the two one-sided binomial tests."""
    if items < 1:
        raise ValueError("an interval needs at least one item")
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else float(distributions.beta.ppf(tail, successes, items - successes + 1))
    high = 1.0 if successes == items else float(distributions.beta.isf(tail, successes + 1, items - successes))
    return low, high


def binomial_p(successes: int, items: int, rate: float, side: Side) -> float:
    """Exact p that the true rate is on ``side`` of ``rate`` (the alternative), not beyond it on the other."""
    if side == "greater":
        return float(distributions.binom.sf(successes - 1, items, rate))
    if side == "less":
        return float(distributions.binom.cdf(successes, items, rate))
    return float(distributions.binomtest(successes, items, rate).pvalue)


def binomial_mde(items: int, value: float, side: Literal["greater", "less"], alpha: float, power: float = 0.8) -> float | None:
    """How far on ``side`` of ``value`` a true rate must be for the exact test to prove it with ``power``; None where none is."""
    if side == "greater":
        return binomial_mde(items, 1 - value, "less", alpha, power)
    most = int(distributions.binom.ppf(alpha, items, value))  # the most hits that prove a rate under the value
    most -= float(distributions.binom.cdf(most, items, value)) > alpha
    if most < 0:
        return None
    return value - float(betaincinv(most + 1, items - most, 1 - power))
