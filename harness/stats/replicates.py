"""Gains of several replicates of one recipe (training seeds) over the same items: what the recipe does, not one checkpoint of it.

Replicates and items are both samples: another seed and other items would have given another gain. With y_ri the gain of replicate r
on item i, R replicates, n items, and the two-way mean squares

    MS_R = n Σ_r (y_r. − y..)² / (R − 1)      MS_I = R Σ_i (y_.i − y..)² / (n − 1)
    MS_E = Σ_ri (y_ri − y_r. − y_.i + y..)² / ((R − 1)(n − 1))

the variance of the mean gain is estimated by V = V_R + V_I with V_R = MS_R/(R n), of R − 1 degrees of freedom, and
V_I = max(MS_I − MS_E, 0)/(R n), of n − 1: as for readers and cases in studies of diagnostic tests (Dorfman, Berbaum and Metz,
Investigative Radiology 27 (1992) 723; the form with the maximum: Hillis, Statistics in Medicine 26 (2007) 596). The mean gain over
the root of V is held against the mean of the two quantiles of t, weighted by V_R and V_I (Cochran and Cox, Experimental Designs,
1950, §4.14), which keeps its level with three seeds, where Satterthwaite's degrees of freedom reject up to 6.2 % at a level of 5 %.
Clusters stand for items, as the mean of what each adds to the gain (Miller's residuals).

The seeds can hardly show less noise than none, so that nothing is ever decided more easily than by the items alone: p is the
larger, and the interval the wider one, of this and of the test of the mean over replicates, item by item. Under three replicates
nothing is decided at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import stdtrit

from harness.stats import resampling
from harness.stats.means import MeanPairs
from harness.stats.paired import Array, Interval, PValue
from harness.stats.power import Design
from harness.stats.proportion import Side

FEWEST = 3
"""Replicates below which nothing is said about a recipe."""

NAME = "two-way t over replicates and items"


@dataclass(frozen=True)
class Replicates:
    """``gains``: oriented, shape (replicates, items). ``like``: the items of each replicate, with all that ``MeanPairs`` knows of
    them beside the differences, which are not looked at."""

    gains: Array
    like: MeanPairs

    @property
    def replicates(self) -> int:
        return len(self.gains)

    @property
    def items(self) -> int:
        return int(self.gains.shape[1])

    @property
    def units(self) -> int:
        return self.by_item.units

    @property
    def gain(self) -> float:
        return self.by_item.gain

    @cached_property
    def each(self) -> Array:
        """The gain of every replicate."""
        weights = self.like.weights
        return np.asarray(self.gains @ weights / weights.sum(), dtype=float)

    @cached_property
    def by_item(self) -> MeanPairs:
        """The mean over replicates, item by item: all that is known without asking how replicates differ."""
        return replace(self.like, differences=np.asarray(self.gains.mean(axis=0), dtype=float))

    @cached_property
    def _squares(self) -> tuple[float, float, float]:
        """MS_R, MS_I and MS_E over clusters; zeros where there are fewer than two of either."""
        code, weights = resampling.numbered(self.like.clusters), self.like.weights
        replicates, units = self.replicates, int(code.max()) + 1
        if replicates < 2 or units < 2:
            return 0.0, 0.0, 0.0
        residuals = (self.gains - self.each[:, None]) * weights
        sums = np.stack([np.bincount(code, row) for row in residuals]) * (units / weights.sum())
        table = self.each[:, None] + sums  # every replicate's mean over clusters is its gain
        rows, columns, mean = table.mean(axis=1), table.mean(axis=0), float(table.mean())
        rest = table - rows[:, None] - columns[None, :] + mean
        return (
            units * float(((rows - mean) ** 2).sum()) / (replicates - 1),
            replicates * float(((columns - mean) ** 2).sum()) / (units - 1),
            float((rest**2).sum()) / ((replicates - 1) * (units - 1)),
        )

    @cached_property
    def _parts(self) -> tuple[float, float]:
        """V_R and V_I."""
        among, within, rest = self._squares
        return among / (self.replicates * self.units), max(within - rest, 0.0) / (self.replicates * self.units)

    @property
    def _error(self) -> float:
        """Standard error of the gain; 0 where nothing varies."""
        return math.sqrt(sum(self._parts))

    def _quantile(self, probability: float, replicates: int | None = None) -> float:
        """Of the gain over its standard error; with other than the present ``replicates``, were they as noisy as these."""
        among, within = self._parts
        count = replicates or self.replicates
        among, both = among * self.replicates / count, among * self.replicates / count + within
        slow, fast = float(stdtrit(count - 1, probability)), float(stdtrit(self.units - 1, probability))
        return (among * slow + within * fast) / both

    def _tail(self, t: float) -> float:
        """The probability of more than ``t``: the one whose quantile ``t`` is."""
        if t < 0:
            return 1 - self._tail(-t)
        low, high = -700.0, math.log(0.5)  # of its logarithm
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (low, middle) if -self._quantile(math.exp(middle)) < t else (middle, high)
        return math.exp(high)

    @property
    def _varies(self) -> bool:
        return self._error > 1e-12 * max(self.like.size, float(np.abs(self.gains).max()))

    @cached_property
    def between(self) -> float:
        """Standard deviation of the gain from replicate to replicate, the noise of the items taken out; 0 where that is all."""
        among, _, rest = self._squares
        return math.sqrt(max(among - rest, 0.0) / self.units)

    def test(self, delta: float, side: Side) -> PValue:
        return self._with_seeds(self.by_item.test(delta, side), delta, side)

    def mean_test(self, delta: float, side: Side, sparse: bool) -> PValue:
        """Of the mean alone, as ``MeanPairs`` has it."""
        return self._with_seeds(self.by_item.mean_test(delta, side, sparse), delta, side)

    def _with_seeds(self, items: PValue, delta: float, side: Side) -> PValue:
        """``items``: by the mean over replicates, item by item."""
        parameters: dict[str, Any] = {"delta": delta, "side": side, "replicates": self.replicates}
        if self.replicates < FEWEST:
            return PValue(1.0, f"undefined: fewer than {FEWEST} replicates", parameters, 1.0)
        if not self._varies:
            return PValue(items.p, f"{items.method} over the mean of replicates", {**items.parameters, **parameters}, items.floor)
        t = (self.gain - delta) / self._error
        tail = {"greater": self._tail(t), "less": self._tail(-t), "two-sided": 2 * self._tail(abs(t))}[side]
        parameters["between"] = self.between
        return PValue(max(items.p, min(1.0, tail)), NAME, parameters, items.floor)

    def interval(self, level: float) -> Interval:
        if self.replicates < FEWEST:
            return Interval(None, None, level, "none", f"fewer than {FEWEST} replicates")
        items = self.by_item.interval(level)
        if not self._varies or items.low is None or items.high is None:
            return items
        half = self._quantile(0.5 + level / 2) * self._error
        low, high = min(items.low, self.gain - half), max(items.high, self.gain + half)
        if self.like.span is not None:
            low, high = max(low, -self.like.span), min(high, self.like.span)
        return Interval(low, high, level, f"{NAME}, interval", items.note)

    @property
    def churn(self) -> float | None:
        return self.by_item.churn

    def design(self, churn: float | None = None) -> Design | None:
        """By the items alone."""
        return self.by_item.design(churn)

    def mde(self, alpha: float, power: float = 0.8, margin: float = 0.0) -> float | None:
        """Never less than by the items alone."""
        items = self.by_item.mde(alpha, power, margin)
        if self.replicates < FEWEST or items is None:
            return None
        return max(items, margin + self._reach(alpha, power) * self._error) if self._varies else items

    def _reach(self, alpha: float, power: float, replicates: int | None = None) -> float:
        """Standard errors between the border of a hypothesis and a gain that is told from it with ``power``."""
        return self._quantile(1 - alpha, replicates) + self._quantile(power, replicates)

    def items_needed(self, delta: float, alpha: float, power: float = 0.8, *, equal: bool = False) -> int | None:
        """With these replicates; None where no number of items makes up for how they differ."""
        distance = (0.0 if equal else self.gain) - delta
        if self.replicates < FEWEST or distance <= 0:
            return None
        alone = self.by_item.items_needed(delta, alpha, power, equal=equal)
        if not self._varies:
            return alone
        wanted, fixed = (distance / self._reach(alpha, power)) ** 2, self.between**2 / self.replicates
        if wanted <= fixed:
            return None
        return max(alone or 0, math.ceil(self.items * max(self._error**2 - fixed, 0.0) / (wanted - fixed)))

    def replicates_needed(self, distance: float, alpha: float, power: float = 0.8) -> int | None:
        """Replicates, on these items, that would see ``distance``; None where no number of them would, or where it cannot be told.

        What the items account for stays; the rest shrinks with the replicates.
        """
        if self.replicates < FEWEST or distance <= 0 or not self._varies:
            return None
        among, within = self._parts
        for count in (*range(FEWEST, 50), *range(50, 1001, 10)):
            if self._reach(alpha, power, count) ** 2 * (among * self.replicates / count + within) <= distance**2:
                return int(count)
        return None
