"""What every world must keep to, and the named exceptions: where a target is missed, why, and how far it may be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.simulation.counting import ALPHA, Counted
from benchmarks.simulation.harder import Harder
from benchmarks.simulation.worlds import World

LEAST, MOST = 0.93, 0.97
MANY = 20
"""So many whole outcomes (an item, or a cluster, won or lost outright) must be expected to differ before an interval may be called
too wide. A score that moves by a quarter is a quarter of an outcome."""
ASYMPTOTIC = 0.015
NOISE = 3.0
"""Monte-Carlo standard errors that a simulated share may be off."""
SUSPECT = 2.0
"""From so many on, a world is looked at again."""

EXACT = ("regressed", "superior", "alarm")
"""Tests of no difference: McNemar and sign-flips, exact where the difference is symmetric. Margins of up to 300 independent
right-or-wrong items are exact too; the other margins are asymptotic."""


@dataclass(frozen=True)
class Miss:
    """``what`` lies at ``share``, beyond ``limit``; ``reason`` where an exception names it."""

    what: str
    share: float
    limit: float
    reason: str = ""


@dataclass(frozen=True)
class Allowed:
    """Worlds in which ``what`` may reach ``limit``."""

    what: str
    applies: Callable[[World | Harder], bool]
    limit: float
    reason: str


UNSEEN = (
    "losses larger than every score are not in the data, and only a declared range could have said that they can be "
    '(`range = [low, high]`; see "rare losses, range declared")'
)

EXCEPTIONS: tuple[Allowed, ...] = (
    Allowed("non_inferior", lambda world: world.kind == "losses beyond all scores", 0.30, UNSEEN),
    Allowed("coverage", lambda world: world.kind == "losses beyond all scores", 0.75, UNSEEN),
)


def misses(counted: Counted, noise: float = NOISE) -> Iterator[Miss]:
    """Every target that this world misses by more than ``noise`` Monte-Carlo standard errors."""
    world = counted.world
    for name, share in counted.errors.items():
        exact = name in EXACT or (world.kind == "binary" and world.units <= 300)
        limit = ALPHA + (0.0 if exact else ASYMPTOTIC)
        if share > limit + noise * counted.noise(limit) + 1e-9:
            yield _named(world, Miss(name, share, limit))
    if counted.coverage < LEAST - noise * counted.noise(LEAST):
        yield _named(world, Miss("coverage", counted.coverage, LEAST))
    if world.outcomes >= MANY and counted.coverage > MOST + noise * counted.noise(MOST):
        yield _named(world, Miss("too wide", counted.coverage, MOST))


def _named(world: World | Harder, miss: Miss) -> Miss:
    for exception in EXCEPTIONS:
        if exception.what == miss.what and exception.applies(world):
            beyond = miss.share < exception.limit if miss.what == "coverage" else miss.share > exception.limit
            if not beyond:
                return Miss(miss.what, miss.share, miss.limit, exception.reason)
    return miss
