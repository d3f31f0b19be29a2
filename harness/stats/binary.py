"""Paired binary outcomes: ``won`` items only the candidate got right, ``lost`` only the baseline, of ``items`` shared.

Tests decide, intervals display. The difference is (won − lost) / items. Sources: McNemar 1947 (exact form); Tango, Statistics in
Medicine 17 (1998) 891, for the score statistic with its constrained estimate in closed form; Newcombe, ibid. 2635, method 10;
Hsueh, Liu & Chen, Biometrics 57 (2001) 478, for the exact unconditional test: its region is monotone, so that the largest
probability under the null lies on the border ``difference = delta`` and only the nuisance rate is searched.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats as distributions
from scipy.special import bdtr, bdtrc, ndtr, ndtri

from harness.stats.proportion import Side, wilson

EXACT_ITEMS = 300
"""Up to here the unconditional test is exact; above, Tango's normal approximation."""

Array = NDArray[np.float64]


def mcnemar(won: int, lost: int, side: Side = "two-sided") -> float:
    """Exact McNemar p. ``greater``: the candidate is better. No discordant item: 1."""
    discordant = won + lost
    if discordant == 0:
        return 1.0
    if side == "greater":
        return float(bdtr(lost, discordant, 0.5))
    if side == "less":
        return float(bdtr(won, discordant, 0.5))
    return min(1.0, 2 * float(bdtr(min(won, lost), discordant, 0.5)))


def mcnemar_midp(won: int, lost: int) -> float:
    """Two-sided mid-p: the point mass of what was seen counts half. For reading, never for deciding."""
    discordant = won + lost
    if discordant == 0:
        return 1.0
    fewer = min(won, lost)
    tail = float(bdtr(fewer, discordant, 0.5)) - 0.5 * float(distributions.binom.pmf(fewer, discordant, 0.5))
    return min(1.0, 2 * tail)


def tango_statistic(won: Array | float, lost: Array | float, items: float, delta: Array | float) -> Array:
    """Tango's score statistic of H0 "difference = delta"; large values speak for a difference above it. Broadcasts."""
    w, b = np.asarray(won, dtype=float), np.asarray(lost, dtype=float)
    linear = -w - b + (2 * items - w + b) * delta
    constant = -b * delta * (1 - delta)
    root = np.sqrt(np.maximum(linear * linear - 8 * items * constant, 0.0))
    # Of the two forms of the positive root, the one without cancellation.
    small = np.where(linear > 0, -2 * constant / np.where(linear + root > 0, linear + root, 1.0), (root - linear) / (4 * items))
    variance = items * (2 * np.maximum(small, 0.0) + delta * (1 - delta))
    distance = w - b - items * delta
    safe = np.sqrt(np.where(variance > 0, variance, 1.0))
    certain = np.where(distance == 0, 0.0, np.copysign(np.inf, distance))
    return np.asarray(np.where(variance > 1e-12, distance / safe, certain), dtype=float)


def tango_p(won: float, lost: float, items: float, delta: float, side: Side = "greater") -> float:
    """Asymptotic p of Tango's score test against ``difference`` on ``side`` of ``delta``."""
    statistic = float(tango_statistic(won, lost, items, delta))
    if side == "greater":
        return float(ndtr(-statistic))
    if side == "less":
        return float(ndtr(statistic))
    return min(1.0, 2 * float(ndtr(-abs(statistic))))


