"""P(the score test of bounded differences proves its claim), for units (items, or whole clusters) of which most are tied.

A ``Population`` says how a unit's differences can turn out when both sides are equally good: by how much it changes, its size, and
how probable that is; either direction is as probable. The test is the deployed one, ``harness.stats.bounded``: where many units
change its power is that of a score statistic (its variance under the hypothesis against its true one), where few do, outcomes are
drawn from a seed and tested one by one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, ndtr, ndtri, xlog1py, xlogy

from harness.stats.binary import EXACT_ITEMS
from harness.stats.bounded import BoundedUnits
from harness.stats.power.enumerated import proof_probability

Array = NDArray[np.float64]

Population = tuple[tuple[float, float, float], ...]
"""(summed difference without its sign, size, probability) of each kind of unit."""

FEW = 40
"""Below so many units that are expected to change, outcomes are drawn."""
DRAWS = 300
SEARCH_DRAWS = 60
"""While something is searched for."""
TABLE = 4_000
"""Units of the table that stands for a population."""


def population_of(sums: Array, sizes: Array, kept: float) -> Population:
    """Of units that were seen; only the share ``kept`` of their changes is that of two equally good sides."""
    found: dict[tuple[float, float], float] = {}
    for change, size in zip(np.abs(sums).round(6).tolist(), sizes.round(6).tolist(), strict=True):
        share = 1 / len(sums)
        moved = share * kept if change > 0 else 0.0
        for what, chance in ((change, moved), (0.0, share - moved)):
            if chance > 0:
                found[what, size] = found.get((what, size), 0.0) + chance
    return tuple((change, size, chance) for (change, size), chance in sorted(found.items()))


def changing(population: Population) -> float:
    """Share of units that change."""
    return sum(chance for change, _, chance in population if change > 0)


def _shifted(population: Population, effect: float) -> tuple[Array, Array, Array]:
    """Sums, sizes and probabilities where the true gain is ``effect``: signs are weighted, and more units change if they must."""
    size = sum(each * chance for _, each, chance in population)
    moved = sum(change * chance for change, _, chance in population)
    lean = effect * size / moved if moved > 0 else 0.0
    more = max(1.0, abs(lean))
    lean = max(-1.0, min(1.0, lean))
    rows = []
    for change, each, chance in population:
        if change > 0:
            rows += [(change, each, more * chance * (1 + lean) / 2), (-change, each, more * chance * (1 - lean) / 2)]
        else:
            rows.append((0.0, each, chance))
    table = np.asarray(rows)
    tied = table[:, 0] == 0
    table[tied, 2] *= max(0.0, 1 - float(table[~tied, 2].sum())) / max(float(table[tied, 2].sum()), 1e-12)
    return table[:, 0], table[:, 1], table[:, 2] / table[:, 2].sum()


def spread_of(population: Population, effect: float) -> float:
    """Standard deviation of the mean difference of one unit, at a true gain."""
    sums, sizes, chances = _shifted(population, effect)
    values = sums - effect * sizes
    variance = float(chances @ values**2) - float(chances @ values) ** 2
    return math.sqrt(max(variance, 0.0)) / float(chances @ sizes)


@lru_cache(maxsize=16384)
def score_probability(
    population: Population, units: int, effect: float, delta: float, alpha: float, draws: int = DRAWS
) -> float:  # fmt: skip
    """P(the one-sided test at ``alpha`` proves a gain above ``delta``) with so many units of a population."""
    if abs(delta) >= 1:
        return float(delta < 0)
    sums, sizes, chances = _shifted(population, effect)
    normal = float(ndtri(1 - alpha))
    if units * float(chances[sums != 0].sum()) < FEW:
        return _drawn(sums, sizes, chances, units, delta, normal, draws)
    values = sums - delta * sizes
    mean = float(chances @ values)
    spread = math.sqrt(max(float(chances @ values**2) - mean**2, 1e-300))
    counts = np.round(TABLE * chances).astype(int)
    null, weight = _units(sums, sizes, counts).null(delta)
    return float(ndtr((math.sqrt(units) * mean - normal * math.sqrt(float(weight @ null**2))) / spread))


@lru_cache(maxsize=16384)
def sign_probability(population: Population, units: int, effect: float, alpha: float) -> float:
    """P(sign-flips at one-sided ``alpha`` prove a gain). Where all that change do so by as much, flips only count signs, as
    McNemar's test does; else over how many units change, each number by the second moment that the flips have and the true one."""
    sums, _, chances = _shifted(population, effect)
    moved = sums != 0
    share = float(chances[moved].sum())
    if share <= 0:
        return 0.0
    weights, changes = chances[moved] / share, np.abs(sums[moved])
    upwards = float(weights[sums[moved] > 0].sum())
    if float(np.ptp(changes)) <= 1e-9:
        return proof_probability(units, share * upwards, share * (1 - upwards), 0.0, alpha)
    mean, square = float(weights @ sums[moved]), float(weights @ sums[moved] ** 2)
    reach = 6 * math.sqrt(units * share) + 10
    counts = np.arange(max(1, math.floor(units * share - reach)), min(units, math.ceil(units * share + reach)) + 1)
    logs = gammaln(units + 1) - gammaln(counts + 1) - gammaln(units - counts + 1)
    likely = np.exp(logs + xlogy(counts, share) + xlog1py(units - counts, -share))
    fewest = math.ceil(math.log(alpha) / math.log(0.5))  # so many, all of one sign, are rare enough
    more = counts > fewest
    spread = math.sqrt(max(square - mean**2, 1e-12))
    height = (np.sqrt(counts[more]) * mean - float(ndtri(1 - alpha)) * math.sqrt(square)) / spread
    return min(1.0, float(likely[more] @ ndtr(height)) + float(likely[counts == fewest].sum()) * upwards**fewest)


def _drawn(sums: Array, sizes: Array, chances: Array, units: int, delta: float, normal: float, draws: int) -> float:
    outcomes, times = np.unique(np.random.default_rng(0).multinomial(units, chances, size=draws), axis=0, return_counts=True)
    alone = units <= EXACT_ITEMS and bool((sizes == 1).all())
    proven = [
        (1 + delta) ** units <= float(ndtr(-normal))  # nothing but ties are counts, and have the exact test
        if alone and not counts[sums != 0].any()
        else _units(sums, sizes, counts).statistic(delta) >= normal
        for counts in outcomes
    ]
    return float((times * np.asarray(proven)).sum() / draws)


def _units(sums: Array, sizes: Array, counts: Sequence[int] | NDArray[np.int64]) -> BoundedUnits:
    there = np.asarray(counts) > 0
    rows = sums[there], sizes[there], np.asarray(counts)[there]
    each, size = np.repeat(rows[0], rows[2]), np.repeat(rows[1], rows[2])
    units = BoundedUnits(each, size, 1.0, float((size**2).sum() / size.sum()))
    vars(units)["_distinct"] = (rows[0], rows[1], rows[2].astype(float))  # which is known here, and dear to find again
    return units
