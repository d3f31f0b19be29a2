"""The gate table: rule by rule why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from harness.gate import sentences
from harness.gate.policy import titled
from harness.records import Conclusion, Finding, Measured, Record, Verdict
from reports.answer import capitalised, spoken
from reports.figures import Figure, Span, alone_p, count_figure, deciding_p, gain_figure, pointer, score_figure, span
from reports.quarrel import quarrel
from reports.standing import Standing, metric_of
from reports.wording import Badge, badge, bound_of, finding_badge, margin_text, requirement, rule_name


class GateLine(Record, frozen=True, kw_only=True):
    """One finding, as a row of the gate table. Figures are absent where the rule had nothing to compare; ``unit`` is theirs."""

    rule: str
    requires: str
    metric: str
    against: str
    badge: Badge
    severity: str
    reason: str
    implicit: bool
    margin: str
    unit: str = ""
    baseline: Figure | None = None
    candidate: Figure | None = None
    gain: Figure | None = None
    span: Span | None = None
    p: Figure | None = None
    p_alone: Figure | None = None
    items: Figure | None = None
    clusters: Figure | None = None
    missing: Figure | None = None
    lost: Figure | None = None
    won: Figure | None = None
    mde: Figure | None = None
    method: str = ""
    quarrel: str = ""
    alike: tuple[str, ...] = ()


class GateTable(Record, frozen=True, kw_only=True):
    """What one candidate's rules say. ``lines``: what decides, which is what did not pass, or of a pass what somebody asked for;
    ``quiet``: what else holds, ``held`` rules in all."""

    candidate: str
    badge: Badge
    sentence: str
    lines: tuple[GateLine, ...]
    quiet: tuple[GateLine, ...]
    held: Figure


def why(finding: Finding) -> str:
    """The finding's reason without the metric and the gain, which the table shows already."""
    text = finding.reason.removeprefix(f"{titled(finding.rule, finding.metric)}: ")
    if finding.comparison is not None:
        bounds = sentences.border(finding.rule, float(finding.comparison.parameters.get("margin", 0.0)))
        text = text.removeprefix(f"{sentences.gain(finding.comparison, bounds)}: ")
    return capitalised(text)


_ORDER = {"fail": 0, "invalid": 0, "not_comparable": 1, "no_baseline": 1, "insensitive": 2, "inconclusive": 2, "pass": 4}


def gate_tables(
    conclusion: Conclusion, standings: Sequence[Standing], measured: Mapping[tuple[str, str], Measured]
) -> tuple[GateTable, ...]:
    """One table per candidate, in leaderboard order; what blocks comes first, implicit rules that passed are kept apart."""
    rank = {each.candidate: index for index, each in enumerate(standings)}
    tables = []
    for number, verdict in sorted(enumerate(conclusion.verdicts), key=lambda entry: rank.get(entry[1].candidate, 99)):
        at = pointer("conclusion", "verdicts", number, "findings")
        lines = [
            (_urgency(finding), gate_line(finding, f"{at}/{index}", measured)) for index, finding in enumerate(verdict.findings)
        ]
        lines.sort(key=lambda entry: entry[0])
        tables.append(
            GateTable(
                candidate=verdict.candidate,
                badge=badge(verdict.outcome),
                sentence=spoken(verdict),
                lines=_grouped([line for _, line in lines if not _is_quiet(line, verdict)]),
                quiet=_grouped([line for _, line in lines if _is_quiet(line, verdict)]),
                held=count_figure(sum(_is_quiet(line, verdict) for _, line in lines), pointer("held", verdict.candidate)),
            )
        )
    return tuple(tables)


def _is_quiet(line: GateLine, verdict: Verdict) -> bool:
    return line.badge.outcome == "pass" and (line.implicit or verdict.outcome != "pass")


def _grouped(lines: Sequence[GateLine]) -> tuple[GateLine, ...]:
    """Rules that nobody wrote, about the same flag with the same numbers, in one row: suites that grade the same answers all count
    the answers that were cut off, and say it once."""
    first: dict[object, GateLine] = {}
    for line in lines:
        name = line.metric.rpartition("/")[2]
        numbers = [
            figure and figure.value for figure in (line.baseline, line.candidate, line.gain, line.p, line.items, line.clusters)
        ]
        changed = [figure and figure.value for figure in (line.missing, line.lost, line.won)]
        key: object = (name, line.badge, *numbers, *changed)
        if line.gain is None:
            key = (line.badge, line.reason)
        if not line.implicit:
            key = id(line)
        found = first.get(key)
        if found is None:
            first[key] = line
        else:
            first[key] = msgspec.structs.replace(found, alike=(*found.alike, line.metric))
    return tuple(first.values())


def _urgency(finding: Finding) -> tuple[int, int]:
    mild = {"block": 0, "warn": 3, "inform": 3}[finding.rule.severity]
    return (_ORDER[finding.outcome] if finding.outcome == "pass" else max(_ORDER[finding.outcome], mild), finding.rule.implicit)


def gate_line(finding: Finding, at: str, measured: Mapping[tuple[str, str], Measured]) -> GateLine:
    """The row of one finding; ``at`` points to it."""
    rule, comparison = finding.rule, finding.comparison
    metric = finding.metric or (comparison.metric if comparison else rule.metric)
    unit = metric_of(measured, metric).unit
    kind = comparison.kind if comparison else "binary"
    line = GateLine(
        rule=rule_name(rule),
        requires=requirement(rule, kind),
        metric=metric,
        against=comparison.baseline if comparison else rule.against,
        badge=finding_badge(finding),
        severity=rule.severity,
        reason=why(finding),
        implicit=rule.implicit,
        margin=margin_text(rule, kind),
        unit=unit,
    )
    if comparison is None:
        return line
    here = f"{at}/comparison"
    bound = bound_of(rule, comparison)
    bounds = () if bound is None else (bound,)
    like = comparison.baseline_value
    values = {name: getattr(line, name) for name in line.__struct_fields__}
    values |= {
        "baseline": score_figure(comparison.baseline_value, f"{here}/baseline_value", kind),
        "candidate": score_figure(
            comparison.candidate_value, f"{here}/candidate_value", kind, bounds=() if rule.value is None else (rule.value,)
        ),
        "gain": gain_figure(comparison.gain, f"{here}/gain", kind, "", bounds, like),
        "span": span(comparison, here, "", bounds),
        "p": deciding_p(finding, here),
        "p_alone": alone_p(finding, here),
        "items": count_figure(comparison.items, f"{here}/items"),
        "clusters": count_figure(comparison.clusters, f"{here}/clusters"),
        "missing": count_figure(comparison.missing, f"{here}/missing"),
        "lost": count_figure(comparison.lost, f"{here}/lost"),
        "won": count_figure(comparison.won, f"{here}/won"),
        "mde": gain_figure(comparison.mde, f"{here}/mde", kind, like=like) if comparison.mde is not None else None,
        "method": "" if comparison.method in finding.reason else comparison.method,
        "quarrel": quarrel(finding),
    }
    if values["mde"] is not None:
        values["mde"] = Figure(text=values["mde"].text.lstrip("+"), value=comparison.mde, at=values["mde"].at)
    return GateLine(**values)
