"""The whole gate at once, simulated: every decision of a suite is taken on the same simulated items.

For each item one number between 0 and 1 says whether its answer changed, for the worse (near 0) or the better (near 1); all scores
of the item read the same number, so that rules about the same items pass and fail together. Flags are drawn apart. Suites are
independent. Only counts are drawn: items that the same decisions look at are one multinomial. Decisions that are not counted
(draws, clusters, corpus metrics) get their error from their design, in step with the same counts.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, ndtr, ndtri, stdtr

from harness.gate.policy import Family, family_of
from harness.plan.decisions import Decision
from harness.stats import Design, pass_probability, tango_statistic
from harness.stats.power import critical_statistic

Array = NDArray[np.float64]
Passes = NDArray[np.bool_]

RUNS = 4_000


@dataclass(frozen=True)
class Assumed:
    """A decision with what is assumed about it. ``margin``: on the metric's own scale. ``hits``: of the baseline, for rules about
    a value (of ``lost`` and ``gained``: 0)."""

    decision: Decision
    design: Design
    effect: float
    margin: float
    hits: int | None = None

    @property
    def rates(self) -> tuple[float, float]:
        """Shares of items won and lost."""
        if self.decision.transition and self.design.score is not None:
            better = -self.effect if self.decision.metric.direction == "lower" else self.effect
            return 0.0, min(1.0, max(0.0, self.design.score + better))
        share = min(1.0, max(self.design.discordance, abs(self.effect)))
        return (share + self.effect) / 2, (share - self.effect) / 2


def simulate(assumed: Sequence[Assumed], seed: int) -> list[Passes]:
    """For each decision, in which of the simulated evaluations it passes. The correction for many tests is the gate's."""
    drawn = _counts(assumed, np.random.default_rng(seed))
    rng = np.random.default_rng([seed, 1])
    passes: list[Passes] = []
    p: dict[int, Array] = {}
    for number, (each, (won, lost)) in enumerate(zip(assumed, drawn, strict=True)):
        rule = each.decision.job.rule
        if rule.require in ("at_least", "at_most"):
            passes.append(_value(each, won, lost))
            continue
        delta = each.margin if rule.require == "superior" else -each.margin
        if rule.require == "not_regressed":
            p[number] = _p(each, won, lost, -delta, rng, less=True)
            passes.append(np.ones(RUNS, dtype=bool))
            continue
        p[number] = _p(each, won, lost, delta, rng)
        proven = p[number] <= rule.alpha
        if rule.on_inconclusive == "pass":
            proven |= p[number] < 1 - rule.alpha
        passes.append(proven)
    families: dict[Family, list[int]] = defaultdict(list)
    for n in p:
        if (family := family_of(assumed[n].decision.job.rule)) is not None:
            families[family].append(n)
    for members in families.values():
        rules = [assumed[n].decision.job.rule for n in members]
        floors = np.stack([_floor(assumed[n], *drawn[n]) for n in members])
        adjusted = _holm(np.stack([p[n] for n in members]), floors, max(rule.alpha for rule in rules))
        for n, rule, row in zip(members, rules, adjusted, strict=True):
            passes[n] = row > rule.alpha if rule.require == "not_regressed" else row <= rule.alpha
    return passes


def _counts(assumed: Sequence[Assumed], rng: np.random.Generator) -> list[tuple[Array, Array]]:
    """Items won and lost per decision and simulated evaluation."""
    drawn = [(np.zeros(RUNS), np.zeros(RUNS)) for _ in assumed]
    for groups in _cells(assumed).values():
        for members, size in groups.items():
            together = [n for n in members if not assumed[n].decision.flag]
            apart = [[n] for n in members if assumed[n].decision.flag]
            for numbers in ([together] if together else []) + apart:
                _draw(numbers, size, assumed, drawn, rng)
    return drawn


def _cells(assumed: Sequence[Assumed]) -> Mapping[str, Mapping[tuple[int, ...], int]]:
    """Suite -> decisions that look at the same items -> how many items."""
    looking: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for number, each in enumerate(assumed):
        for suite, index in each.decision.index.items():
            for at in index.tolist():
                looking[suite][at].append(number)
    found: dict[str, dict[tuple[int, ...], int]] = {}
    for suite, items in looking.items():
        cells: dict[tuple[int, ...], int] = defaultdict(int)
        for numbers in items.values():
            cells[tuple(dict.fromkeys(numbers))] += 1
        found[suite] = cells
    return found


