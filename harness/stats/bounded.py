"""Means of bounded differences of which few are not zero, unit by unit (a unit is an item, or a whole cluster).

A few small losses look like a small and certain loss to a t, which knows no other values than those seen. Here the data are
reweighted as little as possible (empirical likelihood, Owen, Biometrika 75 (1988) 237) until their mean is the hypothesis, and two
values may be given weight although nobody saw them: a unit lost outright and one won outright. The score statistic takes its
variance from that distribution. Where every unit is won, lost or tied, this is Tango's score statistic; where clusters are lost
whole, it is Tango's over clusters, so that it holds whatever the items of a cluster have in common. The price: where no cluster was
lost, C of them rule out no loss that would have spared them all by chance, (1 − m)^C; no method that holds can do better.

Of few units the normal distribution is no measure of such a statistic: twenty clusters that are lost whole, or nearly, "prove" a
loss beyond what it is in 7 to 8 of 100 cases at a level of 5 %. So p is never below the chance that so many units, drawn from that
same distribution, sum up to as much (Storer & Kim, JASA 85 (1990) 146, do so for right-or-wrong).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from harness.stats import tails
from harness.stats.binary import EXACT_ITEMS
from harness.stats.proportion import Side

Array = NDArray[np.float64]

FAR = 1e6
"""Times what was seen: a gain that stands for all larger ones, where no bound is declared."""

SMALLEST_SUMMED = 1e-12
"""Below it, what is summed up is rounding, and the normal tail counts alone."""

FEW_CLUSTERS = 20
"""Under so many units no t is trusted, and every statement says so."""

FEW_DIFFERING = 100
"""Fewer differing clusters cannot show how rare and how large the losses of whole clusters are."""

HEAVIEST = 0.15
"""Share of the weight that a unit must be able to speak for, to be the one that may be lost unseen."""


def heavy(sizes: Array) -> float:
    """The size from which on units have ``HEAVIEST`` of all weight; or their mean weighted by size, if that is more."""
    ordered = np.sort(sizes)
    below = np.cumsum(ordered) / ordered.sum()
    return max(float(ordered[int(np.searchsorted(below, 1 - HEAVIEST))]), float((sizes**2).sum() / sizes.sum()))


@dataclass(frozen=True)
class BoundedUnits:
    """``sums`` of weighted differences, ``sizes`` (summed weights) and ``span``: no difference is beyond ± ``span``.

    ``whole``: the size of the unit that may be lost outright though none was, where the sizes differ.

    ``declared`` False: ``span`` is only what was seen, and no law. Then a difference may be as large as twice the hypothesis, if
    that is more, so that no hypothesis is impossible: where all units are alike, z is at most √units, about as for a sign test.
    """

    sums: Array
    sizes: Array
    span: float
    whole: float
    declared: bool = True

    @cached_property
    def _distinct(self) -> tuple[Array, Array, Array]:
        """Sums, sizes and how often each pair of them occurs: most are tied."""
        rows, counts = np.unique(np.stack([self.sums, self.sizes], axis=1), axis=0, return_counts=True)
        return rows[:, 0], rows[:, 1], counts.astype(float)

    @cached_property
    def gain(self) -> float:
        return float(self.sums.sum() / self.sizes.sum())

    @property
    def _nothing(self) -> float:
        """A summed distance that is only rounding."""
        return 1e-12 * float(self.sizes.sum()) * self.span

    def null(self, delta: float) -> tuple[Array, Array]:
        """The distribution nearest to the data under "the gain is delta": values (sum − delta × size) and their probabilities."""
        sums, sizes, counts = self._distinct
        values, units = sums - delta * sizes, float(counts.sum())
        span = self.span if self.declared else max(self.span, 2 * abs(delta))
        bottom = min(-(span + delta) * self.whole, float(values.min()))
        top = max((span - delta) * self.whole, float(values.max()))

        total = float(counts @ values)
        if abs(total) <= self._nothing:
            return values, counts / units
        limit = -1 / bottom if total > 0 else -1 / top
        chances = counts / (units * np.maximum(1 + limit * values, 1e-12))
        if (limit > 0) == (float(chances @ values) >= 0):  # the strongest tilt does not do: the unseen gets the rest
            rest = max(0.0, 1 - float(chances.sum()))
            return np.append(values, bottom if limit > 0 else top), np.append(chances, rest)
        tilt = _tilt(values, counts, limit)
        return values, counts / (units * (1 + tilt * values))

    def statistic(self, delta: float) -> float:
        """Large where the data speak for a gain above ``delta``."""
        distance = float(self.sums.sum() - delta * self.sizes.sum())
        if abs(distance) <= self._nothing:
            return 0.0
        values, chances = self.null(delta)
        variance = float((chances * values**2).sum())
        return distance / math.sqrt(len(self.sums) * variance) if variance > 0 else math.copysign(math.inf, distance)

    def p(self, delta: float, side: Side) -> float:
        """The normal tail of the statistic; for up to ``EXACT_ITEMS`` units never below that of their sum. Two-sided: twice the
        smaller one."""
        if side == "two-sided":
            return min(1.0, 2 * min(self.p(delta, "greater"), self.p(delta, "less")))
        z = self.statistic(delta) * (1 if side == "greater" else -1)
        return max(float(ndtr(-z)), self._summed(delta, side)) if z > 0 else float(ndtr(-z))

    def _summed(self, delta: float, side: Side) -> float:
        """The chance that so many units of the nearest distribution under "the gain is delta" sum up to as much; 0 for many."""
        if len(self.sums) > EXACT_ITEMS:
            return 0.0
        values, chances = self.null(delta)
        total = float(self.sums.sum() - delta * self.sizes.sum())
        step = self._step if self.declared or 2 * abs(delta) <= self.span else None
        found = tails.drawn(values, chances, len(self.sums), total, side == "greater", step)
        return found if found > SMALLEST_SUMMED else 0.0

    @cached_property
    def _step(self) -> float | None:
        """Of the lattice that the sums of units of one size lie on, one lost outright among them."""
        even = float(np.ptp(self.sizes)) <= 1e-12 * float(self.sizes[0])
        return tails.step_of(np.append(self._distinct[0], self.span * self.whole)) if even else None

    def interval(self, level: float) -> tuple[float, float] | None:
        """All gains that the test keeps, two-sided; None where no bound is declared, and no gain is too large to be kept."""
        z = float(ndtri(0.5 + level / 2))
        far, tail = self.span if self.declared else FAR * self.span, (1 - level) / 2
        if not self.declared and not (self.p(-far, "greater") < tail and self.p(far, "less") < tail):
            return None

        def normal(end: float, sign: float) -> float:
            """From the gain outwards in steps twice as long each time, then in between; ``end`` where not even that is beyond."""
            border, step = end * (1 - 1e-9), -sign * self.span / len(self.sums)
            beyond = self.gain + step
            while sign * (beyond - border) > 0 and sign * self.statistic(beyond) <= z:
                step *= 2
                beyond = self.gain + step
            if sign * (beyond - border) <= 0:
                beyond = border
                if sign * self.statistic(border) <= z:
                    return end
            return float(brentq(lambda delta: sign * self.statistic(delta) - z, beyond, self.gain, xtol=1e-8 * self.span))

        def limit(end: float, side: Side) -> float:
            """Where the normal tail and that of the sum are both as small."""
            sign = 1.0 if side == "greater" else -1.0
            inner, step = normal(end, sign), -sign * self.span / len(self.sums)

            def excess(delta: float) -> float:
                return math.log(max(self._summed(delta, side), SMALLEST_SUMMED) / tail)

            if sign * (inner - end) <= 0 or tail <= SMALLEST_SUMMED or excess(inner) <= 0:
                return inner
            border, outer = end * (1 - 1e-9), inner + step
            while sign * (outer - border) > 0 and excess(outer) > 0:
                inner, step = outer, 2 * step
                outer = inner + step
            if sign * (outer - border) <= 0:
                outer = border
                if excess(border) > 0:
                    return end
            return float(brentq(excess, outer, inner, xtol=1e-8 * self.span))

        return limit(-far, "greater"), limit(far, "less")


def _tilt(values: Array, counts: Array, limit: float) -> float:
    """Where Σ counts × values / (1 + tilt × values) is 0, between 0 and ``limit``: Newton, or half of the bracket."""
    near, far, tilt = 0.0, limit, 0.0
    sign = 1.0 if limit > 0 else -1.0
    for _ in range(100):
        shares = values / (1 + tilt * values)
        height = float(counts @ shares)
        if sign * height > 0:
            near = tilt
        else:
            far = tilt
        step = height / float(counts @ shares**2)
        ahead = tilt + step
        if abs(step) <= 1e-10 * abs(limit):
            return tilt
        tilt = ahead if min(near, far) < ahead < max(near, far) else (near + far) / 2
    return tilt
