"""Rates at equal length, from a seed: from how much information on does a t on the items' parts keep its level?

``python -m benchmarks.simulation.lengths`` draws worlds of 40 to 400 items in which length decides little or nearly everything,
lengths are spread or of two kinds, and a judge is asked once or in both orders; and prints, by the information that the items hold
about the rate at no difference, how often the 90 % interval of a t lies wholly above or below the true rate (nominal: 5 % a side).
Exit code 1 where it does so more often than it may although the rate counts as known (``LEAST_KNOWN``).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from benchmarks.simulation.targets import ASYMPTOTIC, NOISE
from harness.stats import MeanPairs, logistic
from harness.stats.control import FEW_DECIDED, LEAST_KNOWN, PRIOR_SD, parts

Array = NDArray[np.float64]

ITEMS, SLOPES, RATES = (40, 60, 100, 200, 400), (0.0, 1.0, 2.0, 4.0, 8.0, 12.0), (0.0, 1.0)
"""Log-odds: of the longer answer, and of the candidate at no difference."""
BINS = (0.0, 1.0, 2.0, 3.0, LEAST_KNOWN, 10.0, 25.0, np.inf)
LEVEL, SIDE = 0.9, 0.05


def found(repetitions: int, seed: int) -> Iterator[tuple[float, bool, bool]]:
    """Information, and whether the interval lies above or below the truth; of data sets that are not won, or lost, nearly whole."""
    random = np.random.default_rng(seed)
    for items, slope, rate, spread, orders in product(ITEMS, SLOPES, RATES, (True, False), (1, 2)):
        for _ in range(repetitions):
            if spread:
                longer = random.normal(0.3, 1.0, items)
            else:
                longer = np.where(random.random(items) < 0.75, 1.0, -1.0) * (1 + 0.2 * random.random(items))
            x = np.column_stack([np.ones(items), np.tanh(longer / np.sqrt((longer**2).mean()))])
            scores = (random.random((orders, items)) < expit(rate + slope * x[:, 1])).mean(axis=0)
            if min(scores.sum(), items - scores.sum()) < FEW_DECIDED:
                continue
            seen = logistic.fit(x, scores, np.ones((1, items)), PRIOR_SD)[0]
            each, zeros = np.arange(items, dtype=np.intp), np.zeros(items, dtype=np.intp)
            ends = MeanPairs(parts(x, scores, seen), each, zeros, np.ones(items)).interval(LEVEL)
            low, high = (np.nan if end is None else end for end in (ends.low, ends.high))
            yield logistic.information(x, seen, PRIOR_SD), bool(low > expit(rate)), bool(high < expit(rate))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulation.lengths", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=100, help="data sets of each of the 240 worlds (100)")
    parser.add_argument("--seed", type=int, default=0, help="of every random number (0)")
    chosen = parser.parse_args(arguments)
    if chosen.repetitions < 1:
        parser.error("--repetitions must be at least 1")
    table, missed = np.asarray(list(found(chosen.repetitions, chosen.seed)), dtype=float), False
    print("| information | data sets | lies above | below |\n|---|--:|--:|--:|")
    for low, high in pairwise(BINS):
        inside = table[(table[:, 0] >= low) & (table[:, 0] < high)]
        if len(inside):
            above, below = inside[:, 1:].mean(axis=0)
            limit = SIDE + ASYMPTOTIC
            bad = low >= LEAST_KNOWN and max(above, below) > limit + NOISE * np.sqrt(limit * (1 - limit) / len(inside))
            missed = missed or bool(bad)
            print(f"| {low:g} to {high:g} | {len(inside):,} | {100 * above:.1f} % | {100 * below:.1f} % |")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
