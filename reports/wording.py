"""How numbers and outcomes are written, once, for page, Markdown, JUnit and terminal.

Nothing here rounds a failure into a pass: where a number is shown beside the bound that decided about it, it gets as many decimals
as it takes to stand on the right side of that bound. A p-value is never written as zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from harness.gate.policy import absolute_margin, which_items
from harness.gate.rounding import MINUS as MINUS
from harness.gate.rounding import MOST_DECIMALS, apart, exact, places
from harness.gate.rounding import fixed as fixed
from harness.gate.sentences import MOST_POINT_DECIMALS
from harness.records import SHARES, Comparison, Finding, MetricKind, Outcome, Record, Rule, Severity

SMALLEST_P = 0.0001


class Badge(Record, frozen=True, kw_only=True):
    """An outcome as a person sees it: word and icon, with a tone that colours only repeat (good, bad, unsure, mute)."""

    outcome: str
    icon: str
    word: str
    tone: str


_BADGES: dict[Outcome, tuple[str, str, str]] = {
    "pass": ("✓", "Pass", "good"),
    "fail": ("✕", "Fail", "bad"),
    "inconclusive": ("?", "Inconclusive", "unsure"),
    "insensitive": ("◌", "Insensitive", "unsure"),
    "invalid": ("!", "Invalid", "unsure"),
    "not_comparable": ("≠", "Not comparable", "unsure"),
    "no_baseline": ("∅", "No baseline", "mute"),
}

_SHIP: dict[Outcome, str] = {
    "pass": "Ship",
    "fail": "Don’t ship",
    "inconclusive": "Unknown",
    "insensitive": "Unknown",
    "invalid": "Unknown",
    "not_comparable": "Unknown",
    "no_baseline": "Unknown",
}


def called(name: str, pins: Mapping[str, str]) -> str:
    """A side of a comparison as a person calls it: ``prod (pinned 2026-11-12)`` for a pin, else by its name."""
    day = pins.get(name)
    return name if day is None else f"{name.partition(':')[2]} (pinned {day})"


def badge(outcome: Outcome, severity: Severity = "block") -> Badge:
    """The badge of an outcome; a failure that only warns or informs says so and takes the milder tone."""
    icon, word, tone = _BADGES[outcome]
    if outcome != "pass" and severity != "block":
        said = {"warn": "Warning", "inform": "Note"}[severity]
        icon, word, tone = (
            ("▲" if severity == "warn" else "i"),
            f"{said}: {word.lower()}",
            "unsure" if severity == "warn" else "mute",
        )
    return Badge(outcome=outcome, icon=icon, word=word, tone=tone)


def finding_badge(finding: Finding) -> Badge:
    return badge(finding.outcome, finding.rule.severity)


def ship(outcome: Outcome) -> str:
    """What to do, in two words: Ship, Don't ship, Unknown."""
    return _SHIP[outcome]


def signed(value: float, decimals: int) -> str:
    text = fixed(value, decimals)
    return text if text.startswith(MINUS) or float(text) == 0 else f"+{text}"


def significant(value: float, digits: int = 3) -> str:
    """``value`` in plain digits with at least ``digits`` significant ones (1234, 12.3, 0.0123)."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value).replace("-", MINUS)
    return fixed(value, min(12, max(0, digits - 1 - math.floor(math.log10(abs(value))))))


def gain_text(
    value: float | None, kind: MetricKind, unit: str = "", *, bounds: tuple[float, ...] = (), like: float | None = None
) -> str:
    """A difference: percentage points for shares ("−3.1 pp"), else the metric's own unit, with one decimal more than a level
    ``like`` this has. ``bounds`` are what decided about the value, in its own scale."""
    if value is None:
        return "–"
    if kind in SHARES:
        points = value * 100
        return f"{signed(points, apart(points, tuple(bound * 100 for bound in bounds), 1, MOST_POINT_DECIMALS))} pp"
    start = places(value) if not like else min(MOST_DECIMALS, places(like) + 1)
    return _with_unit(signed(value, apart(value, bounds, start)), unit)


def score_text(value: float | None, kind: MetricKind, unit: str = "", *, bounds: tuple[float, ...] = ()) -> str:
    """A level: per cent for shares ("71.2%"), else the metric's own unit. ``bounds`` are what decided about it."""
    if value is None:
        return "–"
    if kind in SHARES:
        whole = (100.0, *(bound * 100 for bound in bounds))
        text = fixed(value * 100, apart(value * 100, whole, 1))
        return f"{text}%"
    return _with_unit(fixed(value, apart(value, bounds, places(value))), unit)


def asked_text(value: float | None, kind: MetricKind, unit: str = "") -> str:
    """A level that somebody asked for: with every digit that it was written with."""
    if value is None:
        return "–"
    if kind in SHARES:
        return f"{_written(value * 100, 1)}%"
    return _with_unit(_written(value, places(value)), unit)


def _written(value: float, start: int) -> str:
    """``start`` decimals, and as many more as it takes to be exact."""
    known = exact(value, start)
    return fixed(value, MOST_DECIMALS if known is None else known)


def _with_unit(text: str, unit: str) -> str:
    return f"{text} {unit}" if unit else text


