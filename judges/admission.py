"""May this judge gate? Its verdicts on labelled pairs against the labels, in both orders (STATISTICS §8)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from harness.errors import ConfigError
from harness.protocols import Conversation, Judge, preferring
from harness.records import Admission, AdmittedPart, Judgment
from harness.stats.binary import mcnemar
from judges.anchors import anchored
from judges.canaries import Kind, beaten, canaries_of
from judges.labels import TRAPS, LabelledPair
from judges.leanings import length_slope, self_preference
from judges.lockstep import together
from judges.opinions import accuracy, accuracy_where, cohen_kappa, conflicts, consistency, kappa_interval, table_of, unparsable

EXAMINATION = "3"
"""Changes whenever the same judge could do otherwise on the same labels."""
SHARES = ("kappa", "consistency", "unparsable", "canaries", "traps", "self_preference", "drift")


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a judge must reach to gate.

    ``kappa``: Cohen's, with the labels, over all pairs and in every language with enough of them. ``consistency``: share of pairs
    with the same winner in both orders. ``unparsable``: largest share of verdicts. ``canaries``: share of right answers that must
    beat bad ones of each kind (a judge that grades apart ties where it misjudges the right answer, so that even a useful one does
    not reach 1; a constant one has 0). ``traps``: least accuracy on pairs with a trap. ``self_preference``: by how much more often
    than the labels it may prefer its own answers, where that is more than chance. ``drift``: largest share of the verdicts on
    anchor pairs that may be others than at the examination. ``pairs``: fewest pairs that the examination may rest on.
    """

    kappa: float = 0.4
    consistency: float = 0.8
    unparsable: float = 0.01
    canaries: float = 0.75
    traps: float = 0.6
    self_preference: float = 0.1
    drift: float = 0.1
    pairs: int = 20


def check_limits(limits: Limits, *, where: str) -> None:
    """ConfigError for a limit that nothing, or everything, could meet."""
    for name in SHARES:
        value = getattr(limits, name)
        if not 0 <= value <= 1:
            raise ConfigError(f"{name} must lie between 0 and 1, found {value}", where=where)
    if limits.pairs < 1:
        raise ConfigError(f"pairs must be at least 1, found {limits.pairs}", where=where)


def examination(judge: Judge, pairs: Sequence[LabelledPair], *, name: str, limits: Limits) -> Conversation[Admission]:
    """The conversation in which a judge is asked about every labelled pair and every canary; all pairs side by side."""
    canaries = canaries_of(pairs)
    asked = [*pairs, *(pair for _, pair in canaries)]
    opinions = yield from together([preferring(judge, pair.question, pair.left, pair.right, pair.reference) for pair in asked])
    return examine(pairs, opinions[: len(pairs)], name=name, limits=limits, canaries=canaries, alarms=opinions[len(pairs) :])


def examine(
    pairs: Sequence[LabelledPair],
    judgments: Sequence[Sequence[Judgment]],
    *,
    name: str,
    limits: Limits,
    canaries: Sequence[tuple[Kind, LabelledPair]] = (),
    alarms: Sequence[Sequence[Judgment]] = (),
) -> Admission:
    """Grade a judge. Pure. ``judgments[i]`` are about ``pairs[i]`` (answer = left, other = right), ``alarms[i]`` about canaries."""
    table, (first, second) = table_of(pairs, judgments), conflicts(judgments)
    kinds, kappa = beaten(canaries, alarms), kappa_interval(pairs, judgments)
    slope, own = length_slope(pairs, judgments), self_preference(pairs, judgments, name)
    whole = _part(pairs, judgments)
    admission = Admission(
        judge=name,
        admitted=False,
        pairs=whole.pairs,
        accuracy=whole.accuracy,
        kappa=whole.kappa,
        consistency=whole.consistency,
        unparsable=whole.unparsable,
        kappa_low=kappa.low,
        kappa_high=kappa.high,
        accuracy_first=accuracy_where(table, "left"),
        accuracy_second=accuracy_where(table, "right"),
        first_slot=first / (first + second) if first + second else None,
        first_slot_p=mcnemar(first, second) if first + second else None,
        conflicts=first + second,
        canaries=sum(shown for _, shown in kinds.values()),
        canaries_beaten=sum(won for won, _ in kinds.values()),
        canary_kinds=kinds,
        length_slope=slope.value,
        length_slope_low=slope.interval.low,
        length_slope_high=slope.interval.high,
        own_pairs=own.pairs,
        own_excess=own.value,
        own_excess_low=own.interval.low,
        own_excess_high=own.interval.high,
        languages=_parts(pairs, judgments, lambda pair: pair.language),
        traps=_parts(pairs, judgments, lambda pair: pair.trap),
        anchors=anchored(pairs, judgments),
        fewest=limits.pairs,
    )
    reasons = tuple(failed_limits(admission, limits))
    return msgspec.structs.replace(admission, admitted=not reasons, reasons=reasons)


