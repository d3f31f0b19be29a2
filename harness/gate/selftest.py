"""What the gate is worth: it must stay silent when nothing changed (A/A), and must fail on damage done on purpose.

Both look at the findings of an ordinary conclusion in which the candidate is known to be the baseline itself, or a ruined copy of
it. A claim of a gain cannot be proven in either; that is as it should be, and no failure. It counts as one only where the gate
believes it (A/A), and as having noticed damage only where a loss is proven.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase

from harness.errors import EXIT_EVALUATION, EXIT_INCONCLUSIVE, EXIT_NOT_COMPARABLE, EXIT_PASS
from harness.gate import sentences as words
from harness.gate.verdicts import gravest
from harness.records import Finding, Outcome, SelfTest, Sight

CODES: dict[Outcome, int] = {
    "fail": EXIT_EVALUATION,
    "invalid": EXIT_EVALUATION,
    "no_baseline": EXIT_NOT_COMPARABLE,
    "not_comparable": EXIT_NOT_COMPARABLE,
    "insensitive": EXIT_INCONCLUSIVE,
    "inconclusive": EXIT_PASS,
    "pass": EXIT_PASS,
}
"""Exit codes of an A/A. A gate that fires on it is no failed candidate (10): what is broken is the evaluation (13), and no verdict
of it can be believed. Rules that identical weights cannot pass for want of items are the business of ``plan``, and no failure."""

_NOTICED: dict[Outcome, int] = {"fail": EXIT_PASS, "invalid": EXIT_EVALUATION}
"""Exit codes of planted damage: it must fail. Else the gate is insensitive, unless its evaluation broke."""

_ORDER = (EXIT_EVALUATION, EXIT_NOT_COMPARABLE, EXIT_INCONCLUSIVE, EXIT_PASS)

Place = tuple[str, str]
"""A finding, to be met again: what its rule is about and requires."""


def exit_code(test: SelfTest) -> int:
    """Of the whole test: the A/A's, or 11 (insensitive) where planted damage went unnoticed."""
    codes = [CODES[repetition.outcome] for repetition in test.repetitions]
    codes += [_NOTICED.get(plant.outcome, EXIT_INCONCLUSIVE) for plant in test.plants]
    return min(codes, key=_ORDER.index, default=EXIT_PASS)


def place(finding: Finding) -> Place:
    """By which the finding of a rule is found again in another conclusion of the same policy."""
    return finding.metric, f"{finding.rule.require} {finding.rule.name} {finding.rule.slice} {finding.rule.split}"


# -------------------------------------------------------------------------------------------------------------- A/A


def of_itself(name: str, findings: Sequence[Finding]) -> tuple[Outcome, str]:
    """What the gate makes of a candidate that is compared with itself, and the sentence that says so."""
    blocking = [finding for finding in findings if finding.rule.severity == "block"]
    claims = [finding for finding in blocking if finding.rule.require == "superior"]
    outcome = gravest([_of_itself(finding) for finding in blocking])
    deciding = [finding for finding in blocking if _of_itself(finding) == outcome]
    unproven = _unproven(claims)
    if not deciding:
        return "inconclusive", f"Nothing was decided about {name} against itself: the policy has no blocking rule."
    first, count = deciding[0].reason.removesuffix("."), len(deciding)
    others = "" if count == 1 else f" ({count - 1} more blocking rule{'s' if count > 2 else ''} as well)"
    if outcome == "fail":
        return outcome, (
            f"The gate fires on {name} against itself{others}: {first}. Chance alone does that about once in "
            f"{1 / deciding[0].rule.alpha:.0f} times; where another seed (--set seed=…) shows it again, what the rule says about "
            "candidates cannot be told from noise: give it more items or a wider margin, or let it count what is above the noise."
        )
    if outcome == "pass":
        rest = len(blocking) - len(claims)
        held = f"all {rest} blocking rules that are not claims hold" if rest else "it has no blocking rule but claims"
        return outcome, f"The gate does not fire on {name} against itself: {held}{unproven}."
    if outcome == "inconclusive":
        return outcome, (
            f"The gate does not fire on {name} against itself, but {count} of {len(blocking)} blocking rules could not let even "
            f"the same weights pass: {first}{unproven}."
        )
    return outcome, f"The gate cannot judge {name} against itself{others}: {first}{unproven}."


