"""Differences of means over items, clusters and strata: clustered t, and the sign-flip permutation.

Standard error (Miller, arXiv 2411.00640, with the C/(C−1) factor): sqrt(C/(C−1) Σ_c r_c²)/W with r_c the summed weighted residuals
of cluster c around its stratum's mean, t with C − (number of strata) degrees of freedom.

Flipping the sign of whole clusters tests "the differences minus delta are symmetric around 0". The mean after flipping a set F is
not below the observed one exactly where the mean over F is at most delta: the limits of the interval are order statistics of the
means of random subsets, and test and interval never disagree.

Sparse differences (nearly all items tied) fool both, as they fool the Wald interval for proportions: a few losses of size 1 look
like a small and certain loss. There, two pseudo-clusters (+s and −s, s the largest difference seen) are added: for binary outcomes
this is the interval of Bonett & Price, J. Educ. Behav. Stat. 37 (2012) 479.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from harness.stats import resampling
from harness.stats.paired import FEW_CLUSTERS, Array, Codes, Interval, PValue
from harness.stats.power import mean_items, mean_mde
from harness.stats.proportion import Side

PERMUTED_UNITS = 2_000
"""Above so many clusters the t test stands in for the permutation of interval-scaled metrics: they agree to the second digit."""


@dataclass(frozen=True)
class MeanPairs:
    """Oriented differences per item. ``span``: the largest difference that could exist, None when unbounded or unknown.

    ``ordinal`` differences are only ever permuted: no t on adjectives.
    """

    differences: Array
    clusters: Codes
    strata: Codes
    weights: Array
    span: float | None = None
    ordinal: bool = False
    seed: int = 0

    @property
    def items(self) -> int:
        return len(self.differences)

    @cached_property
    def gain(self) -> float:
        return float((self.weights * self.differences).sum() / self.weights.sum())

    @cached_property
    def _sums(self) -> tuple[Array, Array]:
        """Per cluster: summed weighted differences, summed weights."""
        _, code = np.unique(self.clusters, return_inverse=True)
        return _summed(code, self.weights * self.differences), _summed(code, self.weights)

    @property
    def units(self) -> int:
        return len(self._sums[0])

    @cached_property
    def sparse(self) -> bool:
        """Fewer than 30 clusters differ, and less than half of them all."""
        differing = int((np.abs(self._sums[0]) > 1e-12).sum())
        return differing < 30 and 2 * differing < self.units

    @cached_property
    def _padded(self) -> tuple[Array, Array] | None:
        """Cluster sums, with two pseudo-clusters where differences are sparse; None where nothing says how large one could be."""
        sums, sizes = self._sums
        if not self.sparse and float(np.ptp(sums / sizes)) > 1e-12:
            return sums, sizes
        largest = float(np.abs(sums / sizes).max()) or (self.span or 0.0)
        if largest == 0.0:
            return None
        size = float(sizes.mean())
        return np.append(sums, [largest * size, -largest * size]), np.append(sizes, [size, size])

    @cached_property
    def _standard_error(self) -> float:
        """With pseudo-clusters where sparse, and then without strata, which only widens it; 0 when undefined."""
        padded = self._padded
        if padded is None or self.units < 2:
            return 0.0
        sums, sizes = padded
        if len(sums) > self.units or not self._stratified:
            residual = sums - sizes * (sums.sum() / sizes.sum())
            return math.sqrt(len(sums) / (len(sums) - 1) * float((residual**2).sum())) / float(sizes.sum())
        return self._stratified_error

    @cached_property
    def _cluster_strata(self) -> Codes:
        _, first = np.unique(self.clusters, return_index=True)
        return np.asarray(np.unique(self.strata[first], return_inverse=True)[1], dtype=np.intp)

    @cached_property
    def _stratified(self) -> bool:
        """Strata count where each has two clusters or more and no cluster crosses them."""
        pairs = np.unique(np.stack([self.clusters, self.strata]), axis=1).shape[1]
        return pairs == self.units and int(np.bincount(self._cluster_strata).min()) >= 2

    @cached_property
    def _stratified_error(self) -> float:
        sums, sizes = self._sums
        code = self._cluster_strata
        means = np.bincount(code, sums) / np.bincount(code, sizes)
        counts = np.bincount(code)
        squares = np.bincount(code, (sums - sizes * means[code]) ** 2)
        return math.sqrt(float((counts / (counts - 1) * squares).sum())) / float(sizes.sum())

    @property
    def _freedom(self) -> int:
        return self.units - (int(self._cluster_strata.max()) + 1 if self._stratified else 1)

    @property
    def _permuted(self) -> bool:
        return self.ordinal or self.units < FEW_CLUSTERS

    def _flipped(self, delta: float) -> tuple[Array, Array]:
        """Per cluster, the summed (difference − delta), with pseudo-clusters away from 0; and its sums over each flipped subset."""
        sums, sizes = (self._padded if delta != 0 else None) or self._sums
        centred = sums - delta * sizes
        return centred, np.concatenate([chunk @ centred for chunk in resampling.flips(len(centred), self.seed)])

    def test(self, delta: float, side: Side) -> PValue:
        if self._permuted or (delta == 0 and self.units <= PERMUTED_UNITS):
            return self._permutation(delta, side)
        return self._t(delta, side)

    def _permutation(self, delta: float, side: Side) -> PValue:
        centred, rows = self._flipped(delta)
        total, tolerance = float(centred.sum()), 1e-12 * max(1.0, float(np.abs(rows).max()))
        if side == "greater":
            hits = rows <= tolerance
        elif side == "less":
            hits = rows >= -tolerance
        else:
            hits = np.abs(total - 2 * rows) >= abs(total) - tolerance
        exact = resampling.exact(len(centred))
        extra = 0 if exact else 1  # what was seen is one of the patterns
        patterns = len(rows) + extra
        name = "exact sign-flip permutation" if exact else "sign-flip permutation"
        parameters = {"delta": delta, "side": side, "resamples": patterns} | ({} if exact else {"seed": self.seed})
        floor = max(1 / patterns, 0.5 ** int((np.abs(centred) > 1e-12).sum()))
        return PValue((int(hits.sum()) + extra) / patterns, name, parameters | self._notes(delta != 0), floor)

    def _t(self, delta: float, side: Side) -> PValue:
        error, freedom = self._standard_error, self._freedom
        parameters = {"delta": delta, "side": side, "df": freedom} | self._notes(True)
        if error == 0.0 or freedom < 1:
            return PValue(1.0, "undefined: the differences do not vary", parameters, 1.0)
        t = (self._centre - delta) / error
        tail = {"greater": stdtr(freedom, -t), "less": stdtr(freedom, t), "two-sided": 2 * stdtr(freedom, -abs(t))}[side]
        return PValue(min(1.0, float(tail)), self._t_name("test"), parameters)

    @property
    def _centre(self) -> float:
        """The mean that the standard error belongs to: shrunk a little where pseudo-clusters were added."""
        padded = self._padded
        return self.gain if padded is None else float(padded[0].sum() / padded[1].sum())

    def _t_name(self, what: str) -> str:
        clustered = "clustered " if self.units < self.items else ""
        stratified = "stratified " if self._stratified and int(self._cluster_strata.max()) > 0 else ""
        return f"{stratified}{clustered}paired t {what}"

    def _notes(self, padded: bool) -> dict[str, object]:
        notes: dict[str, object] = {}
        if padded and self._padded is not None and len(self._padded[0]) > self.units:
            notes["pseudo_clusters"] = 2
        if self.units < FEW_CLUSTERS:
            notes["few_clusters"] = self.units
        return notes

    def interval(self, level: float) -> Interval:
        if self._padded is None:
            return Interval(None, None, level, "none", "every value is the same on both sides: nothing bounds the difference")
        if self._permuted:
            return self._subset_interval(level)
        if self._freedom < 1 or self._standard_error == 0.0:
            return Interval(None, None, level, "none", "one cluster only: the spread between clusters is unknown")
        half = float(stdtrit(self._freedom, 0.5 + level / 2)) * self._standard_error
        pseudo = " with two pseudo-clusters" if len(self._padded[0]) > self.units else ""
        return self._clipped(self._centre - half, self._centre + half, level, self._t_name("interval") + pseudo)

    def _subset_interval(self, level: float) -> Interval:
        sums, sizes = self._padded or self._sums
        tables = [chunk @ np.stack([sums, sizes], axis=1) for chunk in resampling.flips(len(sums), self.seed)]
        totals = np.concatenate(tables)
        filled = totals[:, 1] > 0
        means = np.sort(totals[filled, 0] / totals[filled, 1])
        always = int((~filled).sum()) + (0 if resampling.exact(len(sums)) else 1)
        outside = math.floor((1 - level) / 2 * (len(totals) + (0 if resampling.exact(len(sums)) else 1)) + 1e-9) - always
        note = f"few clusters ({self.units})" if self.units < FEW_CLUSTERS else ""
        if outside < 0 or self.units < 2:
            return Interval(
                None, None, level, "none", f"{note or 'too few clusters'}: no pattern of signs is rare enough for this level"
            )
        name = "inverted sign-flip permutation" + (" with two pseudo-clusters" if len(sums) > self.units else "")
        return self._clipped(float(means[outside]), float(means[-1 - outside]), level, name, note)

    def _clipped(self, low: float, high: float, level: float, method: str, note: str = "") -> Interval:
        if self.span is not None:
            low, high = max(low, -self.span), min(high, self.span)
        return Interval(low, high, level, method, note)

    def mde(self, alpha: float, power: float = 0.8) -> float | None:
        if self._standard_error == 0.0 or 0.5**self.units > alpha:
            return None
        return mean_mde(self._standard_error, alpha, power)

    def items_needed(self, distance: float, alpha: float, power: float = 0.8) -> int | None:
        return mean_items(self._standard_error, self.items, distance, alpha, power) if self._standard_error > 0 else None


def mean_interval(values: Array, clusters: NDArray[np.intp], weights: Array, level: float) -> tuple[float, float] | None:
    """Clustered t interval of one weighted mean; None with one cluster or without any variation."""
    alone = np.zeros(len(values), dtype=np.intp)
    sample = MeanPairs(values - values[0], clusters, alone, weights)
    if sample.units < 2 or float(np.ptp(values)) < 1e-12:
        return None
    sums, sizes = sample._sums
    mean = float((weights * values).sum() / weights.sum())
    residual = sums - sizes * sample.gain
    error = math.sqrt(len(sums) / (len(sums) - 1) * float((residual**2).sum())) / float(sizes.sum())
    half = float(stdtrit(len(sums) - 1, 0.5 + level / 2)) * error
    return (mean - half, mean + half) if error > 0 else None


def _summed(code: Codes, values: Array) -> Array:
    return np.asarray(np.bincount(code, values), dtype=float)
