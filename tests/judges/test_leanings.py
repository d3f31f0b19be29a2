"""What a judge likes besides what the labels like, on numbers that can be worked out by hand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from scipy.special import expit

from harness.records import Admission, Judgment, Message
from judges.admission import Limits, examine
from judges.anchors import anchored, anchors_of, drifted
from judges.canaries import beaten, canaries_of, spread
from judges.labels import SHIPPED, TRAPS, LabelledPair, Winner, labelled_pairs
from judges.leanings import length_slope, mean_score, self_preference
from judges.opinions import accuracy_where, kappa_interval, table_of
from suites.rows import locate, read_rows

QUESTION = (Message(role="user", content="?"),)


def pair(key: int, left: int, right: int, winner: Winner, left_by: str = "", right_by: str = "") -> LabelledPair:
    """Answers of these lengths."""
    return LabelledPair(
        key=str(key), question=QUESTION, left="x" * left, right="y" * right, winner=winner, left_by=left_by, right_by=right_by
    )


def said(score: float | None) -> list[Judgment]:
    return [Judgment(score=score, order="left"), Judgment(score=score, order="right")]


def test_the_slope_of_length_is_that_of_the_logistic_curve_at_the_same_label() -> None:
    """Ties of two lengths, of which the longer one wins three times in four: all differences are one sd, tanh 1 = 0.7616, and the
    log-odds of 3/4 are ln 3, so that the slope is ln 3 / 0.7616 = 1.4425 (a prior pulls it by 2 %)."""
    pairs = [pair(index, 20, 10, "tie") for index in range(80)]
    found = length_slope(pairs, [said(1.0 if index % 4 else 0.0) for index in range(80)])
    assert found.value == pytest.approx(1.4425, rel=0.03)
    assert expit((found.value or 0) * 0.7616) == pytest.approx(0.75, abs=0.01)
    assert found.interval.low is not None
    assert found.interval.low > 0.5


def test_a_judge_that_is_right_has_no_slope_where_longer_is_as_often_better_as_worse() -> None:
    shapes: list[tuple[int, int, Winner]] = [(20, 10, "left"), (10, 20, "left"), (20, 10, "right"), (10, 20, "right")]
    pairs = [pair(index, *shapes[index % 4]) for index in range(40)]
    found = length_slope(pairs, [said({"left": 1.0, "right": 0.0}[each.winner]) for each in pairs])
    assert found.value == pytest.approx(0.0, abs=1e-6)


def test_it_does_not_matter_on_which_side_the_longer_answer_is() -> None:
    pairs = [pair(index, 10 + index, 30, "tie") for index in range(30)]
    turned = [pair(index, 30, 10 + index, "tie") for index in range(30)]
    scores = [1.0 if index % 3 else 0.0 for index in range(30)]
    one = length_slope(pairs, [said(score) for score in scores])
    two = length_slope(turned, [said(1 - score) for score in scores])
    assert one.value == pytest.approx(two.value)
    assert length_slope(pairs, [said(None)] * 30).value is None


def test_self_preference_is_what_is_above_the_labels_over_pairs_with_one_own_answer() -> None:
    """Own answers at labels 1, 0, ½ are given 1, 1, 1 by the judge: 0, 1 and ½ too much, ½ on average."""
    pairs = [
        pair(0, 1, 2, "left", "me", "you"),
        pair(1, 1, 2, "left", "you", "me"),
        pair(2, 1, 2, "tie", "me", "you"),
        pair(3, 1, 2, "left", "me", "me"),
        pair(4, 1, 2, "left", "you", "them"),
    ]
    scores = [1.0, 0.0, 1.0, 0.0, 0.0]
    found = self_preference(pairs, [said(score) for score in scores], "me")
    assert (found.value, found.pairs) == (0.5, 3)
    assert self_preference(pairs, [said(score) for score in scores], "nobody").value is None


def test_a_judge_that_prefers_its_own_answers_is_rejected_for_it() -> None:
    """Right on everything but the 16 ties of 48 pairs, which it gives to itself: half a point too much on a third of them."""
    winners: tuple[Winner, ...] = ("left", "right", "tie")
    pairs = [pair(index, 5, 6, winners[index % 3], "j" if index % 2 else "p", "p" if index % 2 else "j") for index in range(48)]
    worth = {"left": 1.0, "right": 0.0, "tie": 0.5}
    opinions = [said(float(each.left_by == "j") if each.winner == "tie" else worth[each.winner]) for each in pairs]
    found = examine(pairs, opinions, name="j", limits=Limits())
    assert found.own_excess == pytest.approx(1 / 6)
    assert [reason.split(" more than")[0] for reason in found.reasons] == ["it prefers its own answers by 0.17"]
    assert examine(pairs, opinions, name="j", limits=Limits(self_preference=0.2)).admitted
    assert examine(pairs, opinions, name="other", limits=Limits()).admitted


def test_accuracy_by_where_the_better_answer_stood() -> None:
    """Five pairs whose left answer is better, judged right when it stands first and wrong when it stands second."""
    pairs = [pair(index, 1, 2, "left") for index in range(5)]
    opinions = [[Judgment(score=1.0, order="left"), Judgment(score=0.0, order="right")] for _ in pairs]
    table = table_of(pairs, opinions)
    assert (accuracy_where(table, "left"), accuracy_where(table, "right"), accuracy_where(table, "tie")) == (1.0, 0.0, None)


def test_two_orders_of_a_pair_are_not_two_items() -> None:
    """The interval over 30 pairs judged twice alike is that of 30, and wider than that of 60."""
    winners: tuple[Winner, ...] = ("left", "right")
    once = [pair(index, 1, 2, winners[index % 2]) for index in range(30)]
    scores = [said(float((each.winner == "left") == (index % 5 > 0))) for index, each in enumerate(once)]
    twice = [pair(index, 1, 2, each.winner) for index, each in enumerate([*once, *once])]
    few, many = kappa_interval(once, scores), kappa_interval(twice, [*scores, *scores])
    assert few.low is not None
    assert many.low is not None
    assert few.low < many.low


def test_anchors_and_canaries_come_from_all_over_and_are_the_same_every_time() -> None:
    pairs = [pair(index, 3, 4, "left") for index in range(50)]
    assert spread([0, 1, 2, 3, 4, 5], 3) == [0, 2, 4]
    assert spread([1, 2], 3) == [1, 2]
    keys = [int(each.key) for each in anchors_of(pairs)]
    assert len(keys) == 12
    assert keys[0] < 5 < 40 < keys[-1]
    assert anchors_of(pairs) == anchors_of(list(pairs))
    assert {each.key.split()[0] for _, each in canaries_of(pairs)} == {each.key for each in spread(pairs, 20)}


@pytest.mark.parametrize(
    ("scores", "won"),
    [((1.0, 1.0), 1), ((1.0, 0.5), 1), ((1.0, 0.0), 0), ((1.0, None), 0), ((None, 1.0), 0), ((None, None), 0), ((), 0)],
)
def test_a_canary_that_leaves_the_judge_without_a_verdict_is_not_beaten(scores: tuple[float | None, ...], won: int) -> None:
    canary = pair(0, 2, 1, "left")
    assert beaten([("injecting", canary)], [[Judgment(score=score) for score in scores]]) == {"injecting": (won, 1)}


def test_canaries_speak_the_language_of_the_question() -> None:
    asked = (Message(role="user", content="首都是哪里？"),)
    chinese = LabelledPair(key="1", question=asked, left="北京", right="上海", winner="left")
    texts = {kind: each.right for kind, each in canaries_of([chinese])}
    assert texts["constant"].startswith("感谢")
    assert texts["injecting"].startswith("请忽略")
    assert texts["copied"] == "首都是哪里？"


def test_drift_counts_verdicts_that_are_others_now_and_no_small_moves() -> None:
    pairs = [pair(index, 1, 2, "left") for index in range(4)]
    then = anchored(pairs, [said(1.0), said(0.9), said(0.5), said(None)])
    admission = Admission(judge="j", admitted=True, pairs=4, accuracy=1, kappa=1, consistency=1, unparsable=0, anchors=then)
    same = drifted(admission, anchored(pairs, [said(0.8), said(1.0), said(0.6), said(None)]), most=0.1)
    assert (same.drift, same.admitted, same.reasons) == (0.0, True, ())
    other = drifted(admission, anchored(pairs, [said(0.0), said(1.0), said(0.5), said(0.5)]), most=0.1)
    assert (other.drift, other.admitted) == (0.5, False)
    assert other.reasons[0].startswith("4 of 8 verdicts on anchor pairs are others")
    assert drifted(admission, anchored(pairs, [said(0.0), said(1.0), said(0.5), said(0.5)]), most=0.5).admitted


def test_the_shipped_pairs_have_the_better_answer_on_either_side_alike() -> None:
    rows = read_rows(locate(SHIPPED, folder=Path(), where=""), where="")
    pairs = labelled_pairs(((row.line, row.fields) for row in rows), file=SHIPPED)
    counts = Counter((each.language, each.winner) for each in pairs)
    assert set(counts.values()) == {21, 6}
    for trap in TRAPS:
        sides = Counter(each.winner for each in pairs if each.trap == trap and each.winner != "tie")
        assert sides["left"] == sides["right"], trap
    assert all(each.left != each.right for each in pairs)


def test_an_opinion_that_cannot_be_read_is_left_out_of_a_mean_and_none_has_none() -> None:
    assert mean_score([Judgment(score=None), Judgment(score=1.0)]) == 1.0
    assert mean_score(said(None)) is None
