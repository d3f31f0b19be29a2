"""Differences of means over items, clusters and strata: clustered t, and the sign-flip permutation.

Standard error (Miller, arXiv 2411.00640, with the C/(C−1) factor): sqrt(C/(C−1) Σ_c r_c²)/W with r_c the summed weighted residuals
of cluster c around its stratum's mean, t with C − (number of strata) degrees of freedom.

Flipping the sign of whole clusters tests "the differences minus delta are symmetric around 0". The mean after flipping a set F is
not below the observed one exactly where the mean over F is at most delta: the limits of the interval are order statistics of the
means of random subsets, and test and interval never disagree.

Sparse differences (most units tied) fool both, as they fool the Wald interval for proportions: a few losses look like a small and
certain loss. There, the score test of ``bounded`` takes over, for which a whole cluster may yet be lost although none was. Where
the metric declares no bound, an item may be lost to the size of the largest score seen, and few units prove nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import stdtr, stdtrit

from harness.stats import resampling, tails
from harness.stats.bounded import FEW_CLUSTERS, FEW_DIFFERING, BoundedUnits, heavy
from harness.stats.paired import Array, Codes, Interval, PValue
from harness.stats.power import Design, items_for, mde, population_of, spread_of
from harness.stats.proportion import Side

SCORE = "Tango score of bounded differences"
CLUSTERED_SCORE = "Tango score over clusters"

PERMUTED_UNITS = 2_000
"""Above so many differing clusters the t test stands in for the permutation (not for ordinal metrics): they agree to two digits."""


@dataclass(frozen=True)
class MeanPairs:
    """Oriented differences per item. ``span``: the largest difference that could exist, None when unbounded or unknown; ``size``:
    the largest score that was seen, 0 when unknown.

    ``ordinal`` differences are only ever permuted: no t on adjectives. ``alone``: scores of one side instead of differences.
    """

    differences: Array
    clusters: Codes
    strata: Codes
    weights: Array
    span: float | None = None
    ordinal: bool = False
    seed: int = 0
    size: float = 0.0
    alone: bool = False

    @property
    def items(self) -> int:
        return len(self.differences)

    @cached_property
    def gain(self) -> float:
        return float((self.weights * self.differences).sum() / self.weights.sum())

    @cached_property
    def _sums(self) -> tuple[Array, Array]:
        """Per cluster: summed weighted differences, summed weights."""
        code = resampling.numbered(self.clusters)
        return _summed(code, self.weights * self.differences), _summed(code, self.weights)

    @property
    def units(self) -> int:
        return len(self._sums[0])

    @cached_property
    def _scale(self) -> float:
        """The largest number seen: what a difference is held against to be rounding, or a loss that nobody saw."""
        return max(self.size, float(np.abs(self.differences).max()))

    @cached_property
    def _differing(self) -> Array:
        """Cluster sums that are not 0: all that decides a test of "no difference"."""
        sums, sizes = self._sums
        return sums[np.abs(sums) > 1e-12 * self._scale * sizes]

    @cached_property
    def sparse(self) -> bool:
        """Less than half of the units differ, and of clusters fewer than a hundred: counted by weight, (Σ|s|)²/Σ s², so that a few
        that were lost whole are few though many others lost an item; and so are the units, where they weigh differently. Or those
        that differ have less than half of the weight: of five heavy items that all stayed, nobody knows how often such are lost."""
        sums, sizes = np.abs(self._differing) / (self._scale or 1.0), self._sums[1]
        weighty = float(sums.sum()) ** 2 / float((sums**2).sum()) if len(sums) else 0.0
        units = float(sizes.sum()) ** 2 / float((sizes**2).sum())
        light = 2 * float(sizes[np.abs(self._sums[0]) > 1e-12 * self._scale * sizes].sum()) < float(sizes.sum())
        return (self.units == self.items or weighty < FEW_DIFFERING) and (2 * weighty < units or light)

    @cached_property
    def _bounded(self) -> BoundedUnits | None:
        """The units for the score test; None where nothing bounds their differences.

        Where the units are not of one size, the one that may be lost unseen is as large as ``heavy`` says, or as those that do
        differ, if that is more.
        """
        scale = self.span or self._scale
        if scale == 0.0:
            return None
        sums, sizes = self._sums
        differing = np.abs(sums)
        seen = float((sizes * differing).sum() / differing.sum()) if differing.any() else 0.0
        return BoundedUnits(sums, sizes, scale, max(heavy(sizes), seen), self.span is not None)

    @cached_property
    def _raw_error(self) -> float:
        """The clustered and, where possible, stratified standard error; 0 when undefined."""
        if self.units < 2:
            return 0.0
        if self._stratified:
            return self._stratified_error
        sums, sizes = self._sums
        residual = sums - sizes * self.gain
        return math.sqrt(len(sums) / (len(sums) - 1) * float((residual**2).sum())) / float(sizes.sum())

    @cached_property
    def _cluster_strata(self) -> Codes:
        return resampling.strata_of(resampling.numbered(self.clusters), self.strata)

    @cached_property
    def _stratified(self) -> bool:
        """Strata count where each has two clusters or more and no cluster crosses them."""
        own = self._cluster_strata[resampling.numbered(self.clusters)]
        alone = np.array_equal(own, resampling.numbered(self.strata))
        return alone and int(np.bincount(self._cluster_strata).min()) >= 2

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

    def test(self, delta: float, side: Side) -> PValue:
        if delta == 0 and (self.ordinal or self.units < FEW_CLUSTERS or len(self._differing) <= PERMUTED_UNITS):
            return self._permutation(self._differing, *self._flipped, delta, side)
        return self.mean_test(delta, side, self.sparse)

    def mean_test(self, delta: float, side: Side, sparse: bool) -> PValue:
        """Of the mean alone: under "it is delta" the differences need not be symmetric, as they are not around a margin.
        ``sparse``: most units show nothing of what could be lost."""
        if sparse or self._constant:
            return self._score(delta, side)
        if self._permuted:
            centred = self._sums[0] - delta * self._sums[1]
            return self._permutation(centred, *self._halves(centred), delta, side)
        return self._t(delta, side)

    @cached_property
    def _flipped(self) -> tuple[Array, Array | None]:
        """Of the clusters that differ: for every test of "no difference"."""
        return self._halves(self._differing)

    def _halves(self, values: Array) -> tuple[Array, Array | None]:
        """Sums over random halves of the clusters, and how probable each is; None: all alike, as patterns or resamples are."""
        summed = None if resampling.exact(len(values)) else tails.subsets(values)
        return summed or (self._subsets(values[:, None])[:, 0], None)

    def _permutation(self, values: Array, rows: Array, chances: Array | None, delta: float, side: Side) -> PValue:
        """``values``: summed (difference − delta) of each cluster; ``rows`` and ``chances``: of their ``_halves``."""
        units, total, parameters = len(values), float(values.sum()), {"delta": delta, "side": side} | self._few
        if units == 0:
            return PValue(1.0, "no item differs", parameters, 1.0)
        tolerance = 1e-12 * float(np.abs(self._sums[0]).sum() + abs(delta) * self._sums[1].sum())
        if chances is not None:
            tolerance = max(tolerance, float(rows[1] - rows[0]) / 4)
        if side == "greater":
            hits = rows <= tolerance
        elif side == "less":
            hits = rows >= -tolerance
        else:
            hits = np.abs(total - 2 * rows) >= abs(total) - tolerance
        rarest = 0.5**units
        if chances is not None:
            found = max(rarest, min(1.0, float(chances[hits].sum())))
            return PValue(found, "exact sign-flip permutation", parameters | {"sums": len(rows)}, rarest)
        if resampling.exact(units):
            return PValue(float(hits.mean()), "exact sign-flip permutation", parameters | {"resamples": len(rows)}, rarest)
        patterns = len(rows) + 1  # what was seen is one of them
        found = (int(hits.sum()) + 1) / patterns
        if not hits.any():
            towards = {"greater": total, "less": -total, "two-sided": abs(total)}[side]
            found = min(found, tails.flips_bound(values, towards) * (2 if side == "two-sided" else 1))
        said = {"resamples": patterns, "seed": self.seed}
        return PValue(found, "sign-flip permutation", parameters | said, rarest)

    def _subsets(self, table: Array) -> Array:
        """Column sums over random halves of the rows, one row per resample. Rows alike are drawn together, as a binomial number.

        Turned so that swapping the sides draws the same subsets.
        """
        sums = self._sums[0]
        first = np.flatnonzero(sums)
        turned = np.ones(table.shape[1])
        turned[0] = -1.0 if len(first) and sums[first[0]] < 0 else 1.0
        table = table * turned
        if not resampling.exact(len(table)):
            single = table.shape[1] == 1  # numpy sorts one column many times faster than rows
            rows, counts = np.unique(table[:, 0] if single else table, axis=0, return_counts=True)
            rows = rows.reshape(len(counts), -1)
            if 4 * len(rows) <= len(table):
                drawn = np.random.default_rng(self.seed).binomial(counts, 0.5, size=(resampling.RESAMPLES, len(rows)))
                return np.asarray((drawn @ rows) * turned, dtype=float)
        return np.concatenate([chunk @ table for chunk in resampling.flips(len(table), self.seed)]) * turned

    def _score(self, delta: float, side: Side) -> PValue:
        parameters = {"delta": delta, "side": side} | self._few
        if self._bounded is None:
            return PValue(1.0, "undefined: every value is the same", parameters, 1.0)
        if self.span is not None and abs(delta) >= self.span:
            return PValue(float((side == "greater") == (delta > 0)), "beyond what can be", parameters)
        p = self._bounded.p(delta, side)
        floor = 0.0 if self.span is not None else self._rarest * (2 if side == "two-sided" else 1)
        return PValue(max(p, min(1.0, floor)), self._score_name, parameters, floor)

    @property
    def _rarest(self) -> float:
        """The chance of the rarest pattern of signs: without a declared bound nothing is more certain than that."""
        return 0.5**self.units

    @property
    def _score_name(self) -> str:
        return SCORE if self.units == self.items else CLUSTERED_SCORE

    def _t(self, delta: float, side: Side) -> PValue:
        error, freedom = self._raw_error, self._freedom
        parameters = {"delta": delta, "side": side, "df": freedom} | self._few
        t = (self.gain - delta) / error
        tail = {"greater": stdtr(freedom, -t), "less": stdtr(freedom, t), "two-sided": 2 * stdtr(freedom, -abs(t))}[side]
        return PValue(min(1.0, float(tail)), self._t_name("test"), parameters)

    @property
    def _constant(self) -> bool:
        """One cluster, or all of them equal: their spread is unknown, and a t would divide by nothing."""
        return self._raw_error <= 1e-12 * self._scale

    @property
    def _permuted(self) -> bool:
        return self.ordinal or self.units < FEW_CLUSTERS

    @property
    def _stratified_apart(self) -> bool:
        return self._stratified and int(self._cluster_strata.max()) > 0

    def _t_name(self, what: str) -> str:
        clustered = "clustered " if self.units < self.items else ""
        stratified = "stratified " if self._stratified_apart else ""
        return f"{stratified}{clustered}{'' if self.alone else 'paired '}t {what}"

    @property
    def _few(self) -> dict[str, int]:
        return {"few_clusters": self.units} if self.units < FEW_CLUSTERS else {}

    def interval(self, level: float) -> Interval:
        note = f"few clusters ({self.units})" if self.units < FEW_CLUSTERS else ""
        if self.sparse or self._constant:
            return self.score_interval(level, note)
        if self._permuted:
            return self._subset_interval(level, note)
        half = float(stdtrit(self._freedom, 0.5 + level / 2)) * self._raw_error
        return self._clipped(self.gain - half, self.gain + half, level, self._t_name("interval"), note)

    def score_interval(self, level: float, note: str = "") -> Interval:
        """That of ``bounded``, whether few units differ or many: of wins and losses it is Wilson's, and a t is not."""
        if self._bounded is None:
            return Interval(None, None, level, "none", "every value is 0 on both sides: nothing bounds the difference")
        few = self.span is None and self._rarest > (1 - level) / 2
        ends = None if few else self._bounded.interval(level)
        if ends is None:
            what = "clusters" if self.units < self.items else "items"
            why = f"{self.units} {what} are too few to bound a {'score' if self.alone else 'difference'} that has no limits"
            return Interval(None, None, level, "none", why)
        return Interval(*ends, level, f"{self._score_name} interval", note)

    def _subset_interval(self, level: float, note: str) -> Interval:
        table = np.stack(self._sums, axis=1)
        totals = self._subsets(table)
        filled = totals[:, 1] > 0
        means = np.sort(totals[filled, 0] / totals[filled, 1])
        extra = 0 if resampling.exact(self.units) else 1
        always = int((~filled).sum()) + extra
        outside = math.floor((1 - level) / 2 * (len(totals) + extra) + 1e-9) - always
        if outside < 0:
            why = f"{self.units} clusters have no pattern of signs that is rare enough for this level"
            return Interval(None, None, level, "none", why)
        return self._clipped(float(means[outside]), float(means[-1 - outside]), level, "inverted sign-flip permutation", note)

    def _clipped(self, low: float, high: float, level: float, method: str, note: str) -> Interval:
        if self.span is not None:
            low, high = max(low, -self.span), min(high, self.span)
        return Interval(low, high, level, method, note)

    @property
    def _changed(self) -> tuple[float, float]:
        """Won and lost, in items that change by all that they could."""
        scale = self.span or self._scale or 1.0
        won, lost = (float(np.maximum(sign * self.differences, 0.0).sum()) / scale for sign in (1, -1))
        return won, lost

    @property
    def churn(self) -> float | None:
        return None if self.span is None else min(2 * min(self._changed) + 1, float(self.items))

    def design(self, churn: float | None = None) -> Design | None:
        scale, kept = self.span or self._scale, 1.0 if churn is None else min(1.0, churn / max(sum(self._changed), 1.0))
        if scale == 0.0 or self.units < 2:
            return None
        if not self.sparse and (self._stratified_apart or not (self.ordinal or self.span is not None)):
            sd = self._raw_error * math.sqrt(kept * self.items)
            return Design(self.items, clusters=self.units, sd=sd) if sd > 0 else None
        each = self.items / float(self.weights.sum())
        sums, sizes = self._sums[0] * each / scale, self._sums[1] * each
        if not len(self._differing):  # one item more than none
            sums, kept = np.concatenate([[1.0], np.zeros(self.units - 1)]), 1.0
        known = population_of(sums, sizes, kept)
        return Design(
            self.items, clusters=self.units, sd=scale * spread_of(known, 0.0) * math.sqrt(self.items / self.units),
            population=known, span=scale, declared=self.span is not None, ordinal=self.ordinal,
        )  # fmt: skip

    @cached_property
    def _as_seen(self) -> Design | None:
        return self.design()

    def mde(self, alpha: float, power: float = 0.8, margin: float = 0.0) -> float | None:
        return None if self._as_seen is None else mde(self._as_seen, margin, alpha, power)

    def items_needed(self, delta: float, alpha: float, power: float = 0.8, *, equal: bool = False) -> int | None:
        design = self.design(self.churn) if equal else self._as_seen
        return None if design is None else items_for("superior", design, 0.0 if equal else self.gain, delta, alpha, power)


def _summed(code: Codes, values: Array) -> Array:
    return np.asarray(np.bincount(code, values), dtype=float)
