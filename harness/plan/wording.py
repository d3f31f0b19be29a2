"""A plan in sentences that an engineer understands in ten seconds. Numbers in, words out."""

from __future__ import annotations

from collections.abc import Sequence

from harness.gate.policy import of_people
from harness.gate.sentences import amount, in_unit, joined, rounded, share, signed
from harness.plan.forecast import VALUE_RULES, Forecast, Plan
from harness.plan.known import ASSUMED_DISCORDANCE, ASSUMED_FLAGS, ASSUMED_ICC


def asked(each: Forecast) -> str:
    """What the rule asks for."""
    if each.require in VALUE_RULES:
        value = "?" if each.value is None else share(each.value, each.kind, each.unit)
        return f"{each.require.replace('_', ' ')} {value}"
    margin = amount(each.margin, each.kind, each.unit) if each.margin else ""
    if each.require == "non_inferior":
        return f"loss < {margin}" if margin else f"loss < {100 * (each.relative or 0):g} % of the score"
    if each.require == "superior":
        return f"gain > {margin}" if margin else "a gain"
    return f"no proven loss over {margin}" if margin else "no proven loss"


def change(each: Forecast) -> str:
    """How much changes between two equally good candidates, and whether that was seen."""
    origin = {"seen": "seen", "noise": "A/A", "assumed": "assumed"}[each.origin]
    if each.changes is not None:
        return f"{100 * each.changes:.2g} % {origin}"
    if each.sd is None:
        return ""
    return f"sd {in_unit(f'{each.sd:.2g}', each.unit)} {origin}"


def chance(probability: float | None) -> str:
    """A probability; never a certainty."""
    if probability is None:
        return "?"
    if probability < 0.01:
        return "< 1 %"
    return "> 99 %" if probability > 0.99 else f"{100 * probability:.0f} %"


def sight(each: Forecast) -> str:
    """What these items can do."""
    if each.passes is None:
        return "unknown until people vote" if of_people(each.metric) else "unknown until measured once"
    if each.why:
        return "nothing: " + ("refused, see below" if each.refused else "blind, see below" if each.blind else "too few items")
    if each.smallest is None:
        if each.require in VALUE_RULES:
            return ""
        return "see no loss" if each.require == "not_regressed" else "nothing"
    size = amount(each.smallest, each.kind, each.unit)
    return {"non_inferior": f"certify {size}", "superior": f"prove a gain of {size}", "not_regressed": f"see a loss of {size}"}[
        each.require
    ]


def sentences(plan: Plan, baseline: str) -> list[str]:
    """What these suites can certify and what they cannot, how probable a pass is, and what was assumed."""
    power, found = plan.power, plan.forecasts
    if not found:
        return ["The policy has no rule, so that nothing would be decided."]
    blocking = [each for each in found if each.severity == "block" and not each.implicit]
    margins = [each for each in blocking if each.require == "non_inferior" and each.passes is not None]
    can = [each for each in margins if each.passes is not None and each.passes >= power]
    lines = [_together(plan, baseline)]
    if plan.declared is not None:
        effects = joined([_effect(each) for each in found if each.effect and not each.implicit], most=4)
        lines.append(f"With the effects declared ({effects}) it passes with probability {chance(plan.declared)}.")
    cannot = [each for each in margins if each not in can]
    if cannot:
        lines.append(f"These suites cannot certify: {'; '.join(_short(each) for each in cannot[:6])}{_more(cannot, 6)}.")
    if can:
        they = "They" if cannot else "These suites"
        lines.append(f"{they} can certify (≥ {100 * power:.0f} %): {joined([_within(each) for each in can], most=6)}.")
    lines += _claims(blocking, power)
    unforeseen = [each for each in blocking if each.passes is None]
    if unforeseen:
        listed = "; ".join(f"{each.title}: {each.why}" for each in unforeseen[:4])
        lines.append(f"Left out of these probabilities, because nobody can know yet: {listed}{_more(unforeseen, 4)}.")
    hinging = list(dict.fromkeys(each.metric for each in found if each.hinging and each.passes is not None))
    if hinging:
        lines.append(
            f"Only answers show which items have a score of {joined(hinging, most=4)}: all that may are counted, so that the "
            "chances are the most there can be. Measure the baseline, and the plan takes what was seen."
        )
    refused = [each for each in found if each.refused]
    blind = [each for each in found if each.blind and not each.implicit and not each.refused]
    few = [each for each in found if each.why and each.passes == 0.0 and not (each.refused or each.blind or each in cannot)]
    for word, named in (("Refused", refused), ("Blind", blind), ("Too few items", few)):
        if named:
            lines.append(f"{word}: {'; '.join(f'{each.title}: {each.why}' for each in named[:4])}{_more(named, 4)}.")
    unseeing = [each for each in blocking if each.require == "not_regressed" and each.smallest is None and each.passes]
    if unseeing:
        listed = joined([f"{each.title} ({each.items:,} items)" for each in unseeing], most=4)
        lines.append(f"No loss, however large, would be seen with probability {100 * power:.0f} % by {listed}: a pass says little.")
    return [*lines, *_origin(found)]


