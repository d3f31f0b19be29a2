"""Where each candidate stands: what it gained on the target, and what it lost of what it should have kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harness.records import (
    SHARES,
    Comparison,
    Conclusion,
    Finding,
    Flag,
    Measured,
    Metric,
    MetricKind,
    Outcome,
    Record,
    Run,
    Verdict,
)
from reports.wording import metric_parts

TIMED = "latency"
FLAGS: tuple[Flag, ...] = ("truncated", "empty", "unparsable", "refused", "conflict", "disputed", "context_cut", "boundary")
KEPT_COUNTS = ("lost", "gained")


class Gain(Record, frozen=True, kw_only=True):
    """A gain to be shown: of one comparison, or the plain mean of several (then without an interval). ``missing``: items without a
    score on either side, which no gain speaks of."""

    metric: str
    against: str
    gain: float
    low: float | None = None
    high: float | None = None
    level: float = 0.90
    kind: MetricKind = "binary"
    unit: str = ""
    baseline: float | None = None
    averaged: int = 1
    missing: int = 0


class Standing(Record, frozen=True, kw_only=True):
    """One candidate in one line: the first row of a leaderboard by ``target`` alone is what a gate is there to doubt.
    ``beside``: target and retained metrics in other units, which neither ``target`` nor ``worst`` can have."""

    candidate: str
    outcome: Outcome
    target: Gain | None = None
    worst: Gain | None = None
    beside: tuple[Gain, ...] = ()
    general: Gain | None = None
    leads: bool = False


class Roles(Record, frozen=True, kw_only=True):
    """Which suites stand for the new skill and which for what must be kept."""

    target: tuple[str, ...] = ()
    retained: tuple[str, ...] = ()

    def of(self, metric: str) -> str:
        suite = metric_parts(metric)[0]
        return "target" if suite in self.target else "retained" if suite in self.retained else "other"


def roles(conclusion: Conclusion, runs: Iterable[Run]) -> Roles:
    """Retained suites say so themselves; target suites are those that a ``superior`` rule names, else whatever is neither retained,
    judged, nor about latency. Without runs, the suites that were counted for lost items are the retained ones."""
    known = list(runs)
    retained = tuple(dict.fromkeys(run.suite for run in known if run.retained))
    if not known:
        counted = (metric_parts(each.metric) for each in conclusion.comparisons)
        retained = tuple(dict.fromkeys(suite for suite, _, name in counted if name in KEPT_COUNTS))
    claimed = {
        metric_parts(finding.metric or finding.rule.metric)[0]
        for verdict in conclusion.verdicts
        for finding in _claims(verdict.findings)
    } - set(retained)
    target = tuple(dict.fromkeys(run.suite for run in known if run.suite in claimed)) or tuple(sorted(claimed - {"*"}))
    if not target:
        plain = [run for run in known if not run.retained and not _prefers(run) and TIMED not in run.use]
        target = tuple(dict.fromkeys(run.suite for run in plain))
    return Roles(target=target, retained=retained)


def _prefers(run: Run) -> bool:
    """Whether a suite is about what a judge prefers. One whose answers a judge grades apart is a suite like any other."""
    return "win" in run.metrics


def metric_of(measured: Mapping[tuple[str, str], Measured], metric: str) -> Metric:
    """How a metric was declared by the suite that has it; the plain default where no run is at hand."""
    suite, task, name = metric_parts(metric)
    for (owner, _), each in measured.items():
        if owner == suite:
            declared = each.run.metrics
            for key in (name, f"{task}/{name}", metric, name.partition("@")[0]):
                if key in declared:
                    return declared[key]
    return Metric(kind="real")


def standings(conclusion: Conclusion, measured: Mapping[tuple[str, str], Measured]) -> tuple[Standing, ...]:
    """All candidates with a verdict, largest target gain first."""
    role = roles(conclusion, (each.run for each in measured.values()))
    shared = _shared(conclusion)
    found = [_standing(verdict, conclusion, role, measured, shared) for verdict in conclusion.verdicts]
    found.sort(key=lambda each: (each.target is None, -(each.target.gain if each.target else 0.0)))
    return tuple(
        Standing(
            candidate=each.candidate,
            outcome=each.outcome,
            target=each.target,
            worst=each.worst,
            beside=each.beside,
            general=each.general,
            leads=index == 0 and each.target is not None and len(found) > 1,
        )
        for index, each in enumerate(found)
    )


def _claims(findings: Iterable[Finding]) -> list[Finding]:
    """Those that claim a gain. One that only informs is the target where no other claims any."""
    found = [finding for finding in findings if finding.rule.require == "superior"]
    return [finding for finding in found if finding.rule.severity != "inform"] or found


def _shared(conclusion: Conclusion) -> set[str]:
    """Target metrics of every candidate that has any: means of unlike metrics would rank candidates by what they were asked."""
    each = [{f.comparison.metric for f in _claims(_certifying(v)) if f.comparison} for v in conclusion.verdicts]
    return set.intersection(*filter(None, each)) if any(each) else set()


def _standing(
    verdict: Verdict, conclusion: Conclusion, role: Roles, measured: Mapping[tuple[str, str], Measured], shared: set[str]
) -> Standing:
    ruled = [finding for finding in _certifying(verdict) if finding.comparison is not None]
    claimed = [finding.comparison for finding in _claims(ruled) if finding.comparison]
    target = [each for each in claimed if each.metric in shared] or claimed
    if not target:
        target = [each for each in _compared(conclusion, verdict.candidate, measured) if role.of(each.metric) == "target"]
    retained = [each for each in _compared(conclusion, verdict.candidate, measured) if role.of(each.metric) == "retained"]
    pooled = [finding.comparison for finding in ruled if _pools(finding, role) and finding.comparison]
    worst = min(retained or pooled, key=lambda each: each.gain, default=None)
    shown = {each.metric for each in _alike(target)} | ({worst.metric} if worst else set())
    other = [
        each for each in _read(conclusion, verdict.candidate, measured) if each.kind not in SHARES and each.metric not in shown
    ]
    beside = [each for each in other if role.of(each.metric) in ("target", "retained")]
    return Standing(
        candidate=verdict.candidate,
        outcome=verdict.outcome,
        target=_gain(target),
        worst=_gain([worst]) if worst else None,
        beside=tuple(single(each) for each in beside),
        general=_gain(pooled[:1] or retained),
    )


def _certifying(verdict: Verdict) -> list[Finding]:
    """Findings without those over the items that select checkpoints: what chose a candidate says nothing about how good it is."""
    return [finding for finding in verdict.findings if finding.rule.split != "select"]


def _pools(finding: Finding, role: Roles) -> bool:
    metric = finding.metric or finding.rule.metric
    metric_name = metric_parts(metric)[2]
    return finding.rule.pool and role.of(metric) == "retained" and metric_name not in (*KEPT_COUNTS, *FLAGS)


def _compared(conclusion: Conclusion, candidate: str, measured: Mapping[tuple[str, str], Measured]) -> list[Comparison]:
    """Those of ``_read`` that are shares where there are any, so that one gain can be held against another."""
    mine = _read(conclusion, candidate, measured)
    return [each for each in mine if each.kind in SHARES] or mine


def _read(conclusion: Conclusion, candidate: str, measured: Mapping[tuple[str, str], Measured]) -> list[Comparison]:
    """The comparisons of a candidate that speak of quality (no flags, no counts of lost items, no speed), against the baseline
    where there are any. A group of tasks would count its tasks twice."""
    groups = {f"{owner}/{group}" for (owner, _), each in measured.items() for group in each.run.groups}
    timed = {owner for (owner, _), each in measured.items() if TIMED in each.run.use}
    mine = [
        each
        for each in conclusion.comparisons
        if metric_parts(each.metric)[0] not in timed
        and each.candidate == candidate
        and metric_parts(each.metric)[2] not in (*FLAGS, *KEPT_COUNTS)
        and _headline(each.metric, conclusion)
        and each.metric.rpartition("/")[0] not in groups
    ]
    return [each for each in mine if each.baseline == conclusion.baseline] or mine


def _headline(metric: str, conclusion: Conclusion) -> bool:
    """Is this the metric its suite shows first (several metrics of one suite would count one loss several times)?"""
    suite, _, name = metric_parts(metric)
    primaries = {each.metric for each in conclusion.health if each.suite == suite and each.metric}
    return not primaries or any(name == metric_parts(f"/{primary}")[2] or primary == metric for primary in primaries)


def _gain(compared: Sequence[Comparison]) -> Gain | None:
    if not compared:
        return None
    first, alike = compared[0], _alike(compared)
    if len(alike) == 1:
        return single(first)
    return Gain(
        metric=f"mean of {len(alike)} metrics, each counted once",
        against=first.baseline,
        gain=sum(each.gain for each in alike) / len(alike),
        kind=first.kind,
        unit=first.unit,
        averaged=len(alike),
        missing=sum(each.missing for each in alike),
    )


def _alike(compared: Sequence[Comparison]) -> list[Comparison]:
    """Those that can be averaged with the first: all shares, or all in its unit."""
    scales = [(True, "") if each.kind in SHARES else (False, each.unit) for each in compared]
    return [each for each, scale in zip(compared, scales, strict=True) if scale == scales[0]]


def single(each: Comparison) -> Gain:
    """The gain of one comparison, as it is shown."""
    return Gain(
        metric=each.metric,
        against=each.baseline,
        gain=each.gain,
        low=each.low,
        high=each.high,
        level=each.level,
        kind=each.kind,
        unit=each.unit,
        baseline=each.baseline_value,
        missing=each.missing,
    )
