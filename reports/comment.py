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
from reports.language import Lang
from reports.looks import why
from reports.pace.speed import speed_lines
from reports.quarrel import quarrel
from reports.saying import Say
from reports.sentences import names_of
from reports.slices import worst_rows
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
    lang: Lang = "en",
) -> str:
    """A comment for a pull request: a hidden marker to find it again by, one alert with the verdict, a table of the candidates, the
    rules that did not pass, the rest folded. Never longer than ``budget`` characters: details go first, and it says so.

    ``measured``: the runs behind it, which say what each suite is for, as in the report. ``readings``: what the page found
    that lost items have in common. ``lang``: of our own words and of the gate's sentences; what has no other form stays English."""
    say = Say(lang, names_of(conclusion))
    ranked = standings(conclusion, measured or {})
    blocks = [
        ("candidates", _candidates(conclusion, ranked, say)),
        *((f"rules of {verdict.candidate}", _unhappy(verdict, say)) for verdict in conclusion.verdicts),
        ("warnings", _warned(conclusion, say)),
        ("what the fine-tune cost", _cost(conclusion, say)),
        ("who answers better", _winning(conclusion, say)),
        ("speed and tokens", _speed(conclusion, say)),
        ("what was asked look by look", _looks(conclusion, say)),
        *((f"rules passed by {verdict.candidate}", _passed(verdict, say)) for verdict in conclusion.verdicts),
        ("what was not equal", _unequal(conclusion, say)),
        ("items", _items(conclusion, say)),
        ("slices", _slices(conclusion, say)),
        ("what lost items have in common", _failures(readings or {}, say)),
    ]
    return fitted(
        [marker(conclusion), *map(say.isolated, _alert(conclusion, ranked, say)), ""],
        [Block(about=about, lines=tuple(map(say.isolated, lines))) for about, lines in blocks if lines],
        ["", say.isolated(_footer(conclusion, say))],
        budget,
    )


def _alert(conclusion: Conclusion, ranked: Sequence[Standing], say: Say) -> list[str]:
    said = hero(conclusion, ranked)
    mixed = conclusion.outcome != "pass" and bool(said.badge.outcome == "pass")
    lines = [
        f"> [!{'WARNING' if mixed else _ALERT[conclusion.outcome]}]",
        f"> **{escaped(_call(said.verb, said.about, say))}** {escaped(say.told(said.sentence))}",
    ]
    if said.also:
        lines += [">", f"> {say('May ship too: {0}.', escaped(', '.join(said.also)))}"]
    lines += [line for verb, names in said.calls for line in (">", f"> {escaped(_call(verb, names, say))}")]
    if said.caution:
        lines += [">", f"> {escaped(say('A leaderboard of the target alone would have shipped {0}.', said.trap))}"]
    if said.change:
        lines += [">", f"> {say('What would change this: {0}', escaped(say.told(said.change)))}"]
    return lines


def _call(verb: str, about: str, say: Say) -> str:
    """What to do, with whom."""
    return say("{0} {1}.", say(verb), about) if about else say("{0}.", say(verb))


def _table(say: Say, columns: Sequence[str], align: str) -> list[str]:
    return ["| " + " | ".join(say(column) if column else "" for column in columns) + " |", align]


def _fold(title: str, lines: Sequence[str]) -> list[str]:
    """Lines behind their title; nothing where there are none."""
    return ["", f"<details><summary>{title}</summary>", "", *lines, "", "</details>"] if lines else []


def _candidates(conclusion: Conclusion, ranked: Sequence[Standing], say: Say) -> list[str]:
    if not ranked:
        return []
    columns = ("", "Candidate", "Target gain", "Worst retained", "Rules that did not pass")
    lines = _table(say, columns, "|---|---|---:|---:|---|")
    verdicts = {verdict.candidate: verdict for verdict in conclusion.verdicts}
    for each in ranked:
        unhappy = [finding for finding in verdicts[each.candidate].findings if finding.outcome != "pass"]
        names = told_apart(unhappy)
        listed = ", ".join(escaped(name) for name in names[:4]) + (say(" and {0} more", len(names) - 4) if len(names) > 4 else "")
        said = f"{_ICON[each.outcome]} {say(each.outcome.replace('_', ' '))}"
        lines.append(
            f"| {said} | {escaped(each.candidate)} | {_gain(each.target, say)} | {_gain(each.worst, say)}{_beside(each, say)} | "
            f"{listed or '–'} |"
        )
    return lines


