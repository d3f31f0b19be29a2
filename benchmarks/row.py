"""What every benchmark is: a name, a target, and ``run``, which gives one row of the table and the facts behind it."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from harness.records import Record

T = TypeVar("T")
U = TypeVar("U")


class Unequal(Exception):
    """The two sides did not do the same work: other scores, other questions, other counts. Then there is no ratio to report."""


class Row(Record, frozen=True, kw_only=True):
    """One line of results.json. ``ratio`` is ``theirs / ours``, so that more is better whatever is measured; ``met``: it reaches
    ``target``, and everything else that the benchmark asks for holds."""

    name: str
    ours: float
    theirs: float
    ratio: float
    target: float
    met: bool


class Outcome(Record, frozen=True, kw_only=True):
    """A row, what its two numbers are, and for details.json everything needed to believe it."""

    row: Row
    what: str
    facts: dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """How to run: timed runs per side, tiny sizes or not, torch threads of both sides, a scratch folder, and where to tell."""

    repeats: int
    quick: bool
    threads: int
    place: Path
    say: Callable[[str], None]


class Benchmark(Protocol):
    """One row. A new one is a file in benchmarks/rows and a line in its ``BENCHMARKS``."""

    @property
    def name(self) -> str:
        """What the row is called, in the table and in results.json."""
        ...

    @property
    def target(self) -> float:
        """The smallest ratio that meets DESIGN §11."""
        ...

    def run(self, setting: Setting) -> Outcome:
        """Measure. Raises Unequal where the sides differ in what they found."""
        ...


class Timing(Record, frozen=True, kw_only=True):
    """Runs of one side in order. ``spread``: (slowest - fastest) / median of the wall seconds."""

    median_seconds: float
    spread: float
    seconds: tuple[float, ...]
    cpu_seconds: tuple[float, ...]


def alternate(
    first: tuple[str, Callable[[], T]], second: tuple[str, Callable[[], U]], setting: Setting
) -> tuple[tuple[Timing, list[T]], tuple[Timing, list[U]]]:
    """Time the two sides in turns, A B A B …, so that a change of the machine's mood meets both; with what each run returned."""
    mine, others = _Side(*first), _Side(*second)
    for turn in range(setting.repeats):
        for side in (mine, others):
            side.once()
            setting.say(f"{side.label}, run {turn + 1} of {setting.repeats}: {side.clocks[-1][0]:.2f} s")
    return (_timing(mine.clocks), mine.found), (_timing(others.clocks), others.found)


class _Side(Generic[T]):
    """One side's runs so far: wall and CPU seconds, and what they returned."""

    def __init__(self, label: str, work: Callable[[], T]) -> None:
        self.label, self.work = label, work
        self.clocks: list[tuple[float, float]] = []
        self.found: list[T] = []

    def once(self) -> None:
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        self.found.append(self.work())
        self.clocks.append((time.perf_counter() - wall, time.process_time() - cpu))


def _timing(clocks: list[tuple[float, float]]) -> Timing:
    seconds = [wall for wall, _ in clocks]
    median = statistics.median(seconds)
    return Timing(
        median_seconds=round(median, 4),
        spread=round((max(seconds) - min(seconds)) / median, 3),
        seconds=tuple(round(wall, 4) for wall in seconds),
        cpu_seconds=tuple(round(cpu, 4) for _, cpu in clocks),
    )


def row(name: str, *, ours: float, theirs: float, target: float, condition: bool = True) -> Row:
    """The row of two numbers of the same unit; ``condition`` is what must hold besides."""
    ratio = theirs / ours
    return Row(name=name, ours=round(ours, 4), theirs=round(theirs, 4), ratio=round(ratio, 2), target=target,
               met=condition and ratio >= target)  # fmt: skip
