"""Several judges on labelled pairs: weights, what each adds, and a jury that changed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from harness.records import Judgment, Message
from judges.admission import Limits
from judges.canaries import canaries_of
from judges.jury import Heard, combined, weighed
from judges.labels import LabelledPair

LIMITS = Limits(canaries=0)


def pairs(count: int = 40) -> list[LabelledPair]:
    winners = ("left", "right")
    return [
        LabelledPair(
            key=str(index), question=(Message(role="user", content=f"q{index}"),), left="l", right="r", winner=winners[index % 2]
        )
        for index in range(count)
    ]


def juror(labelled: Sequence[LabelledPair], wrong: set[int]) -> Heard:
    """A juror that is consistent over orders, and wrong about these pairs."""

    def opinions(index: int, pair: LabelledPair) -> tuple[Judgment, ...]:
        score = float((pair.winner == "left") != (index in wrong))
        return (Judgment(score=score, order="left"), Judgment(score=score, order="right"))

    alarms = tuple((Judgment(score=1.0, order="left"), Judgment(score=1.0, order="right")) for _ in canaries_of(labelled))
    return Heard(opinions=tuple(opinions(index, pair) for index, pair in enumerate(labelled)), alarms=alarms)


def test_weights_are_log_odds_pulled_to_the_common_accuracy_and_the_jury_is_examined_as_one_judge() -> None:
    labelled = pairs()
    heard = {"a": juror(labelled, {0, 1}), "b": juror(labelled, set(range(4, 14))), "c": juror(labelled, {20, 21})}
    admission, weights = weighed(labelled, heard, {}, limits=LIMITS)
    common = (38 + 30 + 38 + 1) / (120 + 3)
    accuracies = [(hits + 10 * common) / 50 for hits in (38, 30, 38)]
    assert list(weights.values()) == pytest.approx([math.log(2 * each / (1 - each)) for each in accuracies])
    assert (admission.judge, admission.pairs, admission.accuracy, admission.admitted) == ("a + b + c", 40, 1.0, True)
    assert (admission.jury_accuracy, admission.majority_accuracy) == (1.0, 1.0)
    # Without a, b stands against c on ten pairs and two, and c counts more: wrong are the two that only c errs on.
    assert [each.jury_without for each in admission.jurors] == pytest.approx([38 / 40, (40 - 4) / 40, 38 / 40])


def test_three_that_err_together_are_one_juror_and_the_majority_is_wrong_with_them() -> None:
    labelled = pairs()
    alike = set(range(24))
    heard = {name: juror(labelled, alike) for name in ("a", "b", "c")} | {"d": juror(labelled, set())}
    admission, weights = weighed(labelled, heard, {}, limits=LIMITS)
    assert admission.majority_accuracy == 16 / 40
    assert admission.jury_accuracy == 1.0  # one that is always right outweighs three that are no better than 0.4
    assert weights["d"] > 3 * weights["a"]
    assert admission.effective_jurors == pytest.approx(4 / 3, abs=0.5)


def test_where_nobody_is_better_than_chance_all_are_heard_alike_and_none_may_gate() -> None:
    labelled = pairs()
    heard = {name: juror(labelled, set(range(40))) for name in ("a", "b")}
    admission, weights = weighed(labelled, heard, {}, limits=LIMITS)
    assert weights == {"a": 1.0, "b": 1.0}
    assert not admission.admitted
    assert admission.accuracy == 0.0


def test_a_jury_that_says_otherwise_of_the_anchors_may_not_gate() -> None:
    labelled = pairs()
    heard = {name: juror(labelled, set()) for name in ("a", "b", "c")}
    anchors = [pair for pair in labelled if pair.key in weighed(labelled, heard, {}, limits=LIMITS)[0].anchors]
    assert len(anchors) == 12
    same, other = juror(anchors, set()), juror(anchors, set(range(6)))
    one, _ = weighed(labelled, heard, {"a": other, "b": same}, limits=LIMITS)
    assert (one.drift, one.admitted) == (0.0, True)  # outvoted by the two that did not change
    two, _ = weighed(labelled, heard, {"a": other, "b": other}, limits=LIMITS)
    assert (two.drift, two.admitted) == (0.5, False)
    assert "it has changed" in two.reasons[-1]


def test_a_juror_that_cannot_be_read_abstains_and_silence_of_all_is_unparsable() -> None:
    said = [
        (Judgment(score=1.0, order="left"), Judgment(order="right")),
        (Judgment(score=0.0, order="left"), Judgment(order="right")),
    ]
    left, right = combined(said, np.array([3.0, 1.0]))
    assert (left.score, left.order) == (1.0, "left")  # what most of the weight says
    (split,) = combined([(Judgment(score=1.0),), (Judgment(score=0.0),)], np.array([2.0, 2.0]))
    assert split.score == 0.5
    assert (right.score, right.order) == (None, "right")
    (alone,) = combined([(Judgment(score=1.0),), (Judgment(),)], np.array([1.0, 5.0]))
    assert (alone.score, alone.order) == (1.0, "alone")
