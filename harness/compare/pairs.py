"""Two columns side by side: aligned by key, oriented so that a positive gain is better, and handed to the statistics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import stats
from harness.compare.columns import Column
from harness.records import Comparison

LEVEL = 0.90
"""Two-sided level of an interval whose ends are one-sided 95 % bounds."""


@dataclass(frozen=True)
class Pair:
    """Shared items of two columns, row by row. ``absent``: keys on one side only; ``failed``: keys with an error on one side where
    the other has a score, or failed, too. Where the other answered and has no score, there was nothing to compare."""

    metric: str
    baseline: Column
    candidate: Column
    absent: int = 0
    failed: int = 0
    seed: int = 0

    @property
    def items(self) -> int:
        return len(self.baseline.keys)

    @property
    def sign(self) -> int:
        return 1 if self.baseline.metric.direction == "higher" else -1

    @cached_property
    def differences(self) -> NDArray[np.float64]:
        """Oriented, per item; of a corpus metric per document, as a score of its own, for counting only."""
        metric = self.baseline.metric
        if metric.aggregator == "mean":
            return self.sign * (self.candidate.table[:, 0] - self.baseline.table[:, 0])
        change = stats.each(metric.aggregator, self.candidate.table) - stats.each(metric.aggregator, self.baseline.table)
        return np.asarray(self.sign * change, dtype=float)

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The lowest and the highest score there can be, as either side knows it (a pin may be older than a declaration)."""
        return self.baseline.metric.bounds or self.candidate.metric.bounds

    @property
    def span(self) -> float | None:
        """The largest difference that could exist; None where nothing bounds it."""
        return self.baseline.metric.span or self.candidate.metric.span

    @property
    def unlimited(self) -> bool:
        """Whether an item could score far beyond all that were seen, for all that is known."""
        return self.span is None and math.isinf(stats.limits(self.baseline.metric.aggregator)[1])

    @property
    def counts(self) -> tuple[int, int, int]:
        """Items won, lost and tied."""
        rounding = 1e-12 * (self.size or 1.0)
        won, lost = int((self.differences > rounding).sum()), int((self.differences < -rounding).sum())
        return won, lost, self.items - won - lost

    @cached_property
    def size(self) -> float:
        """The largest score of an item on either side, its sign left out, or how far apart two are; 0 for a corpus metric."""
        if self.baseline.metric.aggregator != "mean" or not self.items:
            return 0.0
        seen = np.concatenate([self.baseline.table[:, 0], self.candidate.table[:, 0]])
        return float(max(np.ptp(seen), np.abs(seen).max()))

    @property
    def values(self) -> tuple[float, float]:
        """Scores of both sides over the shared items, not oriented."""
        return self.baseline.value or 0.0, self.candidate.value or 0.0

    @cached_property
    def evidence(self) -> stats.Evidence | None:
        """The method that fits kind, clusters, strata and weights; None without a shared item."""
        return _evidence(self, self.differences) if self.items else None

    def means(self, differences: NDArray[np.float64], extra: int = 0) -> stats.MeanPairs:
        """``differences`` of the shared items and of ``extra`` more, each of those a cluster of its own, as heavy as any."""
        column = self.baseline
        return stats.MeanPairs(
            differences,
            np.concatenate([column.clusters, column.clusters.max() + 1 + np.arange(extra, dtype=np.intp)]),
            np.concatenate([column.strata, np.full(extra, column.strata[0], dtype=np.intp)]),
            np.concatenate([column.weights, np.full(extra, column.weights.max())]),
            span=self.span,
            ordinal=column.metric.kind == "ordinal",
            seed=self.seed,
            size=self.size,
        )

    def share_test(self, factor: float, side: stats.Side) -> stats.PValue | None:
        """The test against ``factor`` times the baseline: for a margin that is a share of the baseline's score, and as uncertain as
        that. None where the margin is taken for fixed: where it is ``certain``; scores below 0; documents of which too few differ
        for a bootstrap."""
        before = self.baseline.table[:, 0]
        if isinstance(self.evidence, stats.CorpusPairs):
            return self.evidence.share_test(factor, side)
        if float(before.min()) < 0 or self.certain(factor, before):
            return None
        found = self.means(self.differences + self.sign * (1 - factor) * before)
        stretched = replace(found, span=self.stretched(factor), size=max(1.0, factor) * self.size)
        return stretched.mean_test(0.0, side, self.means(self.differences).sparse)

    def stretched(self, factor: float) -> float | None:
        """The largest distance that could exist between a score and ``factor`` times another; None where nothing bounds it."""
        if self.bounds is None:
            return None
        low, high = self.bounds
        return max(abs(high - factor * low), abs(low - factor * high))

    def certain(self, factor: float, before: NDArray[np.float64]) -> bool:
        """Whether ``factor`` times the scores ``before`` may be taken for a number: right or wrong, each its own cluster, and a
        factor up to 1. What is lost then comes from what was right, so that it varies more than the share does; not so in clusters,
        of which those that score low may lose more."""
        return factor <= 1 and not self.baseline.clustered and bool(np.isin(before, (0.0, 1.0)).all())

    def worst_case(self, missing: int) -> stats.Evidence | None:
        """The evidence with every missing item lost outright, as heavy as the heaviest; None where a loss has no natural size, or
        nothing is missing."""
        if missing == 0 or not self.items or self.baseline.metric.aggregator != "mean" or self.span is None:
            return None
        return _evidence(self, np.concatenate([self.differences, np.full(missing, -self.span)]), extra=missing)


