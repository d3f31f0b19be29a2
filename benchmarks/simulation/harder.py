"""Worlds that fool simpler methods: units of uneven weight, losses that are rare and large, and passages of which the easy ones
lose more under a margin that is a share of the score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulation.worlds import WINNING, Shape
from harness.compare import Column, Pair
from harness.records import Metric
from harness.records.record import MetricKind

Array = NDArray[np.float64]
Codes = NDArray[np.intp]
Trouble = Literal[
    "uneven clusters",
    "heavy items",
    "rare losses, range declared",
    "rare losses, no range",
    "losses beyond all scores",
    "easy passages lose more",
    "hard passages lose more",
]

MEAN_SIZE, LARGEST_SIZE = 5, 40
"""Of uneven clusters: geometric sizes."""
HEAVY_SHARE, HEAVY = 0.1, 9.0
"""One item in ten weighs nine times as much: half of all weight, a task of its own."""
SMALL, WHOLE, RARE = 0.15, 1.0, 0.05
"""Losses are up to ``SMALL``, evenly; ``RARE`` of them are of the whole score, or of ``BEYOND`` times as much."""
BEYOND = 2.5
SCORE = 10.0
"""About what items score where no range is declared."""
PASSAGE, HARD = 10, 0.5
"""Items of a passage; half of the passages are hard, and this share of their items is right. Of the easy ones all are."""
REAL = ("rare losses, no range", "losses beyond all scores")
PASSAGES = ("easy passages lose more", "hard passages lose more")


@dataclass(frozen=True)
class Harder:
    """``units``: clusters, passages or items. ``discordance``: the share of items that differ; of passages the share of what was
    right that is lost. ``icc`` is of uneven clusters."""

    kind: Trouble
    units: int
    discordance: float
    shape: Shape = "losses"
    icc: float = 0.0

    @property
    def size(self) -> int:
        """Items per unit, where that is one number; of uneven clusters their mean."""
        return {"uneven clusters": MEAN_SIZE}.get(self.kind, PASSAGE if self.kind in PASSAGES else 1)

    @property
    def factor(self) -> float | None:
        """The share of the baseline's score that the candidate truly keeps, where the margin is such a share."""
        return 1 - self.discordance if self.kind in PASSAGES else None

    @property
    def truth(self) -> float:
        """The true gain."""
        if self.kind in PASSAGES:
            return -self.discordance * (1 + HARD) / 2
        unit = SCORE if self.kind in REAL else 1.0
        return -unit * self.discordance * self._magnitude * (1 - 2 * WINNING[self.shape])

    @property
    def _magnitude(self) -> float:
        """The mean distance of an item that differs, in whole outcomes."""
        large = {"losses beyond all scores": BEYOND}.get(self.kind, WHOLE)
        return RARE * large + (1 - RARE) * SMALL / 2 if self.kind.startswith(("rare", "losses")) else 1.0

    @property
    def outcomes(self) -> float:
        """What differs, in whole outcomes of units of mean weight."""
        even = {
            "uneven clusters": MEAN_SIZE / (2 * MEAN_SIZE - 1),
            "heavy items": (1 + HEAVY_SHARE * (HEAVY - 1)) ** 2 / (1 + HEAVY_SHARE * (HEAVY**2 - 1)),
        }
        if self.kind in PASSAGES:
            return -self.units * self.truth
        return self.units * even.get(self.kind, 1.0) * self.discordance * self._magnitude

    def data(self, rng: np.random.Generator, seed: int) -> Pair:
        """Two columns as compare would have aligned them."""
        if self.kind in PASSAGES:
            return self._passages(rng, seed)
        if self.kind in REAL or self.kind == "rare losses, range declared":
            return self._rare(rng, seed)
        sizes = np.ones(self.units, dtype=np.intp)
        if self.kind == "uneven clusters":
            sizes = np.minimum(rng.geometric(1 / MEAN_SIZE, self.units), LARGEST_SIZE)
        clusters = np.repeat(np.arange(self.units), sizes)
        shared = rng.random(len(clusters)) < np.sqrt(self.icc)
        fate = np.where(shared, rng.random(self.units)[clusters], rng.random(len(clusters)))
        wins = self.discordance * WINNING[self.shape]
        gains = np.where(fate < self.discordance - wins, -1.0, np.where(fate > 1 - wins, 1.0, 0.0))
        before = np.where(gains > 0, 0.0, np.where(gains < 0, 1.0, np.arange(len(gains)) % 2))
        strata = np.zeros(len(clusters), dtype=np.intp)
        if self.kind == "heavy items":
            strata[: round(HEAVY_SHARE * self.units)] = 1
        return _pair("binary", before, gains, clusters, strata, np.where(strata, HEAVY, 1.0), seed)

    def _rare(self, rng: np.random.Generator, seed: int) -> Pair:
        differs, large = rng.random(self.units) < self.discordance, rng.random(self.units) < RARE
        lost = np.where(large, BEYOND if self.kind == "losses beyond all scores" else WHOLE, SMALL * rng.random(self.units))
        gains, each = np.where(differs, -lost, 0.0), np.arange(self.units)
        zeros, ones = np.zeros(self.units, dtype=np.intp), np.ones(self.units)
        if self.kind in REAL:
            return _pair("real", SCORE + rng.normal(size=self.units), SCORE * gains, each, zeros, ones, seed)
        return _pair("bounded", ones, gains, each, zeros, ones, seed)

    def _passages(self, rng: np.random.Generator, seed: int) -> Pair:
        """Each passage is hard or easy by itself; what is lost was right, and all of it in one kind of passage."""
        hard, shape = rng.random(self.units) < 0.5, (self.units, PASSAGE)
        right = rng.random(shape) < np.where(hard, HARD, 1.0)[:, None]
        losing, own = (hard, HARD) if self.kind == "hard passages lose more" else (~hard, 1.0)
        lost = (rng.random(shape) < self.discordance * (1 + HARD) / own) & losing[:, None] & right
        clusters = np.repeat(np.arange(self.units), PASSAGE)
        zeros, ones = np.zeros(len(clusters), dtype=np.intp), np.ones(len(clusters))
        return _pair("binary", right.ravel().astype(float), -lost.ravel().astype(float), clusters, zeros, ones, seed)


