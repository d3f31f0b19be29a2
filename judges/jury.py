"""Several judges on labelled pairs: how much each counts, what each adds, and whether together they may gate.

Every labelled pair is judged by the jury with weights that did not see its label (``harness.stats.jury``). It is examined as one
judge: by the verdict that has most of the weight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from harness.protocols import Conversation, Judge, preferring
from harness.records import Admission, Judgment, Juror, Record
from harness.stats.agreement import MISSING
from harness.stats.jury import calibrated, decided, jury_weights
from harness.stats.paired import Array, Codes
from judges.admission import Limits, examine
from judges.anchors import anchored, drifted
from judges.canaries import canaries_of
from judges.labels import LabelledPair
from judges.lockstep import together
from judges.opinions import consistency, unparsable, verdict

LABELS = ("left", "right", "tie")
SCORES = {0: 1.0, 1: 0.0, 2: 0.5, MISSING: 0.5}
"""What a verdict is worth, and a jury that is split evenly."""


class Heard(Record, frozen=True, kw_only=True):
    """What one juror said of every pair and canary, in their order."""

    opinions: tuple[tuple[Judgment, ...], ...]
    alarms: tuple[tuple[Judgment, ...], ...] = ()


def testimony(judge: Judge, pairs: Sequence[LabelledPair], *, canaries: bool) -> Conversation[Heard]:
    """The conversation in which a juror is asked about every pair, and about the canaries."""
    bad = [pair for _, pair in canaries_of(pairs)] if canaries else []
    said = yield from together([preferring(judge, pair.question, pair.left, pair.right, pair.reference) for pair in (*pairs, *bad)])
    found = [tuple(each) for each in said]
    return Heard(opinions=tuple(found[: len(pairs)]), alarms=tuple(found[len(pairs) :]))


def weighed(
    pairs: Sequence[LabelledPair], testimonies: Mapping[str, Heard], again: Mapping[str, Heard], *, limits: Limits
) -> tuple[Admission, Mapping[str, float]]:
    """The admission of the jury, and the weight of each juror. ``again``: what jurors say of the anchors now."""
    names = tuple(testimonies)
    heard = [testimonies[name] for name in names]
    codes = np.array([[_code(each.opinions[index]) for each in heard] for index in range(len(pairs))], dtype=np.intp)
    truth = np.array([LABELS.index(pair.winner) for pair in pairs], dtype=np.intp)
    found = calibrated(codes, truth, len(LABELS))
    if found is None:
        raise ValueError("a jury is weighed on labelled pairs, and there are none")
    weights = _heard(np.array(found.weights))
    others = _without_own(codes, truth)
    opinions = [combined([each.opinions[index] for each in heard], others[index]) for index in range(len(pairs))]
    canaries = canaries_of(pairs)
    alarms = [combined([each.alarms[index] for each in heard], weights) for index in range(len(canaries))]
    admission = msgspec.structs.replace(
        examine(pairs, opinions, name=" + ".join(names), limits=limits, canaries=canaries, alarms=alarms),
        jurors=tuple(
            Juror(
                judge=name,
                weight=float(weights[index]),
                accuracy=found.alone[index],
                jury_without=found.without[index],
                consistency=consistency(heard[index].opinions),
                unparsable=unparsable(heard[index].opinions),
            )
            for index, name in enumerate(names)
        ),
        jury_accuracy=found.accuracy,
        majority_accuracy=found.majority,
        effective_jurors=found.effective,
    )
    if again:
        admission = _drift(admission, pairs, testimonies, again, others, limits)
    return admission, dict(zip(names, map(float, weights), strict=True))


def combined(opinions: Sequence[Sequence[Judgment]], weights: Array) -> tuple[Judgment, ...]:
    """What a jury says of one pair, order by order: what most of the weight says among those whose verdict can be read, and a tie
    where it is split evenly. Jurors who look at two answers apart say the same in both orders."""
    orders = tuple(dict.fromkeys(judgment.order for said in opinions for judgment in said))
    wanted = tuple(order for order in orders if order != "alone") or orders
    found = []
    for order in wanted:
        codes = [_code([each for each in said if each.order in (order, "alone")]) for said in opinions]
        verdicts = decided(np.array([codes], dtype=np.intp), len(LABELS), weights)
        found.append(Judgment(score=None if not verdicts.voted[0] else SCORES[int(verdicts.codes[0])], order=order))
    return tuple(found)


def _code(opinions: Sequence[Judgment]) -> int:
    """A juror's verdict on a pair: the mean over orders."""
    scores = [judgment.score for judgment in opinions if judgment.score is not None]
    if not scores:
        return MISSING
    return LABELS.index(verdict(Judgment(score=sum(scores) / len(scores))))


def _without_own(codes: Codes, truth: Codes) -> Array:
    """Weights for every pair, from the labels of the others; shape (pairs, jurors)."""
    given, hits = codes >= 0, codes == truth[:, None]
    weights = jury_weights(hits.sum(axis=0) - hits, given.sum(axis=0) - given, len(LABELS))
    return np.array([_heard(row) for row in weights])


def _heard(weights: Array) -> Array:
    """Where no juror is better than chance all are heard alike: such a jury fails its examination, and still informs."""
    return weights if weights.sum() > 0 else np.ones_like(weights)


def _drift(
    admission: Admission,
    pairs: Sequence[LabelledPair],
    testimonies: Mapping[str, Heard],
    again: Mapping[str, Heard],
    weights: Array,
    limits: Limits,
) -> Admission:
    """A juror that was not asked anew says what it said."""
    place = {pair.key: index for index, pair in enumerate(pairs)}
    chosen = [place[key] for key in admission.anchors]
    now = []
    for at, index in enumerate(chosen):
        said = [again[name].opinions[at] if name in again else testimonies[name].opinions[index] for name in testimonies]
        now.append(combined(said, weights[index]))
    return drifted(admission, anchored([pairs[index] for index in chosen], now), most=limits.drift)
