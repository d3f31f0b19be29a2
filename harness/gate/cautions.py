"""What a verdict warns of: judges and people who may not be heard, rules without limits, items that have judged too many, and
candidates that are none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.compare.winning import LENGTH, STYLE
from harness.gate import sentences as words
from harness.gate.languages import LANGUAGE, untold
from harness.gate.measurements import Measurements
from harness.gate.policy import HUMAN_WIN, matches, only_references
from harness.records import Finding, Measured, Rule, Run, only_picked

MOST_QUARANTINED = 0.05
"""Share of a suite's items in quarantine above which it is said in every verdict."""

MANY_JUDGED = 20
"""Different candidates on the same items from which on it is said in every verdict. Of twenty equal candidates, the best looks
1.9 standard errors better than it is."""


def cautions(candidate: str, findings: Sequence[Finding], measurements: Measurements) -> list[str]:
    """In the order in which they are said."""
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
    warnings += [finding.reason for finding in findings if _unproven(finding)]
    return warnings


def _unproven(finding: Finding) -> bool:
    """A loss that no test proved, and that its interval is sure of: few items pass a rule that asks for no proven loss."""
    compared, rule = finding.comparison, finding.rule
    ruled = rule.require == "not_regressed" and rule.severity == "block" and not rule.implicit and finding.outcome == "pass"
    if not ruled or compared is None or compared.high is None:
        return False
    return compared.high < -float(compared.parameters.get("margin", 0.0))


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
