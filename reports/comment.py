"""The conclusion as a comment on a pull request: Markdown within a budget."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from harness.records import Conclusion, Finding, Measured, Outcome, Verdict
from reports.answer import hero, spoken
from reports.beside import beside_text
from reports.failures.reading import Reading
from reports.failures.telling import failure_lines
from reports.figures import alone_p, deciding_p_text
from reports.fitting import Block, fitted
from reports.forgotten import cost_lines
from reports.hostile import escaped
from reports.looks import why
from reports.quarrel import quarrel
from reports.slices import worst_rows
from reports.speed import speed_lines
from reports.standing import Gain, Standing, standings
from reports.winning import winning_lines
from reports.wording import (
    bound_of,
    called,
    count_text,
    gain_text,
    interval_text,
    margin_text,
    moment,
    rule_name,
    score_text,
    told_apart,
)
from reports.worn import worn_lines

BUDGET = 60_000
"""Characters. GitHub refuses a comment of more than 65,536."""

_ALERT: dict[Outcome, str] = {
    "pass": "TIP",
    "fail": "CAUTION",
    "invalid": "CAUTION",
    "not_comparable": "CAUTION",
    "no_baseline": "WARNING",
    "inconclusive": "WARNING",
    "insensitive": "WARNING",
}
_ICON: dict[Outcome, str] = {
    "pass": "✅",
    "fail": "❌",
    "invalid": "🔥",
    "not_comparable": "🚫",
    "no_baseline": "🚫",
    "inconclusive": "❔",
    "insensitive": "❔",
}


def marker(conclusion: Conclusion) -> str:
    """The hidden first line by which a comment is found again; one per policy, so that two gates do not overwrite each other."""
    place = "-".join(PurePath(conclusion.policy).parts[-2:])
    name = re.sub(r"[^\w.]+", "-", place).strip("-") or "policy"
    return f"<!-- sftgate:gate:{name} -->"


def markdown(
    conclusion: Conclusion,
    measured: Mapping[tuple[str, str], Measured] | None = None,
    readings: Mapping[str, Reading] | None = None,
    *,
    budget: int = BUDGET,
) -> str:
    """A comment for a pull request: a hidden marker to find it again by, one alert with the verdict, a table of the candidates, the
    rules that did not pass, the rest folded. Never longer than ``budget`` characters: details go first, and it says so.

    ``measured``: the runs behind it, which say what each suite is for, as in the report. ``readings``: what the page found
    that lost items have in common."""
    ranked = standings(conclusion, measured or {})
    blocks = [
        ("candidates", _candidates(conclusion, ranked)),
        *((f"rules of {verdict.candidate}", _unhappy(verdict)) for verdict in conclusion.verdicts),
        ("warnings", _warned(conclusion)),
        ("what the fine-tune cost", _cost(conclusion)),
        ("who answers better", _winning(conclusion)),
        ("speed and tokens", _speed(conclusion)),
        ("what was asked look by look", _looks(conclusion)),
        *((f"rules passed by {verdict.candidate}", _passed(verdict)) for verdict in conclusion.verdicts),
        ("what was not equal", _unequal(conclusion)),
        ("items", _items(conclusion)),
        ("slices", _slices(conclusion)),
        ("what lost items have in common", _failures(readings or {})),
    ]
    return fitted(
        [marker(conclusion), *_alert(conclusion, ranked), ""],
        [Block(about=about, lines=tuple(lines)) for about, lines in blocks if lines],
        ["", _footer(conclusion)],
        budget,
    )


def _alert(conclusion: Conclusion, ranked: Sequence[Standing]) -> list[str]:
    said = hero(conclusion, ranked)
    mixed = conclusion.outcome != "pass" and bool(said.badge.outcome == "pass")
    lines = [
        f"> [!{'WARNING' if mixed else _ALERT[conclusion.outcome]}]",
        f"> **{escaped(said.headline)}.** {escaped(said.sentence)}",
    ]
    if said.also:
        lines += [">", f"> May ship too: {escaped(', '.join(said.also))}."]
    lines += [line for other in said.others for line in (">", f"> {escaped(other)}.")]
    if said.caution:
        lines += [">", f"> {escaped(said.caution)}"]
    if said.change:
        lines += [">", f"> What would change this: {escaped(said.change)}"]
    return lines


def _candidates(conclusion: Conclusion, ranked: Sequence[Standing]) -> list[str]:
    if not ranked:
        return []
    lines = ["| | Candidate | Target gain | Worst retained | Rules that did not pass |", "|---|---|---:|---:|---|"]
    verdicts = {verdict.candidate: verdict for verdict in conclusion.verdicts}
    for each in ranked:
        unhappy = [finding for finding in verdicts[each.candidate].findings if finding.outcome != "pass"]
        names = told_apart(unhappy)
        listed = ", ".join(escaped(name) for name in names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        said = f"{_ICON[each.outcome]} {each.outcome.replace('_', ' ')}"
        lines.append(
            f"| {said} | {escaped(each.candidate)} | {_gain(each.target)} | {_gain(each.worst)}{_beside(each)} | {listed or '–'} |"
        )
    return lines


def _beside(standing: Standing) -> str:
    text = beside_text(standing.beside)
    return f"<br>{escaped(text)}" if text else ""


def _gain(gain: Gain | None) -> str:
    if gain is None:
        return "–"
    inside = (
        ""
        if gain.low is None and gain.high is None
        else f" ({interval_text(gain.low, gain.high, gain.kind, gain.unit, like=gain.baseline)})"
    )
    return f"**{gain_text(gain.gain, gain.kind, gain.unit, like=gain.baseline)}**{inside}<br>{escaped(gain.metric)}"


_COLUMNS = (
    "| | Rule | Baseline | Candidate | Gain (interval) | Margin | p | Items (−/+) |",
    "|---|---|---:|---:|---|---:|---:|---:|",
)


def _unhappy(verdict: Verdict) -> list[str]:
    findings = [finding for finding in verdict.findings if finding.outcome != "pass"]
    if not findings:
        return []
    lines = ["", f"**{escaped(verdict.candidate)}**: {escaped(spoken(verdict))}", "", *_COLUMNS]
    return [*lines, *(_row(finding) for finding in findings), *_corrected(findings), *_quarrels(findings)]


def _corrected(findings: Sequence[Finding]) -> list[str]:
    """What p is where it is not that of the rule alone."""
    if all(alone_p(finding) is None for finding in findings):
        return []
    return ["", "p is the one that decided: corrected (Holm) for how many rules are tested; in brackets what it is alone."]


def _quarrels(findings: Sequence[Finding]) -> list[str]:
    """Why an interval and the test beside it seem to disagree."""
    told = [(rule_name(finding.rule), finding.metric, quarrel(finding)) for finding in findings]
    lines = [f"- † {_named(name, metric, ', ')}: {escaped(said)}" for name, metric, said in told if said]
    return ["", *lines] if lines else []


def _named(name: str, metric: str, between: str) -> str:
    """A rule, and the metric where its name does not say it."""
    return escaped(name) if metric in ("", name) else f"{escaped(name)}{between}{escaped(metric)}"


def _warned(conclusion: Conclusion) -> list[str]:
    """What every verdict warns of beside its rules: those of all candidates alike once."""
    reasons = {finding.reason for verdict in conclusion.verdicts for finding in verdict.findings}
    said: dict[str, list[str]] = {}
    for verdict in conclusion.verdicts:
        for warning in verdict.warnings:
            if warning not in reasons:
                said.setdefault(warning, []).append(verdict.candidate)
    lines = [f"- ⚠️ {escaped(', '.join(names))}: {escaped(warning)}" for warning, names in said.items()]
    return ["", *lines] if lines else []


def _cost(conclusion: Conclusion) -> list[str]:
    """What training cost: the price of the gain, what was known and is lost, by everybody, and over several stages."""
    lines = [f"- {escaped(line)}" for line in cost_lines(conclusion)]
    return ["", "<details><summary>What the fine-tune cost</summary>", "", *lines, "", "</details>"] if lines else []


def _winning(conclusion: Conclusion) -> list[str]:
    """Win rates beside what explains them, and what people and judges say together."""
    lines = [f"- {escaped(line)}" for line in winning_lines(conclusion)]
    return ["", "<details><summary>Who answers better</summary>", "", *lines, "", "</details>"] if lines else []


def _speed(conclusion: Conclusion) -> list[str]:
    """How long answers take, and what they cost."""
    lines = [f"- {escaped(line)}" for line in speed_lines(conclusion)]
    return ["", "<details><summary>Speed and tokens</summary>", "", *lines, "", "</details>"] if lines else []


def _failures(readings: Mapping[str, Reading]) -> list[str]:
    """What lost items have in common, for reading."""
    lines = [f"- {escaped(line)}" for line in failure_lines(readings)]
    return (
        ["", "<details><summary>What lost items have in common, for reading</summary>", "", *lines, "", "</details>"]
        if lines
        else []
    )


def _looks(conclusion: Conclusion) -> list[str]:
    """Where asking ended for those who were asked look by look, and why."""
    parts = [each for each in conclusion.health if each.looks is not None]
    if not parts:
        return []
    asked, planned = sum(each.asked for each in parts), sum(each.planned for each in parts)
    title = f"Asked look by look: {count_text(asked)} of {count_text(planned)} items were enough"
    lines = [f"- {escaped(each.suite)}, {escaped(each.candidate)}: {escaped(why(each))}" for each in parts]
    return ["", f"<details><summary>{title}</summary>", "", *lines, "", "</details>"]


def _passed(verdict: Verdict) -> list[str]:
    passed = [finding for finding in verdict.findings if finding.outcome == "pass"]
    if not passed:
        return []
    title = f"{len(passed)} rules passed by {escaped(verdict.candidate)}"
    rows = [*(_row(finding) for finding in passed), *_corrected(passed), *_quarrels(passed)]
    return ["", f"<details><summary>{title}</summary>", "", *_COLUMNS, *rows, "", "</details>"]


def _unequal(conclusion: Conclusion) -> list[str]:
    differing = list(dict.fromkeys((each.what, each.candidate) for each in conclusion.parity if not each.equal and each.required))
    lines = [f"- {escaped(what)} of {escaped(candidate)}" for what, candidate in differing]
    return ["", "<details><summary>What was not equal</summary>", "", *lines, "", "</details>"] if lines else []


def _items(conclusion: Conclusion) -> list[str]:
    title = "Items: what was left out, and how worn they are"
    lines = [f"- {escaped(line)}" for line in worn_lines(conclusion)]
    return ["", f"<details><summary>{title}</summary>", "", *lines, "", "</details>"] if lines else []


def _slices(conclusion: Conclusion) -> list[str]:
    """The slices that lost most, for reading."""
    if not conclusion.slices:
        return []
    title = f"Slices, for reading (no rule is about them): {count_text(len(conclusion.slices))} looked at"
    lines = ["", f"<details><summary>{title}</summary>", ""]
    rows = worst_rows(conclusion)
    if rows:
        lines += ["| Candidate | Metric | Slice | Items | Gain (interval) | p, corrected |", "|---|---|---|---:|---|---:|"]
        lines += ["| " + " | ".join(escaped(cell) for cell in row) + " |" for row in rows]
        lines += ["", "The surest losses; p is corrected over all slices of the candidate (Benjamini–Hochberg)."]
    else:
        lines.append("No slice with enough items scored worse than before.")
    return [*lines, "", "</details>"]


def _row(finding: Finding) -> str:
    found = finding.comparison
    name = _named(rule_name(finding.rule), finding.metric, "<br>")
    word = f"{_ICON[finding.outcome]}" if finding.rule.severity == "block" else f"⚠️ {finding.rule.severity}"
    if finding.outcome == "pass":
        word = _ICON["pass"]
    if found is None:
        return f"| {word} | {name} | – | – | {escaped(finding.reason)} | – | – | – |"
    bound = bound_of(finding.rule, found)
    bounds = () if bound is None else (bound,)
    gain = gain_text(found.gain, found.kind, found.unit, bounds=bounds, like=found.baseline_value)
    inside = interval_text(found.low, found.high, found.kind, found.unit, bounds=bounds, like=found.baseline_value)
    cells = [
        word,
        name,
        score_text(found.baseline_value, found.kind, found.unit),
        score_text(found.candidate_value, found.kind, found.unit),
        f"{gain} ({inside}){' †' if quarrel(finding) else ''}",
        margin_text(finding.rule, found.kind, found.unit),
        deciding_p_text(finding),
        f"{count_text(found.items)} ({found.lost}/{found.won})",
    ]
    return "| " + " | ".join(cells) + " |"


def _footer(conclusion: Conclusion) -> str:
    when = f", {moment(conclusion.created)}" if conclusion.created else ""
    said = f"Baseline {escaped(called(conclusion.baseline, conclusion.pins))}, seed {conclusion.seed}{escaped(when)}."
    return f"<sub>{said} Exit code {conclusion.exit_code}.</sub>"