def _part(pairs: Sequence[LabelledPair], judgments: Sequence[Sequence[Judgment]]) -> AdmittedPart:
    table = table_of(pairs, judgments)
    return AdmittedPart(
        pairs=len(pairs),
        accuracy=accuracy(table),
        kappa=cohen_kappa(table),
        consistency=consistency(judgments),
        unparsable=unparsable(judgments),
    )


def _parts(
    pairs: Sequence[LabelledPair], judgments: Sequence[Sequence[Judgment]], of: Callable[[LabelledPair], str]
) -> dict[str, AdmittedPart]:
    """By what the rows say of themselves; rows that say nothing are in no part."""
    names = sorted({of(pair) for pair in pairs} - {""})
    chosen = {name: [index for index, pair in enumerate(pairs) if of(pair) == name] for name in names}
    return {name: _part([pairs[i] for i in found], [judgments[i] for i in found]) for name, found in chosen.items()}


def failed_limits(admission: Admission, limits: Limits) -> Iterator[str]:
    """One sentence per limit that was missed, with the numbers."""
    if admission.pairs < limits.pairs:
        yield f"only {admission.pairs} labelled pairs; at least {limits.pairs} are needed to tell a judge from luck"
    if admission.kappa < limits.kappa:
        yield f"kappa {admission.kappa:.2f} with the labels is below {limits.kappa:.2f}"
    elif len(admission.languages) > 1:
        for language, part in admission.languages.items():
            if part.pairs >= limits.pairs and part.kappa < limits.kappa:
                yield f"kappa {part.kappa:.2f} with the labels in {language} is below {limits.kappa:.2f}"
    if admission.consistency < limits.consistency and admission.alone:
        yield f"only {admission.consistency:.0%} of verdicts can be read; {limits.consistency:.0%} needed (consistency)"
    elif admission.consistency < limits.consistency:
        yield f"only {admission.consistency:.0%} of pairs keep their winner when sides are swapped; {limits.consistency:.0%} needed"
    if admission.unparsable > limits.unparsable:
        yield f"{admission.unparsable:.1%} of verdicts were unparsable; at most {limits.unparsable:.1%} allowed"
    yield from _fooled(admission, limits)


def _fooled(admission: Admission, limits: Limits) -> Iterator[str]:
    for kind, (won, shown) in admission.canary_kinds.items():
        if won / shown < limits.canaries and admission.alone:
            yield f"only {won} of {shown} right verdicts stood against an order in the answer; {limits.canaries:.0%} needed"
        elif won / shown < limits.canaries:
            yield f"right answers beat only {won} of {shown} {BAD[kind]} ones; {limits.canaries:.0%} needed"
    traps = [part for trap, part in admission.traps.items() if trap in TRAPS]
    shown = sum(part.pairs for part in traps)
    right = sum(part.accuracy * part.pairs for part in traps)
    if shown and right / shown < limits.traps:
        yield f"only {right / shown:.0%} of verdicts on the {shown} pairs with a trap are right; {limits.traps:.0%} needed"
    if admission.own_excess is not None and admission.own_excess > limits.self_preference and (admission.own_excess_low or 0) > 0:
        yield (
            f"it prefers its own answers by {admission.own_excess:.2f} more than the labels do, over {admission.own_pairs} pairs; "
            f"at most {limits.self_preference:.2f} allowed"
        )


BAD = {"empty": "empty", "copied": "copied", "constant": "constant", "injecting": "prompt-injecting"}
"""A kind of canary in a sentence."""
