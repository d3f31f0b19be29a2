"""Few labels of people and many verdicts of a judge, from a seed: how often does the interval miss, and what does the judge save?

``python -m benchmarks.simulation.judges`` prints one row per kind of world and judge: on how many data sets the 90 % interval
lies wholly above, or below, what people would have said of all (nominal: 5 % a side), on average over its worlds and on the worst,
the same for people alone, the width beside that of people alone, and how many labels of people alone one label is worth. Exit
code 1 where an interval misses more often than it may, or where a judge that is right on 70 to 90 % of items makes no interval
clearly narrower.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulation.targets import ASYMPTOTIC, NOISE
from harness.stats import PredictionPowered
from harness.stats.paired import Interval

Array = NDArray[np.float64]
Shape = Literal["alone", "ties", "clusters", "disputed"]

LEVEL, SIDE = 0.9, 0.05
SPAN = 0.5
"""Wins are + ½, losses − ½."""
TIES = 0.25
"""Share of ties of the judge and of people, where there are any; the judge makes its own of the items that it is not right on."""
SIZE, SHARED = 4, 0.5
"""Items of a cluster; how many of them share its fate."""
OFTENER = 4.0
"""Times as often are items drawn on which the judge ties."""


@dataclass(frozen=True)
class World:
    """A judge that is ``right`` about so many items, of which people prefer the candidate on ``won`` (of those without a tie)."""

    right: float
    labelled: int
    judged: int
    won: float
    shape: Shape = "alone"

    @property
    def truth(self) -> float:
        """The mean of what people say, around even."""
        return (self.won - 0.5) * (1 - self._ties)

    @property
    def _ties(self) -> float:
        return 0.0 if self.shape in ("alone", "clusters") else TIES

    def data(self, random: np.random.Generator, seed: int) -> PredictionPowered:
        """One data set. Labelled items are a random sample of all, whole clusters, or drawn oftener where the judge ties."""
        items = self.labelled + self.judged
        own = np.arange(items) // (SIZE if self.shape == "clusters" else 1)
        human, judge = self._said(random, own)
        if self.shape == "disputed":
            odds = np.where(judge == 0, OFTENER, 1.0)
            chances = np.minimum(1.0, self.labelled * odds / odds.sum())
            drawn = random.random(items) < chances
            return PredictionPowered(human[drawn], judge[drawn], judge[~drawn], probabilities=chances[drawn], span=SPAN, seed=seed)
        drawn = own < self.labelled // (SIZE if self.shape == "clusters" else 1)
        codes, others = (own[drawn], own[~drawn]) if self.shape == "clusters" else (None, None)
        return PredictionPowered(human[drawn], judge[drawn], judge[~drawn], codes, others, span=SPAN, seed=seed)

    def _said(self, random: np.random.Generator, own: NDArray[np.intp]) -> tuple[Array, Array]:
        """Of people and of the judge; in a cluster both may be the same for all of it."""
        fates = random.random((2, len(own)))
        shared = random.random((2, len(own))) < (SHARED if self.shape == "clusters" else 0.0)
        whole = random.random((2, int(own[-1]) + 1))[:, own]
        (won, right), ties = np.where(shared, whole, fates), self._ties
        human = np.where(won < ties, 0.0, np.where(won < ties + (1 - ties) * self.won, SPAN, -SPAN))
        wrong = np.where(human == 0, np.where(random.random(len(own)) < 0.5, SPAN, -SPAN), -human)
        tied = (random.random(len(own)) < 0.5) & (human != 0) if ties else np.zeros(len(own), dtype=bool)
        return human, np.where(right < self.right, human, np.where(tied, 0.0, wrong))


@dataclass(frozen=True)
class Line:
    """One world over ``repetitions`` data sets. ``above``, ``below``: the share of intervals that lie wholly above the truth, or
    below it; ``alone_…``: of people alone. ``narrower``: the mean width over that of people alone. ``worth``: of a label, in
    labels of people alone.
    """

    world: World
    repetitions: int
    above: float
    below: float
    alone_above: float
    alone_below: float
    narrower: float
    worth: float

    @property
    def missed(self) -> float:
        """On the worse side."""
        return max(self.above, self.below)


def line(world: World, repetitions: int, seed: int) -> Line:
    """Many data sets of one world."""
    random = np.random.default_rng([seed, *map(ord, str(world))])
    both, alone = [], []
    for repetition in range(repetitions):
        data = world.data(random, repetition)
        both.append(_ends(data.interval(LEVEL)))
        alone.append(_ends(data.alone(LEVEL)))
    ends, theirs, truth = np.asarray(both), np.asarray(alone), world.truth
    widths, hand = np.ptp(ends, axis=1), np.ptp(theirs, axis=1)
    return Line(
        world,
        repetitions,
        above=float((ends[:, 0] > truth).mean()),
        below=float((ends[:, 1] < truth).mean()),
        alone_above=float((theirs[:, 0] > truth).mean()),
        alone_below=float((theirs[:, 1] < truth).mean()),
        narrower=float(widths.mean() / hand.mean()),
        worth=float(np.maximum(1.0, (hand / widths) ** 2).mean()),
    )


def _ends(interval: Interval) -> tuple[float, float]:
    if interval.low is None or interval.high is None:
        raise ValueError(f"an interval without ends: {interval.note}")
    return interval.low, interval.high


RIGHT = (0.6, 0.75, 0.9, 0.97, 0.99)
SIZES = ((50, 500), (100, 200), (100, 1000), (400, 5000))
MIXED = (200, 1000)
"""Labelled and judged of the worlds that are not of single items alone."""
WON = (0.5, 0.8, 0.95)
ORDINARY, NARROWER = (0.7, 0.9), 0.95
"""Judges that must help, and how much of the width of people alone they may leave."""


def grid() -> list[World]:
    """Every world."""
    mixed: tuple[Shape, ...] = ("ties", "clusters", "disputed")
    return [
        *(World(right, *size, won) for right in RIGHT for size in SIZES for won in WON),
        *(World(right, *MIXED, won, shape) for shape in mixed for right in RIGHT for won in WON),
    ]


def problems(lines: Sequence[Line]) -> Iterator[str]:
    """What is not as promised: as for every method, the level and ``ASYMPTOTIC``, and three Monte-Carlo standard errors."""
    for each in lines:
        if each.missed > _most(each.repetitions):
            yield f"{each.world}: misses {100 * each.missed:.1f} % on one side"
    for key, group in groupby(sorted(lines, key=_key), key=_key):
        found = list(group)
        for side in ("above", "below"):
            share = _mean(found, side)
            if share > _most(sum(each.repetitions for each in found)):
                yield f"{key}: {100 * share:.1f} % lie {side}"
        narrower = _mean(found, "narrower")
        if ORDINARY[0] <= key[1] <= ORDINARY[1] and narrower > NARROWER:
            yield f"{key}: {100 * narrower:.0f} % of the width of people alone"


def _most(repetitions: int) -> float:
    limit = SIDE + ASYMPTOTIC
    return limit + NOISE * float(np.sqrt(limit * (1 - limit) / repetitions))


def _mean(lines: Sequence[Line], name: str) -> float:
    return float(np.mean([getattr(each, name) for each in lines]))


def _key(each: Line) -> tuple[str, float]:
    return each.world.shape, each.world.right


def table(lines: Sequence[Line]) -> str:
    """Markdown: one row per kind and judge; misses on average, in brackets on the worst world."""
    rows = [
        "| items | judge right | worlds | lies above / below (worst) | people alone (worst) | width of theirs | a label is worth |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for (shape, right), group in groupby(sorted(lines, key=_key), key=_key):
        found = list(group)
        both, alone = (
            f"{100 * _mean(found, above):.1f} / {100 * _mean(found, below):.1f} % "
            f"({100 * max(max(getattr(each, above), getattr(each, below)) for each in found):.1f})"
            for above, below in (("above", "below"), ("alone_above", "alone_below"))
        )
        rows.append(
            f"| {shape} | {100 * right:g} % | {len(found)} | {both} | {alone} | {100 * _mean(found, 'narrower'):.0f} % | "
            f"{_mean(found, 'worth'):.2f} |"
        )
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulation.judges", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=600, help="data sets of each world (600)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="worlds at a time (all cores)")
    parser.add_argument("--seed", type=int, default=0, help="of every random number (0)")
    chosen = parser.parse_args(arguments)
    if chosen.repetitions < 2 or chosen.processes < 1:
        parser.error("--repetitions must be at least 2, and --processes at least 1")
    worlds, started = grid(), time.perf_counter()
    with ProcessPoolExecutor(chosen.processes) as pool:
        lines = list(pool.map(line, worlds, [chosen.repetitions] * len(worlds), [chosen.seed] * len(worlds)))
    missed = list(problems(lines))
    print("\n".join([table(lines), "", f"{chosen.repetitions} data sets of each, {time.perf_counter() - started:,.0f} s", *missed]))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
