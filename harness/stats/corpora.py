"""Differences of corpus metrics: paired bootstrap for intervals and margins, approximate randomisation for "no difference".

Both sides are resampled with the same documents (or clusters of documents). Approximate randomisation swaps the two systems'
documents at random; Koehn's bootstrap p is one-sided in nature and about half of it: it is not used as a p for "no difference".

Where few documents differ, resamples know only those, and a few losses look like a small and certain loss. As for means, Tango's
score takes over there: on what each document contributes to the gain, which is what taking its new answer back would change.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.stats import corpus, resampling
from harness.stats.bounded import FEW_CLUSTERS
from harness.stats.means import MeanPairs
from harness.stats.paired import Array, Codes, Interval, PValue
from harness.stats.power import Design, items_for, mde
from harness.stats.proportion import Side
from harness.stats.resampled import Resampled

ALONE = "one document or cluster cannot show how scores vary"
TOGETHER = 200
"""Pairs whose resamples are held in memory at once."""
FEW_FOR_A_FACTOR = 10
"""Documents under which the ends of a relative change would lie beyond every resample."""


@dataclass(frozen=True)
class CorpusPairs:
    """Sufficient statistics per document, shape (documents, width), of both sides. ``sign`` −1 where lower scores are better.

    ``shares``: how much each stratum counts; the score is then the weighted mean of the strata's, else that of all documents.
    ``declared``: the largest difference between two scores, where the aggregation itself has none.
    """

    aggregator: str
    baseline: Array
    candidate: Array
    clusters: Codes
    strata: Codes
    sign: int = 1
    seed: int = 0
    shares: Array | None = None
    declared: float | None = None

    @property
    def items(self) -> int:
        return len(self.baseline)

    @cached_property
    def _cluster_strata(self) -> Codes:
        return resampling.strata_of(resampling.numbered(self.clusters), self.strata)

    @cached_property
    def _sums(self) -> tuple[Array, Array]:
        """Per cluster: summed statistics of baseline and candidate, each stratum that is scored alone in columns of its own."""
        code = resampling.numbered(self.clusters)
        units = int(code.max()) + 1
        parts = 1 if self.shares is None else int(self._cluster_strata.max()) + 1
        place = code * parts + (0 if self.shares is None else self._cluster_strata[code])
        baseline, candidate = (
            np.stack([np.bincount(place, column, units * parts) for column in side.T], axis=1).reshape(units, -1)
            for side in (self.baseline, self.candidate)
        )
        return baseline.astype(float), candidate.astype(float)

    @property
    def units(self) -> int:
        return len(self._sums[0])

    @cached_property
    def values(self) -> tuple[float, float]:
        """Scores of baseline and candidate, not oriented."""
        baseline, candidate = (float(self._scores(sums.sum(axis=0)[None, :])[0]) for sums in self._sums)
        return baseline, candidate

    def _scores(self, totals: Array) -> Array:
        """Scores of totals as the columns of ``_sums`` have them, shape (resamples, columns)."""
        if self.shares is None:
            return corpus.score(self.aggregator, totals)
        shares = self.shares[self.shares > 0]
        scores = corpus.score(self.aggregator, totals.reshape(len(totals), len(shares), -1))
        return np.asarray(scores @ (shares / shares.sum()), dtype=float)

    @property
    def gain(self) -> float:
        return self.sign * (self.values[1] - self.values[0])

    def _gains(self, baseline: Array, candidate: Array) -> Array:
        """Oriented gains between totals of both sides."""
        return np.asarray(self.sign * (self._scores(candidate) - self._scores(baseline)), dtype=float)

    # ---------------------------------------------------------------------------------------------------- resamples

    @cached_property
    def resampled(self) -> tuple[Array, Array]:
        """Scores of both sides over the bootstrap resamples."""
        totals = resampling.sums(resampling.weights(self._cluster_strata, self.seed), np.hstack(self._sums))
        return self._both(totals)

    def _both(self, totals: Array) -> tuple[Array, Array]:
        width = totals.shape[1] // 2
        return self._scores(totals[:, :width]), self._scores(totals[:, width:])

    def share_test(self, factor: float, side: Side) -> PValue | None:
        """Of the candidate against ``factor`` times the baseline; None where too few documents differ for a bootstrap."""
        if self.units < FEW_FOR_A_FACTOR or self._sparse:
            return None
        base, cand = self.resampled
        seen = Resampled(self.sign * (self.values[1] - factor * self.values[0]), self.sign * (cand - factor * base), self.units)
        parameters = {"factor": factor, "side": side, "resamples": len(seen.plain), "seed": self.seed}
        return None if seen.still else PValue(seen.p(0.0, side), "paired bootstrap of a share", parameters)

    @cached_property
    def _swapped(self) -> Array:
        """Gains after swapping the two sides of random documents, what was seen first."""
        return self._after(resampling.sums(resampling.flips(self.units, self.seed), self._sums[1] - self._sums[0]))

    def _after(self, moved: Array) -> Array:
        """Gains when these totals moved from the candidate to the baseline."""
        baseline, candidate = (sums.sum(axis=0) for sums in self._sums)
        gains = self._gains(baseline + moved, candidate - moved)
        return gains if resampling.exact(self.units) else np.concatenate([[self.gain], gains])

    def null(self, delta: float) -> Array:
        """Statistics under "the gain is ``delta``", large where it is above, what was seen first: for tests of many candidates,
        which share the resamples where they share seed and clusters."""
        if delta == 0:
            return self._swapped
        return np.concatenate([[self.gain - delta], self._bootstrap.plain - self.gain])

    @cached_property
    def _bootstrap(self) -> Resampled:
        plain = np.asarray(self.sign * (self.resampled[1] - self.resampled[0]), dtype=float)
        return Resampled(self.gain, plain, self.units)

    # ------------------------------------------------------------------------------------------------- few documents

    @cached_property
    def _differing(self) -> NDArray[np.intp]:
        """Clusters that are not the same on both sides."""
        return np.flatnonzero(np.abs(self._sums[1] - self._sums[0]).sum(axis=1) > 0)

    @property
    def _sparse(self) -> bool:
        """Fewer than 30 clusters differ, and less than half of them all."""
        return len(self._differing) < 30 and 2 * len(self._differing) < self.units

    @cached_property
    def _few(self) -> MeanPairs | None:
        """Contributions per cluster, where too few differ for the bootstrap, or all do alike; None where it serves.

        One contribution is as large as it was ever seen, or as the whole scale; without a scale, as large as the score is.
        """
        if self.units < 2 or not (self._sparse or self._bootstrap.still):
            return None
        baseline, candidate = self._sums
        found = np.zeros(self.units) if self._sparse else np.full(self.units, self.gain)
        if self._sparse:
            back = candidate.sum(axis=0) - (candidate - baseline)[self._differing]
            found[self._differing] = self.units * self.sign * (self.values[1] - self._scores(back))
        span, size = self._span, max(abs(value) for value in self.values)
        if span is not None:
            span = max(span, float(np.abs(found).max()))
        units = np.arange(self.units, dtype=np.intp)
        return MeanPairs(found, units, np.zeros_like(units), np.ones(self.units), span=span, seed=self.seed, size=size)

    @property
    def _span(self) -> float | None:
        """The largest difference that two scores could have."""
        return corpus.SPANS.get(self.aggregator, self.declared)

    @property
    def _shift(self) -> float:
        """Contributions add up to the gain only nearly."""
        return 0.0 if self._few is None else self.gain - self._few.gain

    # --------------------------------------------------------------------------------------------------------- answers

    def test(self, delta: float, side: Side) -> PValue:
        if delta == 0:
            return self._randomisation(side)
        if self.units < 2:
            return PValue(1.0, f"undefined: {ALONE}", {"delta": delta, "side": side}, 1.0)
        if self._few is not None:
            found = self._few.test(delta - self._shift, side)
            return PValue(found.p, found.method, {**found.parameters, "delta": delta}, found.floor)
        parameters = {"delta": delta, "side": side, "resamples": len(self._bootstrap.plain), "seed": self.seed}
        return PValue(self._bootstrap.p(delta, side), "paired bootstrap", parameters)

    def _randomisation(self, side: Side) -> PValue:
        gains, observed, tolerance = self._swapped, self.gain, 1e-9 * max(1.0, abs(self.values[0]))
        if side == "greater":
            hits = gains >= observed - tolerance
        elif side == "less":
            hits = gains <= observed + tolerance
        else:
            hits = np.abs(gains) >= abs(observed) - tolerance
        parameters = {"delta": 0.0, "side": side, "resamples": len(gains), "seed": self.seed}
        floor = max(1 / len(gains), 0.5 ** len(self._differing))
        return PValue(float(hits.mean()), "approximate randomisation", parameters, floor)

    def interval(self, level: float) -> Interval:
        if self.units < 2:
            return Interval(None, None, level, "none", ALONE)
        note = f"few clusters ({self.units})" if self.units < FEW_CLUSTERS else ""
        span = np.inf if self._span is None else self._span
        if self._few is not None:
            few = self._few.interval(level)
            if few.low is None or few.high is None:
                return few
            low, high, method = few.low + self._shift, few.high + self._shift, few.method
        else:
            ends, method = self._bootstrap.ends(level), "paired bootstrap, expanded percentile"
            if ends is None:
                return Interval(None, None, level, "none", f"{self.units} documents or clusters are too few for this level")
            low, high = ends
        return Interval(max(low, -span), min(high, span), level, method, note)

    @property
    def churn(self) -> float | None:
        return None

    def design(self, churn: float | None = None) -> Design | None:
        """Of documents all of which vary as the resamples say, or of the few that differ as ``MeanPairs`` has it."""
        if self.units < 2:
            return None
        if self._few is None:
            return Design(self.items, clusters=self.units, sd=self._bootstrap.error * math.sqrt(self.items))
        found = self._few.design(churn)
        if found is None:
            return None
        each = math.sqrt(self.items / self.units)  # the contributions are those of clusters
        return replace(found, items=self.items, clusters=self.units, sd=None if found.sd is None else found.sd * each)

    @cached_property
    def _as_seen(self) -> Design | None:
        return self.design()

    def mde(self, alpha: float, power: float = 0.8, margin: float = 0.0) -> float | None:
        return None if self._as_seen is None else mde(self._as_seen, margin, alpha, power)

    def items_needed(self, delta: float, alpha: float, power: float = 0.8, *, equal: bool = False) -> int | None:
        if self._as_seen is None:
            return None
        return items_for("superior", self._as_seen, 0.0 if equal else self.gain, delta, alpha, power)

    def relative(self, level: float) -> tuple[float, float, float] | None:
        """Candidate/baseline as a factor with its interval, which says "no change" where that of the gain does; None where a score
        is not positive, or the documents are too few."""
        base, cand = self.resampled
        if self.units < FEW_FOR_A_FACTOR or self._few is not None or min(float(base.min()), float(cand.min()), *self.values) <= 0:
            return None
        found = self._bootstrap.alike(level, self.sign * np.log(cand / base))
        if found is None:
            return None
        ends = self.sign * np.asarray(found)
        return self.values[1] / self.values[0], float(np.exp(ends.min())), float(np.exp(ends.max()))


def resample_together(pairs: Iterable[CorpusPairs]) -> None:
    """Draw the resamples once for all pairs that share them: equally many clusters in each stratum, and the same seed."""
    groups: dict[tuple[int, bytes], list[CorpusPairs]] = {}
    for pair in pairs:
        groups.setdefault((pair.seed, pair._cluster_strata.tobytes()), []).append(pair)
    for members in groups.values():
        for start in range(0, len(members), TOGETHER):
            _resample(members[start : start + TOGETHER])


def _resample(pairs: list[CorpusPairs]) -> None:
    first = pairs[0]
    sides = [table for pair in pairs for table in pair._sums]
    # The baseline's table is that of all its candidates: each table is summed once.
    known: dict[bytes, int] = {}
    place = [known.setdefault(table.tobytes(), len(known)) for table in sides]
    tables = [sides[place.index(number)] for number in range(len(known))]
    totals = _columns(resampling.sums(resampling.weights(first._cluster_strata, first.seed), np.hstack(tables)), tables)
    changes = [pair._sums[1] - pair._sums[0] for pair in pairs]
    moved = _columns(resampling.sums(resampling.flips(first.units, first.seed), np.hstack(changes)), changes)
    for index, pair in enumerate(pairs):
        left, right = (totals[place[2 * index + side]] for side in (0, 1))
        pair.__dict__["resampled"] = (pair._scores(left), pair._scores(right))
        pair.__dict__["_swapped"] = pair._after(moved[index])


def _columns(wide: Array, tables: list[Array]) -> list[Array]:
    """Back to one part for each table."""
    return np.split(wide, np.cumsum([table.shape[1] for table in tables])[:-1], axis=1)
