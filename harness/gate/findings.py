"""What each rule says about each comparison, corrected for how many were looked at.

Which tests are corrected: all blocking non-inferiority rules must hold, an intersection–union test that needs no correction. Any
blocking ``not_regressed`` can raise a false alarm, and any ``superior`` can be a false claim: Holm over each family, per candidate;
claims that several candidates make are adjusted over the candidates first (``harness.gate.many``).
Rules that only warn or inform, and rules about slices, form families of their own, so that adding one never weakens a blocking rule
about whole suites.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from harness import stats
from harness.gate import sentences as words
from harness.gate.cases import Case
from harness.gate.many import Over
from harness.gate.policy import VALUE_RULES, Family, family_of
from harness.records import Comparison, Finding, Outcome


def findings_of(cases: Sequence[Case], over: Mapping[int, Over]) -> list[Finding]:
    """One finding per case, in order. All cases are of one candidate; ``over``: place of a case -> its p over all candidates."""
    corrected = _corrected(cases, over)
    return [_finding(case, over.get(index), corrected.get(index)) for index, case in enumerate(cases)]


@dataclass(frozen=True)
class Corrected:
    """A p-value after Holm over its family, in which ``tests`` could have proven something, this one among them."""

    p: float
    tests: int


def _corrected(cases: Sequence[Case], over: Mapping[int, Over]) -> dict[int, Corrected]:
    families: dict[Family, list[int]] = defaultdict(list)
    for index, case in enumerate(cases):
        family = family_of(case.rule)
        if case.pair is not None and family is not None:
            families[family].append(index)
    found: dict[int, Corrected] = {}
    for members in families.values():
        p = [over[index].p if index in over else cases[index].claim.p for index in members]
        floors = [cases[index].claim.floor for index in members]
        alpha = max(cases[index].rule.alpha for index in members)
        counted = sum(floor <= alpha for floor in floors)
        for index, adjusted, floor in zip(members, stats.holm(p, floors=floors, alpha=alpha), floors, strict=True):
            found[index] = Corrected(adjusted, counted + (floor > alpha))
    return found


def _finding(case: Case, over: Over | None, corrected: Corrected | None) -> Finding:
    if case.pair is None:
        outcome: Outcome = case.stopped or "invalid"
        reason = f"{case.job.title}: {case.why}."
        return Finding(rule=case.rule, outcome=outcome, reason=reason, metric=case.job.label, remedy=case.remedy)
    comparison = _comparison(case, over, corrected)
    if comparison is None:
        raise ValueError("a tested case always has a comparison")
    outcome, reason = _decided(case, comparison, over, corrected)
    if case.short is not None and outcome != "fail":
        outcome, reason = "inconclusive", case.short[0]
    if case.blind is not None and not (outcome == "fail" and case.blind.failures_stand):
        outcome, reason = "insensitive", case.blind.why
    else:
        reason += _worst_case(case, outcome)
    waived = outcome == "inconclusive" and case.short is None and case.rule.on_inconclusive != "inconclusive"
    if waived:
        outcome = case.rule.on_inconclusive
        reason += f"; the rule takes that for a {outcome}"
    reason += words.excluded(case.excluded) + (words.contaminated(*case.contaminated) if outcome == "pass" else "") + case.noise
    reason = f"{case.job.title}: {reason}."
    return Finding(rule=case.rule, outcome=outcome, reason=reason, metric=case.job.label, comparison=comparison, waived=waived)


def _whole_losses_unseen(case: Case, comparison: Comparison) -> float | None:
    """How probably no item (or cluster) of these would have shown it, were as many lost whole as the margin allows.

    None where that is under alpha, or counted in p: a t, or sign flips, of many small differences take them for all that there are.
    """
    span = case.pair.span if case.pair is not None else None
    if case.rule.require != "non_inferior" or not span or comparison.p is None:
        return None
    unseen = max(0.0, 1.0 - case.margin / span) ** comparison.clusters
    return unseen if unseen > max(case.rule.alpha, comparison.p) else None


def _comparison(case: Case, over: Over | None, corrected: Corrected | None) -> Comparison | None:
    """The numbers behind a finding; ``p`` is of the rule's own hypothesis, before correction (over candidates: ``p_max_t``, or
    ``p_holm_candidates``; over recipes: ``p_holm_recipes``; then over metrics: ``p_holm``)."""
    pair, level = case.pair, case.level
    if pair is None:
        return None
    own = stats.PValue(_level_p(case), level.method, level.parameters) if level is not None else case.claim
    comparison = case.comparison(own)
    if comparison is None:
        return None
    extra: dict[str, object] = {"margin": case.margin}
    if pair.unlimited:
        extra["no_range"] = True
    elif (unseen := _whole_losses_unseen(case, comparison)) is not None:
        extra["whole_losses_unseen"] = unseen
    if over is not None:
        extra |= {"p_max_t" if over.method == "max-T" else f"p_holm_{over.what}": over.p, over.what: over.candidates}
        extra |= {"no_max_t": over.why} if over.why else {}
    if corrected is not None:
        extra["p_holm"] = corrected.p
        comparison = msgspec.structs.replace(comparison, mde=_mde(case, corrected.tests))
    if case.blind is not None:
        extra["remedy"] = case.blind.remedy
    elif case.short is not None and case.short[1] is not None:
        extra["remedy"] = case.short[1]
    if case.excluded is not None:
        extra["excluded"] = case.excluded
    if case.contaminated[0]:
        extra["contaminated"] = case.contaminated[0]
    if level is not None:
        extra |= {"value": case.rule.value, "score": level.score, "score_low": level.low, "score_high": level.high}
        extra["score_mde"] = _score_mde(case)
        extra["p_contrary"] = level.below if case.rule.require == "at_least" else level.above
    elif case.rule.require != "not_regressed":
        extra["p_contrary"] = case.contrary.p
    if case.rule.require != "not_regressed" and not _settled(case, corrected):
        extra["items_needed"], extra["items_if_equal"] = _items_needed(case)
    return msgspec.structs.replace(comparison, parameters={**comparison.parameters, **extra})


def _settled(case: Case, corrected: Corrected | None) -> bool:
    """Whether nobody asks how many items it would take."""
    if case.short is not None or case.blind is not None:
        return False
    if case.level is not None:
        return min(case.level.above, case.level.below) <= case.rule.alpha
    return min(case.claim.p if corrected is None else corrected.p, case.contrary.p) <= case.rule.alpha


def _mde(case: Case, tests: int) -> float | None:
    """The smallest true loss (of a claim: gain) that the rule's own test, with its margin, proves with 80 % power as one of so many
    tests that share alpha; None where none could be."""
    evidence = None if case.pair is None else case.pair.evidence
    if evidence is None:
        return None
    alpha = case.rule.alpha / tests
    level = alpha if case.looked is None else case.looked.nominal(alpha)
    return evidence.mde(level, margin=case.margin)


def _level_p(case: Case) -> float:
    if case.level is None:
        raise ValueError("only rules about a value have a level")
    return case.level.above if case.rule.require == "at_least" else case.level.below


def _decided(case: Case, comparison: Comparison, over: Over | None, corrected: Corrected | None) -> tuple[Outcome, str]:
    """Outcome and reason from the numbers alone."""
    require = case.rule.require
    if require in VALUE_RULES:
        return _value(case, comparison)
    if require == "not_regressed":
        return _not_regressed(case, comparison, case.claim.p if corrected is None else corrected.p)
    if require == "superior":
        return _superior(case, comparison, over, case.claim.p if corrected is None else corrected.p)
    return _non_inferior(case, comparison)


def _ends(comparison: Comparison) -> tuple[float, ...]:
    return tuple(end for end in (comparison.low, comparison.high) if end is not None)


def _margin(case: Case, comparison: Comparison) -> str:
    """The margin, and of what it is a share."""
    kind, unit, rule = comparison.kind, comparison.unit, case.rule
    size = words.amount(case.margin, kind, unit, beside=(comparison.gain, *_ends(comparison)))
    if not rule.relative or not rule.margin:
        return size
    return f"{size} ({100 * rule.margin:g} % of {words.share(case.margin / rule.margin, kind, unit)})"


def _non_inferior(case: Case, comparison: Comparison) -> tuple[Outcome, str]:
    alpha = case.rule.alpha
    gain, margin = words.gain(comparison, words.border(case.rule, case.margin)), _margin(case, comparison)
    p, method = words.probability(case.claim.p, alpha), case.claim.method
    if case.claim.p <= alpha:
        worse = comparison.high is not None and comparison.high < 0
        but = "; it is worse, but within the margin" if worse else ""
        return "pass", f"{gain}: a loss of {margin} or more is ruled out ({method}, {p}){but}; {words.seen(comparison)}"
    if case.contrary.p <= alpha:
        contrary = words.probability(case.contrary.p, alpha)
        return "fail", f"{gain}: a loss beyond the margin of {margin} is proven ({case.contrary.method}, {contrary})"
    worse = comparison.high is not None and comparison.high < 0
    state = "it is worse, but by how much is not certain" if worse else "a loss beyond the margin is neither ruled out nor proven"
    return "inconclusive", f"{gain}: {state} (margin {margin}, {method}, {p}); {_needed(comparison)}"


def _superior(case: Case, comparison: Comparison, over: Over | None, p_holm: float) -> tuple[Outcome, str]:
    alpha = case.rule.alpha
    gain, method = words.gain(comparison, words.border(case.rule, case.margin)), case.claim.method
    p = _three_p(case.claim.p, over, p_holm, alpha)
    more = f" of more than {_margin(case, comparison)}" if case.margin else ""
    if p_holm <= alpha:
        return "pass", f"{gain}: a gain{more} is proven ({method}, {p}); {words.gain_seen(comparison)}"
    if case.contrary.p <= alpha:
        contrary = words.probability(case.contrary.p, alpha)
        return "fail", f"{gain}: a gain{more} is ruled out ({case.contrary.method}, {contrary})"
    return "inconclusive", f"{gain}: a gain{more} is neither proven nor ruled out ({method}, {p}); {_needed(comparison)}"


def _not_regressed(case: Case, comparison: Comparison, p_holm: float) -> tuple[Outcome, str]:
    gain = words.gain(comparison, words.border(case.rule, case.margin))
    beyond = f" beyond {_margin(case, comparison)}" if case.margin else ""
    p = _two_p(case.claim.p, p_holm, case.rule.alpha)
    if p_holm <= case.rule.alpha:
        counts = f"{comparison.lost:,} lost, {comparison.won:,} won"
        return "fail", f"{gain}: a loss{beyond} is proven ({case.claim.method}, {p}; {counts})"
    return "pass", f"{gain}: no loss{beyond} is proven ({case.claim.method}, {p}); {words.seen(comparison)}"


def _value(case: Case, comparison: Comparison) -> tuple[Outcome, str]:
    level, rule, kind, unit = case.level, case.rule, comparison.kind, comparison.unit
    if level is None or rule.value is None:
        raise ValueError("a rule about a value has a level")
    proven, contrary = (level.above, level.below) if rule.require == "at_least" else (level.below, level.above)
    score = words.share(level.score, kind, unit, bounds=(rule.value,))
    if case.reference and not rule.above_noise:
        more = " beyond guessing" if rule.above_chance else ""
        score += f" {case.job.metrics[0].rsplit('/', 1)[-1]}{more} against {case.reference}"
    if level.low is not None and level.high is not None:
        low = words.share(level.low, kind, bounds=(rule.value,))
        ends = f"{low} to {words.share(level.high, kind, unit, bounds=(rule.value,))}"
        score += f" ({100 * comparison.level:.0f} % interval {ends})"
    asked = f"{rule.require.replace('_', ' ')} {words.asked(rule.value, kind, unit)}"
    start = f"{score} over {level.items:,} item{'' if level.items == 1 else 's'}"
    if proven <= rule.alpha:
        told = words.score_seen(_score_mde(case), rule.value, rule.require == "at_least", kind, unit)
        return "pass", f"{start}: {asked} is proven ({level.method}, {words.probability(proven, rule.alpha)}); {told}"
    if contrary <= rule.alpha:
        return "fail", f"{start}: {asked} is ruled out ({level.method}, {words.probability(contrary, rule.alpha)})"
    open_question = f"{asked} is neither proven nor ruled out ({level.method}, {words.probability(proven, rule.alpha)})"
    return "inconclusive", f"{start}: {open_question}; {_needed(comparison)}"


def _score_mde(case: Case) -> float | None:
    """How far on the wrong side of the value a score must be to be told from it with 80 % power; None where none could be."""
    level = case.level
    if level is None or case.rule.value is None or level.low is None or level.high is None:
        return None
    if level.exact:
        return stats.binomial_mde(
            level.items, case.rule.value, "less" if case.rule.require == "at_least" else "greater", case.nominal
        )
    return stats.mean_mde(_error(case, level.score, level.low, level.high), case.nominal)


def _error(case: Case, score: float, low: float, high: float) -> float:
    """The standard error behind an interval; of one that ends at 0, because nothing is less than explained, by its longer half."""
    half = max(high - score, score - low) if case.rule.above_chance else (high - low) / 2
    return half / stats.normal_quantile(1 - case.nominal)


def _two_p(p: float, adjusted: float, alpha: float) -> str:
    """A p-value, with its correction where that changed it."""
    alone = words.probability(p, alpha)
    return alone if adjusted <= p else f"{alone}, after Holm {words.probability(adjusted, alpha)}"


def _three_p(p: float, over: Over | None, adjusted: float, alpha: float) -> str:
    """A p-value, after looking at several candidates or recipes, and after Holm over the candidate's own claims."""
    if over is None:
        return _two_p(p, adjusted, alpha)
    why = f" ({over.why})" if over.why else ""
    alone, among = words.probability(p, alpha), words.probability(over.p, alpha)
    first = f"{alone}, after {over.method} over {over.candidates} {over.what}{why} {among}"
    return first if adjusted <= over.p else f"{first}, after Holm {words.probability(adjusted, alpha)}"