def _beside(standing: Standing, say: Say) -> str:
    text = beside_text(standing.beside)
    return f"<br>{escaped(say.told(text))}" if text else ""


def _gain(gain: Gain | None, say: Say) -> str:
    if gain is None:
        return "–"
    inside = (
        ""
        if gain.low is None and gain.high is None
        else f" ({interval_text(gain.low, gain.high, gain.kind, gain.unit, like=gain.baseline)})"
    )
    return (
        say.number(f"**{gain_text(gain.gain, gain.kind, gain.unit, like=gain.baseline)}**{inside}") + f"<br>{escaped(gain.metric)}"
    )


_COLUMNS = ("", "Rule", "Baseline", "Candidate", "Gain (interval)", "Margin", "p", "Items (−/+)")
_ALIGN = "|---|---|---:|---:|---|---:|---:|---:|"


def _unhappy(verdict: Verdict, say: Say) -> list[str]:
    findings = [finding for finding in verdict.findings if finding.outcome != "pass"]
    if not findings:
        return []
    lines = ["", f"**{escaped(verdict.candidate)}**: {escaped(say.told(spoken(verdict)))}", "", *_table(say, _COLUMNS, _ALIGN)]
    return [*lines, *(_row(finding, say) for finding in findings), *_corrected(findings, say), *_quarrels(findings, say)]


def _corrected(findings: Sequence[Finding], say: Say) -> list[str]:
    """What p is where it is not that of the rule alone."""
    if all(alone_p(finding) is None for finding in findings):
        return []
    return ["", say("p is the one that decided: corrected (Holm) for how many rules are tested; in brackets what it is alone.")]


def _quarrels(findings: Sequence[Finding], say: Say) -> list[str]:
    """Why an interval and the test beside it seem to disagree."""
    told = [(rule_name(finding.rule), finding.metric, quarrel(finding)) for finding in findings]
    lines = [f"- † {_named(name, metric, ', ')}: {escaped(say.told(said))}" for name, metric, said in told if said]
    return ["", *lines] if lines else []


def _named(name: str, metric: str, between: str) -> str:
    """A rule, and the metric where its name does not say it."""
    return escaped(name) if metric in ("", name) else f"{escaped(name)}{between}{escaped(metric)}"


def _warned(conclusion: Conclusion, say: Say) -> list[str]:
    """What every verdict warns of beside its rules: those of all candidates alike once."""
    reasons = {finding.reason for verdict in conclusion.verdicts for finding in verdict.findings}
    said: dict[str, list[str]] = {}
    for verdict in conclusion.verdicts:
        for warning in verdict.warnings:
            if warning not in reasons:
                said.setdefault(warning, []).append(verdict.candidate)
    lines = [f"- ⚠️ {escaped(', '.join(names))}: {escaped(say.told(warning))}" for warning, names in said.items()]
    return ["", *lines] if lines else []


def _cost(conclusion: Conclusion, say: Say) -> list[str]:
    """What training cost: the price of the gain, what was known and is lost, by everybody, and over several stages."""
    return _fold(say("What the fine-tune cost"), [f"- {escaped(say.told(line))}" for line in cost_lines(conclusion)])


def _winning(conclusion: Conclusion, say: Say) -> list[str]:
    """Win rates beside what explains them, and what people and judges say together."""
    return _fold(say("Who answers better"), [f"- {escaped(say.told(line))}" for line in winning_lines(conclusion)])


def _speed(conclusion: Conclusion, say: Say) -> list[str]:
    """How long answers take, and what they cost."""
    return _fold(say("Speed and tokens"), [f"- {escaped(say.told(line))}" for line in speed_lines(conclusion)])


def _failures(readings: Mapping[str, Reading], say: Say) -> list[str]:
    """What lost items have in common, for reading."""
    lines = [f"- {escaped(say.told(line))}" for line in failure_lines(readings)]
    return _fold(say("What lost items have in common, for reading"), lines)


