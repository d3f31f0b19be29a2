"""From findings to one answer per candidate, in a sentence that a release manager can act on.

Blocking rules decide, the gravest outcome first: fail, invalid, not comparable, insensitive, inconclusive, pass. A proven failure
stands whatever else went wrong with the evaluation: one suite that broke does not make a candidate that lost its facts unknown.
This is also the order of the exit codes (10, 13, 12, 11, 0) for several candidates.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import EXIT_EVALUATION, EXIT_FAIL, EXIT_INCONCLUSIVE, EXIT_NOT_COMPARABLE, EXIT_PASS
from harness.gate import sentences as words
from harness.gate.cautions import cautions
from harness.gate.contamination import REMEDY
from harness.gate.measurements import Measurements
from harness.gate.policy import of_people, which_items
from harness.records import SHARES, Comparison, Finding, Outcome, Verdict

GRAVITY: tuple[Outcome, ...] = ("fail", "invalid", "no_baseline", "not_comparable", "insensitive", "inconclusive", "pass")

EXIT_CODES: dict[Outcome, int] = {
    "fail": EXIT_FAIL,
    "invalid": EXIT_EVALUATION,
    "no_baseline": EXIT_NOT_COMPARABLE,
    "not_comparable": EXIT_NOT_COMPARABLE,
    "insensitive": EXIT_INCONCLUSIVE,
    "inconclusive": EXIT_INCONCLUSIVE,
    "pass": EXIT_PASS,
}


def gravest(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcome that decides; nothing decided is inconclusive, never a silent pass."""
    return min(outcomes, key=GRAVITY.index) if outcomes else "inconclusive"


def verdict_of(candidate: str, findings: Sequence[Finding], measurements: Measurements) -> Verdict:
    """The gate's answer for one candidate."""
    blocking = [finding for finding in findings if finding.rule.severity == "block"]
    outcome = gravest([finding.outcome for finding in blocking])
    if outcome == "pass" and all(finding.rule.implicit for finding in blocking):
        outcome = "inconclusive"  # that bad answers did not become more is no reason to ship
    deciding = [finding for finding in blocking if finding.outcome == outcome]
    return Verdict(
        candidate=candidate,
        outcome=outcome,
        sentence=_sentence(candidate, outcome, blocking, deciding),
        change=_change(outcome, deciding),
        findings=tuple(findings),
        warnings=tuple(cautions(candidate, findings, measurements)),
    )


def blocks(verdict: Verdict) -> bool:
    """Whether a rule of the policy may hold this one back. A recipe that rules only warn or inform about decides nothing."""
    return any(finding.rule.severity == "block" for finding in verdict.findings)


def _sentence(candidate: str, outcome: Outcome, blocking: Sequence[Finding], deciding: Sequence[Finding]) -> str:
    if not deciding:
        return f"Unknown whether {candidate} may ship: the policy has no blocking rule about it, so that nothing was decided."
    failed = [finding for finding in deciding if finding.remedy != REMEDY]
    worst = _worst(failed or deciding)
    others = len(deciding) - 1
    more = f"; {others} more blocking rule{'s' if others > 1 else ''} {{}}" if others else ""
    if outcome == "pass":
        count = "the one blocking rule holds" if len(blocking) == 1 else f"all {len(blocking)} blocking rules hold"
        waived = sum(finding.waived for finding in blocking)
        if waived:
            count += f", {waived} of them undecided and taken for a pass by the policy"
        closest = _closest(blocking)
        return f"Ship {candidate}: {count}{'' if closest is None else '; the closest call is ' + closest}."
    if outcome == "fail":
        return f"Do not ship {candidate}: {_stripped(worst)}{more.format('fails' if others == 1 else 'fail')}."
    why = {
        "invalid": "the evaluation itself failed" if failed else "training data contain too many of the items that would decide it",
        "no_baseline": "there is nothing to compare it with",
        "not_comparable": "it cannot be compared",
        "insensitive": "a blocking rule looks at something that cannot decide it",
    }.get(outcome, "the items do not decide it")
    tail = more.format("does not decide it either" if others == 1 else "do not decide it either")
    return f"Unknown whether {candidate} may ship: {why}. {_stripped(worst)}{tail}."


def _stripped(finding: Finding) -> str:
    return finding.reason.removesuffix(".")


