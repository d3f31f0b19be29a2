"""Worlds whose truth is known: how two candidates differ item by item, as arrays of oriented differences."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.compare import Column, Pair
from harness.records import Metric
from harness.records.record import MetricKind

Array = NDArray[np.float64]
Kind = Literal["binary", "bounded", "ordinal", "draws", "clustered binary", "clustered bounded"]
Shape = Literal["even", "mixed", "losses"]

WINNING: dict[Shape, float] = {"even": 0.5, "mixed": 0.25, "losses": 0.0}
"""The share of discordant items that the candidate wins."""

METRICS: dict[Kind, MetricKind] = {
    "binary": "binary", "bounded": "bounded", "ordinal": "ordinal", "draws": "binary",
    "clustered binary": "binary", "clustered bounded": "bounded",
}  # fmt: skip

DRAWS = 4
STEPS = np.array([0.5, 0.25, 0.15, 0.1])
"""How far an ordinal score (1 to 5) moves, if it moves: one to four steps."""


@dataclass(frozen=True)
class World:
    """``units``: items, or clusters of ``size`` items. ``icc``: how far the items of a cluster share one fate (1: entirely)."""

    kind: Kind
    units: int
    discordance: float
    shape: Shape
    size: int = 1
    icc: float = 0.0

    @property
    def wins(self) -> float:
        return self.discordance * WINNING[self.shape]

    @property
    def losses(self) -> float:
        return self.discordance - self.wins

    @property
    def truth(self) -> float:
        """The true gain."""
        return (self.wins - self.losses) * self._magnitude

    @property
    def _magnitude(self) -> float:
        """The mean distance of an item that differs."""
        return {"bounded": 0.25, "clustered bounded": 0.25, "ordinal": float(STEPS @ np.arange(1, 5)), "draws": 0.5}.get(
            self.kind, 1.0
        )

    @property
    def deviation(self) -> float:
        """Standard deviation of the mean difference of one unit (an item, or a cluster)."""
        square = {"bounded": 0.1, "clustered bounded": 0.1, "ordinal": float(STEPS @ np.arange(1, 5) ** 2), "draws": 0.3125}
        item = self.discordance * square.get(self.kind, 1.0) - self.truth**2
        return float(np.sqrt(item * (1 + (self.size - 1) * self.icc) / self.size))

    @property
    def outcomes(self) -> float:
        """What differs, in whole outcomes: a unit won or lost outright is one."""
        return self.units * self.discordance * self._magnitude / (4.0 if self.kind == "ordinal" else 1.0)

    @property
    def differing(self) -> float:
        """Units that are expected to differ: clusters in which any item does."""
        if self.size == 1:
            return self.units * self.discordance
        alone = 1 - np.sqrt(self.icc)
        together = self.size * np.log1p(-self.discordance * alone)
        return float(self.units * (1 - (1 - self.discordance * (1 - alone**self.size)) * np.exp(together)))

    @property
    def factor(self) -> None:
        """No margin is a share of the score here."""

    def data(self, rng: np.random.Generator, seed: int) -> Pair:
        """One data set, as compare would have aligned it."""
        return self.pair(self.sample(rng), seed)

    def sample(self, rng: np.random.Generator) -> Array:
        """Oriented differences of all items, cluster by cluster."""
        if self.size == 1:
            fate = rng.random(self.units)
        else:
            shape = self.units, self.size
            shared = rng.random(shape) < np.sqrt(self.icc)
            fate = np.where(shared, rng.random((self.units, 1)), rng.random(shape)).ravel()
        signs = np.where(fate < self.losses, -1.0, np.where(fate > 1 - self.wins, 1.0, 0.0))
        moved = np.flatnonzero(signs)
        signs[moved] *= self._distances(rng, len(moved))
        return signs

    def _distances(self, rng: np.random.Generator, count: int) -> Array:
        """How far the items move that do: beta(1, 3) for bounded scores (most a little, few a lot), whole steps for ordinal."""
        if self.kind in ("bounded", "clustered bounded"):
            return rng.beta(1, 3, count)
        if self.kind == "ordinal":
            return rng.choice(np.arange(1.0, 5.0), count, p=STEPS)
        if self.kind == "draws":  # one side is right in every draw, the other in about half of them
            return rng.binomial(DRAWS, 0.5, count) / DRAWS
        return np.ones(count)

    def pair(self, differences: Array, seed: int) -> Pair:
        """Two columns with these differences, as compare would have aligned them: scores from 0 to 1 (ordinal: to 4)."""
        top = 4.0 if self.kind == "ordinal" else 1.0
        before = np.where(differences > 0, 0.0, np.where(differences < 0, top, np.arange(len(differences)) % 2 * top))
        return Pair("simulated", self._column(before), self._column(before + differences), seed=seed)

    def _column(self, values: Array) -> Column:
        keys, clusters, zeros, ones = _layout(len(values), self.size)
        metric = Metric(kind=METRICS[self.kind])
        return Column(
            metric=metric, suite="", task="", name="simulated", keys=keys, table=values[:, None], clusters=clusters, strata=zeros,
            weights=ones,
        )  # fmt: skip


@lru_cache(maxsize=4)
def _layout(items: int, size: int) -> tuple[tuple[str, ...], NDArray[np.intp], NDArray[np.intp], Array]:
    """Keys, clusters, strata and weights of a suite of this form."""
    index = np.arange(items, dtype=np.intp)
    return tuple(map(str, index)), index // size, np.zeros(items, dtype=np.intp), np.ones(items)


def grid() -> list[World]:
    """Every world of the full proof."""
    units, discordances, shapes = (20, 50, 100, 300, 1000, 5000), (0.02, 0.05, 0.10, 0.20, 0.40), tuple(WINNING)
    alone: tuple[Kind, ...] = ("binary", "bounded", "ordinal", "draws")
    found = [World(kind, n, d, shape) for kind in alone for n in units for d in discordances for shape in shapes]
    iccs: dict[Kind, tuple[float, ...]] = {"clustered binary": (0.0, 0.2, 0.5, 0.8, 1.0), "clustered bounded": (0.0, 0.5, 1.0)}
    for kind, values in iccs.items():
        apart = [d for d in discordances if d != 0.20]
        found += [World(kind, n, d, shape, 5, icc) for icc in values for n in units[:5] for d in apart for shape in shapes]
    for icc in (0.0, 1.0):
        found += [World("clustered binary", 5000, d, shape, 5, icc) for d in (0.02, 0.40) for shape in shapes]
    for icc in (0.0, 0.5, 1.0):
        found += [World("clustered binary", n, d, shape, 20, icc) for n in (20, 50, 150) for d in (0.02, 0.20) for shape in shapes]
    return found