def _looks(conclusion: Conclusion, say: Say) -> list[str]:
    """Where asking ended for those who were asked look by look, and why."""
    parts = [each for each in conclusion.health if each.looks is not None]
    asked, planned = (say.number(count_text(sum(counts))) for counts in ([p.asked for p in parts], [p.planned for p in parts]))
    lines = [f"- {escaped(each.suite)}, {escaped(each.candidate)}: {escaped(say.told(why(each)))}" for each in parts]
    return _fold(say("Asked look by look: {0} of {1} items were enough", asked, planned), lines)


def _passed(verdict: Verdict, say: Say) -> list[str]:
    passed = [finding for finding in verdict.findings if finding.outcome == "pass"]
    if not passed:
        return []
    rows = [*(_row(finding, say) for finding in passed), *_corrected(passed, say), *_quarrels(passed, say)]
    title = say("{0} rules passed by {1}", len(passed), escaped(verdict.candidate))
    return _fold(title, [*_table(say, _COLUMNS, _ALIGN), *rows])


def _unequal(conclusion: Conclusion, say: Say) -> list[str]:
    differing = list(dict.fromkeys((each.what, each.candidate) for each in conclusion.parity if not each.equal and each.required))
    lines = [f"- {say('{0} of {1}', escaped(say.told(what)), escaped(candidate))}" for what, candidate in differing]
    return _fold(say("What was not equal"), lines)


def _items(conclusion: Conclusion, say: Say) -> list[str]:
    return _fold(
        say("Items: what was left out, and how worn they are"), [f"- {escaped(say.told(line))}" for line in worn_lines(conclusion)]
    )


def _slices(conclusion: Conclusion, say: Say) -> list[str]:
    """The slices that lost most, for reading."""
    if not conclusion.slices:
        return []
    title = say("Slices, for reading (no rule is about them): {0} looked at", say.number(count_text(len(conclusion.slices))))
    rows = worst_rows(conclusion)
    if not rows:
        return _fold(title, [say("No slice with enough items scored worse than before.")])
    lines = _table(say, ("Candidate", "Metric", "Slice", "Items", "Gain (interval)", "p, corrected"), "|---|---|---|---:|---|---:|")
    lines += ["| " + " | ".join(escaped(say.number(cell)) for cell in row) + " |" for row in rows]
    said = "The surest losses; p is corrected over all slices of the candidate (Benjamini–Hochberg)."
    return _fold(title, [*lines, "", say(said)])


def _row(finding: Finding, say: Say) -> str:
    found = finding.comparison
    name = _named(rule_name(finding.rule), finding.metric, "<br>")
    word = f"{_ICON[finding.outcome]}" if finding.rule.severity == "block" else f"⚠️ {say(finding.rule.severity)}"
    if finding.outcome == "pass":
        word = _ICON["pass"]
    if found is None:
        return f"| {word} | {name} | – | – | {escaped(say.told(finding.reason))} | – | – | – |"
    bound = bound_of(finding.rule, found)
    bounds = () if bound is None else (bound,)
    gain = gain_text(found.gain, found.kind, found.unit, bounds=bounds, like=found.baseline_value)
    inside = interval_text(found.low, found.high, found.kind, found.unit, bounds=bounds, like=found.baseline_value)
    cells = [
        word,
        name,
        score_text(found.baseline_value, found.kind, found.unit),
        score_text(found.candidate_value, found.kind, found.unit),
        say.number(f"{gain} ({inside})") + (" †" if quarrel(finding) else ""),
        say.number(say(margin_text(finding.rule, found.kind, found.unit))),
        say.told(deciding_p_text(finding)),
        f"{say.number(count_text(found.items))} ({found.lost}/{found.won})",
    ]
    return "| " + " | ".join(cells) + " |"


def _footer(conclusion: Conclusion, say: Say) -> str:
    when = f", {moment(conclusion.created)}" if conclusion.created else ""
    said = say("Baseline {0}, seed {1}{2}.", escaped(called(conclusion.baseline, conclusion.pins)), conclusion.seed, escaped(when))
    return f"<sub>{said} {say('Exit code {0}.', conclusion.exit_code)}</sub>"