def _items_needed(case: Case) -> tuple[int | None, bool]:
    """Items that would decide with 80 % power, and whether that takes both sides to be equally good, or all to be as seen.

    For non-inferiority the former, as long as it asks for more items than there are: having them, only the gain as seen is left.
    """
    level, rule = case.level, case.rule
    if level is not None and rule.value is not None:
        if level.low is None or level.high is None:
            return None, False
        if level.exact and rule.require in ("at_least", "at_most"):
            design = stats.Design(level.items, score=level.score)
            return stats.items_for(rule.require, design, margin=rule.value, alpha=case.final), False
        error = _error(case, level.score, level.low, level.high)
        distance = (level.score - rule.value) * (1 if rule.require == "at_least" else -1)
        return stats.mean_items(error, level.items, distance, case.final), False
    evidence = case.pair.evidence if case.pair is not None else None
    if evidence is None:
        return None, False
    if rule.require == "superior":
        return evidence.items_needed(case.margin, case.final), False
    equal = evidence.items_needed(-case.margin, case.final, equal=True)
    if equal is None or equal > evidence.items:
        return equal, True
    return evidence.items_needed(-case.margin, case.final), False


def _needed(comparison: Comparison) -> str:
    items = comparison.parameters.get("items_needed")
    if comparison.low is None or (comparison.parameters.get("value") is not None and comparison.parameters["score_low"] is None):
        return "how many items it would take cannot be told from these"
    if items is None:
        return "if all is as seen here, no number of items would prove it"
    equal = comparison.parameters["items_if_equal"]
    assumed = "an equally good candidate would pass" if equal else "if all is as seen here, it would pass"
    return f"{assumed} with about {words.rounded(items)} item{'' if items == 1 else 's'} (80 % power)"


def _worst_case(case: Case, outcome: Outcome) -> str:
    """What the missing items could change, each counted as lost, or at the worse end of a score."""
    pair = case.pair
    if pair is None or outcome != "pass":
        return ""
    if case.level is not None:
        if case.worst is None:
            return ""
        worst = case.worst.above if case.rule.require == "at_least" else case.worst.below
        return _if_missing(case.missing, "counted at the worse end", worst > case.nominal)
    missing = pair.absent + pair.failed
    evidence = pair.worst_case(missing)
    if evidence is None:
        return ""
    if case.rule.require == "not_regressed":
        changed = evidence.test(case.border, "less").p <= case.nominal
    else:
        changed = evidence.test(case.border, "greater").p > case.nominal
    return _if_missing(missing, "counted as lost", changed)


def _if_missing(missing: int, counted: str, changed: bool) -> str:
    items = f"{missing:,} missing item{'' if missing == 1 else 's'}"
    return f"; {items} {counted} would {'' if changed else 'not '}change that"
