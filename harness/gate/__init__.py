"""The gate: measured runs and a policy in, a conclusion out. Pure; no model, no network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from harness.compare import comparable
from harness.errors import ComparabilityError
from harness.gate.blindness import worst_admission
from harness.gate.calibration import calibrated
from harness.gate.cases import Case, case_of, compared
from harness.gate.checks import check_keys, check_rules, check_scales, check_slices
from harness.gate.findings import findings_of
from harness.gate.forgotten import forgotten, lost_by_all
from harness.gate.many import over_candidates, read_together, resample_suites
from harness.gate.measurements import Measurements
from harness.gate.paces import paces, spent
from harness.gate.policy import (
    HUMAN_WIN,
    TRANSITIONS,
    Policy,
    jobs,
    matches,
    of_people,
    of_people_in,
    only_compared,
    only_references,
    suites_of,
)
from harness.gate.recipes import recipes_only, verdicts_of_recipes
from harness.gate.slices import slice_readings
from harness.gate.stages import stages_of
from harness.gate.tax import taxes
from harness.gate.verdicts import EXIT_CODES, blocks, gravest, verdict_of
from harness.gate.win_rates import strengths, win_rates
from harness.records import Admission, Comparison, Conclusion, Finding, Measured, Parity, People, Rule, Run, Stage
from harness.stats import benjamini_hochberg

__all__ = [
    "HUMAN_WIN",
    "TRANSITIONS",
    "Policy",
    "check_keys",
    "check_rules",
    "check_scales",
    "check_slices",
    "conclude",
    "judged",
    "matches",
    "of_people",
    "of_people_in",
    "only_compared",
    "only_references",
]


def conclude(
    measured: Mapping[tuple[str, str], Measured],
    policy: Policy,
    *,
    created: str,
    environment: Mapping[str, Any],
    command: str = "",
    stages: Sequence[Stage] = (),
    alone: bool = False,
) -> Conclusion:
    """Compare every candidate with the baseline and its reference, apply the policy, and say why.

    ``measured`` is keyed by (suite, candidate). ``stages``: trainings in a row, to be read as such. ``alone``: a baseline by itself
    has no verdicts, and can be shown. ComparabilityError where the baseline was not measured, or nothing but it; ConfigError for a
    rule about a metric that no suite provides.
    """
    measurements = Measurements(measured, policy)
    if policy.baseline not in measurements.candidates:
        found = ", ".join(measurements.candidates) or "nothing"
        raise ComparabilityError(f"the baseline {policy.baseline!r} was not measured (found: {found}); measure it first.")
    names = judged(measurements)
    if not names and not alone:
        raise ComparabilityError(f"only the baseline {policy.baseline!r} was measured: there is no candidate to judge.")
    measurements.check_left_out()
    check_rules(policy.rules, {*measurements.declared, *of_people_in(policy.rules)}, groups=measurements.groups)
    check_scales(policy.rules, measurements.scales, measurements.groups)
    check_slices(policy.rules, partial(_slice_values, measurements))
    resample_suites(measurements)
    listed = jobs(policy, measurements.metrics, measurements.groups, measurements.sliced)
    own = [name for name in names if not (recipes_only(policy) and name in policy.recipes)]
    cases = {name: [case_of(job, name, measurements) for job in listed] for name in own}
    over = over_candidates(cases)
    verdicts = [verdict_of(name, about_others(cases[name], findings_of(cases[name], over[name])), measurements) for name in own]
    recipes = verdicts_of_recipes(measurements)
    said = [verdict.outcome for verdict in (*verdicts, *(each for each in recipes if blocks(each)))]
    outcome = gravest(said) if names else "not_comparable"
    return Conclusion(
        created=created,
        baseline=policy.baseline,
        reference=dict(policy.references),
        outcome=outcome,
        exit_code=EXIT_CODES[outcome],
        verdicts=(*verdicts, *recipes),
        comparisons=tuple(read_together(list(_comparisons(measurements)), measurements)),
        slices=tuple(slice_readings(measurements)),
        forgotten=tuple(forgotten(measurements)),
        lost_by_all=tuple(lost_by_all(measurements, names)),
        taxes=tuple(taxes(measurements, names)),
        stages=stages_of(measurements, stages),
        paces=tuple(paces(measurements)),
        spent=tuple(spent(measurements)),
        win_rates=tuple(win_rates(measurements)),
        strengths=tuple(strengths(measurements)),
        calibrated=tuple(calibrated(measurements)),
        health=tuple(measurements.health()),
        parity=tuple(_parity(measurements)),
        admissions=_admissions(measured),
        people=_people(measured),
        runs=_runs(measured),
        seed=policy.seed,
        judged=policy.judged,
        quarantined=policy.quarantine,
        command=command,
        environment=dict(environment),
    )


def about_others(cases: Sequence[Case], findings: Sequence[Finding]) -> list[Finding]:
    """Findings without those of rules that compare a candidate with itself: they could say nothing but that it is equal."""
    return [finding for case, finding in zip(cases, findings, strict=True) if not case.itself]


def _slice_values(measurements: Measurements, rule: Rule) -> list[str] | None:
    """What the items of a rule's suites have in the field of its slice; None where a smoke run does not know them all."""
    meant = [metric for metric in measurements.declared if matches(rule.metric, metric, measurements.groups)]
    suites = suites_of(meant)
    runs = [each.run for (suite, _), each in measurements.measured.items() if suite in suites]
    if not runs or any(run.limit is not None for run in runs):
        return None
    return measurements.slice_values(meant, str(rule.slice).partition("=")[0])


