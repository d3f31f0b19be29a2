"""Differences of corpus metrics: paired bootstrap for intervals and margins, approximate randomisation for "no difference".

Both sides are resampled with the same documents (or clusters of documents). Approximate randomisation swaps the two systems'
documents at random; Koehn's bootstrap p is one-sided in nature and about half of it: it is not used as a p for "no difference".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import ndtri, stdtrit

from harness.stats import corpus, resampling
from harness.stats.binary import tango_interval
from harness.stats.paired import FEW_CLUSTERS, Array, Codes, Interval, PValue
from harness.stats.power import mean_items, mean_mde
from harness.stats.proportion import Side


@dataclass(frozen=True)
class CorpusPairs:
    """Sufficient statistics per document, shape (documents, width), of both sides. ``sign`` −1 where lower scores are better.

    ``shares``: how much each stratum counts; the score is then the weighted mean of the strata's, else that of all documents.
    """

    aggregator: str
    baseline: Array
    candidate: Array
    clusters: Codes
    strata: Codes
    sign: int = 1
    seed: int = 0
    shares: Array | None = None

    @property
    def items(self) -> int:
        return len(self.baseline)

    @cached_property
    def _sums(self) -> tuple[Array, Array]:
        """Per cluster: summed statistics of baseline and candidate."""
        names, code = np.unique(self.clusters, return_inverse=True)
        sums = np.zeros((2, len(names), self.baseline.shape[1]))
        np.add.at(sums[0], code, self.baseline)
        np.add.at(sums[1], code, self.candidate)
        return sums[0], sums[1]

    @property
    def units(self) -> int:
        return len(self._sums[0])

    @cached_property
    def values(self) -> tuple[float, float]:
        """Scores of baseline and candidate, not oriented."""
        nothing = np.zeros((1, self.units))
        baseline, candidate = (float(self._scores(sums, nothing, sums)[0]) for sums in self._sums)
        return baseline, candidate

    @cached_property
    def _cluster_strata(self) -> Codes:
        _, first = np.unique(self.clusters, return_index=True)
        return np.asarray(np.unique(self.strata[first], return_inverse=True)[1], dtype=np.intp)

    def _scores(self, fixed: Array, counts: Array, sums: Array) -> Array:
        """Scores of the ``fixed`` statistics of all clusters and ``counts`` (resamples, clusters) times the ``sums``."""
        if self.shares is None:
            return corpus.score(self.aggregator, fixed.sum(axis=0) + counts @ sums)
        found, shares = np.zeros(len(counts)), self.shares[self.shares > 0]
        for stratum, share in enumerate(shares / shares.sum()):
            own = self._cluster_strata == stratum
            found += share * corpus.score(self.aggregator, fixed[own].sum(axis=0) + counts[:, own] @ sums[own])
        return found

    @property
    def gain(self) -> float:
        return self.sign * (self.values[1] - self.values[0])

    @cached_property
    def resampled(self) -> tuple[Array, Array]:
        """Scores of both sides over the bootstrap resamples."""
        sides: tuple[list[Array], list[Array]] = ([], [])
        for counts in resampling.weights(self._cluster_strata, self.seed):
            for scores, sums in zip(sides, self._sums, strict=True):
                scores.append(self._scores(np.zeros_like(sums), counts, sums))
        return np.concatenate(sides[0]), np.concatenate(sides[1])

    @cached_property
    def _gains(self) -> Array:
        """Sorted, and spread as far as few documents need: the plain percentile is too narrow by √((n−1)/n) and by normal for t
        (Hesterberg, The American Statistician 69 (2015) 371, "expanded percentile")."""
        plain = self.sign * (self.resampled[1] - self.resampled[0])
        if self.units < 2:
            return np.sort(plain)
        wider = float(stdtrit(self.units - 1, 0.95) / ndtri(0.95)) * math.sqrt(self.units / (self.units - 1))
        return np.sort(self.gain + wider * (plain - self.gain))

    @property
    def _still(self) -> bool:
        """Nothing differs between the resamples: the bootstrap would give an interval of no width."""
        return self.units < 2 or float(np.ptp(self._gains)) < 1e-12

    def test(self, delta: float, side: Side) -> PValue:
        return self._randomisation(side) if delta == 0 else self._percentile(delta, side)

    def null(self, delta: float) -> Array:
        """Statistics under "the gain is ``delta``", large where it is above, what was seen first: for tests of many candidates,
        which share the resamples where they share seed and clusters."""
        if delta == 0:
            return self._swapped
        plain = self.sign * (self.resampled[1] - self.resampled[0])
        return np.concatenate([[self.gain - delta], plain - self.gain])

    @cached_property
    def _swapped(self) -> Array:
        """Gains after swapping the two sides of random documents, what was seen first."""
        baseline, candidate = self._sums
        change = candidate - baseline
        found = [] if resampling.exact(self.units) else [np.asarray([self.gain])]
        for swapped in resampling.flips(self.units, self.seed):
            left = self._scores(baseline, swapped, change)
            right = self._scores(candidate, swapped, -change)
            found.append(self.sign * (right - left))
        return np.concatenate(found)

    def _randomisation(self, side: Side) -> PValue:
        gains, observed, tolerance = self._swapped, self.gain, 1e-9 * max(1.0, abs(self.values[0]))
        if side == "greater":
            hits = gains >= observed - tolerance
        elif side == "less":
            hits = gains <= observed + tolerance
        else:
            hits = np.abs(gains) >= abs(observed) - tolerance
        baseline, candidate = self._sums
        differing = int((np.abs(candidate - baseline).sum(axis=1) > 0).sum())
        parameters = {"delta": 0.0, "side": side, "resamples": len(gains), "seed": self.seed}
        return PValue(float(hits.mean()), "approximate randomisation", parameters, max(1 / len(gains), 0.5**differing))

    def _percentile(self, delta: float, side: Side) -> PValue:
        parameters = {"delta": delta, "side": side, "resamples": len(self._gains), "seed": self.seed}
        if self._still:
            interval = self._bounded(0.90)
            if interval is None or interval.low is None or interval.high is None:
                return PValue(1.0, "undefined: the documents do not differ", parameters, 1.0)
            # The level at which the score interval just reaches delta, by bisection on its own tail.
            return PValue(self._bounded_tail(delta, side), "score bound on documents that could differ", parameters)
        beyond = self._gains <= delta if side == "greater" else self._gains >= delta
        p = (1 + int(beyond.sum())) / (1 + len(self._gains))
        return PValue(min(1.0, 2 * min(p, 1 - p)) if side == "two-sided" else p, "paired bootstrap", parameters)

    @property
    def _span(self) -> float:
        """How far two scores can be apart; for ratios, which have no ceiling, as far as the score is from nothing."""
        return corpus.SPANS.get(self.aggregator, abs(self.values[0]))

    def _bounded(self, level: float) -> Interval | None:
        if self._span == 0.0:
            return None
        low, high = tango_interval(0, 0, self.units, level)
        return Interval(
            self.gain + low * self._span, self.gain + high * self._span, level, "score bound on documents that could differ",
            "no document differs between the two sides",
        )  # fmt: skip

    def _bounded_tail(self, delta: float, side: Side) -> float:
        if side == "two-sided":
            return min(1.0, 2 * min(self._bounded_tail(delta, "greater"), self._bounded_tail(delta, "less")))
        low, high = 1e-12, 0.5
        for _ in range(50):
            tail = (low + high) / 2
            interval = self._bounded(1 - 2 * tail)
            limit = None if interval is None else (interval.low if side == "greater" else interval.high)
            proven = limit is not None and (limit > delta if side == "greater" else limit < delta)
            low, high = (low, tail) if proven else (tail, high)
        return high if high < 0.5 else 1.0

    def interval(self, level: float) -> Interval:
        note = f"few clusters ({self.units})" if self.units < FEW_CLUSTERS else ""
        if self._still:
            nothing = "nothing bounds the difference: one document, or scores of 0"
            return self._bounded(level) or Interval(None, None, level, "none", nothing)
        low, high = np.quantile(self._gains, [(1 - level) / 2, (1 + level) / 2])
        return Interval(float(low), float(high), level, "paired bootstrap, percentile", note)

    @cached_property
    def _standard_error(self) -> float:
        return 0.0 if self._still else float(self._gains.std(ddof=1))

    def mde(self, alpha: float, power: float = 0.8) -> float | None:
        return mean_mde(self._standard_error, alpha, power) if self._standard_error > 0 else None

    def items_needed(self, distance: float, alpha: float, power: float = 0.8) -> int | None:
        return mean_items(self._standard_error, self.items, distance, alpha, power) if self._standard_error > 0 else None

    def relative(self, level: float) -> tuple[float, float, float] | None:
        """Candidate/baseline as a factor with its interval, on the log scale; None where a score is not positive."""
        base, cand = self.resampled
        if self._still or min(float(base.min()), float(cand.min()), *self.values) <= 0:
            return None
        low, high = np.exp(np.quantile(np.log(cand / base), [(1 - level) / 2, (1 + level) / 2]))
        return self.values[1] / self.values[0], float(low), float(high)
