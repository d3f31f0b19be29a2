"""The first screen and the gate table: the answer, who gets it, and rule by rule why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from harness.gate import sentences
from harness.gate.policy import titled
from harness.records import Conclusion, Finding, Health, Measured, Outcome, Record, Verdict
from reports.figures import Figure, Span, alone_p, count_figure, deciding_p, gain_figure, pointer, score_figure, span
from reports.looks import stopped_early
from reports.quarrel import quarrel
from reports.standing import FLAGS, Gain, Standing, metric_of
from reports.wording import Badge, badge, bound_of, finding_badge, margin_text, requirement, rule_name, ship

_SMALL_WORDS = frozenset({"a", "all", "an", "at", "it", "no", "nothing", "the", "there"})


class Hero(Record, frozen=True, kw_only=True):
    """One sentence: ``verb`` says what to do with ``about``. ``trap``: whom a leaderboard by the target alone would have shipped
    instead; ``also``: who else may ship; ``calls``: what to do with the rest, as verb and names."""

    badge: Badge
    verb: str
    about: str = ""
    sentence: str
    change: str = ""
    trap: str = ""
    also: tuple[str, ...] = ()
    calls: tuple[tuple[str, str], ...] = ()

    @property
    def headline(self) -> str:
        """What to do, with whom."""
        return f"{self.verb} {self.about}".strip()

    @property
    def caution(self) -> str:
        """The trap in words; empty where there was none."""
        return f"A leaderboard of the target alone would have shipped {self.trap}." if self.trap else ""

    @property
    def others(self) -> tuple[str, ...]:
        """The rest, each in words."""
        return tuple(f"{verb} {names}" for verb, names in self.calls)


class Shown(Record, frozen=True, kw_only=True):
    """A gain with its interval and where it was measured."""

    metric: str
    against: str
    gain: Figure
    span: Span | None = None
    missing: Figure | None = None


class CandidateLine(Record, frozen=True, kw_only=True):
    name: str
    badge: Badge
    leads: bool
    rank: int
    target: Shown | None
    worst: Shown | None
    beside: tuple[Shown, ...]
    beside_kept: int
    failed_rules: int
    warned_rules: int
    sentence: str
    change: str
    warnings: tuple[str, ...]


class HealthLine(Record, frozen=True, kw_only=True):
    candidate: str
    suite: str
    is_baseline: bool
    planned: Figure
    asked: Figure
    failed: Figure
    flags: tuple[tuple[str, Figure], ...]
    metric: str
    value: Figure | None
    expect: str
    in_band: bool | None
    troubled: bool


class HealthTotal(Record, frozen=True, kw_only=True):
    """How asking went for one candidate over all suites: what the health strip shows. ``unneeded``: items that it was not
    asked, because the rules were decided without them."""

    candidate: str
    planned: int = 0
    asked: int = 0
    failed: int = 0
    unneeded: int = 0
    flags: dict[str, int] = {}


class HealthStrip(Record, frozen=True, kw_only=True):
    total: HealthTotal
    is_baseline: bool
    planned: Figure
    asked: Figure
    failed: Figure
    flags: tuple[tuple[str, Figure], ...]


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


def hero(conclusion: Conclusion, standings: Sequence[Standing]) -> Hero:
    """The best candidate that may ship, else the worst news; and the trap that the target alone would have been."""
    verdicts = {verdict.candidate: verdict for verdict in conclusion.verdicts}
    if not verdicts:
        return Hero(
            badge=badge(conclusion.outcome),
            verb="Unknown",
            sentence="There is no candidate to decide about: only the baseline was measured.",
        )
    ordered = [each for each in standings if each.candidate in verdicts]
    passing = [each for each in ordered if each.outcome == "pass"]
    shown = passing[0] if passing else next((each for each in ordered if each.outcome == conclusion.outcome), ordered[0])
    verdict = verdicts[shown.candidate]
    if not conclusion.policy and _only_informs(verdict):
        return _compared(verdict, conclusion.baseline)
    also = tuple(each.candidate for each in passing if each.candidate != shown.candidate)
    leader = ordered[0]
    trapped = leader.leads and leader.outcome != "pass" and passing
    others: dict[str, list[str]] = {}
    for each in ordered:
        if each.outcome != "pass" and each is not shown:
            others.setdefault(_verb(each.outcome), []).append(each.candidate)
    return Hero(
        badge=badge(verdict.outcome),
        verb=_verb(verdict.outcome),
        about=verdict.candidate,
        sentence=spoken(verdict),
        change=verdict.change,
        trap=leader.candidate if trapped else "",
        also=also,
        calls=tuple((verb, ", ".join(names)) for verb, names in others.items()),
    )


def _only_informs(verdict: Verdict) -> bool:
    """Rules were there to show numbers, and none to decide by."""
    said = verdict.outcome == "inconclusive" and bool(verdict.findings)
    return said and all(finding.rule.severity == "inform" for finding in verdict.findings)


def _compared(verdict: Verdict, baseline: str) -> Hero:
    worse = sum(finding.outcome == "fail" for finding in verdict.findings)
    surely = f"{worse} of {len(verdict.findings)} are surely worse" if worse else f"none of {len(verdict.findings)} is surely worse"
    return Hero(
        badge=Badge(outcome="inform", icon="·", word="Compared", tone="mute"),
        verb="Compared:",
        about=verdict.candidate,
        sentence=f"Of what the suites measure first, {surely} than {baseline}’s. No policy decides here.",
    )


def _verb(outcome: Outcome) -> str:
    word = ship(outcome)
    return f"{word} whether to ship" if word == "Unknown" else word


def spoken(verdict: Verdict) -> str:
    """The verdict's sentence without the candidate and the decision, which stand beside it."""
    text = verdict.sentence
    for start in ("Ship {}: ", "Do not ship {}: ", "Unknown whether {} may ship: "):
        text = text.removeprefix(start.format(verdict.candidate))
    return capitalised(text)


