"""From findings to one answer per candidate, in a sentence that a release manager can act on.

Blocking rules decide, the gravest outcome first: fail, invalid, not comparable, insensitive, inconclusive, pass. A proven failure
stands whatever else went wrong with the evaluation: one suite that broke does not make a candidate that lost its facts unknown.
This is also the order of the exit codes (10, 13, 12, 11, 0) for several candidates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.compare.winning import LENGTH, STYLE
from harness.errors import EXIT_EVALUATION, EXIT_FAIL, EXIT_INCONCLUSIVE, EXIT_NOT_COMPARABLE, EXIT_PASS
from harness.gate import sentences as words
from harness.gate.contamination import REMEDY
from harness.gate.languages import LANGUAGE, untold
from harness.gate.measurements import Measurements
from harness.gate.policy import HUMAN_WIN, matches, of_people, only_references, which_items
from harness.records import SHARES, Comparison, Finding, Measured, Outcome, Rule, Run, Verdict, only_picked

GRAVITY: tuple[Outcome, ...] = ("fail", "invalid", "no_baseline", "not_comparable", "insensitive", "inconclusive", "pass")

MOST_QUARANTINED = 0.05
"""Share of a suite's items in quarantine above which it is said in every verdict."""

MANY_JUDGED = 20
"""Different candidates on the same items from which on it is said in every verdict. Of twenty equal candidates, the best looks
1.9 standard errors better than it is."""

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
        warnings=tuple(_warnings(candidate, findings, measurements)),
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


def _warnings(candidate: str, findings: Sequence[Finding], measurements: Measurements) -> list[str]:
    baseline = measurements.policy.baseline
    warnings = []
    same = _same(candidate, baseline, measurements)
    if same:
        warnings.append(f"{candidate} is identical to {baseline} {same}: nothing was changed, or the wrong checkpoint was measured")
    allowed = {
        line.what
        for suite in measurements.suites
        if (suite, candidate) in measurements.measured and (suite, baseline) in measurements.measured
        for line in measurements.parity(suite, baseline, candidate)
        if line.allowed
    }
    if allowed:
        warnings.append(f"{candidate} and {baseline} differ in {words.joined(sorted(allowed), most=9)}, which the policy allows")
    for suite in measurements.suites:
        run = measurements.run(suite, candidate)
        if run is not None and run.judge_hash is not None and run.admission is None and suite != HUMAN_WIN.split("/")[0]:
            warnings.append(f"the judge of {suite} was never examined: its scores are taken on trust")
        warnings += untold(suite, run, [each.slices.get(LANGUAGE, "") for each in measurements.traits(suite).values()])
        warnings += (*run.unlike, *run.remarks, *_simulated(run), *_picked(run)) if run is not None else ()
    reference = _unjudged(candidate, measurements)
    if reference is not None:
        warnings.append(f"{reference} was not judged: it only serves as the reference of {candidate}, and has none of its own")
    warnings += _unlimited(findings)
    warnings += _worn(measurements)
    warnings += _chosen(candidate, measurements)
    if findings and all(finding.rule.implicit for finding in findings):
        warnings.append("no rule of the policy applies: only truncated, empty and unparsable answers were looked at")
    warnings += [finding.reason for finding in findings if finding.rule.severity == "warn" and finding.outcome != "pass"]
    return warnings


def _simulated(run: Run) -> Iterator[str]:
    """Votes that no person cast."""
    names = dict.fromkeys(name for people in run.people for name in people.simulated)
    if names:
        yield (
            f"not people: {words.joined(list(names), most=9)} are programs, and what is said here of votes on {run.candidate.name} "
            "(human/win) is a simulation"
        )


def _picked(run: Run) -> Iterator[str]:
    """Votes on items that nobody drew."""
    packages = words.joined([people.package for people in run.people if people.picked], most=9)
    if only_picked(run.people):
        yield (
            f"picked by hand: the items behind human/win of {run.candidate.name} (package {packages}) are no sample, and what is "
            "said here of votes on them says nothing of other items"
        )
    elif packages:
        yield (
            f"picked by hand: the items of package {packages} are no sample, and votes on them are no part of human/win of "
            f"{run.candidate.name}"
        )


def _unlimited(findings: Sequence[Finding]) -> Iterator[str]:
    """What a pass cannot know: losses beyond the scores seen where these have no limits, and rare whole ones among few items."""
    passed = [each for each in findings if each.outcome == "pass" and not each.waived and each.rule.require != "not_regressed"]
    named = {each.metric: None for each in passed if each.comparison is not None and each.comparison.parameters.get("no_range")}
    if named:
        have = "has" if len(named) == 1 else "have"
        yield (
            f"{words.joined(list(named))} {have} no declared range: rare losses larger than any score seen are not ruled out by "
            f"what passed, because no test can know of them{_ranges([*named])}"
        )
    for each in passed:
        unseen = each.comparison.parameters.get("whole_losses_unseen") if each.comparison is not None else None
        if unseen is not None:
            yield (
                f"{each.metric} passed on what many small differences show: of answers that are lost whole, as many as its margin "
                f"allows would not have shown at all with probability {unseen:.2f}. More items rule them out"
            )


