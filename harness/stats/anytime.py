"""Evidence that may be looked at after every item: e-processes, whose smallest inverse so far is a p-value (Ville's inequality).

Against "no difference", on discordant pairs: the likelihood of the wins and losses under a win rate drawn uniformly from [0,
1], over the one under ½: E = 2^(won + lost) · B(won + 1, lost + 1). One-sided, the rate is drawn from [½, 1]; every such ratio
is a supermartingale where wins are at most as likely as losses.

Against a margin, for bounded scores: the capital of a gambler who stakes a share of it on every unit (Waudby-Smith & Ramdas,
JRSS B 86 (2024) 1, arXiv 2010.09686): Π (1 + λ (gain − delta)), which nobody can expect to grow unless the mean gain is above
``delta``. Which stake is best depends on what is not known yet: the capital is spread evenly over ``STAKES`` (their diversified
Kelly bettor), so that no stake is ever chosen from the data. A cluster is one unit: its summed gain over the largest cluster's
size.

These hold whenever one stops, and cost about twice the width of a test at a planned number of items.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaln, logsumexp

from harness.stats.proportion import Side

Array = NDArray[np.float64]

STAKES = np.geomspace(0.01, 0.95, 14)
"""Shares of the stake that would ruin the gambler in the worst case."""


def log_discordant(won: Array | float, lost: Array | float, side: Side = "two-sided") -> Array:
    """log E of a number of wins and losses against "no difference", broadcasting. ``greater``: for more wins than losses."""
    w, b = np.asarray(won, dtype=float), np.asarray(lost, dtype=float)
    both = (w + b) * np.log(2) + betaln(w + 1, b + 1)
    if side == "two-sided":
        return np.asarray(both, dtype=float)
    first, second = (b, w) if side == "greater" else (w, b)
    half = np.maximum(betainc(first + 1, second + 1, 0.5), 1e-300)  # of the mass of Beta(won + 1, lost + 1) beyond ½
    return np.asarray(both + np.log(2) + np.log(half), dtype=float)


@dataclass(frozen=True)
class Bets:
    """Scores or gains of independent units, between ``low`` and ``high``. In which order they came makes no difference.

    ``sums`` and ``sizes`` are per cluster (weights times scores, and weights), ``largest`` the size that no cluster exceeds: known
    beforehand, or the bets would depend on what is still to come. The mean that is tested is Σ sums / Σ sizes.
    """

    sums: Array
    sizes: Array
    largest: float
    low: float = -1.0
    high: float = 1.0

    @cached_property
    def mean(self) -> float:
        return float(self.sums.sum() / self.sizes.sum())

    def log_capital(self, border: float, side: Side) -> float:
        """log of what they have who bet that the mean is above (``less``: below) ``border``; 1 to begin with."""
        edge = border - self.low if side == "greater" else self.high - border
        if edge <= 0:  # every score is on that side by its nature: there is nothing to bet on
            return 0.0
        sign = 1.0 if side == "greater" else -1.0
        growth = sign * (self.sums - border * self.sizes) / (self.largest * edge)
        return float(logsumexp(np.log1p(growth[:, None] * STAKES).sum(axis=0)) - np.log(len(STAKES)))

    def interval(self, level: float) -> tuple[float, float]:
        """The means that no bet has ruled out: a confidence sequence, two-sided at ``level``."""
        enough = -math.log((1 - level) / 2)
        return self._end(self.low, enough, "greater"), self._end(self.high, enough, "less")

    def _end(self, outer: float, enough: float, side: Side) -> float:
        """Where the capital, which falls as the border moves from ``outer`` to the mean, comes down to what is ``enough``."""
        ruled_out, kept = outer, self.mean
        for _ in range(26):
            middle = (ruled_out + kept) / 2
            ruled_out, kept = (middle, kept) if self.log_capital(middle, side) >= enough else (ruled_out, middle)
        return ruled_out
