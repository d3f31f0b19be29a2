"""Closed formulas from the normal approximation. Where few items differ they promise 80 % and deliver 52 to 76 %: they only say
where to begin, except for means, whose tests are about normal.

Sources: Connor, Biometrics 43 (1987) 207, for paired right-or-wrong items; Miller, arXiv 2411.00640, section 5, for means.
"""

from __future__ import annotations

import math

from scipy.special import ndtri


def normal_quantile(probability: float) -> float:
    """Of the standard normal."""
    return float(ndtri(probability))


def _quantiles(alpha: float, power: float) -> float:
    return float(ndtri(1 - alpha) + ndtri(power))


def starting_items(discordance: float, margin: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """Items for non-inferiority (one-sided ``alpha``) of an equally good candidate: (z_{1−α} + z_power)²·p_d/m²."""
    return _quantiles(alpha, power) ** 2 * discordance / margin**2


def connor_items(won: float, lost: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """Items for a two-sided test of "no difference", where these are the shares of items won and lost."""
    discordance, difference = won + lost, won - lost
    spread = math.sqrt(discordance - difference**2)
    return float(ndtri(1 - alpha / 2) * math.sqrt(discordance) + ndtri(power) * spread) ** 2 / difference**2


def miller_items(
    difference: float, between: float, within: tuple[float, float] = (0.0, 0.0), draws: tuple[int, int] = (1, 1),
    alpha: float = 0.05, power: float = 0.8,
) -> float:  # fmt: skip
    """Items for a two-sided test of a mean ``difference``: ``between`` is ω², the variance of the items' own differences;
    ``within`` the variances of one answer of each side around its item's mean, averaged over ``draws``."""
    variance = between + within[0] / draws[0] + within[1] / draws[1]
    return _quantiles(alpha / 2, power) ** 2 * variance / difference**2


def mean_mde(standard_error: float, alpha: float, power: float = 0.8) -> float:
    """Smallest true loss seen with ``power`` by a test of this standard error."""
    return _quantiles(alpha, power) * standard_error


def mean_items(standard_error: float, items: int, distance: float, alpha: float, power: float = 0.8) -> int | None:
    """Items (of clusters alike) that bring ``standard_error`` down far enough to see ``distance``."""
    if distance <= 0:
        return None
    return math.ceil(items * (_quantiles(alpha, power) * standard_error / distance) ** 2)
