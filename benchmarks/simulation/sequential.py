"""Asking in part, from a seed: are errors as rare as the policy says, what does it save, and what does it cost in power?

``python -m benchmarks.simulation.sequential`` prints one line per plan. Every run goes through what the gate
uses: looks cut from columns, sequential p-values, chances, and the decision to stop. Beside it stands what the same items would
have given had all of them been asked.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.compare import Column, Pair, align
from harness.gate.cases import Case
from harness.gate.looked import looked
from harness.gate.policy import Job
from harness.gate.stopping import UNLIKELY, State, state_of, stop_of
from harness.records import Looks, Metric, Rule, Sequential
from harness.records.record import Require

Array = NDArray[np.float64]
Kind = Literal["binary", "bounded", "clustered"]

SIZE = 4
SHARED = 0.5
"""Items of a cluster that share its fate; the others have their own."""

ALPHA = 0.05

OBRIEN_FLEMING = Sequential()
POCOCK = Sequential(spending="pocock")
ANYTIME = Sequential(method="anytime")
METHODS = {"O'Brien-Fleming": OBRIEN_FLEMING, "Pocock": POCOCK, "anytime": ANYTIME}


@dataclass(frozen=True)
class Plan:
    """A candidate whose true ``gain`` is known, a rule about it, and how it is asked. ``quiet``: a rule about a flag that
    nobody ever raises has to be decided, too, as in every suite that watches its answers."""

    name: str
    require: Require
    margin: float
    gain: float
    kind: Kind = "binary"
    items: int = 1000
    discordance: float = 0.10
    settings: Sequential = OBRIEN_FLEMING
    quiet: bool = False

    @property
    def rules(self) -> tuple[Rule, ...]:
        margin = self.margin or None
        flag = (Rule(metric="s/truncated", require="not_regressed", implicit=True),) if self.quiet else ()
        return (Rule(metric="s/acc", require=self.require, margin=margin, alpha=ALPHA), *flag)

    @property
    def planned(self) -> tuple[int, ...]:
        unit = SIZE if self.kind == "clustered" else 1
        count = self.settings.looks
        return tuple(-(-self.items * step // (count * unit)) * unit for step in range(1, count + 1))


@dataclass(frozen=True)
class Told:
    """How one run ended: the state of the first rule, the share of the items asked, and what all items would have said."""

    state: State
    asked: float
    futile: bool
    fixed_claim: float
    fixed_contrary: float


@dataclass(frozen=True)
class Line:
    """Shares over ``repetitions``. ``decided``: of the rule's claim (of the loss, for ``not_regressed``); ``contrary``: of its
    opposite."""

    plan: Plan
    repetitions: int
    decided: float
    contrary: float
    futile: float
    asked: float
    fixed_decided: float
    fixed_contrary: float

    @property
    def noise(self) -> float:
        """Monte-Carlo standard error of ``decided``, were it exactly alpha."""
        return float(np.sqrt(ALPHA * (1 - ALPHA) / self.repetitions))


def gains(plan: Plan, rng: np.random.Generator) -> Array:
    """Differences per item, −1 to 1, whose mean is the plan's gain in the long run."""
    units = plan.items // SIZE if plan.kind == "clustered" else plan.items
    scale = 0.5 if plan.kind == "bounded" else 1.0  # uniform sizes up to 1 are half as large on average
    win, loss = (plan.discordance + plan.gain / scale) / 2, (plan.discordance - plan.gain / scale) / 2

    def fates(shape: tuple[int, ...]) -> Array:
        drawn = rng.random(shape)
        return np.where(drawn < win, 1.0, np.where(drawn < win + loss, -1.0, 0.0))

    if plan.kind == "bounded":
        return fates((units,)) * rng.random(units)
    if plan.kind == "binary":
        return fates((units,))
    shared = rng.random((units, SIZE)) < SHARED
    return np.where(shared, fates((units, 1)), fates((units, SIZE))).ravel()


