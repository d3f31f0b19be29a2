"""The conclusion in a few lines for a terminal or a log."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping, Sequence

from harness.records import Conclusion, Finding, Measured, Severity, Verdict
from reports.answer import hero, spoken
from reports.beside import beside_text
from reports.hostile import visible
from reports.looks import told
from reports.standing import Standing, standings
from reports.wording import badge, finding_badge, gain_text, listed, told_apart

IN_WORDS, NAMED = 10, 30
"""Candidates that get sentences of their own, and rules that are named of those that ended alike."""
_MILD: dict[Severity, int] = {"block": 0, "warn": 1, "inform": 2}


def terminal(conclusion: Conclusion, measured: Mapping[tuple[str, str], Measured] | None = None) -> list[str]:
    """Plain lines for a terminal or a log, few enough to read: what to do, the candidates, one sentence for each, and the names of
    the rules that did not pass. Why they did not stands in the report and in summary.md, and the last line says so."""
    ranked = standings(conclusion, measured or {})
    said = hero(conclusion, ranked)
    if not ranked:
        return [visible(f"{said.headline}. {said.sentence}")]
    also = [f"May ship too: {listed(said.also)}."] if said.also else []
    lines = [" ".join([f"{said.headline}.", *also, *(f"{other}." for other in said.others)])]
    if said.caution:
        lines.append(said.caution)
    lines = [visible(line) for line in lines] + ["", *_columns(_candidate_cells(ranked))]
    others = [(each.candidate, beside_text(each.beside)) for each in ranked]
    lines += [visible(f"  {name}, {text}") for name, text in others if text]
    verdicts = {verdict.candidate: verdict for verdict in conclusion.verdicts}
    shared = _shared(conclusion.verdicts)
    first = [each.candidate for each in ranked if each.candidate == said.about]
    for name in list(dict.fromkeys([*first, *(each.candidate for each in ranked)]))[:IN_WORDS]:
        lines += ["", *_told(verdicts[name], shared)]
    if len(ranked) > IN_WORDS:
        lines += ["", f"… and {len(ranked) - IN_WORDS:,} more candidates, each with its reasons in report.html."]
    if shared:
        lines += ["", *(visible(f"▲ of all candidates: {warning}") for warning in shared)]
    asked = told(conclusion)
    if asked:
        lines += ["", *(visible(f"◔ {line}") for line in asked)]
    if any(finding.outcome != "pass" for verdict in conclusion.verdicts for finding in verdict.findings):
        lines += ["", "Every reason, with its numbers, is in report.html and summary.md."]
    return [line.rstrip() for line in lines]


def _shared(verdicts: Sequence[Verdict]) -> list[str]:
    """What every verdict warns of alike: said once."""
    return [each for each in verdicts[0].warnings if all(each in other.warnings for other in verdicts)] if len(verdicts) > 1 else []


def _told(verdict: Verdict, shared: Collection[str]) -> list[str]:
    """A verdict in one sentence, the names of the rules that did not pass by how they ended, and warnings that no rule repeats."""
    findings = [finding for finding in verdict.findings if finding.outcome != "pass"]
    lines = [f"{badge(verdict.outcome).icon} {verdict.candidate}: {spoken(verdict)}"]
    ends: dict[tuple[str, str], list[Finding]] = {}
    for finding in sorted(findings, key=lambda finding: (_MILD[finding.rule.severity], finding.outcome != "fail")):
        shown = finding_badge(finding)
        ends.setdefault((shown.icon, shown.word), []).append(finding)
    lines += [f"  {icon} {word}: {listed(told_apart(alike), most=NAMED)}" for (icon, word), alike in ends.items()]
    reasons = {finding.reason for finding in findings}
    lines += [f"  ▲ {warning}" for warning in verdict.warnings if warning not in reasons and warning not in shared]
    if verdict.change and verdict.outcome != "fail":
        lines.append(f"  What would change this: {verdict.change}")
    return [visible(line) for line in lines]


def _candidate_cells(ranked: Sequence[Standing]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("candidate", "verdict", "target gain", "worst retained", "")]
    for each in ranked:
        target, worst = (
            gain_text(gain.gain, gain.kind, gain.unit, like=gain.baseline) if gain else "–" for gain in (each.target, each.worst)
        )
        rows.append(
            (
                visible(each.candidate),
                each.outcome.replace("_", " "),
                target,
                worst,
                visible(each.worst.metric) if each.worst else "",
            )
        )
    return rows


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(_wide(row[column]) for row in rows) for column in range(len(rows[0]))]
    right = (2, 3)
    lines = []
    for row in rows:
        cells = [
            " " * (width - _wide(cell)) + cell if column in right else cell + " " * (width - _wide(cell))
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  " + "  ".join(cells))
    return lines


def _wide(text: str) -> int:
    """Terminal columns of ``text``: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 0 if unicodedata.combining(each) else 1 for each in text)
