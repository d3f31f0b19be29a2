"""The policy: rules as the user wrote them, the ones that hold unless switched off, and which metrics each is about."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from msgspec import structs

from harness.records import Metric, Quarantined, Record, Rule

BAD_ANSWERS = ("truncated", "empty", "unparsable")
"""Flags that may not become more frequent than the baseline's, unless a rule of the user's speaks about them (law 2)."""

TRANSITIONS = ("lost", "gained")

VALUE_RULES = ("at_least", "at_most")

HUMAN_WIN = "human/win"
"""People's votes. A policy may ask for them before there are any: the rule then waits, undecided."""

ALSO_HUMAN = ("human/preference", "human/criterion_")
"""How strong people's preferences are, and their ratings (with the criterion's name): there only where a review asks for them."""


class Policy(Record, frozen=True, kw_only=True):
    """What the gate must know besides the runs.

    ``references``: candidate -> the name that forgetting is measured against. ``max_errors``: share of a suite's items that may
    fail before its findings are invalid; ``max_contaminated``: share of a rule's items that training data may contain before its
    finding is; a rule may set its own of both. ``allow``: differences between the sides that are accepted.
    ``bad_answers`` False switches the implicit rules off. ``contaminated``: suite -> keys that were found in training data; None
    where nothing says which. ``recipes``: candidate -> the recipe that it is a replicate of. ``judged``: suite -> how many
    different candidates its items have judged so far. ``chosen``: candidate -> the suites that have chosen it among the
    checkpoints of its training.
    """

    baseline: str
    references: dict[str, str] = {}
    rules: tuple[Rule, ...] = ()
    max_errors: float = 0.01
    max_contaminated: float | None = None
    allow: tuple[str, ...] = ()
    seed: int = 0
    bad_answers: bool = True
    quarantine: tuple[Quarantined, ...] = ()
    contaminated: dict[str, tuple[str, ...]] | None = None
    recipes: dict[str, str] = {}
    judged: dict[str, int] = {}
    chosen: dict[str, tuple[str, ...]] = {}


AGAIN = "second run of "
"""What the name of a second run of the same candidate (A/A) begins with, among the measured runs."""


RECIPE = "recipe "
"""What the name of a verdict about a recipe begins with; no candidate can be called so."""


def of_people(metric: str) -> bool:
    """Whether a metric, or a glob, is about what people said and nothing else."""
    return metric.startswith(HUMAN_WIN.split("/", 1)[0] + "/")


def of_people_in(rules: Iterable[Rule]) -> set[str]:
    """What people may be asked for by these rules: votes always, strength and ratings where a rule names them."""
    return {HUMAN_WIN, *(rule.metric for rule in rules if rule.metric.startswith(ALSO_HUMAN))}


def only_compared(name: str) -> bool:
    """Whether a side of a comparison is a run set kept under version control, or a second run (A/A): those are compared with, and
    never judged."""
    return name.startswith(("pin:", AGAIN))


def only_references(references: Mapping[str, str]) -> set[str]:
    """Who only serves as the reference of others, and is never judged: a plain base, which has no reference of its own."""
    return set(references.values()) - references.keys()


@dataclass(frozen=True)
class Job:
    """One decision to take: a rule over one metric, or over several that are pooled. ``label`` is what a person reads.

    The slice of its rule is one value, never ``field=*``, unless no item has the field.
    """

    rule: Rule
    metrics: tuple[str, ...]
    label: str

    @property
    def title(self) -> str:
        """How a sentence calls it."""
        return titled(self.rule, self.label)


def titled(rule: Rule, label: str) -> str:
    """How a sentence calls a decision: the rule's name, if it has one, the metric, and which items, if not all."""
    what = label + which_items(rule)
    return what if rule.name is None else f"{rule.name} ({what})"


def which_items(rule: Rule) -> str:
    """Of which items a rule speaks; empty where it is all of them."""
    half = {"select": ", the items that select", "gate": ", the items that certify"}
    return (f" where {rule.slice}" if rule.slice else "") + (half[rule.split] if rule.split else "")


def fewest_for_a_loss(rule: Rule) -> int:
    """Independent items without which not even losing all of them is a proven loss, for rules that ask for none. Rules that hold
    without being written are no reason to ship, so that they may hold on few."""
    return 0 if rule.require != "not_regressed" or rule.implicit else math.ceil(-math.log2(rule.alpha))


def suites_of(metrics: Iterable[str]) -> list[str]:
    """The suites of these metrics, each once."""
    return list(dict.fromkeys(metric.split("/", 1)[0] for metric in metrics))


