"""The policy: rules as the user wrote them, the ones that hold unless switched off, and which metrics each is about."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from harness.errors import ConfigError
from harness.plugins import did_you_mean
from harness.records import Record, Rule

BAD_ANSWERS = ("truncated", "empty", "unparsable")
"""Flags that may not become more frequent than the baseline's, unless a rule of the user's speaks about them (law 2)."""

TRANSITIONS = ("lost", "gained")

HUMAN_WIN = "human/win"
"""People's votes. A policy may ask for them before there are any: the rule then waits, undecided."""


class Policy(Record, frozen=True, kw_only=True):
    """What the gate must know besides the runs.

    ``references``: candidate -> the name that forgetting is measured against. ``max_errors``: share of a suite's items that may
    fail before its findings are invalid; a rule may set its own. ``allow``: differences between the sides that are accepted.
    ``bad_answers`` False switches the implicit rules off.
    """

    baseline: str
    references: dict[str, str] = {}
    rules: tuple[Rule, ...] = ()
    max_errors: float = 0.01
    allow: tuple[str, ...] = ()
    seed: int = 0
    bad_answers: bool = True


@dataclass(frozen=True)
class Job:
    """One decision to take: a rule over one metric, or over several that are pooled. ``label`` is what a person reads."""

    rule: Rule
    metrics: tuple[str, ...]
    label: str

    @property
    def title(self) -> str:
        """How a sentence calls it: the rule's name, if it has one, and the metric."""
        return self.label if self.rule.name is None else f"{self.rule.name} ({self.label})"


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


def jobs(policy: Policy, metrics: Collection[str], groups: Collection[str] = ()) -> list[Job]:
    """Every decision, the user's rules first, in the order of the policy and then of the metrics' names."""
    rules = (*policy.rules, *_implicit(policy, metrics))
    listed = []
    for rule in rules:
        meant = tuple(sorted(metric for metric in metrics if matches(rule.metric, metric, groups)))
        if rule.implicit:
            meant = tuple(metric for metric in meant if not _covered(policy, metric))
        if rule.pool or rule.implicit:
            listed.append(Job(rule, meant, meant[0] if len(meant) == 1 else rule.metric))
        elif meant:
            listed += [Job(rule, (metric,), metric) for metric in meant]
        else:
            listed.append(Job(rule, (), rule.metric))
    return listed


def _covered(policy: Policy, metric: str) -> bool:
    """Whether a rule of the user's speaks about the metric as a whole, and not only about a slice."""
    return any(matches(rule.metric, metric) and rule.slice is None for rule in policy.rules)


def _implicit(policy: Policy, metrics: Collection[str]) -> Iterable[Rule]:
    """One rule per suite and watched flag, its tasks pooled, so that few bad answers in many tasks add up."""
    if not policy.bad_answers:
        return
    for flag in BAD_ANSWERS:
        watched = [metric for metric in metrics if metric.rsplit("/", 1)[-1] == flag and not _covered(policy, metric)]
        for suite in sorted({metric.split("/", 1)[0] for metric in watched}):
            yield Rule(metric=f"{suite}/*/{flag}", require="not_regressed", pool=True, implicit=True)


def check_rules(
    rules: Sequence[Rule], metrics: Iterable[str], *, candidates: Collection[str] = (), groups: Collection[str] = ()
) -> None:
    """ConfigError for a rule that could never be decided, before any model is asked.

    ``metrics`` are all ids that the suites will provide, watched flags and (for retained suites) ``lost`` and ``gained`` included.
    ``candidates`` are the names that ``against`` may use besides ``baseline`` and ``reference``; empty: not checked. ``groups`` are
    those of ``matches``.
    """
    known = sorted(set(metrics))
    for index, rule in enumerate(rules):
        _check_numbers(rule, f"rules[{index}]")
        if candidates and rule.against not in {"baseline", "reference", *candidates}:
            expected = did_you_mean(rule.against, {"baseline", "reference", *candidates})
            raise ConfigError(f"nothing is named {rule.against!r}. {expected}", where=f"rules[{index}].against")
        if not any(matches(rule.metric, metric, groups) for metric in known):
            raise ConfigError(_nothing(rule.metric, known), where=f"rules[{index}].metric")


def _nothing(glob: str, known: Sequence[str]) -> str:
    name = glob.rsplit("/", 1)[-1]
    hint = ""
    if name in TRANSITIONS:
        hint = f" Only suites with retained = true and a right-or-wrong metric have {name!r}."
    if not known:
        return f"no suite provides a metric that matches {glob!r}: no suite provides any metric."
    shown = did_you_mean(glob, known)
    return f"no suite provides a metric that matches {glob!r}.{hint} {shown if len(shown) < 1500 else shown[:1500] + ' …'}"


def _check_numbers(rule: Rule, where: str) -> None:
    if not 0 < rule.alpha < 0.5:
        raise ConfigError(f"alpha is {rule.alpha}; expected above 0 and below 0.5, such as 0.05.", where=f"{where}.alpha")
    for name, number in (("margin", rule.margin), ("value", rule.value), ("guard_below", rule.guard_below)):
        if number is not None and not math.isfinite(number):
            raise ConfigError(f"{name} is {number}; expected a finite number, such as 0.02.", where=f"{where}.{name}")
    if rule.require == "non_inferior" and (rule.margin is None or not rule.margin > 0):
        said = "there is no margin" if rule.margin is None else f"margin is {rule.margin}"
        raise ConfigError(
            f"{said}; a non_inferior rule needs a margin above 0 (0.02 is two points), because with none even an "
            "identical candidate could never pass.",
            where=f"{where}.margin",
        )
    if rule.margin is not None and not rule.margin >= 0:
        raise ConfigError(f"margin is {rule.margin}; expected 0 or more.", where=f"{where}.margin")
    if rule.require in ("at_least", "at_most") and rule.value is None:
        raise ConfigError(f"an {rule.require} rule needs a value.", where=f"{where}.value")
    if rule.require in ("at_least", "at_most") and rule.margin is not None:
        raise ConfigError(f"an {rule.require} rule has a value, not a margin.", where=f"{where}.margin")
    if rule.require not in ("at_least", "at_most") and rule.value is not None:
        raise ConfigError(f"value belongs to at_least and at_most; a {rule.require} rule has a margin.", where=f"{where}.value")
    if rule.slice is not None and not all(rule.slice.partition("=")):
        raise ConfigError(f"slice is {rule.slice!r}; expected field=value, such as lang=zh.", where=f"{where}.slice")
    if rule.min_items < 1:
        raise ConfigError(f"min_items is {rule.min_items}; expected 1 or more.", where=f"{where}.min_items")
    for name in ("max_missing", "max_errors"):
        share = getattr(rule, name)
        if share is not None and not 0 <= share <= 1:
            raise ConfigError(f"{name} is {share}; expected a share between 0 and 1.", where=f"{where}.{name}")
    if rule.relative and rule.margin is None:
        raise ConfigError("relative says how a margin is meant, but there is no margin.", where=f"{where}.relative")


def absolute_margin(rule: Rule, baseline_value: float) -> float:
    """The margin on the metric's own scale; a relative one is a share of the baseline's, or of ``guard_below`` if that is more."""
    if rule.margin is None:
        return 0.0
    if not rule.relative:
        return rule.margin
    return rule.margin * max(abs(baseline_value), rule.guard_below or 0.0)