def _draw(
    numbers: Sequence[int], size: int, assumed: Sequence[Assumed], drawn: list[tuple[Array, Array]], rng: np.random.Generator
) -> None:
    """Add the changes among ``size`` items that the same decisions look at."""
    rates = [assumed[n].rates for n in numbers]
    borders = np.unique(np.clip([0.0, 1.0] + [lost for _, lost in rates] + [1 - won for won, _ in rates], 0.0, 1.0))
    shares = np.diff(borders)
    counts = rng.multinomial(size, shares / shares.sum(), size=RUNS).astype(float)
    middles = (borders[1:] + borders[:-1]) / 2
    for n, (won, lost) in zip(numbers, rates, strict=True):
        drawn[n][0][:] += counts[:, middles > 1 - won].sum(axis=1)
        drawn[n][1][:] += counts[:, middles < lost].sum(axis=1)


def _p(each: Assumed, won: Array, lost: Array, delta: float, rng: np.random.Generator, *, less: bool = False) -> Array:
    """p of "the gain is above delta" (``less``: the loss is), such that p ≤ alpha exactly where the deployed test says so."""
    up, down = (lost, won) if less else (won, lost)
    items, alpha = each.decision.items, each.decision.job.rule.alpha
    if not each.design.counted:
        gain = -each.effect if less else each.effect
        return _of_units(each, up, down, delta, rng, gain)
    if delta == 0:
        return np.where(up + down > 0, bdtr(down, (up + down).astype(np.intp), 0.5), 1.0)
    if abs(delta) >= 1:
        return np.full(RUNS, float(delta > 0))
    shift = critical_statistic(items, delta, alpha) + float(ndtri(alpha))
    return np.asarray(ndtr(shift - tango_statistic(up, down, items, delta)), dtype=float)


def _of_mean(each: Assumed, up: Array, down: Array, delta: float, rng: np.random.Generator, *, gain: float) -> Array:
    """p of "the mean is above delta", ``gain`` being the true one: a t statistic in step with the simulated changes."""
    design = each.design
    freedom = design.units - 1
    if freedom < 1:
        return np.ones(RUNS)
    error = (design.sd or math.sqrt(design.discordance)) * math.sqrt(design.design_effect / design.items)
    net = up - down
    spread = float(net.std())
    noise = (net - net.mean()) / spread if spread > 0 else rng.normal(size=RUNS)
    found = gain + error * noise
    seen = error * np.sqrt(rng.chisquare(freedom, size=RUNS) / freedom)
    return np.asarray(stdtr(freedom, -(found - delta) / np.maximum(seen, 1e-300)), dtype=float)


def _of_units(each: Assumed, up: Array, down: Array, delta: float, rng: np.random.Generator, gain: float) -> Array:
    """p of "the mean is above delta" that is significant as often as the deployed test is, in step with the simulated changes."""
    alpha = each.decision.job.rule.alpha
    power = pass_probability("superior", each.design, gain, delta, alpha)
    order = np.lexsort((rng.random(RUNS), up - down)).argsort()
    height = ndtri((order + 0.5) / RUNS) + float(ndtri(min(max(power, 1e-9), 1 - 1e-9)))
    return np.asarray(ndtr(float(ndtri(alpha)) - height), dtype=float)


def _floor(each: Assumed, won: Array, lost: Array) -> Array:
    """The smallest p that could have come out."""
    if not each.design.counted:
        return np.full(RUNS, 0.5**each.design.units)
    return 0.5 ** (won + lost) if each.margin == 0 else np.zeros(RUNS)


def _holm(p: Array, floors: Array, alpha: float) -> Array:
    """``stats.holm`` in every column at once."""
    counted = floors <= alpha
    order = np.argsort(np.where(counted, p, np.inf), axis=0, kind="stable")
    ranked = np.take_along_axis(p, order, axis=0)
    steps = np.take_along_axis(counted, order, axis=0)
    left = np.maximum(counted.sum(axis=0)[None, :] - np.arange(len(p))[:, None], 1)
    adjusted = np.minimum(np.maximum.accumulate(np.where(steps, ranked * left, 0.0), axis=0), 1.0)
    back = np.empty_like(p)
    np.put_along_axis(back, order, np.where(steps, adjusted, ranked), axis=0)
    return back


def _value(each: Assumed, won: Array, lost: Array) -> Passes:
    """The exact binomial on the hits that the candidate has."""
    rule, items = each.decision.job.rule, each.decision.items
    value = 0.0 if rule.value is None else rule.value
    sign = -1.0 if each.decision.metric.direction == "lower" and not each.decision.transition else 1.0
    if not each.design.counted:
        rate, delta = each.rates[1], value
        more = _of_mean(each, lost, won, delta, np.random.default_rng(items), gain=rate)
        return np.asarray((more >= 1 - rule.alpha) if rule.require == "at_most" else (more <= rule.alpha))
    hits = lost if each.decision.transition else (each.hits or 0) + sign * (won - lost)
    hits = np.clip(hits, 0, items)
    if rule.require == "at_most":
        return np.asarray(bdtr(hits, items, min(max(value, 0.0), 1.0)) <= rule.alpha)
    misses = items - hits
    return np.asarray(bdtr(misses, items, 1 - min(max(value, 0.0), 1.0)) <= rule.alpha)
