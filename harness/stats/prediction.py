"""What people would have said of all items, from what they said of a few and a judge of all: prediction-powered inference.

PPI++ (Angelopoulos, Duchi and Zrnic, arXiv 2311.01453) for a mean, with the judge's verdicts f weighted by λ:

    θ = λ mean_U f + mean_L (Y − λf)      var = λ² var_U(f)/N + var_L(Y − λf)/n      λ = Cov_L(Y, f) / ((1 + n/N) Var(f)), in [0, 1]

L: the n items that people labelled, drawn at random; U: the N others. A bad judge gets a small λ and costs nothing; at λ = 0 this
*is* the estimate from people alone. Use it on paired differences (candidate less baseline): what the two share cancels first.

Where items were labelled with unequal probabilities π, the others are no sample of all items. There the prediction is averaged over
all, M = n + N, and the rest by Hájek's weights 1/π: θ = λ mean_all f + Σ_L (Y − λf)/π / Σ_L 1/π, with the λ that leaves the least
variance under Poisson sampling, the regression of Y on f over L with weights (1 − π)/π².

The interval adds those of the two parts by squares (Zou and Donner, Statistics in Medicine 27 (2008) 1693). Where the scores have a
bound (``span``), each part has the score interval of ``bounded``: for well-spread values that is the variance above; where judge
and people hardly ever differ, it knows that an item may contradict although none did, and has not the certainty of a variance that
no item, or one, made up. It is as wide as what people add to λ times the judge is uncertain, and no wider. People alone have it,
too: a t on wins and losses misses twice as often as it says on one side (``benchmarks.simulation.judges``). Without a bound the
parts have the t of ``MeanPairs``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from harness.stats import resampling
from harness.stats.means import MeanPairs
from harness.stats.paired import Array, Codes, Interval

FEWEST_LABELS = 50
"""Labelled items (clusters) under which λ and the variance are not trusted, and people alone decide."""

NAME = "prediction-powered (PPI++)"


@dataclass(frozen=True)
class PredictionPowered:
    """``human`` and ``judge``, shape (labelled,), of the same items; ``others``: the judge of the unlabelled ones. Oriented.

    ``clusters`` and ``other_clusters`` share their codes, where given. ``probabilities``, shape (labelled,): with which each item
    was drawn to be labelled; none for equal ones. ``span``: the largest |score| there could be.
    """

    human: Array
    judge: Array
    others: Array
    clusters: Codes | None = None
    other_clusters: Codes | None = None
    probabilities: Array = field(default_factory=lambda: np.zeros(0))
    span: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.human) != len(self.judge) or not len(self.human):
            raise ValueError(f"{len(self.human)} labels of people and {len(self.judge)} verdicts on them; expected one for each")
        if (self.clusters is None) != (self.other_clusters is None):
            raise ValueError("clusters of the labelled items and of the others are given together")
        if len(self.probabilities) and not bool(((self.probabilities > 0) & (self.probabilities <= 1)).all()):
            raise ValueError("probabilities of being labelled must lie above 0 and up to 1")
        if len(self.probabilities) not in (0, len(self.human)):
            raise ValueError(f"{len(self.probabilities)} probabilities for {len(self.human)} labelled items")

    # ---------------------------------------------------------------------------------------------- people and judge

    @cached_property
    def by_hand(self) -> MeanPairs:
        """People alone."""
        return self._pairs(self.human, self._own, self._weights, 1.0)

    @cached_property
    def because(self) -> str:
        """Why the judge is not used, and the answers are those of ``by_hand``; empty where it is."""
        weights = self._weights
        kish = float(weights.sum()) ** 2 / float((weights**2).sum())
        count = min(self.by_hand.units, math.floor(kish + 1e-9))
        if count < FEWEST_LABELS:
            return f"{count} labelled items count; under {FEWEST_LABELS} people alone decide"
        if not len(self.others):
            return "every item has a human label"
        return "the judge says nothing about what people say" if self.lam == 0.0 else ""

    @cached_property
    def lam(self) -> float:
        """How much the judge is listened to."""
        n, total = len(self.human), len(self.others)
        if not total:
            return 0.0
        if self._unequal:
            weights = (1 - self.probabilities) / self.probabilities**2
            if not weights.any():
                return 0.0
            human, judge = (side - np.average(side, weights=weights) for side in (self.human, self.judge))
            above, below = float((weights * human * judge).sum()), float((weights * judge * judge).sum())
        else:
            human, judge = self.human - self.human.mean(), self.judge - self.judge.mean()
            everything = np.concatenate([self.judge, self.others])
            above, below = float((human * judge).mean()), (1 + n / total) * float(everything.var(ddof=1))
        return min(max(above / below, 0.0), 1.0) if below > 1e-300 else 0.0

    @property
    def _unequal(self) -> bool:
        return len(self.probabilities) > 0 and float(np.ptp(self.probabilities)) > 0

    @cached_property
    def _weights(self) -> Array:
        return 1 / self.probabilities if self._unequal else np.ones(len(self.human))

    @cached_property
    def _codes(self) -> Codes:
        """Clusters of labelled items and others, numbered from 0."""
        if self.clusters is None or self.other_clusters is None:
            return np.arange(len(self.human) + len(self.others), dtype=np.intp)
        return resampling.numbered(np.concatenate([self.clusters, self.other_clusters]))

    @property
    def _own(self) -> Codes:
        return self._codes[: len(self.human)]

    @cached_property
    def _parts(self) -> tuple[MeanPairs, MeanPairs]:
        """What the judge predicts, and what people add to it."""
        rest = self._pairs(self.human - self.lam * self.judge, self._own, self._weights, 1 + self.lam)
        predicted = np.concatenate([self.judge, self.others]) if self._unequal else self.others
        codes = self._codes if self._unequal else self._codes[len(self.human) :]
        return self._pairs(self.lam * predicted, codes, np.ones(len(predicted)), self.lam), rest

    def _pairs(self, values: Array, clusters: Codes, weights: Array, scale: float) -> MeanPairs:
        span = None if self.span is None else self.span * scale
        size = float(max(np.abs(self.human).max(), np.abs(self.judge).max())) * scale
        return MeanPairs(values, clusters, np.zeros_like(clusters), weights, span=span, seed=self.seed, size=size)

    def _influence(self, pairs: MeanPairs) -> Array:
        """What the residuals of each cluster add to a mean, shape (clusters,)."""
        residuals = pairs.weights * (pairs.differences - pairs.gain) / pairs.weights.sum()
        small = math.sqrt(pairs.units / max(pairs.units - 1, 1))
        return np.asarray(np.bincount(pairs.clusters, residuals, int(self._codes.max()) + 1) * small, dtype=float)

    # --------------------------------------------------------------------------------------------------------- answers

    @property
    def gain(self) -> float:
        return self.by_hand.gain if self.because else self._parts[0].gain + self._parts[1].gain

    @property
    def items(self) -> int:
        """That people labelled."""
        return len(self.human)

    @property
    def units(self) -> int:
        return self.by_hand.units

    @cached_property
    def error(self) -> float:
        """Standard error of ``gain``."""
        found = self._influence(self.by_hand) if self.because else sum(map(self._influence, self._parts), start=np.zeros(1))
        return math.sqrt(float((found**2).sum()))

    @cached_property
    def effective(self) -> float:
        """Human labels that would have told as much without the judge: by the widths of the two intervals, and not by variances,
        of which a judge that never erred on a few labels would have next to none."""
        with_judge, alone = self.interval(0.95), self.alone(0.95)
        if self.because or with_judge.low is None or with_judge.high is None or alone.low is None or alone.high is None:
            return float(self.items)
        return self.items * max(1.0, ((alone.high - alone.low) / (with_judge.high - with_judge.low)) ** 2)

    @property
    def saved(self) -> float:
        """Human labels that the judge stands for."""
        return self.effective - self.items

    def alone(self, level: float) -> Interval:
        """By people alone, as ``interval`` is by both."""
        return self._bounds(self.by_hand, level)

    @staticmethod
    def _bounds(pairs: MeanPairs, level: float) -> Interval:
        return pairs.interval(level) if pairs.span is None else pairs.score_interval(level)

    def interval(self, level: float) -> Interval:
        if self.because:
            found = self.alone(level)
            return Interval(found.low, found.high, level, f"{found.method} of human labels only", found.note or self.because)
        predicted, rest = self._parts
        one, two = self._bounds(predicted, level), self._bounds(rest, level)
        if one.low is None or one.high is None or two.low is None or two.high is None:
            return Interval(None, None, level, "none", one.note or two.note)
        low = self.gain - self._together(predicted.gain - one.low, rest.gain - two.low)
        high = self.gain + self._together(one.high - predicted.gain, two.high - rest.gain)
        if self.span is not None:
            low, high = max(low, -self.span), min(high, self.span)
        return Interval(low, high, level, NAME, one.note or two.note)

    def _together(self, one: float, two: float) -> float:
        """Distances of two ends from their estimates, as one: by squares, and their correlation."""
        predicted, rest = map(self._influence, self._parts)
        scale = math.sqrt(float((predicted**2).sum()) * float((rest**2).sum()))
        correlation = float((predicted * rest).sum()) / scale if scale > 0 else 0.0
        return math.sqrt(max(one * one + two * two + 2 * correlation * one * two, 0.0))
