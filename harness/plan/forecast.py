"""What the gate will be able to say: the power of each decision, the items it needs, the smallest margin, P(pass) of the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness import stats
from harness.gate.policy import absolute_margin, family_of, fewest_for_a_loss
from harness.plan.decisions import Decision
from harness.plan.known import Known, Origin
from harness.plan.simulation import Assumed, simulate
from harness.records import Direction, MetricKind, Record, Require, Severity

VALUE_RULES = ("at_least", "at_most")
ENOUGH_DISCORDANT = 5
"""With fewer no loss could be proven (0.5⁵ < 0.05), and a test does not count in its family."""


class Forecast(Record, frozen=True, kw_only=True):
    """One decision before it is taken.

    ``passes``: P(it passes) for a candidate that is exactly as good; ``declared``: for the ``effect`` that was declared. None:
    cannot be foreseen, and ``why`` says why. ``needed``: items with which it would be decided with the power asked for: that a
    harmless candidate passes, that the declared gain is proven. ``smallest``: the smallest margin that these items certify, the
    smallest gain that a claim proves, or for ``not_regressed`` the smallest loss that is seen. ``family``: how many tests share
    alpha (Holm). ``changes``: share of items that change; ``sd``: of the per-item difference, where that is not won or lost.
    ``hinging``: ``items`` are the most there can be, for only answers show which of them have a score. ``unit``: of margins and
    effects that are no shares.
    """

    title: str
    metric: str
    rule: str
    require: Require
    severity: Severity
    implicit: bool
    margin: float | None
    relative: float | None
    value: float | None
    alpha: float
    family: int
    items: int
    clusters: int
    kind: MetricKind
    direction: Direction
    origin: Origin
    source: str
    changes: float | None
    sd: float | None
    method: str
    passes: float | None
    effect: float
    declared: float | None
    needed: int | None
    smallest: float | None
    why: str = ""
    blind: bool = False
    refused: bool = False
    hinging: bool = False
    unit: str = ""


class Plan(Record, frozen=True, kw_only=True):
    """``harmless``: P(all blocking rules but the claims of gain pass) for a candidate that is as good; ``declared``: P(all blocking
    rules pass) with the effects as declared, None where none were. Decisions that cannot be foreseen are left out of both; one that
    nothing could pass (blind, refused, too few items) makes both 0."""

    forecasts: tuple[Forecast, ...]
    power: float
    harmless: float | None
    declared: float | None


def plan(
    decided: Sequence[Decision], knowledge: Sequence[Known], effects: Mapping[str, float], *, power: float = 0.8, seed: int = 0
) -> Plan:  # fmt: skip
    """``effects``: metric id -> true gain (below 0 is worse, whatever the direction)."""
    gains = [_effect(decision, each, effects) for decision, each in zip(decided, knowledge, strict=True)]
    families = _families(decided, knowledge)
    harmless = [_assumed(decision, each, 0.0) for decision, each in zip(decided, knowledge, strict=True)]
    declared = [_assumed(decision, each, gain) for decision, each, gain in zip(decided, knowledge, gains, strict=True)]
    forecasts, names = [], [decision.job.rule.name for decision in decided]
    passed = _together(harmless, seed)
    under = _together(declared, seed) if any(gains) else None
    for number, (decision, each) in enumerate(zip(decided, knowledge, strict=True)):
        forecasts.append(
            _forecast(
                decision, each, harmless[number], gains[number], families[number], power,
                passed[number], None if under is None else under[number], names.count(decision.job.rule.name) == 1,
            )
        )  # fmt: skip
    blocking = [n for n, decision in enumerate(decided) if decision.job.rule.severity == "block"]
    rest = [n for n in blocking if decided[n].job.rule.require != "superior"]
    stopped = {n for n in blocking if _stopped(decided[n], knowledge[n])}
    return Plan(
        forecasts=tuple(forecasts),
        power=power,
        harmless=0.0 if stopped & set(rest) else _all(rest, passed),
        declared=None if under is None else 0.0 if stopped else _all(blocking, under),
    )


def _effect(decision: Decision, each: Known, effects: Mapping[str, float]) -> float:
    """The gain of a decision: of a pool, the mean over its metrics. What nobody declared about ``lost`` and ``gained`` follows from
    what was declared about the scores of their task."""
    metrics = decision.job.metrics
    if not decision.transition or any(metric in effects for metric in metrics):
        named = [effects.get(metric, 0.0) for metric in metrics]
        return float(np.mean(named)) if named else 0.0
    places = {metric.rpartition("/")[0] for metric in metrics}
    named = [gain for metric, gain in effects.items() if metric.rpartition("/")[0] in places]
    if not named or each.design is None or each.design.score is None:
        return 0.0
    gain, churn = float(np.mean(named)), 2 * each.design.score
    sign = -1 if decision.metric.direction == "lower" else 1  # lost: more of it is worse
    return sign * ((max(churn, abs(gain)) + sign * gain) / 2 - churn / 2)


def _families(decided: Sequence[Decision], knowledge: Sequence[Known]) -> list[int]:
    """How many decisions share alpha with each: those of its family in which as much changes as a proof takes."""
    sizes = []
    for decision in decided:
        family = family_of(decision.job.rule)
        if family is None:
            sizes.append(1)
            continue
        alike = [
            each.design
            for other, each in zip(decided, knowledge, strict=True)
            if family_of(other.job.rule) == family and each.design is not None and not other.refused
        ]
        sizes.append(max(1, sum(not d.counted or d.discordance * d.items >= ENOUGH_DISCORDANT for d in alike)))
    return sizes


def _assumed(decision: Decision, each: Known, effect: float) -> Assumed | None:
    """What the simulation takes; None where a decision cannot be foreseen."""
    rule = decision.job.rule
    if each.design is None or decision.human or _stopped(decision, each):
        return None
    if rule.relative and each.score is None:
        return None
    if rule.require in VALUE_RULES and not decision.transition and (not each.design.counted or each.hits is None):
        return None
    if rule.require in VALUE_RULES and each.design.score is None and decision.transition:
        return None
    if rule.about == "recipe" or rule.above_noise or rule.above_chance:
        return None
    return Assumed(decision, each.design, effect, absolute_margin(rule, each.score or 0.0), each.hits)


def _stopped(decision: Decision, each: Known) -> bool:
    """Whether no candidate could pass: nothing will be decided, whatever is answered. Nobody knows that of people's votes."""
    rule = decision.job.rule
    few = decision.items < max(1, rule.min_items) or decision.clusters < fewest_for_a_loss(rule)
    return bool(each.blind or decision.refused) or (few and not decision.human)