def _ranges(metrics: Sequence[str]) -> str:
    """What to do about it; nothing where all are parts of a regression, which no score of an item limits."""
    parts = all(metric.rsplit("/", 1)[-1] in (LENGTH, STYLE) for metric in metrics)
    return "" if parts else ". Where scores have limits, set range = [low, high] on the suite"


def _unjudged(candidate: str, measurements: Measurements) -> str | None:
    """The reference, where it was named and not found as the base, and is for that reason not judged."""
    policy = measurements.policy
    reference = policy.references.get(candidate)
    if reference is None or reference == policy.baseline or reference not in only_references(policy.references):
        return None
    runs = [each.run.candidate for (_, name), each in measurements.measured.items() if name == candidate]
    return reference if any(run.reference == reference or not run.model for run in runs) else None


def _worn(measurements: Measurements) -> Iterator[str]:
    """Suites of which much is in quarantine, that have judged many candidates already, or whose items both select and certify."""
    policy = measurements.policy
    for suite, keys in measurements.quarantined.items():
        total = len(measurements.traits(suite))
        if len(keys) > MOST_QUARANTINED * total:
            share = words.share(len(keys) / total, "binary", bounds=(MOST_QUARANTINED,))
            yield f"{len(keys):,} of {total:,} items of {suite} ({share}) are in quarantine: what is left is another suite"
    for suite, count in policy.judged.items():
        if count >= MANY_JUDGED:
            yield (
                f"the items of {suite} have judged {count:,} different candidates by now: who is chosen by their scores is fitted "
                "to them, and only fresh items can tell how much"
            )
    for suite in measurements.suites:
        about = _about(suite, measurements)
        mixed = [rule for rule in about if rule.severity == "block" and rule.split is None]
        if mixed and any(rule.split == "select" for rule in about):
            named = words.joined([rule.name or rule.metric for rule in mixed])
            yield f"{named} certifies on all items of {suite}, those included that select: what selects does not certify"


def _chosen(candidate: str, measurements: Measurements) -> Iterator[str]:
    """Suites that chose this candidate among the checkpoints of its training, and certify it on the very items."""
    for suite in measurements.policy.chosen.get(candidate, ()):
        mixed = [rule for rule in _about(suite, measurements) if rule.severity == "block" and rule.split is None]
        if suite in measurements.suites and mixed:
            named = words.joined([rule.name or rule.metric for rule in mixed])
            yield (
                f"half of the items of {suite} chose {candidate} among the checkpoints of its training, and {named} certifies it "
                'on all of them: what selects does not certify. Set split = "gate"'
            )


def _about(suite: str, measurements: Measurements) -> list[Rule]:
    """The rules about a suite."""
    metrics = measurements.columns(suite, measurements.policy.baseline)
    return [rule for rule in measurements.policy.rules if any(matches(rule.metric, metric) for metric in metrics)]


def _same(candidate: str, baseline: str, measurements: Measurements) -> str:
    """In what the two are equal: weights and adapter, or all that was seen; empty where they differ, or nothing was answered."""
    pairs = [
        (measurements.measured[suite, candidate], measurements.measured[suite, baseline])
        for suite in measurements.suites
        if (suite, candidate) in measurements.measured and (suite, baseline) in measurements.measured
    ]
    answered = sum(sample.scores is not None for run, _ in pairs for sample in run.samples)
    if pairs and all(_same_weights(a, b) for a, b in pairs):
        return "in weights and adapter"
    if answered and all(_same_samples(a, b) for a, b in pairs):
        return f"in all {answered:,} answers"
    return ""


def _same_weights(left: Measured, right: Measured) -> bool:
    a, b = left.run.fingerprints, right.run.fingerprints
    return a.weights is not None and (a.weights, a.adapter) == (b.weights, b.adapter)


def _same_samples(left: Measured, right: Measured) -> bool:
    """Whether ``left`` answered all that it was asked as ``right`` did; it may have been asked in part."""
    seen = {sample.key: (sample.outputs, sample.scores, sample.statistics) for sample in right.samples}
    return (len(left.samples) == len(right.samples) or left.run.looks is not None) and all(
        seen.get(sample.key) == (sample.outputs, sample.scores, sample.statistics) for sample in left.samples
    )
