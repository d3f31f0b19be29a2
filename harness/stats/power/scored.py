"""P(the deployed test of means proves its claim) with units of a population: drawn, or normal where many units change.

Where ``MANY`` are expected to change, counted by weight, the statistic is as good as normal: its own variance under the hypothesis
(that of the score test, of sign-flips or of the t) is held against its true one.
"""

from __future__ import annotations

import math
from functools import lru_cache

from scipy.special import ndtr, ndtri

from harness.stats.power.drawn import Drawn, draw
from harness.stats.power.population import Population, shifted, spread_of, weighty

MANY = 150
"""Units that change, counted by weight, from which on the power is that of a normal statistic."""
DRAWS = 2_500
"""Data sets: the power is known to one point at worst (one Monte-Carlo error)."""
SEARCH_DRAWS = 500
"""While something is searched for."""


@lru_cache(maxsize=16384)
def score_probability(
    population: Population, units: int, effect: float, delta: float, alpha: float, draws: int = DRAWS, *,
    alone: bool = False, ordinal: bool = False, declared: bool = True,
) -> float:  # fmt: skip
    """P(the one-sided test at ``alpha`` proves a gain above ``delta``), both in shares of the largest difference, where the true
    gain is ``effect``. ``alone``, ``ordinal``, ``declared``: as of ``Drawn``."""
    if units * weighty(population, effect)[0] < MANY:
        return float(draw(population, units, effect, draws, alone, ordinal, declared).proven(delta, alpha).mean())
    if declared and abs(delta) >= 1:
        return float(delta < 0)
    sums, sizes, chances = shifted(population, effect)
    taken = Drawn(sums, sizes, units * chances[None, :], alone, ordinal, declared).error(delta)
    distance = math.sqrt(units) * (effect - delta) - float(ndtri(1 - alpha)) * taken
    return float(ndtr(distance / max(spread_of(population, effect), 1e-300)))