def _of_itself(finding: Finding) -> Outcome:
    if finding.rule.require != "superior":
        return finding.outcome
    return "fail" if finding.outcome == "pass" else "pass"


def _unproven(claims: Sequence[Finding]) -> str:
    silent = [finding for finding in claims if finding.outcome != "pass"]
    if not silent:
        return ""
    return f"; {len(silent)} claim{'s' if len(silent) > 1 else ''} of a gain not proven, as it should be"


# ---------------------------------------------------------------------------------------------------- planted damage


def about(finding: Finding, suite: str) -> bool:
    """Whether a finding, of one metric or of several that were pooled, is about a suite."""
    return fnmatchcase(suite, finding.metric.split("/", 1)[0])


def about_losses(finding: Finding) -> bool:
    """Whether somebody wrote the rule so that something should not be lost."""
    return not finding.rule.implicit and finding.rule.require != "superior"


def noticed(finding: Finding, silent: Collection[Place]) -> bool:
    """Whether a blocking rule saw the damage. ``silent``: rules that fail on the undamaged too, and so saw nothing."""
    if finding.rule.severity != "block" or finding.outcome != "fail" or place(finding) in silent:
        return False
    if finding.rule.require != "superior":
        return True
    return finding.comparison is not None and finding.comparison.high is not None and finding.comparison.high < 0


def sights(
    suites: Sequence[str], findings: Sequence[Finding], silent: Collection[Place], left_out: Mapping[str, str]
) -> dict[str, Sight]:
    """Suite -> whether its blocking rules noticed. Neither rules that nobody wrote (about truncated answers) are expected to, nor
    claims of a gain, which no damage lets pass."""
    found: dict[str, Sight] = {}
    for suite in suites:
        own = [finding for finding in findings if finding.rule.severity == "block" and about(finding, suite)]
        if suite in left_out:
            found[suite] = "not planted"
        elif any(noticed(finding, silent) for finding in own):
            found[suite] = "noticed"
        else:
            found[suite] = "missed" if any(about_losses(finding) for finding in own) else "no rule"
    return found


def of_damage(
    name: str, done: str, findings: Sequence[Finding], silent: Collection[Place], sight: Mapping[str, Sight]
) -> tuple[Outcome, str]:
    """``fail`` where the gate noticed what was done to the candidate, ``invalid`` where that could not be measured,
    ``inconclusive`` where it could be done in no suite, else ``insensitive``; and the sentence that says so."""
    if all(state == "not planted" for state in sight.values()):
        return "inconclusive", "No damage could be planted in any suite, so that nothing is known of what the gate would notice."
    blocking = [finding for finding in findings if finding.rule.severity == "block" and about_losses(finding)]
    seen = [finding for finding in findings if noticed(finding, silent)]
    missed = [suite for suite, state in sight.items() if state == "missed"]
    blind = f" Insensitive: {words.joined(missed, most=9)}." if missed else ""
    broken = [finding for finding in blocking if finding.outcome == "invalid"]
    if not seen and broken:
        return "invalid", f"{name} with {done} could not be measured: {broken[0].reason}"
    if not seen:
        return "insensitive", (
            f"The gate does not notice {name} with {done}: none of its {len(blocking)} blocking rules about losses fails. "
            f"A candidate so damaged would not be stopped for what it lost.{blind}"
        )
    worst = seen[0].reason.removesuffix(".")
    rules = f"{len(seen)} blocking rule{'s fail' if len(seen) > 1 else ' fails'}"
    return "fail", f"The gate notices {name} with {done}: {rules}. {words.capitalised(worst)}.{blind}"