def judged(measurements: Measurements) -> list[str]:
    """Who gets a verdict: everyone measured but the baseline, pins, and those who only serve as the reference of others."""
    policy = measurements.policy
    apart = only_references(policy.references)
    return [name for name in measurements.candidates if name != policy.baseline and not only_compared(name) and name not in apart]


def _comparisons(measurements: Measurements) -> Iterator[Comparison]:
    """For reading: every metric against the baseline; metrics of retained suites against the reference too.

    ``p`` is of "no difference", on its own; ``parameters["p_bh"]`` is adjusted for the false discovery rate over this table, and
    ``p_max_t`` over the candidates of one metric. A run that was looked at while it was asked has none of them.
    """
    policy = measurements.policy
    for name in measurements.candidates:
        if only_compared(name):
            continue
        reference = policy.references.get(name)
        for other in dict.fromkeys([policy.baseline, *([reference] if reference in measurements.candidates else [])]):
            if other is None or other == name:
                continue
            meant = [m for m in sorted(measurements.metrics) if other == policy.baseline or _retained(measurements, m, name)]
            found = [each for metric in meant if (each := _compared(measurements, metric, name, other)) is not None]
            adjusted = iter(benjamini_hochberg([each.p for each in found if each.p is not None]))
            for each in found:
                more = {} if each.p is None else {"p_bh": next(adjusted)}
                yield msgspec.structs.replace(each, parameters={**each.parameters, **more})


def _retained(measurements: Measurements, metric: str, candidate: str) -> bool:
    run = measurements.run(metric.split("/", 1)[0], candidate)
    return run is not None and run.retained


def _compared(measurements: Measurements, metric: str, name: str, other: str) -> Comparison | None:
    suite = metric.split("/", 1)[0]
    if measurements.run(suite, name) is None or measurements.run(suite, other) is None:
        return None
    if not comparable(measurements.parity(suite, other, name)):
        return None
    return compared(metric, name, other, measurements)


def _parity(measurements: Measurements) -> Iterator[Parity]:
    baseline = measurements.policy.baseline
    for suite, name in measurements.measured:
        if name != baseline and not only_compared(name) and (suite, baseline) in measurements.measured:
            yield from measurements.parity(suite, baseline, name)


def _admissions(measured: Mapping[tuple[str, str], Measured]) -> dict[str, Admission]:
    runs: dict[str, list[Run]] = defaultdict(list)
    for (suite, _), each in measured.items():
        runs[suite].append(each.run)
    found = {suite: worst_admission(own) for suite, own in runs.items()}
    return {suite: admission for suite, admission in found.items() if admission is not None}


def _people(measured: Mapping[tuple[str, str], Measured]) -> dict[str, tuple[People, ...]]:
    """Candidate -> what people said of its answers."""
    return {name: each.run.people for (_, name), each in measured.items() if each.run.people}


def _runs(measured: Mapping[tuple[str, str], Measured]) -> dict[str, dict[str, str]]:
    """Suite -> candidate -> the *graded* fingerprint that names the run's folder."""
    found: dict[str, dict[str, str]] = {}
    for (suite, name), each in measured.items():
        found.setdefault(suite, {})[name] = each.run.graded
    return found
