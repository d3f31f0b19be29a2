"""P(the deployed test of paired right-or-wrong items proves its claim), summed over every outcome that would.

(won, lost) are multinomial. For a given number of losses the tests let pass from some number of wins on (their regions are stairs),
so that one sum over the losses, with a binomial tail of the wins, is exact; losses of a probability under 1e-15 are left out.
McNemar's test depends on won + lost alone, and is summed over that instead.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, bdtrc, gammaln, ndtri, xlog1py, xlogy

from harness.stats.binary import EXACT_ITEMS, tango_statistic

Array = NDArray[np.float64]

KEPT_COUNTS = 1 << 16
"""Discordant items up to which the regions of McNemar's test are kept from call to call."""

RESOLUTION = 0.002
"""How finely the critical value of the exact test is searched, on the scale of a z; the stricter end is kept."""


def proof_probability(items: int, won: float, lost: float, delta: float, alpha: float, critical: float | None = None) -> float:
    """P(one-sided test at ``alpha`` proves a gain above ``delta``), the true shares of items won and lost being these.

    ``critical``: take this for the critical value of Tango's statistic, instead of finding that of the deployed test.
    """
    if items < 1 or delta >= 1:
        return 0.0
    if delta <= -1:
        return 1.0
    if delta == 0:
        return _mcnemar(items, won, lost, alpha)
    losses, weight = _binomial(items, lost)
    fewest = _fewest_wins(losses, items, delta, critical_statistic(items, delta, alpha) if critical is None else critical)
    room = (items - losses).astype(np.intp)
    share = min(1.0, won / max(1.0 - lost, 1e-300))
    tail = np.where(fewest <= 0, 1.0, bdtrc(np.clip(fewest - 1, 0, room), room, share))
    return min(1.0, float((weight * np.where(fewest <= room, tail, 0.0)).sum()))


def _binomial(items: int, rate: float) -> tuple[Array, Array]:
    """Counts that are not all but impossible, and their probabilities."""
    rate = min(max(rate, 0.0), 1.0)
    middle, reach = items * rate, 8.5 * math.sqrt(items * rate * (1 - rate)) + 20
    counts = np.arange(max(0, math.floor(middle - reach)), min(items, math.ceil(middle + reach)) + 1, dtype=float)
    logs = gammaln(items + 1) - gammaln(counts + 1) - gammaln(items - counts + 1)
    return counts, np.exp(logs + xlogy(counts, rate) + xlog1py(items - counts, -rate))


def _fewest_wins(losses: Array, items: int, delta: float, critical: float) -> Array:
    """For each number of losses, the fewest wins whose statistic reaches ``critical``; items + 1 where none does."""
    guess = losses + items * delta
    reach = 4 + (4 + abs(critical)) * np.sqrt(2 * losses + items * abs(delta) + 4)
    low, high = np.clip(np.floor(guess - reach), -1, items), np.clip(np.ceil(guess + reach), 0, items + 1)
    low = np.where(tango_statistic(np.maximum(low, 0.0), losses, items, delta) >= critical, -1.0, low)
    high = np.where(tango_statistic(high, losses, items, delta) >= critical, high, items + 1.0)
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        reached = tango_statistic(middle, losses, items, delta) >= critical
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return high


@lru_cache(maxsize=4096)
def critical_statistic(items: int, delta: float, alpha: float) -> float:
    """The value of Tango's statistic from which on the deployed test of "gain above delta" is significant; infinite: never.

    Up to ``EXACT_ITEMS`` that of the exact unconditional test: the smallest whose region is nowhere on the border of the null
    hypothesis more probable than ``alpha``.
    """
    normal = float(ndtri(1 - alpha))
    if items > EXACT_ITEMS:
        return normal
    losses = np.arange(items + 1)
    low, high, step = normal, normal, 0.04
    while _size(items, losses, high, delta) > alpha:
        low, high, step = high, high + step, 2 * step
        if step > 1e4:
            return math.inf
    while low == high or _size(items, losses, low, delta) <= alpha:
        low, high, step = low - step, low, 2 * step
        if step > 1e4:
            return -math.inf
    while high - low > RESOLUTION:
        middle = (low + high) / 2
        low, high = (middle, high) if _size(items, losses, middle, delta) > alpha else (low, middle)
    return high


def _size(items: int, losses: NDArray[np.intp], critical: float, delta: float) -> float:
    """The largest probability of the region "statistic ≥ critical" where the gain is ``delta``: over the rate of losses."""
    room = items - losses
    fewest = _fewest_wins(losses.astype(float), items, delta, critical)
    before = np.clip(fewest - 1, 0, room)
    logs = _log_choose(items)

    def probability(rates: Array) -> Array:
        column = rates[:, None]
        pmf = np.exp(logs + xlogy(losses, column) + xlog1py(room, -column))
        share = np.clip((column + delta) / np.maximum(1 - column, 1e-300), 0.0, 1.0)
        tail = np.where(fewest <= 0, 1.0, bdtrc(before, room, share))
        return np.asarray((pmf * np.where(fewest <= room, tail, 0.0)).sum(axis=1), dtype=float)

    low, high = max(0.0, -delta), (1 - delta) / 2
    rates = low + (high - low) * np.linspace(0, 1, 49) ** 2  # denser where discordance is rare
    values = probability(rates)
    for _ in range(2):
        best = int(values.argmax())
        rates = np.linspace(rates[max(best - 1, 0)], rates[min(best + 1, len(rates) - 1)], 9)
        values = probability(rates)
    return float(values.max())


@lru_cache(maxsize=512)
def _log_choose(items: int) -> Array:
    counts = np.arange(items + 1)
    return np.asarray(gammaln(items + 1) - gammaln(counts + 1) - gammaln(items - counts + 1), dtype=float)


def _mcnemar(items: int, won: float, lost: float, alpha: float) -> float:
    discordance = won + lost
    if discordance <= 0:
        return 0.0
    counts, weight = _binomial(items, discordance)
    last = int(counts[-1])
    if last < KEPT_COUNTS:
        most = _all_most_losses(alpha, 1 << math.ceil(math.log2(last + 2)))[counts.astype(int)]
    else:
        most = _most_losses(alpha, counts.astype(np.intp))
    tail = np.where(most >= 0, bdtr(np.maximum(most, 0), counts.astype(np.intp), min(1.0, lost / discordance)), 0.0)
    return min(1.0, float((weight * tail).sum()))


@lru_cache(maxsize=64)
def _all_most_losses(alpha: float, size: int) -> Array:
    return _most_losses(alpha, np.arange(size))


def _most_losses(alpha: float, counts: NDArray[np.intp]) -> Array:
    """For each number of discordant items, the most losses that still prove a gain; −1 where none do."""
    most = np.maximum(np.floor((counts + ndtri(alpha) * np.sqrt(counts)) / 2 - 0.5), -1.0)  # the normal limit: off by one or two
    while (more := bdtr(most + 1, counts, 0.5) <= alpha).any():
        most += more
    while (fewer := (most >= 0) & (bdtr(np.maximum(most, 0), counts, 0.5) > alpha)).any():
        most -= fewer
    return np.asarray(most, dtype=float)