def _worst(findings: Sequence[Finding]) -> Finding:
    """The finding to show first: the largest loss among shares, else the first of the policy."""
    shares = [f for f in findings if f.comparison is not None and f.comparison.kind in SHARES and not f.rule.implicit]
    return min(shares, key=lambda f: f.comparison.gain if f.comparison is not None else 0.0) if shares else findings[0]


def _closest(blocking: Sequence[Finding]) -> str | None:
    """The user's margin rule whose interval came nearest to its margin."""

    def room(finding: Finding) -> float:
        comparison = finding.comparison
        if comparison is None or comparison.low is None or finding.rule.require != "non_inferior":
            return float("inf")
        margin = float(comparison.parameters["margin"])
        return (comparison.low + margin) / margin

    nearest = min(blocking, key=room)
    if nearest.comparison is None or room(nearest) == float("inf"):
        return None
    size = float(nearest.comparison.parameters["margin"])
    beside = tuple(end for end in (nearest.comparison.gain, nearest.comparison.low, nearest.comparison.high) if end is not None)
    margin = words.amount(size, nearest.comparison.kind, nearest.comparison.unit, beside=beside)
    gain = words.gain(nearest.comparison, words.border(nearest.rule, size))
    return f"{_what(nearest)}, {gain}, where a loss of {margin} would block"


def _what(finding: Finding) -> str:
    """The metric, and which items, if not all."""
    return finding.metric + which_items(finding.rule)


def _change(outcome: Outcome, deciding: Sequence[Finding]) -> str:
    """What would change the verdict."""
    if outcome == "pass":
        return ""
    parts = list(dict.fromkeys(_remedy(finding) for finding in deciding))
    text = words.joined(parts)
    return f"{words.capitalised(text)}." if text else "A blocking rule in the policy."


def _remedy(finding: Finding) -> str:
    comparison = finding.comparison
    if finding.remedy:
        return f"{_what(finding)} {finding.remedy}"
    if comparison is None and of_people(finding.metric) and finding.outcome == "inconclusive":
        return f"votes of people on {_what(finding)} (sftgate review)"
    if comparison is None:
        remedies = {
            "invalid": f"measure {finding.metric.split('/')[0]} again, once its items no longer fail",
            "not_comparable": f"measure both sides of {_what(finding)} alike, or allow the difference in [comparability]",
            "no_baseline": f"measure what {_what(finding)} is to be compared with",
        }
        return remedies.get(finding.outcome, f"measure {_what(finding)}")
    if finding.outcome == "fail":
        return _improvement(finding, comparison)
    if "remedy" in comparison.parameters:
        return f"{_what(finding)} {comparison.parameters['remedy']}"
    return _more_items(finding, comparison)


def _improvement(finding: Finding, comparison: Comparison) -> str:
    rule, kind, unit = finding.rule, comparison.kind, comparison.unit
    margin = float(comparison.parameters.get("margin", 0.0))
    now = words.signed(comparison.gain, kind, unit, bounds=words.border(rule, margin))
    if rule.require in ("at_least", "at_most") and rule.value is not None:
        edge = "above" if rule.require == "at_least" else "under"
        score = words.share(float(comparison.parameters["score"]), kind, unit, bounds=(rule.value,))
        return f"{_what(finding)} must come {edge} {words.asked(rule.value, kind, unit)} (now {score})"
    if rule.require == "superior":
        wanted = words.amount(margin, kind, unit, beside=(comparison.gain,)) if margin else "nothing"
        return f"the gain on {_what(finding)} must be more than {wanted} (now {now})"
    if margin:
        wanted = words.amount(margin, kind, unit, beside=(comparison.gain,))
        return f"the loss on {_what(finding)} must come under {wanted} (now {now})"
    return f"the loss on {_what(finding)} must go (now {now})"


def _more_items(finding: Finding, comparison: Comparison) -> str:
    seeds = comparison.parameters.get("replicates_needed")
    if seeds is not None:
        return f"{_what(finding)} needs about {seeds} training seeds (it has {comparison.parameters['replicates']})"
    items = comparison.parameters.get("items_needed")
    wanted = max(items or 0, finding.rule.min_items)
    if wanted <= comparison.items:
        return f"{_what(finding)} needs a better candidate: more items ({comparison.items:,} now) would hardly make this one pass"
    return f"{_what(finding)} needs about {words.rounded(wanted)} items (it has {comparison.items:,})"