def matches(glob: str, metric: str, groups: Collection[str] = ()) -> bool:
    """Whether a glob over ``suite/task/metric`` means this metric; ``suite/metric`` counts as having an empty task.

    ``groups`` are the ``suite/group`` that stand for several tasks: a glob means a group only where it names it literally, so that
    ``suite/*/acc`` never counts a task twice.
    """
    place = metric.rpartition("/")[0]
    if place in groups and glob.split("/")[1:-1] != place.split("/")[1:]:
        return False
    if fnmatchcase(metric, glob):
        return True
    suite, _, name = metric.partition("/")
    return "/" not in name and fnmatchcase(f"{suite}//{name}", glob)


SliceValues = Callable[[Iterable[str], str], Sequence[str]]
"""The values that a slice's field has among the items of some metrics."""


def jobs(
    policy: Policy,
    metrics: Collection[str],
    groups: Collection[str] = (),
    values: SliceValues | None = None,
    about: Literal["checkpoint", "recipe"] = "checkpoint",
) -> list[Job]:
    """Every decision about checkpoints, or about recipes, the user's rules first, in the order of the policy and then of the
    metrics' names. A rule about ``field=*`` is one decision per value."""
    implicit = _implicit(policy, metrics) if about == "checkpoint" else ()
    rules = [rule for rule in (*policy.rules, *implicit) if rule.about == about]
    return [
        job
        for rule in rules
        for whole in _jobs(policy, rule, metrics, groups)
        for job in (_by_slice(whole, values) if values else [whole])
    ]


def _jobs(policy: Policy, rule: Rule, metrics: Collection[str], groups: Collection[str]) -> list[Job]:
    meant = tuple(sorted(metric for metric in metrics if matches(rule.metric, metric, groups)))
    if rule.implicit:
        meant = tuple(metric for metric in meant if not _covered(policy, metric))
    if rule.pool or rule.implicit:
        return [Job(rule, meant, meant[0] if len(meant) == 1 else rule.metric)]
    return [Job(rule, (metric,), metric) for metric in meant] or [Job(rule, (), rule.metric)]


def _by_slice(job: Job, values: SliceValues) -> list[Job]:
    field, _, value = (job.rule.slice or "").partition("=")
    if value != "*":
        return [job]
    rules = [structs.replace(job.rule, slice=f"{field}={found}") for found in values(job.metrics, field)]
    return [Job(rule, job.metrics, job.label) for rule in rules] or [job]


def _covered(policy: Policy, metric: str) -> bool:
    """Whether a rule of the user's speaks about the metric of every checkpoint as a whole, and not only about some items."""
    return any(
        matches(rule.metric, metric) and rule.about == "checkpoint" and not (rule.slice or rule.split or rule.exclude)
        for rule in policy.rules
    )


def _implicit(policy: Policy, metrics: Collection[str]) -> Iterable[Rule]:
    """One rule per suite and watched flag, its tasks pooled, so that few bad answers in many tasks add up."""
    if not policy.bad_answers:
        return
    for flag in BAD_ANSWERS:
        watched = [metric for metric in metrics if metric.rsplit("/", 1)[-1] == flag and not _covered(policy, metric)]
        for suite in sorted({metric.split("/", 1)[0] for metric in watched}):
            yield Rule(metric=f"{suite}/*/{flag}", require="not_regressed", pool=True, implicit=True)


Family = tuple[str, bool, bool, str]


def family_of(rule: Rule) -> Family | None:
    """Decisions of one family share alpha (Holm); None where a decision needs no correction. Rules that only warn or inform, about
    slices, and about recipes have families of their own."""
    if rule.require not in ("not_regressed", "superior"):
        return None
    return rule.require, rule.severity == "block", rule.slice is None, rule.about


def certain_share(rule: Rule, metric: Metric, *, clustered: bool) -> bool:
    """Whether a relative margin may be taken for a number although the score that it is a share of is uncertain: where a share of
    right answers is lost, what is lost comes from what was right, and varies more than the share does. Not so where a cluster holds
    more than one item, for clusters that score low may lose more."""
    falls = (metric.direction == "lower") == (rule.require == "superior")
    return metric.kind == "binary" and falls and not clustered


def absolute_margin(rule: Rule, baseline_value: float) -> float:
    """The margin on the metric's own scale; a relative one is a share of the baseline's, or of ``guard_below`` if that is more."""
    if rule.margin is None:
        return 0.0
    if not rule.relative:
        return rule.margin
    return rule.margin * max(abs(baseline_value), rule.guard_below or 0.0)
