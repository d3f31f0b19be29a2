"""Every decision that the policy will take, with the items behind it, before anything is asked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.gate.contamination import found_in, refusal
from harness.gate.policy import TRANSITIONS, Job, Policy, jobs, of_people
from harness.gate.selection import selection_of, traits_of
from harness.plan.questions import Questions
from harness.records import Metric

Index = NDArray[np.intp]


@dataclass(frozen=True)
class Decision:
    """``index``: suite -> which of its items count. ``clusters``: how many independent ones that makes. ``counted``: every item is
    won, lost or tied, and its own. ``flag``: a watched flag. ``transition``: ``lost`` or ``gained``. ``refused``: why it will
    decide nothing, because training data contain too many of its items. ``hinging``: only answers show which of its items have a
    score, so that there may be fewer."""

    job: Job
    metric: Metric
    index: Mapping[str, Index]
    clusters: int
    counted: bool
    flag: bool
    transition: bool
    refused: str = ""
    hinging: bool = False

    @property
    def items(self) -> int:
        return sum(len(each) for each in self.index.values())

    @property
    def human(self) -> bool:
        """About people's votes, of which nobody knows how many there will be."""
        return of_people(self.job.rule.metric) or (bool(self.job.metrics) and all(map(of_people, self.job.metrics)))


def decisions(policy: Policy, suites: Mapping[str, Questions], metrics: Collection[str], groups: Collection[str]) -> list[Decision]:
    """In the order of the gate, those about recipes last. ``metrics`` and ``groups`` are the ids that the suites provide."""

    def values(named: Iterable[str], field: str) -> list[str]:
        behind = {(metric.split("/", 1)[0], at) for metric in named if not of_people(metric) for at in _behind(metric, suites)}
        traits = [traits_of(suites[suite].items[at], bad[suite]) for suite, at in behind]
        return sorted({each.slices[field] for each in traits if field in each.slices})

    bad = {suite: found_in(policy.contaminated, suite) for suite in suites}
    metrics = [metric for metric in metrics if of_people(metric) or _behind(metric, suites)]
    listed = [*jobs(policy, metrics, groups, values), *jobs(policy, metrics, groups, values, about="recipe")]
    return [_decision(job, policy, suites) for job in listed]


def _behind(metric: str, suites: Mapping[str, Questions]) -> list[int]:
    """Which items of its suite will have a score of a metric."""
    suite, _, rest = metric.partition("/")
    task, _, name = rest.rpartition("/")
    return suites[suite].behind(_tasks(suites[suite], task, name), name)


def _decision(job: Job, policy: Policy, suites: Mapping[str, Questions]) -> Decision:
    index: dict[str, list[int]] = {}
    weights: set[float] = set()
    found: list[Metric] = []
    clusters: set[tuple[str, str]] = set()
    counted, flags, hinging = True, [], False
    for metric in job.metrics:
        if of_people(metric):
            continue
        suite, _, rest = metric.partition("/")
        task, _, name = rest.rpartition("/")
        questions = suites[suite]
        meant = _kept(questions, _behind(metric, suites), job, policy)
        hinging |= questions.hinges(_tasks(questions, task, name), name)
        index.setdefault(suite, []).extend(meant)
        read = questions.metric(task, name)
        found.append(read)
        flags.append(name in questions.watched)
        clusters |= {(suite, questions.items[at].cluster or questions.items[at].key) for at in meant}
        weights |= {questions.items[at].weight for at in meant}
        shared = name in TRANSITIONS or name in questions.watched
        counted &= read.kind == "binary" and read.aggregator == "mean" and (shared or questions.draws == 1)
        counted &= task not in (questions.groups or {})
    items = sum(len(each) for each in index.values())
    return Decision(
        job=job,
        metric=next((each for each in found if each.kind != "binary"), found[0] if found else Metric()),
        index={suite: np.asarray(each, dtype=np.intp) for suite, each in index.items()},
        clusters=len(clusters),
        counted=counted and len(clusters) == items and len(weights) <= 1,
        flag=bool(flags) and all(flags),
        transition=any(metric.rsplit("/", 1)[-1] in TRANSITIONS for metric in job.metrics),
        refused=refusal(job.rule, policy, {suite: _contaminated(suites[suite], at, policy) for suite, at in index.items()}),
        hinging=hinging,
    )


def _tasks(questions: Questions, task: str, name: str) -> set[str]:
    """The tasks behind a metric: its own, or the members of a group."""
    members = (questions.groups or {}).get(task, {})
    return set(members.get(name) or {each for weights in members.values() for each in weights} or {task})


def _kept(questions: Questions, index: Iterable[int], job: Job, policy: Policy) -> list[int]:
    """Those that a rule looks at."""
    selection, bad = selection_of(job.rule), found_in(policy.contaminated, questions.name)
    out = {entry.key for entry in policy.quarantine if entry.suite == questions.name}
    items = questions.items
    return [at for at in index if items[at].key not in out and selection.keeps(traits_of(items[at], bad))]


def _contaminated(questions: Questions, index: Collection[int], policy: Policy) -> tuple[int, int]:
    """How many of these items training data contain, of how many."""
    bad, keys = found_in(policy.contaminated, questions.name) or frozenset(), {questions.items[at].key for at in index}
    return len(keys & bad), len(keys)