def sides(differences: Array, kind: Kind) -> tuple[Column, Column]:
    """Columns of a baseline and a candidate that differ so."""
    items = len(differences)
    base = np.where(differences < 0, -differences, 0.0)
    clusters = np.arange(items) // SIZE if kind == "clustered" else np.arange(items)
    column = Column(
        metric=Metric(kind="bounded" if kind == "bounded" else "binary"),
        suite="s",
        task="",
        name="acc",
        keys=tuple(map(str, range(items))),
        table=base[:, None],
        clusters=clusters,
        strata=np.zeros(items, dtype=np.intp),
        weights=np.ones(items),
    )
    return column, replace(column, table=(base + differences)[:, None])


class Asking:
    """One simulated candidate: looks cut from its columns, each tested once however often it is looked back at."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self.plan, self.seed = plan, seed
        gained = [gains(plan, np.random.default_rng(seed)), *([np.zeros(plan.items)] if plan.quiet else [])]
        flagged: Kind = "binary" if plan.kind == "bounded" else plan.kind
        self.columns = [sides(each, kind) for each, kind in zip(gained, (plan.kind, flagged), strict=False)]
        self.jobs = [Job(rule, (rule.metric,), rule.metric) for rule in plan.rules]
        self.cut = cache(self._cut)

    def _cut(self, which: int, items: int) -> tuple[Pair, Column]:
        base, new = (column.where(np.arange(self.plan.items) < items) for column in self.columns[which])
        pair = align("s/acc", base, new, seed=self.seed)
        if pair.evidence is not None:
            object.__setattr__(pair.evidence, "test", cache(pair.evidence.test))
        return pair, new

    def state(self, which: int, made: int) -> State:
        """Where one of the rules stands after so many looks."""
        plan, job = self.plan, self.jobs[which]
        found = looked(
            lambda items: self.cut(which, items), self.columns[which][0], plan.settings,
            made=plan.planned[:made], planned=plan.planned, alpha=job.rule.alpha,
        )  # fmt: skip
        if found is None:
            raise ValueError("a look without items")
        case = Case(job, "new", "base", pair=found.last, looked=found)
        return state_of(case, 1, plan.settings.futility or UNLIKELY)


def run(plan: Plan, seed: int) -> Told:
    """Ask look by look until the gate has enough; and in full."""
    asking, planned, made, stop = Asking(plan, seed), plan.planned, 0, None
    states: list[State] = []
    while made < len(planned) and stop is None:
        made += 1
        states = [asking.state(which, made) for which in range(len(asking.jobs))]
        stop = stop_of("s", Looks(settings=plan.settings, planned=planned, made=planned[:made]), states)
    whole = Case(asking.jobs[0], "new", "base", pair=asking.cut(0, plan.items)[0])
    futile = stop is not None and stop.futile
    return Told(states[0], planned[made - 1] / plan.items, futile, whole.claim.p, whole.contrary.p)


def line(plan: Plan, repetitions: int, seed: int = 0) -> Line:
    """Many runs of one plan."""
    told = [run(plan, seed * 1_000_003 + repetition) for repetition in range(repetitions)]
    claim = "fails" if plan.require == "not_regressed" else "holds"
    opposite = "unharmed" if plan.require == "not_regressed" else "fails"

    def share(values: Sequence[bool]) -> float:
        return float(np.mean(values))

    return Line(
        plan,
        repetitions,
        decided=share([each.state.kind == claim for each in told]),
        contrary=share([each.state.kind == opposite for each in told]),
        futile=share([each.futile for each in told]),
        asked=float(np.mean([each.asked for each in told])),
        fixed_decided=share([each.fixed_claim <= ALPHA for each in told]),
        fixed_contrary=share([each.fixed_contrary <= ALPHA for each in told]),
    )


KINDS: tuple[Kind, ...] = ("binary", "bounded", "clustered")

ERRORS = tuple(
    Plan(f"{kind}, {called}", require, margin, -margin, kind=kind, settings=settings)
    for kind in KINDS
    for called, settings in METHODS.items()
    for require, margin in (("non_inferior", 0.03), ("not_regressed", 0.0), ("superior", 0.0))
)
"""The truth lies on the border: whatever is claimed is wrong."""

SAVINGS = tuple(
    Plan(
        f"{what}, {kind}, {called}", "non_inferior", margin, gain, kind=kind, settings=settings, quiet=True, discordance=discordance
    )
    for kind in KINDS
    for called, settings in METHODS.items()
    for what, margin, gain, discordance in (("fine", 0.05, 0.0, 0.06), ("broken", 0.03, -0.15, 0.40))
)
"""Candidates of whom everybody would know at once."""

POWER = tuple(
    Plan(f"{what}, {called}", require, margin, gain, settings=settings)
    for called, settings in METHODS.items()
    for what, require, margin, gain in (
        ("no difference", "non_inferior", 0.025, 0.0),
        ("a loss", "not_regressed", 0.0, -0.025),
        ("a gain", "superior", 0.0, 0.025),
    )
)
"""What all items together would show about four times out of five."""


LOST_POWER = 0.06
"""What O'Brien-Fleming looks with the usual futility may cost in power; who chooses the other ways knows that they cost more."""


