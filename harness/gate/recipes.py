"""Claims about a recipe, by its replicates: candidates that differ by their training seed only.

A verdict about a checkpoint does not know how another seed would have come out. A rule with ``about = "recipe"`` is one decision
per recipe: the gains of all of its replicates over the items that they share, with the noise of seeds and of items
(``harness.stats.replicates``). Its verdict stands beside those of the checkpoints. Where every blocking rule is about recipes,
replicates get no verdict of their own, and what holds without being written (no more bad answers) is asked of each inside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from harness import stats
from harness.compare import Level, Pair, end_of
from harness.gate.blindness import REEXAMINE, blindness, broken_examination
from harness.gate.cases import Case, case_of, contaminated, nothing_shared, smoke, stopped_by, too_contaminated, too_few
from harness.gate.contamination import REMEDY
from harness.gate.findings import findings_of
from harness.gate.many import over_recipes
from harness.gate.measurements import Measurements
from harness.gate.policy import RECIPE, TRANSITIONS, VALUE_RULES, Job, Policy, jobs, only_compared, suites_of
from harness.gate.selection import selection_of
from harness.gate.verdicts import verdict_of
from harness.records import Finding, Rule, Verdict

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RecipePair(Pair):
    """The mean of the replicates beside the other side, and behind it the ``gains`` and the other side's scores (replicates,
    items)."""

    gains: Array | None = None
    before: Array | None = None

    @property
    def evidence(self) -> stats.Evidence | None:
        """With the noise of seeds."""
        return None if self.gains is None else _evidence(self, self.gains)

    def share_test(self, factor: float, side: stats.Side) -> stats.PValue | None:
        """Against ``factor`` times the other side, with the noise of seeds."""
        if self.gains is None or self.before is None or float(self.before.min()) < 0:
            return None
        if self.certain(factor, self.before):
            return None
        found = _evidence(self, self.gains + self.sign * (1 - factor) * self.before)
        like = replace(found.like, span=self.stretched(factor), size=max(1.0, factor) * self.size)
        return replace(found, like=like).mean_test(0.0, side, _evidence(self, self.gains).by_item.sparse)

    def worst_case(self, missing: int) -> stats.Evidence | None:
        """With every missing item lost by every replicate."""
        if self.gains is None or missing == 0 or self.span is None:
            return None
        return _evidence(self, np.hstack([self.gains, np.full((len(self.gains), missing), -self.span)]), missing)


def verdicts_of_recipes(measurements: Measurements) -> list[Verdict]:
    """One verdict per recipe, where a rule is about recipes."""
    policy = measurements.policy
    listed = jobs(policy, measurements.metrics, measurements.groups, measurements.sliced, about="recipe")
    members_of = {recipe: replicates(measurements, recipe) for recipe in policy.recipes.values()} if listed else {}
    cases_of = {recipe: [_case(job, recipe, members, measurements) for job in listed] for recipe, members in members_of.items()}
    found, over = [], over_recipes(cases_of)
    for recipe, members in members_of.items():
        cases = cases_of[recipe]
        corrected = findings_of(cases, over[recipe])
        findings = [_said(case, finding, len(members)) for case, finding in zip(cases, corrected, strict=True)]
        if recipes_only(policy):
            findings += [finding for member in members for finding in _unwritten(member, measurements)]
        found.append(verdict_of(f"{RECIPE}{recipe}", findings, measurements))
    return found


def replicates(measurements: Measurements, recipe: str) -> list[str]:
    """The measured candidates of a recipe."""
    policy = measurements.policy
    names = [name for name in measurements.candidates if name != policy.baseline and not only_compared(name)]
    return [name for name in names if policy.recipes.get(name) == recipe]


def recipes_only(policy: Policy) -> bool:
    """Whether every blocking rule is about recipes."""
    blocking = [rule for rule in policy.rules if rule.severity == "block"]
    return bool(blocking) and all(rule.about == "recipe" for rule in blocking)


def _unwritten(member: str, measurements: Measurements) -> Iterator[Finding]:
    """What rules that hold without being written say about one replicate."""
    listed = [job for job in jobs(measurements.policy, measurements.metrics, measurements.groups) if job.rule.implicit]
    for finding in findings_of([case_of(job, member, measurements) for job in listed], {}):
        yield structs.replace(finding, reason=f"{member}: {finding.reason}")


def _case(job: Job, recipe: str, members: Sequence[str], measurements: Measurements) -> Case:
    name = f"{RECIPE}{recipe}"
    if not members:
        return Case(job, name, "", "invalid", f"no replicate of {recipe} was measured")
    others = [_other(job.rule, member, measurements.policy) for member in members]
    for member, other in zip(members, others, strict=True):
        why = _unfit(job, member, other, members, measurements)
        if why is not None:
            return replace(why, candidate=name)
    if isinstance(found := _pair(job, members, others, measurements), Case):
        return replace(found, candidate=name)
    pair, scores = found
    shown = others[0] if len(set(others)) == 1 else "their references"
    blind = blindness(job, pair, measurements, members[0], others[0])
    cut = next(filter(None, (smoke(job, member, measurements) for member in members)), None)
    few = None
    if len(members) < stats.FEWEST:
        count = f"{len(members)} replicate{' is' if len(members) == 1 else 's are'}"
        few = (
            f"{count} too few for a claim about a recipe: it takes {stats.FEWEST} training seeds or more",
            f"needs {stats.FEWEST} training seeds or more",
        )
    short = cut or few or too_few(job.rule, pair)
    bad = contaminated(job, [*members, *others], measurements)
    return Case(job, name, shown, pair=pair, level=_level(job.rule, pair, scores), blind=blind, short=short, contaminated=bad)


def _other(rule: Rule, member: str, policy: Policy) -> str:
    named = {"baseline": policy.baseline, "reference": policy.references.get(member, "")}
    return named.get(rule.against, rule.against)


def _unfit(job: Job, member: str, other: str, members: Sequence[str], measurements: Measurements) -> Case | None:
    """Why one replicate cannot be held against the other side; as for a checkpoint, and some more."""
    reference = measurements.policy.references.get(member)
    transition = any(metric.rsplit("/", 1)[-1] in TRANSITIONS for metric in job.metrics)
    if not other or (transition and reference is None):
        return Case(job, member, other, "no_baseline", f"no reference of {member} was measured")
    if other not in measurements.candidates:
        return Case(job, member, other, "no_baseline", f"{other} was not measured")
    if other in members:
        return Case(job, member, other, "not_comparable", f"{other} is itself a replicate of the recipe")
    sides = list(dict.fromkeys([member, other, *([reference] if transition and reference else [])]))
    stopped = stopped_by(job, sides, measurements)
    if stopped is not None:
        return Case(job, member, other, *stopped)
    if refused := too_contaminated(job, sides, measurements):
        return Case(job, member, other, "invalid", refused, REMEDY)
    if broken_off := broken_examination(job, measurements):
        return Case(job, member, other, "invalid", broken_off, REEXAMINE)
    for suite in suites_of(job.metrics):
        if measurements.looked(suite, member):
            why = f"{member} was asked in part in {suite}, and a claim about a recipe takes all items of every replicate"
            return Case(job, member, other, "inconclusive", why)
        part = next((side for side in sides if measurements.in_part(suite, side)), None)
        if part is not None:
            why = f"{part} was itself asked in part in {suite}: a recipe is compared only with runs that were asked in full"
            return Case(job, member, other, "inconclusive", why)
    return None


def _pair(job: Job, members: Sequence[str], others: Sequence[str], measurements: Measurements) -> tuple[RecipePair, Array] | Case:
    """The replicates over the items that all of them and all of the other sides share; with their scores (replicates, items)."""
    selected = measurements.within(selection_of(job.rule))
    pairs = []
    for member, other in zip(members, others, strict=True):
        pair = selected.pair(job.metrics, job.label, member, other)
        if pair is None or not pair.items:
            return Case(job, member, other, "invalid", nothing_shared(job, member, other, measurements))
        if pair.baseline.metric.aggregator != "mean":
            why = "a claim about a recipe is made of gains item by item, which a score over whole documents does not have"
            return Case(job, member, other, "inconclusive", why)
        pairs.append(pair)
    shared = set(pairs[0].baseline.keys).intersection(*(pair.baseline.keys for pair in pairs[1:]))
    if not shared:
        why = f"no item has a value of {job.label} for all replicates"
        return Case(job, members[0], others[0], "invalid", why)
    rows = [_rows(pair, shared) for pair in pairs]
    scores, before = (np.stack([getattr(row, side).table[:, 0] for row in rows]) for side in ("candidate", "baseline"))
    first = rows[0]
    return RecipePair(
        metric=first.metric,
        baseline=replace(first.baseline, table=before.mean(axis=0)[:, None]),
        candidate=replace(first.candidate, table=scores.mean(axis=0)[:, None]),
        absent=max(pair.items + pair.absent for pair in pairs) - len(shared),
        failed=max(pair.failed for pair in pairs),
        seed=first.seed,
        gains=first.sign * (scores - before),
        before=before,
    ), scores


def _rows(pair: Pair, shared: set[str]) -> Pair:
    """A pair over the shared keys, in the order of those keys."""
    order = np.asarray(sorted((i for i, key in enumerate(pair.baseline.keys) if key in shared), key=pair.baseline.keys.__getitem__))
    return replace(pair, baseline=pair.baseline.take(order), candidate=pair.candidate.take(order))


def _evidence(pair: Pair, gains: Array, extra: int = 0) -> stats.Replicates:
    return stats.Replicates(gains, pair.means(gains[0], extra))


def _level(rule: Rule, pair: Pair, scores: Array) -> Level | None:
    """The mean score of the recipe against a value; bounded scores near 1 are looked at as shortfalls, as for one checkpoint."""
    if rule.require not in VALUE_RULES or rule.value is None:
        return None
    end = end_of(pair.bounds, float(scores.mean()))
    found, border = _evidence(pair, end.seen(scores)), end.place(rule.value)
    above, below = found.test(border, "greater"), found.test(border, "less")
    score, low, high = end.back(found.gain, found.interval(1 - 2 * rule.alpha))
    above, below = (below, above) if end.turned else (above, below)
    parameters = {**above.parameters, "value": rule.value}
    return Level(score, low, high, above.p, below.p, above.method, pair.items, found.units, parameters)


def _said(case: Case, finding: Finding, members: int) -> Finding:
    """A finding in words that say that several seeds stand behind it, and how many would decide it where they do not."""
    title = case.job.title
    seeds = f"{title}, mean of {members} training seed{'' if members == 1 else 's'}"
    reason = seeds + finding.reason.removeprefix(title)
    comparison, evidence = finding.comparison, None if case.pair is None else case.pair.evidence
    if (
        finding.outcome != "inconclusive"
        or comparison is None
        or not isinstance(evidence, stats.Replicates)
        or case.level is not None
    ):
        return structs.replace(finding, reason=reason)
    distance = evidence.gain - case.margin if case.rule.require == "superior" else case.margin + evidence.gain
    needed = evidence.replicates_needed(distance, case.rule.alpha)
    if needed is None and comparison.parameters.get("items_needed") is None and members >= stats.FEWEST:
        return structs.replace(finding, reason=f"{reason.removesuffix('.')}, nor any number of training seeds on these items.")
    if needed is None or needed <= members:
        return structs.replace(finding, reason=reason)
    reason = f"{reason.removesuffix('.')}; on these items, it would with about {needed} training seeds."
    return structs.replace(
        finding,
        reason=reason,
        comparison=structs.replace(comparison, parameters={**comparison.parameters, "replicates_needed": needed}),
    )
