"""``make simulate``: the whole grid. 0: every target is met, or missed where a named exception says so; 1: a target is missed."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from benchmarks.simulation.counting import Counted, count
from benchmarks.simulation.harder import Harder, harder
from benchmarks.simulation.table import missed, put, sentence, table, text, write
from benchmarks.simulation.targets import SUSPECT, misses
from benchmarks.simulation.worlds import World, grid

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "benchmarks" / "out" / "simulation.json"
PAGE = ROOT / "docs" / "statistics.md"
REPETITIONS = {20: 600, 50: 600, 100: 600, 150: 400, 200: 400, 300: 400, 1000: 400, 5000: 800}
"""Data sets by number of units: the Monte-Carlo error of a coverage of 95 % is 1.1 points at most, of 5,000 items 0.8."""
AGAIN = 6
"""A world that looks missed is simulated again from another seed, with so many times the data sets."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulation", description=__doc__)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="worlds at a time (all cores)")
    parser.add_argument("--seed", type=int, default=0, help="of every random number (0)")
    parser.add_argument("--only", default="", metavar="KIND", help="only kinds whose name contains this; writes no page")
    parser.add_argument("--share", type=float, default=1.0, help="of the usual number of data sets; below 1 writes no page")
    chosen = parser.parse_args(arguments)
    if chosen.processes < 1 or not 0 < chosen.share <= 1:
        parser.error("--processes must be at least 1, and --share above 0 and at most 1")
    every: list[World | Harder] = [*grid(), *harder()]
    worlds = [world for world in every if chosen.only in world.kind]
    if not worlds:
        parser.error(f"no kind has {chosen.only!r} in its name; there are: {'; '.join(sorted({each.kind for each in every}))}")
    results: dict[World | Harder, Counted] = {}
    started = time.perf_counter()
    for number, found in enumerate(_all(worlds, chosen.processes, chosen.seed, chosen.share), 1):
        results[found.world] = found
        for miss in misses(found):
            print(f"    {sentence(found, miss)}{': ' + miss.reason if miss.reason else ''}", flush=True)
        if number % 25 == 0 or number == len(worlds):
            print(f"[{number}/{len(worlds)}] {time.perf_counter() - started:,.0f} s", flush=True)
    ordered = [results[world] for world in worlds]
    print(table(ordered))
    write(OUT, ordered, chosen.seed)
    print(f"every world: {OUT}")
    if not chosen.only and chosen.share == 1.0:
        put(PAGE, text(ordered, chosen.seed))
        print(f"table: {PAGE}")
    unexplained = [pair for pair in missed(ordered) if not pair[1].reason]
    for each, miss in unexplained:
        print(f"missed: {sentence(each, miss)}", file=sys.stderr)
    return 1 if unexplained else 0


def _all(worlds: Sequence[World | Harder], processes: int, seed: int, share: float) -> Iterator[Counted]:
    """Every world once, in no particular order: the long ones begin first."""
    ordered = sorted(worlds, key=lambda world: -world.units)
    if processes == 1:
        yield from (judged(world, seed, share) for world in ordered)
        return
    with ProcessPoolExecutor(processes) as pool:
        for done in as_completed([pool.submit(judged, world, seed, share) for world in ordered]):
            yield done.result()


def judged(world: World | Harder, seed: int, share: float = 1.0) -> Counted:
    """A world; where it looks missed, a second and longer look at other random numbers decides."""
    repetitions = max(20, int(REPETITIONS[world.units] * share))
    found = count(world, repetitions, seed)
    if world.kind != "binary" and any(True for _ in misses(found, SUSPECT)):
        return count(world, AGAIN * repetitions, seed + 1)
    return found


if __name__ == "__main__":
    sys.exit(main())