def _together(assumed: Sequence[Assumed | None], seed: int) -> list[np.ndarray | None]:
    known = [each for each in assumed if each is not None]
    passes = iter(simulate(known, seed) if known else [])
    return [None if each is None else next(passes) for each in assumed]


def _all(numbers: Sequence[int], passed: Sequence[np.ndarray | None]) -> float | None:
    """P(all of these pass), of those that can be foreseen; None where none can."""
    found = [each for n in numbers if (each := passed[n]) is not None]
    return float(np.logical_and.reduce(found).mean()) if found else None


def _forecast(
    decision: Decision, each: Known, assumed: Assumed | None, effect: float, family: int, power: float,
    passed: np.ndarray | None, under: np.ndarray | None, alone: bool,
) -> Forecast:  # fmt: skip
    rule, design = decision.job.rule, each.design
    alpha = rule.alpha / family
    needed, smallest = None, None
    chance = None if passed is None else float(passed.mean())
    if assumed is not None and rule.require not in VALUE_RULES:
        chance = stats.pass_probability(rule.require, assumed.design, 0.0, assumed.margin, alpha)
        needed, smallest = _searched(assumed, effect, alpha, power, chance)
    why = "" if assumed is not None else _why(decision, each)
    stopped = _stopped(decision, each)
    return Forecast(
        title=rule.name if rule.name is not None and alone else decision.job.title,
        metric=decision.job.label,
        rule=rule.name or f"{rule.metric} {rule.require}",
        require=rule.require,
        severity=rule.severity,
        implicit=rule.implicit,
        margin=assumed.margin if assumed is not None and rule.margin is not None else None if rule.relative else rule.margin,
        relative=rule.margin if rule.relative else None,
        value=rule.value,
        alpha=rule.alpha,
        family=family,
        items=decision.items,
        clusters=decision.clusters,
        kind=decision.metric.kind,
        direction=decision.metric.direction,
        origin=each.origin,
        source=each.source,
        changes=each.changes,
        sd=None if design is None else design.sd,
        method="" if assumed is None else stats.method_of(rule.require, assumed.design, assumed.margin),
        passes=0.0 if stopped else chance,
        effect=effect,
        declared=(0.0 if stopped else None) if under is None else float(under.mean()),
        needed=needed,
        smallest=smallest,
        why=why,
        blind=bool(each.blind),
        refused=bool(decision.refused),
        hinging=decision.hinging,
        unit=decision.metric.unit,
    )