def _pair(kind: MetricKind, before: Array, gains: Array, clusters: Codes, strata: Codes, weights: Array, seed: int) -> Pair:
    keys = tuple(map(str, range(len(before))))

    def column(values: Array) -> Column:
        return Column(
            metric=Metric(kind=kind), suite="", task="", name="simulated", keys=keys, table=values[:, None], clusters=clusters,
            strata=strata, weights=weights,
        )  # fmt: skip

    return Pair("simulated", column(before), column(before + gains), seed=seed)


def harder() -> list[Harder]:
    """Those of the full proof."""
    found = [
        Harder("uneven clusters", units, d, shape, icc)
        for icc in (0.0, 0.5, 1.0) for units in (20, 50, 100, 300) for d in (0.05, 0.20) for shape in ("even", "mixed", "losses")
    ]  # fmt: skip
    found += [
        Harder("heavy items", units, d, shape)
        for units in (50, 100, 300, 1000) for d in (0.05, 0.20) for shape in ("even", "mixed", "losses")
    ]  # fmt: skip
    rare: tuple[Trouble, ...] = ("rare losses, range declared", "rare losses, no range", "losses beyond all scores")
    found += [Harder(kind, units, d) for kind in rare for units in (20, 50, 100, 300, 1000) for d in (0.10, 0.20, 0.40)]
    slow: tuple[Trouble, ...] = ("easy passages lose more", "hard passages lose more")
    found += [Harder(kind, units, d) for kind in slow for units in (20, 50, 100, 200) for d in (0.05, 0.10, 0.20)]
    return found
