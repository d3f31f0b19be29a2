"""Is the power that ``sftgate plan`` promises the power that the deployed tests deliver? Over the worlds of the proof.

``python -m benchmarks.simulation.power [--repetitions N]`` prints one line per kind and number of units: the largest difference in
points between what was planned and what was delivered, over margins that should pass 50, 80 and 95 % of the time where both sides
are equally good, and over the chance that a true loss is proven; and how large a difference is (root mean square) once the
Monte-Carlo error of what was delivered is taken out. 0 where every one keeps to the 3 points that are promised, beyond three
Monte-Carlo errors; 1 otherwise.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulation.worlds import World, grid
from harness import stats
from harness.stats.power import population_of

ALPHA = 0.05
POWERS = (0.5, 0.8, 0.95)
PROMISED = 0.03
SEEN = 200_000
"""Units of a world that a plan knows."""


@dataclass(frozen=True)
class Row:
    """One margin (0: a loss to be proven) in one world: the power planned, the power delivered, and its Monte-Carlo error."""

    world: World
    margin: float
    planned: float
    delivered: float
    error: float

    @property
    def off(self) -> float:
        return self.delivered - self.planned

    @property
    def kept(self) -> bool:
        """Within what is promised, beyond three Monte-Carlo errors."""
        return abs(self.off) <= PROMISED + 3 * self.error


def design_of(world: World) -> stats.Design:
    """What ``plan`` would know of a world that it has seen well."""
    items = world.units * world.size
    if world.kind == "binary":
        return stats.Design(items, world.discordance)
    sd = world.deviation * math.sqrt(world.size)
    span = 4.0 if world.kind == "ordinal" else 1.0
    many = replace(world, units=SEEN).sample(np.random.default_rng(1)).reshape(SEEN, world.size).sum(axis=1) / span
    known = population_of(many, np.full(SEEN, float(world.size)), 1.0)
    ordinal = world.kind == "ordinal"
    return stats.Design(items, clusters=world.units, sd=sd, population=known, span=span, declared=not ordinal, ordinal=ordinal)


def rows(worlds: Sequence[World] | None = None, repetitions: int = 400, seed: int = 0) -> list[Row]:
    """Every comparison; by default over the whole grid without its largest worlds."""
    return [row for world in worlds or [each for each in grid() if each.units <= 1000] for row in _rows(world, repetitions, seed)]


def _rows(world: World, repetitions: int, seed: int) -> Iterator[Row]:
    """At a true difference of 0 the margins that should pass so often; else whether the loss is proven."""
    design = design_of(world)
    if world.truth == 0:
        margins = [stats.smallest_margin(design, 0.0, ALPHA, power) for power in POWERS]
        asked = [margin for margin in margins if margin is not None and margin < 1]
        planned = [stats.pass_probability("non_inferior", design, 0.0, margin, ALPHA) for margin in asked]
    else:
        asked, planned = [0.0], [1 - stats.pass_probability("not_regressed", design, world.truth, 0.0, ALPHA)]
    seen: dict[tuple[int, int], NDArray[np.float64]] = {}
    rng, proven = np.random.default_rng([seed, world.units, round(1000 * world.discordance)]), np.zeros(len(asked))
    for number in range(repetitions):
        differences = world.sample(rng)
        counts = (int((differences > 0).sum()), int((differences < 0).sum())) if world.kind == "binary" else (number, -1)
        if counts not in seen:  # counts say all there is to know of independent right-or-wrong items
            seen[counts] = _proven(world, differences, number, asked)
        proven += seen[counts]
    for margin, promise, hits in zip(asked, planned, proven, strict=True):
        share = hits / repetitions
        yield Row(world, margin, promise, float(share), math.sqrt(max(promise * (1 - promise), 0.01) / repetitions))


def _proven(world: World, differences: NDArray[np.float64], number: int, asked: Sequence[float]) -> NDArray[np.float64]:
    """1 where the deployed test proves what is asked: that the loss is under a margin, or (0) that there is one."""
    evidence = world.pair(differences, number).evidence
    if evidence is None:
        raise ValueError("a world without items has no power")
    return np.asarray([evidence.test(-margin, "greater" if margin else "less").p <= ALPHA for margin in asked], dtype=float)


def table(found: Sequence[Row]) -> str:
    """One line per kind, size of cluster and number of units."""
    lines = [
        "| | items or clusters | comparisons | delivered − planned, least | most | without Monte-Carlo error | within 3 points |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for (kind, size, units), group in groupby(found, key=lambda row: (row.world.kind, row.world.size, row.world.units)):
        listed = list(group)
        off = [100 * row.off for row in listed]
        name = kind if size == 1 else f"{kind}, clusters of {size}"
        kept = sum(row.kept for row in listed)
        left = math.sqrt(max(0.0, float(np.mean([row.off**2 - row.error**2 for row in listed]))))
        ends = f"{min(off):+.1f} | {max(off):+.1f} | {100 * left:.1f}"
        lines.append(f"| {name} | {units:,} | {len(listed)} | {ends} | {kept} of {len(listed)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulation.power", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=400, help="data sets per world (400)")
    parser.add_argument("--only", default="", metavar="KIND", help="only kinds whose name contains this")
    chosen = parser.parse_args(arguments)
    if chosen.repetitions < 1:
        parser.error("--repetitions must be at least 1")
    worlds = [world for world in grid() if chosen.only in world.kind and world.units <= 1000]
    if not worlds:
        parser.error(f"no kind has {chosen.only!r} in its name")
    found = sorted(rows(worlds, chosen.repetitions), key=lambda row: (row.world.kind, row.world.size, row.world.units))
    print(table(found))
    broken = [row for row in found if not row.kept]
    for row in broken:
        print(f"promised 3 points, {100 * row.off:+.1f} off: {row.world}, margin {row.margin:.3g}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
