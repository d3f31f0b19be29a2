"""What happened in each world, counted: coverage of the interval, and how often each test rejected what was true."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats as distributions

from benchmarks.simulation.harder import Harder
from benchmarks.simulation.worlds import World
from harness import stats
from harness.compare import Pair

ALPHA = 0.05
LEVEL = 0.95
Array = NDArray[np.float64]

ERRORS = ("regressed", "superior", "alarm", "non_inferior", "regressed_beyond")
"""``regressed``, ``superior``: one-sided tests of no difference, where there is none. ``alarm``: the two-sided one, the A/A alarm.
``non_inferior``: passed although the loss is the margin. ``regressed_beyond``: a loss beyond the margin was "proven" there."""


@dataclass(frozen=True)
class Counted:
    """Shares over ``repetitions`` (0: enumerated, exact). ``split``: the test passes where the interval of the same level does
    not, or the reverse. ``none``: no interval could be given. Errors that this world has no hypothesis for are absent."""

    world: World | Harder
    repetitions: int
    coverage: float
    errors: dict[str, float]
    split: float
    none: float
    methods: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def noise(self, share: float) -> float:
        """Monte-Carlo standard error of a share."""
        return 0.0 if self.repetitions == 0 else float(np.sqrt(share * (1 - share) / self.repetitions))


def hypotheses(world: World | Harder) -> dict[str, tuple[float, stats.Side]]:
    """The true null hypotheses of a world, each with the border and the side that the deployed test is asked about."""
    if world.shape == "even":
        return {"regressed": (0.0, "less"), "superior": (0.0, "greater")}
    return {"non_inferior": (world.truth, "greater"), "regressed_beyond": (world.truth, "less")}


def count(world: World | Harder, repetitions: int, seed: int) -> Counted:
    """Enumerate, or simulate."""
    return enumerated(world) if isinstance(world, World) and world.kind == "binary" else simulated(world, repetitions, seed)


def simulated(world: World | Harder, repetitions: int, seed: int) -> Counted:
    """``repetitions`` data sets, each judged by the deployed methods."""
    started = time.process_time()
    rng = np.random.default_rng([seed, *map(ord, str(world))])
    wanted, tally, methods = hypotheses(world), Counter[str](), Counter[str]()
    for number in range(repetitions):
        pair = world.data(rng, number)
        evidence = pair.evidence
        if evidence is None:
            raise AssertionError("a world has items")
        found = {name: _tested(pair, evidence, world.factor, *hypothesis) for name, hypothesis in wanted.items()}
        p = {name: value.p for name, value in found.items()}
        tally.update(name for name, value in p.items() if value <= ALPHA)
        tally["alarm"] += world.shape == "even" and min(p.values()) <= ALPHA / 2
        interval = evidence.interval(LEVEL)
        tally["none"] += interval.low is None
        tally["covered"] += covers(interval, world.truth)
        if world.shape != "even" and world.factor is None:
            tally["split"] += (p["non_inferior"] <= (1 - LEVEL) / 2) != (interval.low is not None and interval.low > world.truth)
        methods.update([f"test: {next(reversed(found.values())).method}", f"interval: {interval.method}"])
    names = [*wanted, "alarm"] if world.shape == "even" else list(wanted)
    share = {name: tally[name] / repetitions for name in (*names, "covered", "split", "none")}
    return Counted(
        world, repetitions, share["covered"], {name: share[name] for name in names}, share["split"], share["none"],
        {name: times / repetitions for name, times in methods.items()}, time.process_time() - started,
    )  # fmt: skip


def _tested(pair: Pair, evidence: stats.Evidence, factor: float | None, delta: float, side: stats.Side) -> stats.PValue:
    """As the gate asks: a margin that is a share of the score is as uncertain as the score."""
    share = None if factor is None else pair.share_test(factor, side)
    return evidence.test(delta, side) if share is None else share


def covers(interval: stats.Interval, truth: float) -> bool:
    """An end that is not there bounds nothing."""
    above = interval.low is None or interval.low <= truth + 1e-12
    return above and (interval.high is None or truth - 1e-12 <= interval.high)


# ------------------------------------------------------------------------------------------------------- enumeration


def enumerated(world: World) -> Counted:
    """Independent right-or-wrong items: every table (won, lost) with its probability."""
    started = time.process_time()
    won, lost, chance = _tables(world)
    errors = {name: _rejected(world.units, won, lost, chance, *hypothesis) for name, hypothesis in hypotheses(world).items()}
    if world.shape == "even":
        errors["alarm"] = _rejected(world.units, won, lost, chance, 0.0, "two-sided")
    low = _inside(world, won, lost, LEVEL, lambda interval: interval[0] <= world.truth + 1e-12)
    high = _inside(world, won, lost, LEVEL, lambda interval: world.truth - 1e-12 <= interval[1])
    split = 0.0
    if world.shape != "even":
        passed = _passed(world.units, won, lost, *hypotheses(world)["non_inferior"], alpha=(1 - LEVEL) / 2)
        split = float(chance[passed == low].sum())
    return Counted(world, 0, float(chance[low & high].sum()), errors, split, 0.0, seconds=time.process_time() - started)


def _tables(world: World) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """Won (down), lost (across) and their probability: all but 1e-11 of it."""
    won, lost = (_counts(world.units, rate)[:, None] for rate in (world.wins, world.losses))
    lost = lost.T
    first = distributions.binom.pmf(lost, world.units, world.losses)
    second = distributions.binom.pmf(won, np.maximum(world.units - lost, 0), world.wins / (1 - world.losses))
    return won, lost, np.where(won + lost <= world.units, first * second, 0.0)


def _counts(items: int, rate: float) -> NDArray[np.intp]:
    low, high = distributions.binom.ppf([1e-12, 1 - 1e-12], items, rate)
    return np.arange(int(low), int(high) + 1, dtype=np.intp)


def _rejected(items: int, won: NDArray[np.intp], lost: NDArray[np.intp], chance: Array, delta: float, side: stats.Side) -> float:
    return float(chance[_passed(items, won, lost, delta, side)].sum())


def _passed(
    items: int, won: NDArray[np.intp], lost: NDArray[np.intp], delta: float, side: stats.Side, alpha: float = ALPHA
) -> NDArray[np.bool_]:
    """Where the deployed test rejects. The p of a margin falls with Tango's statistic, so that its border is found by halving."""
    if delta == 0:
        return np.array([[_mcnemar(int(w), int(b), side) <= alpha for b in lost[0]] for w in won[:, 0]])
    sign = 1.0 if side == "greater" else -1.0
    statistic = sign * stats.tango_statistic(won.astype(float), lost.astype(float), items, delta)
    statistic = np.where(won + lost <= items, statistic, -np.inf)
    order = np.argsort(-statistic, axis=None)
    first, last = 0, len(order)
    while first < last:
        middle = (first + last) // 2
        row, column = np.unravel_index(order[middle], statistic.shape)
        w, b = int(won[row, 0]), int(lost[0, column])
        rejected = w + b <= items and stats.BinaryPairs(w, b, items).test(delta, side).p <= alpha
        first, last = (middle + 1, last) if rejected else (first, middle)
    passed = np.zeros(statistic.size, dtype=bool)
    passed[order[:first]] = True
    return passed.reshape(statistic.shape)