def shown_beside(baseline: Column, candidate: Column) -> Column:
    """The baseline in a review: people saw it beside every candidate, and what counts beside this one are the items that were drawn
    for it, by what they stand for there."""
    counts = dict(zip(candidate.keys, candidate.weights.tolist(), strict=True))
    shown = baseline.where([key in counts or key in candidate.errors for key in baseline.keys])
    weights = [counts.get(key, own) for key, own in zip(shown.keys, shown.weights.tolist(), strict=True)]
    return replace(shown, weights=np.asarray(weights, dtype=float))


def align(metric: str, baseline: Column, candidate: Column, *, seed: int) -> Pair:
    """Pair two columns by key, in the baseline's order. Pairs of one ``seed`` and equally many units share their resamples."""
    failed = len(baseline.errors & (candidate.errors | set(candidate.keys)) | candidate.errors & set(baseline.keys))
    if baseline.keys == candidate.keys:
        return Pair(metric, baseline, candidate, 0, failed, seed)
    absent = len((set(baseline.keys) ^ set(candidate.keys)) - baseline.errors - candidate.errors)
    place = {key: index for index, key in enumerate(candidate.keys)}
    shared = baseline.where([key in place for key in baseline.keys])
    order = np.asarray([place[key] for key in shared.keys], dtype=np.intp)
    return Pair(metric, shared, candidate.take(order), absent, failed, seed)


def _evidence(pair: Pair, differences: NDArray[np.float64], extra: int = 0) -> stats.Evidence:
    metric, column = pair.baseline.metric, pair.baseline
    if metric.aggregator != "mean":
        left, right = stats.alike([column.table, pair.candidate.table])
        return stats.CorpusPairs(
            metric.aggregator, left, right, column.clusters, column.strata, pair.sign, pair.seed, column.shares, pair.span
        )
    found = pair.means(differences, extra)
    whole = bool(np.isin(differences, (-1.0, 0.0, 1.0)).all())
    equal = float(np.ptp(found.weights)) == 0.0
    if metric.kind == "binary" and whole and equal and int(np.bincount(found.clusters).max()) == 1:
        return stats.BinaryPairs(int((differences > 0).sum()), int((differences < 0).sum()), len(differences))
    return found


def compare(pair: Pair, baseline: str, candidate: str, *, level: float = LEVEL, p: stats.PValue | None = None) -> Comparison | None:
    """What a person reads about a pair; None without shared items. ``p`` is of a rule's hypothesis, else of "no difference"."""
    evidence = pair.evidence
    if evidence is None:
        return None
    tested = p or evidence.test(0.0, "two-sided")
    interval = evidence.interval(level)
    won, lost, tied = pair.counts
    parameters: dict[str, Any] = {
        **tested.parameters, "interval": interval.method, **_relative(evidence, level),
        "clusters_with_more_items": evidence.units < evidence.items,
    }  # fmt: skip
    return Comparison(
        metric=pair.metric,
        baseline=baseline,
        candidate=candidate,
        baseline_value=pair.values[0],
        candidate_value=pair.values[1],
        gain=evidence.gain,
        low=interval.low,
        high=interval.high,
        level=level,
        p=tested.p,
        method=tested.method,
        parameters=parameters,
        items=pair.items,
        clusters=evidence.units,
        missing=pair.absent + pair.failed,
        won=won,
        lost=lost,
        tied=tied,
        mde=evidence.mde((1 - level) / 2),
        kind=pair.baseline.metric.kind,
        unit=pair.baseline.metric.unit,
        direction=pair.baseline.metric.direction,
        note=_note(evidence, interval),
    )


def _relative(evidence: stats.Evidence, level: float) -> Mapping[str, float]:
    if not isinstance(evidence, stats.CorpusPairs):
        return {}
    factor = evidence.relative(level)
    return {} if factor is None else {"factor": factor[0], "factor_low": factor[1], "factor_high": factor[2]}


def _note(evidence: stats.Evidence, interval: stats.Interval) -> str:
    notes = [interval.note]
    if evidence.units < stats.FEW_CLUSTERS and evidence.units < evidence.items and "few clusters" not in interval.note:
        notes.append(f"few clusters ({evidence.units})")
    return "; ".join(note for note in notes if note)