def misses(errors: Sequence[Line], savings: Sequence[Line], power: Sequence[Line]) -> Iterator[str]:
    """What is not as promised. Looking may not add to the errors that the same tests make on all items."""
    for each in errors:
        opposite = each.contrary if each.plan.require != "not_regressed" else 0.0
        for share, fixed in ((each.decided, each.fixed_decided), (opposite, each.fixed_contrary)):
            if share > max(ALPHA, fixed) + 3 * each.noise:
                yield f"{each.plan.name}, {each.plan.require}: {100 * share:.1f} % false claims"
    for called, settings in METHODS.items():
        asked = [each.asked for each in savings if each.plan.settings == settings]
        if asked and float(np.mean(asked)) > 0.5:
            yield f"{called}: {100 * float(np.mean(asked)):.0f} % of the items asked of candidates that are clearly fine or broken"
    for each in power:
        lost = each.fixed_decided - each.decided
        if each.plan.settings == OBRIEN_FLEMING and lost > LOST_POWER + 3 * each.noise:
            yield f"{each.plan.name}: {100 * lost:.1f} points of power lost"


def table(lines: Sequence[Line]) -> str:
    """Markdown."""
    rows = [
        "| plan | rule | gain | decided | contrary | given up | asked | all items: decided | contrary |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for each in lines:
        plan = each.plan
        rows.append(
            f"| {plan.name} | {plan.require} {100 * plan.margin:g} | {100 * plan.gain:+g} | {100 * each.decided:.1f} % | "
            f"{100 * each.contrary:.1f} % | {100 * each.futile:.1f} % | {100 * each.asked:.0f} % | "
            f"{100 * each.fixed_decided:.1f} % | {100 * each.fixed_contrary:.1f} % |"
        )
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print. 1 where something is not as promised."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulation.sequential", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=400, help="runs of each plan (400)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="plans at a time (all cores)")
    chosen = parser.parse_args(arguments)
    if chosen.repetitions < 1 or chosen.processes < 1:
        parser.error("--repetitions and --processes must be at least 1")
    started = time.perf_counter()
    found = []
    with ProcessPoolExecutor(chosen.processes) as pool:
        for title, plans in (("Errors", ERRORS), ("Savings", SAVINGS), ("Power", POWER)):
            found.append(list(pool.map(line, plans, [chosen.repetitions] * len(plans))))
            print(f"\n{title}\n\n{table(found[-1])}", flush=True)
    missed = list(misses(*found))
    print("\n".join(["", f"{chosen.repetitions} runs of each plan, {time.perf_counter() - started:,.0f} s", *missed]))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