def _effect(each: Forecast) -> str:
    return f"{each.metric} {signed(each.effect, each.kind, each.unit)}"


def _within(each: Forecast) -> str:
    return f"{each.title} within {amount(each.margin or 0.0, each.kind, each.unit)}"


def _short(each: Forecast) -> str:
    if each.refused or each.blind:
        return f"{_within(each)} (it is {'refused' if each.refused else 'blind'}, see below)"
    if each.why:
        return f"{_within(each)} ({each.why})"
    if each.needed is None:
        items = f"no number of items is enough (has {each.items:,})"
    else:
        items = f"needs about {rounded(each.needed)} items (has {each.items:,})"
    other = "" if each.smallest is None else f", or a margin of {amount(each.smallest, each.kind, each.unit)}"
    return f"{_within(each)}: passes only {chance(each.passes)} of the time, {items}{other}"


def _more(listed: Sequence[Forecast], most: int) -> str:
    return f"; and {len(listed) - most} more" if len(listed) > most else ""


def _claims(found: Sequence[Forecast], power: float) -> list[str]:
    claims = [each for each in found if each.require == "superior" and each.smallest is not None]
    if not claims:
        return []
    listed = joined([f"{each.title}, from {amount(each.smallest or 0.0, each.kind, each.unit)} on" for each in claims], most=4)
    return [f"A true gain is proven with probability {100 * power:.0f} %: {listed}."]


def _together(plan: Plan, baseline: str) -> str:
    claims = sum(each.require == "superior" and each.severity == "block" for each in plan.forecasts)
    if plan.harmless is None:
        if claims:
            return "There is no blocking rule but claims of gain: declare the gain that you expect with --effect to see P(pass)."
        return "P(pass) of the gate cannot be foreseen: there is no blocking rule that can be."
    rules = f"all blocking rules but the {'claim' if claims == 1 else f'{claims} claims'} of gain" if claims else "the whole gate"
    return f"A candidate exactly as good as {baseline} passes {rules} with probability {chance(plan.harmless)}."


def _origin(found: Sequence[Forecast]) -> list[str]:
    """Where the numbers come from."""
    rules = [each for each in found if not each.implicit and each.passes is not None]
    assumed = [each for each in rules if each.origin == "assumed"]
    seen = list(dict.fromkeys(each.source for each in rules if each.origin != "assumed"))
    lines = []
    if assumed:
        most = "" if len(assumed) == len(rules) else f" for {len(assumed)} of {len(rules)} decisions"
        clustered = any(each.clusters < each.items for each in assumed)
        alike = f", alike within a cluster (correlation {ASSUMED_ICC:g})" if clustered else ""
        lines.append(
            f"Assumed{most}: two equally good checkpoints answer {100 * ASSUMED_DISCORDANCE:.0f} % of the items "
            f"differently{alike}, and {100 * ASSUMED_FLAGS:.0f} % change a flag. The store has no run "
            "of other weights on these items: measure a candidate, and the plan takes what was seen."
        )
    if seen:
        lines.append(f"What changes was seen in the store: {joined(seen, most=3)}.")
    return lines
