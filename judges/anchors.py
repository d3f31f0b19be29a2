"""Anchors: a few labelled pairs that are judged again at every run, past the journal. A judge that says otherwise than when it was
examined is another judge, and what it says is another metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from harness.protocols import Conversation, Judge, preferring
from harness.records import Admission, Judgment
from judges.canaries import spread
from judges.labels import LabelledPair
from judges.lockstep import together
from judges.opinions import Verdict, verdict, yes

ANCHORS = 12

Scores = dict[str, tuple[float | None, ...]]
"""Key of an anchor -> the score of every order."""


def anchors_of(pairs: Sequence[LabelledPair]) -> Sequence[LabelledPair]:
    """Pairs from all over the labelled ones; the same ones every time."""
    return spread(pairs, ANCHORS)


def anchored(pairs: Sequence[LabelledPair], opinions: Sequence[Sequence[Judgment]]) -> Scores:
    """What was said of the anchors among these pairs."""
    kept = {pair.key for pair in anchors_of(pairs)}
    return {pair.key: tuple(each.score for each in said) for pair, said in zip(pairs, opinions, strict=True) if pair.key in kept}


def prefers(score: float | None) -> Verdict:
    """What a score says of two answers."""
    return verdict(Judgment(score=score))


def rejudging(judge: Judge, pairs: Sequence[LabelledPair]) -> Conversation[Scores]:
    """The conversation in which the judge is asked about the anchors once more."""
    chosen = anchors_of(pairs)
    opinions = yield from together([preferring(judge, pair.question, pair.left, pair.right, pair.reference) for pair in chosen])
    return anchored(chosen, opinions)


def drifted(admission: Admission, again: Mapping[str, tuple[float | None, ...]], *, most: float) -> Admission:
    """The admission with the share of anchor verdicts that are others now. With more than ``most`` of them the judge may not gate.

    Only the winner counts, or yes and no: a fractional score that moves a little is no other verdict.
    """
    told = yes if admission.alone else prefers
    then = [score for scores in admission.anchors.values() for score in scores]
    now = [score for key in admission.anchors for score in again[key]]
    changed = sum(told(one) != told(two) for one, two in zip(then, now, strict=True))
    share = changed / max(len(then), 1)
    if share <= most:
        return msgspec.structs.replace(admission, drift=share)
    what = "answers" if admission.alone else "pairs"
    reason = (
        f"{changed} of {len(then)} verdicts on anchor {what} are others than when the judge was examined: it has changed, and is "
        "another judge; give its engine another revision in the config, so that all is judged anew"
    )
    return msgspec.structs.replace(admission, drift=share, admitted=False, reasons=(*admission.reasons, reason))
