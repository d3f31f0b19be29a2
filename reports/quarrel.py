"""Where an interval and the test beside it seem to disagree, and what a sceptic should know then.

Tests decide, intervals display, and not every test has an interval of its own. Sign flips and McNemar's test ask whether changes go
one way more often than the other, and hold for "no difference" alone: shifted by a margin, the items that stayed the same would all
count as changes, and the interval would be too short. So where few items change, a score interval is shown instead, which allows
for what could have changed and did not, and is the longer of the two.
"""

from __future__ import annotations

from harness.records import Comparison, Finding
from reports.wording import bound_of, count_text, gain_text, p_text

_ONE_WAY = ("McNemar", "sign-flip")


def quarrel(finding: Finding) -> str:
    """The explanation, as sentences; empty where interval and test say the same."""
    comparison = finding.comparison
    bound = None if comparison is None else bound_of(finding.rule, comparison)
    if comparison is None or bound is None or finding.outcome not in ("pass", "fail", "inconclusive"):
        return ""
    proven, above = _proven(finding)
    if (comparison.low if above else comparison.high) is None:
        return ""
    if _beyond(comparison, bound, above) == proven:
        return ""
    return _longer(comparison, bound, above) if proven else _shorter(finding, comparison, bound)


def _proven(finding: Finding) -> tuple[bool, bool]:
    """Whether the test proved something, and whether that is that the gain lies above the bound."""
    loss = finding.rule.require == "not_regressed"
    if finding.waived or finding.outcome == "inconclusive":
        return False, not loss
    if loss:
        return finding.outcome == "fail", False
    return True, finding.outcome == "pass"


def _beyond(comparison: Comparison, bound: float, above: bool) -> bool:
    """Whether all of the interval lies on that side of the bound."""
    end = comparison.low if above else comparison.high
    return end is not None and (end > bound if above else end < bound)


def _longer(comparison: Comparison, bound: float, above: bool) -> str:
    """The test is sure, the interval is not."""
    edge = _edge(comparison, bound)
    said = f"The interval reaches {'down' if above else 'up'} to {edge} and beyond; the test decides, and it is sure."
    interval = comparison.parameters.get("interval", "")
    if any(word in comparison.method for word in _ONE_WAY):
        counts = f"{count_text(comparison.lost)} lost, {count_text(comparison.won)} won"
        said += (
            f" They ask different things: the test ({comparison.method}) how often changes so one-sided ({counts}) come about by "
            "chance, whatever stayed the same;"
        )
        return (
            f"{said} the interval{_by(interval)} how large the gain can be, for which whatever stayed the same might have changed."
        )
    return f"{said} They are two methods: {comparison.method}, and{_by(interval) or ' the interval’s own'}."


def _shorter(finding: Finding, comparison: Comparison, bound: float) -> str:
    """The interval leaves the bound out, and yet nothing is proven."""
    alpha, alone = finding.rule.alpha, comparison.p
    corrected: float | None = comparison.parameters.get("p_holm", alone)
    if alone is None or corrected is None or corrected <= alpha:  # something else stopped it, and the reason says what
        return ""
    said = f"The interval leaves {_edge(comparison, bound)} out, and yet nothing is proven:"
    if alone <= alpha:
        p = p_text(corrected, alpha)
        return f"{said} it speaks of this rule alone, which is one of several that may not raise a false alarm together (p {p})."
    interval = comparison.parameters.get("interval", "")
    return f"{said} the test ({comparison.method}) decides, the interval{_by(interval)} is another method."


def _edge(comparison: Comparison, bound: float) -> str:
    return "0" if bound == 0 else f"the margin ({gain_text(bound, comparison.kind, comparison.unit)})"


def _by(interval: object) -> str:
    name = str(interval or "").removesuffix(" interval")
    return f" ({name})" if name else ""
