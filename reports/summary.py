"""The conclusion where there is no page: a pull-request comment, a JUnit file, lines for a terminal.

Names and model text are hostile here too: Markdown is escaped and mentions are broken, XML-illegal characters are dropped, control
characters never reach a terminal.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree

from harness.records import Comparison, Conclusion, Finding, Outcome, Severity, Verdict
from reports.answer import hero, spoken
from reports.standing import Gain, Standing, standings
from reports.wording import (
    badge,
    bound_of,
    count_text,
    finding_badge,
    gain_text,
    interval_text,
    margin_text,
    moment,
    p_text,
    rule_name,
    score_text,
)

MARKER = "<!-- sftgate:gate -->"
BUDGET = 60_000
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
_MILD: dict[Severity, int] = {"block": 0, "warn": 1, "inform": 2}
_ILLEGAL_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


# ------------------------------------------------------------------------------------------------------------ Markdown


def markdown(conclusion: Conclusion, *, budget: int = BUDGET) -> str:
    """A comment for a pull request: a hidden marker to find it again by, one alert with the verdict, a table of the candidates, the
    rules that did not pass, the rest folded. Never longer than ``budget`` characters: details go first, and it says so."""
    ranked = standings(conclusion, {})
    head = [MARKER, *_alert(conclusion, ranked), "", *_candidates(conclusion, ranked)]
    foot = ["", _footer(conclusion)]
    optional = [_unhappy(verdict) for verdict in conclusion.verdicts] + [_folded(conclusion)]
    kept: list[str] = []
    left_out = False
    room = budget - len("\n".join(head + foot)) - 200
    for block in optional:
        text = "\n".join(block)
        if not block or len(text) + 1 <= room:
            kept += block
            room -= len(text) + 1
            continue
        shorter = _shortened(block, room)
        left_out = True
        kept += shorter
        room -= len("\n".join(shorter)) + 1
    if left_out:
        kept += ["", "_Cut to fit a comment; the whole is in the report._"]
    text = "\n".join(head + kept + foot) + "\n"
    return (
        text
        if len(text) <= budget
        else text[: budget - 60].rsplit("\n", 1)[0] + "\n\n_Cut to fit a comment; the whole is in the report._\n"
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
        names = list(dict.fromkeys(rule_name(finding.rule) for finding in unhappy))
        listed = ", ".join(escaped(name) for name in names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        said = f"{_ICON[each.outcome]} {each.outcome.replace('_', ' ')}"
        lines.append(f"| {said} | {escaped(each.candidate)} | {_gain(each.target)} | {_gain(each.worst)} | {listed or '–'} |")
    return lines


def _gain(gain: Gain | None) -> str:
    if gain is None:
        return "–"
    inside = (
        "" if gain.low is None and gain.high is None else f" ({interval_text(gain.low, gain.high, gain.kind, like=gain.baseline)})"
    )
    return f"**{gain_text(gain.gain, gain.kind, like=gain.baseline)}**{inside}<br>{escaped(gain.metric)}"


_COLUMNS = (
    "| | Rule | Baseline | Candidate | Gain (interval) | Margin | p | Items (−/+) |",
    "|---|---|---:|---:|---|---:|---:|---:|",
)


def _unhappy(verdict: Verdict) -> list[str]:
    findings = [finding for finding in verdict.findings if finding.outcome != "pass"]
    if not findings:
        return []
    lines = ["", f"**{escaped(verdict.candidate)}**: {escaped(spoken(verdict))}", "", *_COLUMNS]
    return lines + [_row(finding) for finding in findings]


def _folded(conclusion: Conclusion) -> list[str]:
    lines: list[str] = []
    for verdict in conclusion.verdicts:
        passed = [finding for finding in verdict.findings if finding.outcome == "pass"]
        if passed:
            title = f"{len(passed)} rules passed by {escaped(verdict.candidate)}"
            lines += [
                "",
                f"<details><summary>{title}</summary>",
                "",
                *_COLUMNS,
                *(_row(finding) for finding in passed),
                "",
                "</details>",
            ]
    differing = list(dict.fromkeys((each.what, each.candidate) for each in conclusion.parity if not each.equal and each.required))
    if differing:
        lines += ["", "<details><summary>What was not equal</summary>", ""]
        lines += [f"- {escaped(what)} of {escaped(candidate)}" for what, candidate in differing] + ["", "</details>"]
    return lines


def _row(finding: Finding) -> str:
    found = finding.comparison
    name = escaped(rule_name(finding.rule))
    if finding.metric and finding.metric != rule_name(finding.rule):
        name += f"<br>{escaped(finding.metric)}"
    word = f"{_ICON[finding.outcome]}" if finding.rule.severity == "block" else f"⚠️ {finding.rule.severity}"
    if finding.outcome == "pass":
        word = _ICON["pass"]
    if found is None:
        return f"| {word} | {name} | – | – | {escaped(finding.reason)} | – | – | – |"
    bound = bound_of(finding.rule, found)
    bounds = () if bound is None else (bound,)
    gain = gain_text(found.gain, found.kind, bounds=bounds, like=found.baseline_value)
    inside = interval_text(found.low, found.high, found.kind, bounds=bounds, like=found.baseline_value)
    cells = [
        word,
        name,
        score_text(found.baseline_value, found.kind),
        score_text(found.candidate_value, found.kind),
        f"{gain} ({inside})",
        margin_text(finding.rule, found.kind),
        p_text(found.parameters["p_contrary"] if _contrary(finding) else found.p, finding.rule.alpha),
        f"{count_text(found.items)} ({found.lost}/{found.won})",
    ]
    return "| " + " | ".join(cells) + " |"


def _contrary(finding: Finding) -> bool:
    """Whether the p to show is that of the contrary: a failure is proven by it, not by the rule's own hypothesis."""
    return finding.outcome == "fail" and finding.comparison is not None and "p_contrary" in finding.comparison.parameters