def exact_p(won: int, lost: int, items: int, delta: float, side: Side = "greater") -> float:
    """Exact unconditional p, ordered by Tango's statistic; one-sided. Cost grows with ``items`` squared: meant for ≤ 300."""
    if side == "less":
        return exact_p(lost, won, items, -delta, "greater")
    observed = float(tango_statistic(won, lost, items, delta))
    lost_counts = np.arange(items + 1)
    won_counts = lost_counts[:, None]
    grid = tango_statistic(won_counts.astype(float), lost_counts.astype(float), items, delta)
    possible = won_counts + lost_counts <= items
    inside = (grid >= observed - 1e-9) & possible
    threshold = np.where(inside.any(axis=0), inside.argmax(axis=0), items + 1)

    def probability(rates: Array) -> Array:
        """P(region) for each rate of loss, the rate of wins being ``rate + delta``."""
        wins = np.clip(rates + delta, 0.0, 1.0)
        pmf = distributions.binom.pmf(lost_counts[None, :], items, rates[:, None])
        conditional = np.clip(wins / np.maximum(1 - rates, 1e-300), 0.0, 1.0)[:, None]
        room = items - lost_counts
        tail = np.where(
            threshold[None, :] <= 0, 1.0, bdtrc(np.minimum(threshold - 1, room)[None, :].clip(min=0), room[None, :], conditional)
        )
        tail = np.where(threshold[None, :] > room[None, :], 0.0, tail)
        return np.asarray((pmf * tail).sum(axis=1), dtype=float)

    low, high = max(0.0, -delta), (1 - delta) / 2
    rates = low + (high - low) * np.linspace(0, 1, 97) ** 2  # denser where discordance is rare
    values = probability(rates)
    for _ in range(3):
        best = int(values.argmax())
        rates = np.linspace(rates[max(best - 1, 0)], rates[min(best + 1, len(rates) - 1)], 17)
        values = np.maximum(probability(rates), 0.0)
    return min(1.0, float(values.max()))


def difference_p(won: int, lost: int, items: int, delta: float, side: Side) -> tuple[float, str]:
    """The deployed test of ``difference`` against ``delta``, and its name."""
    if delta == 0:
        return mcnemar(won, lost, side), "exact McNemar"
    if items <= EXACT_ITEMS and side != "two-sided":
        return exact_p(won, lost, items, delta, side), "exact unconditional (Tango order)"
    return tango_p(won, lost, items, delta, side), "Tango score"


def tango_interval(won: float, lost: float, items: float, level: float) -> tuple[float, float]:
    """Tango's score interval: all ``delta`` that the two-sided score test keeps. Counts may be effective ones."""
    if items <= 0:
        raise ValueError("an interval needs at least one item")
    z = float(ndtri(0.5 + level / 2))
    estimate = (won - lost) / items

    def cross(outer: float, sign: float) -> float:
        """Where the statistic reaches ±z between ``outer`` and the estimate: it falls as ``delta`` rises. Seven rounds of 1/63."""
        inner, keep = outer, estimate
        for _ in range(7):
            grid = np.linspace(inner, keep, 64)
            beyond = int((sign * tango_statistic(won, lost, items, grid[1:-1]) > z).sum())
            inner, keep = float(grid[beyond]), float(grid[beyond + 1])
        return (inner + keep) / 2

    return (-1.0 if lost == items else cross(-1.0, 1.0)), (1.0 if won == items else cross(1.0, -1.0))


def newcombe_interval(both: int, won: int, lost: int, neither: int, level: float) -> tuple[float, float]:
    """Newcombe's method 10 (square-and-add of Wilson limits with a continuity-corrected correlation): a cross-check only."""
    items = both + won + lost + neither
    rate_c, rate_b = (both + won) / items, (both + lost) / items
    low_c, high_c = wilson(both + won, items, level)
    low_b, high_b = wilson(both + lost, items, level)
    margins = (both + won) * (lost + neither) * (both + lost) * (won + neither)
    product = float(both * neither - won * lost)
    if product > 0:
        product = max(product - items / 2, 0.0)
    phi = 0.0 if margins == 0 else product / math.sqrt(margins)
    down_c, up_c, down_b, up_b = rate_c - low_c, high_c - rate_c, rate_b - low_b, high_b - rate_b
    low = math.sqrt(max(down_c**2 - 2 * phi * down_c * up_b + up_b**2, 0.0))
    high = math.sqrt(max(up_c**2 - 2 * phi * up_c * down_b + down_b**2, 0.0))
    return rate_c - rate_b - low, rate_c - rate_b + high