def _searched(assumed: Assumed, effect: float, alpha: float, power: float, chance: float) -> tuple[int | None, float | None]:
    """Items needed, and the smallest margin, gain or loss. A search draws less than ``chance`` did, which therefore has the word
    about the items at hand and the margin of the rule."""
    design, margin, require = assumed.design, assumed.margin, assumed.decision.job.rule.require
    if require == "non_inferior":
        needed = stats.items_for("non_inferior", design, 0.0, margin, alpha, power)
        smallest = stats.smallest_margin(design, 0.0, alpha, power)
        if needed is None or smallest is None:
            return needed, smallest
        if chance >= power:
            return min(needed, design.items), min(smallest, margin)
        return max(needed, design.items + 1), max(smallest, margin)
    if require == "superior":
        needed = stats.items_for("superior", design, effect, margin, alpha, power) if effect > margin else None
        return needed, stats.smallest_gain(design, margin, alpha, power)
    needed = stats.items_for("not_regressed", design, effect, margin, alpha, power) if -effect > margin else None
    return needed, stats.mde(design, margin, alpha, power)


def _why(decision: Decision, each: Known) -> str:
    rule = decision.job.rule
    if decision.human:
        return "people's votes: how many there will be is not known"
    if not decision.items:
        return "no item is behind it"
    if decision.refused or each.blind:
        return decision.refused or each.blind
    if decision.items < rule.min_items:
        return f"it has {decision.items:,} items, and the rule wants {rule.min_items:,}"
    if decision.clusters < (needed := fewest_for_a_loss(rule)):
        what = "item" if decision.clusters == decision.items else "cluster"
        plural = "" if decision.clusters == 1 else "s"
        return f"{decision.clusters} {what}{plural} could not prove any loss, even one of all; it takes {needed} or more"
    if rule.about == "recipe":
        return "a claim about a recipe depends on how much training seeds differ, which replicates will show"
    if rule.above_noise:
        return "what is counted above the noise is known once the reference was measured twice (sftgate aa-test)"
    if rule.above_chance:
        return "what is lost beyond guessing depends on what is wrong both times, which is known once it was measured"
    if each.design is None:
        what = "documents" if decision.metric.aggregator != "mean" else "scores"
        return f"how much the {what} vary is known once two candidates were measured"
    if rule.relative and each.score is None:
        return "the margin is relative to the baseline's score, which was not measured yet"
    if not each.design.counted:
        return "a value of averaged or clustered scores is not foreseen"
    return "the baseline's score was not measured yet"