def _shortened(block: Sequence[str], room: int) -> list[str]:
    """As many lines of a block as fit, with every fold closed again."""
    kept: list[str] = []
    folds = 0
    for line in block:
        if len("\n".join(kept)) + len(line) + 40 > room:
            break
        folds += line.startswith("<details>") - line.startswith("</details>")
        kept.append(line)
    return kept + ["", "</details>"] * max(0, folds)


def _footer(conclusion: Conclusion) -> str:
    when = f", {moment(conclusion.created)}" if conclusion.created else ""
    said = f"Baseline {escaped(conclusion.baseline)}, seed {conclusion.seed}{escaped(when)}. Exit code {conclusion.exit_code}."
    return f"<sub>{said}</sub>"


def escaped(text: str) -> str:
    """Plain text in Markdown, on one line: nothing in it becomes HTML, a link, a picture, a mention, an issue or a table border."""
    line = " ".join(visible(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = re.sub(r"([\\`*_{}\[\]()#+!|~$])", r"\\\1", line)
    line = re.sub(r"(?i)(https?|ftp|www)(?=[:.])", "\\1\u200b", line)
    return re.sub(r"([@#])(?=\w)", "\\1\u200b", line)


# --------------------------------------------------------------------------------------------------------------- JUnit


def junit(conclusion: Conclusion) -> bytes:
    """One test case per rule, metric and candidate. Blocking failures are ``failure``, invalid or incomparable ones ``error``,
    undecided ones and those that only warn ``skipped``; class name and name together are unique."""
    root = ElementTree.Element("testsuites", name="sftgate")
    totals = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for verdict in conclusion.verdicts:
        suite = ElementTree.SubElement(root, "testsuite", name=legal(f"sftgate.{verdict.candidate}"))
        counts = dict.fromkeys(totals, 0)
        used: dict[str, int] = {}
        for finding in verdict.findings:
            _testcase(suite, verdict.candidate, finding, used, counts)
        if not verdict.findings:
            _add_case(suite, verdict.candidate, "verdict", used, counts, verdict.outcome, verdict.sentence)
        for name, count in counts.items():
            suite.set(name, str(count))
            totals[name] += count
    for name, count in totals.items():
        root.set(name, str(count))
    ElementTree.indent(root)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _testcase(suite: ElementTree.Element, candidate: str, finding: Finding, used: dict[str, int], counts: dict[str, int]) -> None:
    name = rule_name(finding.rule)
    if finding.metric and finding.metric != name:
        name = f"{name} [{finding.metric}]"
    outcome: Outcome = finding.outcome
    if outcome != "pass" and finding.rule.severity != "block":
        case = _add_case(suite, candidate, name, used, counts, "pass", "")
        ElementTree.SubElement(case, "skipped", message=legal(f"{finding.rule.severity}: {outcome}: {finding.reason}"))
        counts["skipped"] += 1
    else:
        case = _add_case(suite, candidate, name, used, counts, outcome, finding.reason)
    if finding.comparison is not None:
        case.insert(0, _properties(finding.comparison, finding))


def _add_case(
    suite: ElementTree.Element,
    candidate: str,
    name: str,
    used: dict[str, int],
    counts: dict[str, int],
    outcome: Outcome,
    reason: str,
) -> ElementTree.Element:
    name = legal(name)
    used[name] = used.get(name, 0) + 1
    unique = name if used[name] == 1 else f"{name} #{used[name]}"
    case = ElementTree.SubElement(suite, "testcase", classname=legal(f"sftgate.{candidate}"), name=unique)
    counts["tests"] += 1
    if outcome == "fail":
        ElementTree.SubElement(case, "failure", type="Regression", message=legal(reason)).text = legal(reason)
        counts["failures"] += 1
    elif outcome in ("invalid", "not_comparable", "no_baseline"):
        ElementTree.SubElement(case, "error", type=outcome, message=legal(reason)).text = legal(reason)
        counts["errors"] += 1
    elif outcome != "pass":
        ElementTree.SubElement(case, "skipped", message=legal(f"{outcome}: {reason}"))
        counts["skipped"] += 1
    return case


def _properties(found: Comparison, finding: Finding) -> ElementTree.Element:
    properties = ElementTree.Element("properties")
    values = {
        "outcome": finding.outcome,
        "severity": finding.rule.severity,
        "against": found.baseline,
        "gain": found.gain,
        "low": found.low,
        "high": found.high,
        "margin": finding.rule.margin,
        "p": found.p,
        "items": found.items,
        "lost": found.lost,
        "won": found.won,
    }
    for name, value in values.items():
        if value is not None:
            ElementTree.SubElement(properties, "property", name=name, value=legal(str(value)))
    return properties


def legal(text: str) -> str:
    """``text`` without what XML 1.0 cannot hold."""
    return _ILLEGAL_XML.sub("", text)


# ------------------------------------------------------------------------------------------------------------ terminal


def terminal(conclusion: Conclusion) -> list[str]:
    """Plain lines for a terminal or a log, few enough to read: what to do, the candidates, one sentence for each, and the names of
    the rules that did not pass. Why they did not stands in the report and in summary.md, and the last line says so."""
    ranked = standings(conclusion, {})
    said = hero(conclusion, ranked)
    if not ranked:
        return [visible(f"{said.headline}. {said.sentence}")]
    also = [f"May ship too: {', '.join(said.also)}."] if said.also else []
    lines = [" ".join([f"{said.headline}.", *also, *(f"{other}." for other in said.others)])]
    if said.caution:
        lines.append(said.caution)
    lines = [visible(line) for line in lines] + ["", *_columns(_candidate_cells(ranked))]
    verdicts = {verdict.candidate: verdict for verdict in conclusion.verdicts}
    for each in ranked:
        lines += ["", *_told(verdicts[each.candidate])]
    if any(finding.outcome != "pass" for verdict in conclusion.verdicts for finding in verdict.findings):
        lines += ["", "Every reason, with its numbers, is in report.html and summary.md."]
    return [line.rstrip() for line in lines]


def _told(verdict: Verdict) -> list[str]:
    """A verdict in one sentence, the names of the rules that did not pass by how they ended, and warnings that no rule repeats."""
    findings = [finding for finding in verdict.findings if finding.outcome != "pass"]
    lines = [f"{badge(verdict.outcome).icon} {verdict.candidate}: {spoken(verdict)}"]
    ends: dict[tuple[str, str], Counter[str]] = {}
    for finding in sorted(findings, key=lambda finding: (_MILD[finding.rule.severity], finding.outcome != "fail")):
        shown = finding_badge(finding)
        ends.setdefault((shown.icon, shown.word), Counter())[finding.rule.name or finding.metric or finding.rule.metric] += 1
    for (icon, word), names in ends.items():
        lines.append(f"  {icon} {word}: {', '.join(name if count == 1 else f'{name} (×{count})' for name, count in names.items())}")
    reasons = {finding.reason for finding in findings}
    lines += [f"  ▲ {warning}" for warning in verdict.warnings if warning not in reasons]
    if verdict.change and verdict.outcome != "fail":
        lines.append(f"  What would change this: {verdict.change}")
    return [visible(line) for line in lines]


def _candidate_cells(ranked: Sequence[Standing]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("candidate", "verdict", "target gain", "worst retained", "")]
    for each in ranked:
        target, worst = (gain_text(gain.gain, gain.kind, like=gain.baseline) if gain else "–" for gain in (each.target, each.worst))
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


def visible(text: str) -> str:
    """``text`` on one line without control and direction characters, so that it cannot steer a terminal, a log or an eye."""
    return "".join(_shown(text))


def _shown(text: str) -> Iterable[str]:
    for each in text:
        category = unicodedata.category(each)
        if each in "\n\t\r" or category in ("Zl", "Zp"):
            yield " "
        elif category not in ("Cc", "Cs") and (category != "Cf" or each == "\u200b"):
            yield each