def p_text(p: float | None, alpha: float = 0.05) -> str:
    """A p-value, never zero, and never on the wrong side of ``alpha``."""
    if p is None:
        return "–"
    if p < SMALLEST_P:
        return "< 0.0001"
    start = 2 if p >= 0.1 else 3 if p >= 0.01 else 4
    return fixed(p, apart(p, (alpha,), start))


def interval_text(
    low: float | None,
    high: float | None,
    kind: MetricKind,
    unit: str = "",
    *,
    bounds: tuple[float, ...] = (),
    like: float | None = None,
) -> str:
    """ "−5.0 … −1.2 pp"; an open side is written as ∞."""
    if low is None and high is None:
        return "–"
    left = gain_text(low, kind, unit, bounds=bounds, like=like) if low is not None else f"{MINUS}∞"
    right = gain_text(high, kind, unit, bounds=bounds, like=like) if high is not None else "∞"
    tail = " pp" if kind in SHARES else f" {unit}"
    if right.endswith(tail):
        left = left.removesuffix(tail)
    return f"{left} … {right}"


def count_text(value: int) -> str:
    """A count as the gate's sentences write it (12,345)."""
    return f"{value:,}"


def bound_of(rule: Rule, comparison: Comparison | None = None) -> float | None:
    """The gain at which the rule decides (0 where it only asks for a direction); None when it decides about a level, not a gain."""
    if rule.require in ("at_least", "at_most"):
        return None
    margin = absolute_margin(rule, comparison.baseline_value) if comparison is not None else rule.margin or 0.0
    return margin if rule.require == "superior" else -margin


def requirement(rule: Rule, kind: MetricKind = "binary", unit: str = "") -> str:
    """What the rule asks for, in words."""
    if rule.require in ("at_least", "at_most"):
        words = "at least" if rule.require == "at_least" else "at most"
        return f"{words} {asked_text(rule.value, kind, unit)}"
    if rule.require == "not_regressed":
        return "not proven worse" + (f" by more than {margin_text(rule, kind, unit)}" if rule.margin else "")
    if rule.require == "superior":
        return "better" + (f" by more than {margin_text(rule, kind, unit)}" if rule.margin else "")
    return f"not worse by {margin_text(rule, kind, unit)} or more"


def margin_text(rule: Rule, kind: MetricKind = "binary", unit: str = "") -> str:
    """The margin, or the value of a level rule, in its own unit; "–" where the rule has none."""
    if rule.require in ("at_least", "at_most"):
        return asked_text(rule.value, kind, unit)
    if rule.margin is None:
        return "–"
    if rule.relative:
        return f"{significant(rule.margin * 100, 2)}% of the baseline"
    if kind in SHARES:
        return f"{_written(rule.margin * 100, 1)} pp"
    return _with_unit(f"{rule.margin:g}", unit)


def moment(text: str) -> str:
    """A time of ISO 8601 as a person reads it, in UTC; anything else as it is."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return text
    if parsed.tzinfo is not None:
        parsed = parsed.astimezone(UTC)
    return f"{parsed:%Y-%m-%d %H:%M} UTC"


def rule_name(rule: Rule) -> str:
    """What a rule is called where its metric stands elsewhere; rules about other items are called otherwise."""
    return (rule.name or rule.metric) + which_items(rule)


MOST_TOLD = 4
"""Rules of one name that are told apart; of more, only how many there are."""


def listed(names: Sequence[str], *, most: int = 12) -> str:
    """Names in one line that can be read however many there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def told_apart(findings: Sequence[Finding]) -> list[str]:
    """What to call these findings in one line, so that those of one name say what they differ by: the metric, the items, what is
    asked for, or the other side."""
    named: dict[str, list[Finding]] = {}
    for finding in findings:
        named.setdefault(finding.rule.name or finding.metric or finding.rule.metric, []).append(finding)
    return [_told(name, group) for name, group in named.items()]


def _told(name: str, group: Sequence[Finding]) -> str:
    traits = [(finding.metric, which_items(finding.rule).lstrip(" ,"), _asked(finding), _side(finding.rule)) for finding in group]
    shared = [len(set(column)) == 1 for column in zip(*traits, strict=True)]
    if shared[1] and traits[0][1]:
        name += which_items(group[0].rule)
    if len(group) == 1:
        return name
    apart = [", ".join(text for text, same in zip(each, shared, strict=True) if text and not same) for each in traits]
    different = list(dict.fromkeys(filter(None, apart)))
    more = f"; and {len(different) - MOST_TOLD} more" if len(different) > MOST_TOLD else ""
    told = f": {'; '.join(different[:MOST_TOLD])}{more}" if different else ""
    return f"{name} (×{len(group)}{told})"


def _asked(finding: Finding) -> str:
    """What a rule asks for; in its own words where nothing says what its numbers are."""
    rule = finding.rule
    if finding.comparison is not None:
        return requirement(rule, finding.comparison.kind, finding.comparison.unit)
    number = rule.value if rule.margin is None else rule.margin
    return rule.require.replace("_", " ") + ("" if number is None else f" {number:g}")


def _side(rule: Rule) -> str:
    return "" if rule.against == "baseline" else f"against {rule.against}"


def metric_parts(metric: str) -> tuple[str, str, str]:
    """``suite/task/metric`` -> its three parts; the task may be empty, and may hold slashes itself."""
    suite, _, rest = metric.partition("/")
    task, _, name = rest.rpartition("/")
    return suite, task, name