def capitalised(text: str) -> str:
    """``text`` with a capital, unless it starts with a name, which keeps its own letters."""
    return text[:1].upper() + text[1:] if text.split(" ", 1)[0] in _SMALL_WORDS else text


def why(finding: Finding) -> str:
    """The finding's reason without the metric and the gain, which the table shows already."""
    text = finding.reason.removeprefix(f"{titled(finding.rule, finding.metric)}: ")
    if finding.comparison is not None:
        bounds = sentences.border(finding.rule, float(finding.comparison.parameters.get("margin", 0.0)))
        text = text.removeprefix(f"{sentences.gain(finding.comparison, bounds)}: ")
    return capitalised(text)


def candidate_lines(conclusion: Conclusion, standings: Sequence[Standing]) -> tuple[CandidateLine, ...]:
    verdicts = {verdict.candidate: verdict for verdict in conclusion.verdicts}
    return tuple(_candidate_line(index, each, verdicts[each.candidate]) for index, each in enumerate(standings))


def _candidate_line(index: int, standing: Standing, verdict: Verdict) -> CandidateLine:
    unhappy = [finding for finding in verdict.findings if finding.outcome != "pass"]
    return CandidateLine(
        name=standing.candidate,
        badge=badge(standing.outcome),
        leads=standing.leads,
        rank=index + 1,
        target=_shown(standing.target, pointer("standings", index, "target")),
        worst=_shown(standing.worst, pointer("standings", index, "worst")),
        beside=tuple(
            _other(each, pointer("standings", index, "beside", place))
            for place, each in enumerate(standing.beside)
            if each.gain < 0
        ),
        beside_kept=sum(each.gain >= 0 for each in standing.beside),
        failed_rules=sum(finding.rule.severity == "block" for finding in unhappy),
        warned_rules=sum(finding.rule.severity == "warn" for finding in unhappy),
        sentence=spoken(verdict),
        change=verdict.change,
        warnings=verdict.warnings,
    )


def _shown(gain: Gain | None, at: str) -> Shown | None:
    if gain is None:
        return None
    return _other(gain, at)


def _other(gain: Gain, at: str) -> Shown:
    figure = gain_figure(gain.gain, f"{at}/gain", gain.kind, gain.unit, like=gain.baseline)
    missing = count_figure(gain.missing, f"{at}/missing") if gain.missing else None
    return Shown(metric=gain.metric, against=gain.against, gain=figure, span=span(gain, at), missing=missing)


def health_lines(conclusion: Conclusion, measured: Mapping[tuple[str, str], Measured]) -> tuple[HealthLine, ...]:
    return tuple(_health_line(index, each, conclusion, measured) for index, each in enumerate(conclusion.health))


def _health_line(index: int, health: Health, conclusion: Conclusion, measured: Mapping[tuple[str, str], Measured]) -> HealthLine:
    at = pointer("conclusion", "health", index)
    metric = metric_of(measured, f"{health.suite}//{health.metric.rpartition('/')[2]}")
    expect = ""
    if health.expect is not None:
        low, high = (score_figure(bound, "", metric.kind, metric.unit).text for bound in health.expect)
        expect = f"{low} – {high}"
    return HealthLine(
        candidate=health.candidate,
        suite=health.suite,
        is_baseline=health.candidate == conclusion.baseline,
        planned=count_figure(health.planned, f"{at}/planned"),
        asked=count_figure(health.asked, f"{at}/asked"),
        failed=count_figure(health.failed, f"{at}/failed"),
        flags=tuple((flag, count_figure(health.flags[flag], f"{at}/flags/{flag}")) for flag in FLAGS if flag in health.flags),
        metric=health.metric,
        value=score_figure(health.value, f"{at}/value", metric.kind, metric.unit) if health.value is not None else None,
        expect=expect,
        in_band=health.in_band,
        troubled=health.failed > 0
        or (health.asked < health.planned and not stopped_early(health))
        or health.in_band is False
        or any(health.flags.values()),
    )


def health_totals(conclusion: Conclusion) -> tuple[HealthTotal, ...]:
    """Sums over suites, the baseline first."""
    names = list(dict.fromkeys((conclusion.baseline, *(each.candidate for each in conclusion.health))))
    totals = []
    for name in names:
        mine = [each for each in conclusion.health if each.candidate == name]
        if mine:
            flags: dict[str, int] = {
                flag: sum(each.flags.get(flag, 0) for each in mine)
                for flag in FLAGS
                if any(flag in each.flags for each in conclusion.health)
            }
            totals.append(
                HealthTotal(
                    candidate=name,
                    planned=sum(each.planned for each in mine),
                    asked=sum(each.asked for each in mine),
                    failed=sum(each.failed for each in mine),
                    unneeded=sum(each.planned - each.asked for each in mine if stopped_early(each)),
                    flags=flags,
                )
            )
    return tuple(totals)


def health_strips(totals: Sequence[HealthTotal], baseline: str) -> tuple[HealthStrip, ...]:
    return tuple(
        HealthStrip(
            total=each,
            is_baseline=each.candidate == baseline,
            planned=count_figure(each.planned, pointer("health", index, "planned")),
            asked=count_figure(each.asked, pointer("health", index, "asked")),
            failed=count_figure(each.failed, pointer("health", index, "failed")),
            flags=tuple((flag, count_figure(count, pointer("health", index, "flags", flag))) for flag, count in each.flags.items()),
        )
        for index, each in enumerate(totals)
    )


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