@cache
def _mcnemar(won: int, lost: int, side: stats.Side) -> float:
    return stats.BinaryPairs(won, lost, won + lost + 1).test(0.0, side).p


def _inside(
    world: World, won: NDArray[np.intp], lost: NDArray[np.intp], level: float, holds: Callable[[tuple[float, float]], bool]
) -> NDArray[np.bool_]:
    """Where one end of the deployed interval is on the right side of the truth: both ends rise with the wins."""
    found = np.zeros((len(won), lost.shape[1]), dtype=bool)
    for column, b in enumerate(lost[0]):
        possible = int((won[:, 0] + b <= world.units).sum())
        if possible == 0:
            continue

        def at(row: int, b: int = int(b)) -> bool:
            return holds(_interval(int(won[row, 0]), b, world.units, level))

        starts = at(0)
        first, last = 0, possible
        while first < last:
            middle = (first + last) // 2
            first, last = (middle + 1, last) if at(middle) == starts else (first, middle)
        found[:first, column], found[first:possible, column] = starts, not starts
    return found


@cache
def _interval(won: int, lost: int, items: int, level: float) -> tuple[float, float]:
    interval = stats.BinaryPairs(won, lost, items).interval(level)
    if interval.low is None or interval.high is None:
        raise AssertionError("right-or-wrong always has an interval")
    return interval.low, interval.high
