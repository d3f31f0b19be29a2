"""What people said, on votes made by hand: every figure worked out on paper, or from its definition."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pytest

from harness.stats import clopper_pearson, wilson
from reports.blind.form import Choice, Form
from reports.blind.key import Key, KeyEntry
from reports.people import what_people_said
from reports.people.arms import panel_of
from reports.people.winning import win_rate
from reports.votes.pooling import Poll, stands_for_all
from reports.votes.vote import Vote
from tests.reports.votes.ballots import entry, key_of

CANDIDATE, BASELINE = 1.0, 0.0


def voted(key: Key, rater: str, said: Mapping[int, float | str], **more: Any) -> list[Vote]:
    """``said``: number of the item -> 1 the candidate, 0 the baseline, or the choice itself."""
    rows = {int(row.review_id[1:]): row for row in key.entries}
    return [Vote(review_id=rows[n].review_id, rater=rater, choice=_choice(rows[n], what), **more) for n, what in said.items()]


def _choice(row: KeyEntry, what: float | str) -> Choice:
    if isinstance(what, str):
        return msgspec.convert(what, Choice)
    other: Choice = "left" if row.candidate_side == "right" else "right"
    return (row.candidate_side or "left") if what == CANDIDATE else other


def sided(count: int, **more: Any) -> Key:
    return key_of(*(entry(number, left=number % 2 == 0, **more) for number in range(1, count + 1)))


def test_the_win_rate_averages_votes_inside_an_item_and_ties_are_halves() -> None:
    key = sided(6)
    votes = [*voted(key, "ana", {1: 1.0, 2: 1.0, 3: 0.0, 4: "tie"}), *voted(key, "bo", {1: 0.0, 2: 1.0, 5: "both_bad"})]
    people = what_people_said(votes, key)
    assert people.win.value == pytest.approx((0.5 + 1 + 0 + 0.5 + 0.5) / 5)
    assert (people.items, people.voted, people.votes, people.win.count) == (6, 5, 7, 5)
    assert people.labels == {"baseline": 2, "tie": 1, "both bad": 1, "candidate": 3}
    assert people.settled.value == pytest.approx((1 + 0 + 0.5 + 0.5) / 4)
    assert (people.uneven, people.awake, people.plain.value) == (False, None, people.win.value)


def test_many_votes_on_one_item_are_no_more_certain_than_one() -> None:
    """Ten raters who all say the same of eight items know of eight items, not of eighty."""
    key = sided(8)
    said = {number: float(number <= 7) for number in range(1, 9)}
    once = what_people_said(voted(key, "r0", said), key).win
    often = what_people_said([vote for rater in range(10) for vote in voted(key, f"r{rater}", said)], key).win
    assert (often.value, often.low, often.high, often.p) == (once.value, once.low, once.high, once.p)
    low, high = wilson(70, 80, 0.95)
    assert once.low is not None
    assert once.low < low
    assert once.high is not None
    assert once.high > high
    assert once.p == pytest.approx(2 * 9 / 2**8)


def test_items_of_one_cluster_are_one() -> None:
    rows = tuple(entry(n, left=n % 2 == 0, cluster=f"c{n % 30}") for n in range(1, 121))
    apart = key_of(*(msgspec.structs.replace(row, cluster=None) for row in rows))
    together = key_of(*rows)
    said = {n: float(n % 30 < 18) for n in range(1, 121)}
    wide, narrow = what_people_said(voted(together, "a", said), together).win, what_people_said(voted(apart, "a", said), apart).win
    assert wide.value == narrow.value == pytest.approx(0.6)
    assert wide.high is not None
    assert wide.low is not None
    assert narrow.high is not None
    assert narrow.low is not None
    assert (wide.high - wide.low) / (narrow.high - narrow.low) == pytest.approx(2, rel=0.15)  # four copies of each


def test_disputed_items_that_were_likelier_to_be_drawn_count_less() -> None:
    """Ten of ten disputed items and ten of ninety others were drawn, and the candidate won 9 and 2: by weight 9 + 2 · 9 of 100."""
    hard = [entry(n, left=n % 2 == 0, stratum="disputed", probability=1.0) for n in range(1, 11)]
    easy = [entry(n, left=n % 2 == 0, stratum="rest", probability=10 / 90) for n in range(11, 21)]
    key = key_of(*hard, *easy)
    people = what_people_said(voted(key, "a", {n: float(n <= 9 or n in (11, 12)) for n in range(1, 21)}), key)
    assert people.win.value == pytest.approx(0.27)
    assert people.plain.value == pytest.approx(11 / 20)
    assert people.uneven


def test_work_left_undone_in_one_stratum_does_not_let_another_speak_for_it() -> None:
    """Two strata of equal size, ten items drawn of each; all ten have votes in one (all won), two in the other (all lost): ½."""
    rows = [entry(n, left=n % 2 == 0, stratum="en" if n <= 10 else "zh", probability=0.2) for n in range(1, 21)]
    key = key_of(*rows)
    people = what_people_said(voted(key, "a", {n: float(n <= 10) for n in range(1, 13)}), key)
    assert people.win.value == pytest.approx(0.5)
    assert people.plain.value == pytest.approx(10 / 12)
    assert people.uneven
    weights = stands_for_all([Poll(key=key, votes=tuple(voted(key, "a", dict.fromkeys(range(1, 13), 1.0))), people=people)])
    assert sorted(weights.values()) == pytest.approx([5.0] * 10 + [25.0] * 10)


def test_weighting_by_probability_is_unbiased_where_plain_shares_are_not() -> None:
    """Of 400 items 100 are disputed (the candidate wins 80 %), the rest are not (30 %): 42.5 % in all. Half of the disputed and a
    tenth of the others are drawn: the plain share is near 61 %."""
    rng = np.random.default_rng(3)
    truth = np.concatenate([np.arange(100) < 80, np.arange(300) < 90]).astype(float)
    found, plain, inside = [], [], 0
    for _ in range(60):
        drawn = [*rng.choice(100, 50, replace=False), *(100 + rng.choice(300, 30, replace=False))]
        rows = [entry(n + 1, left=bool(n % 2), stratum=str(place < 100), probability=0.5 if place < 100 else 0.1)
                for n, place in enumerate(drawn)]  # fmt: skip
        key = Key(suite="s", seed=0, baseline=KEY.baseline, candidate=KEY.candidate, entries=tuple(rows))
        panel = panel_of(voted(key, "a", {n + 1: float(truth[place]) for n, place in enumerate(drawn)}), key)
        one, other = win_rate(panel, 0.95), win_rate(panel, 0.95, even=True)
        assert one.value is not None
        assert one.low is not None
        assert one.high is not None
        assert other.value is not None
        found.append(one.value)
        plain.append(other.value)
        inside += one.low <= 0.425 <= one.high
    assert np.mean(found) == pytest.approx(0.425, abs=0.02)
    assert np.mean(plain) > 0.58
    assert inside >= 52


KEY = key_of()


def test_agreement_is_about_the_answers_and_not_about_the_sides() -> None:
    """Both take the candidate everywhere, which stands left and right by turns: they agree in full."""
    key = sided(20)
    said = {n: float(n % 4 > 0) for n in range(1, 21)}
    people = what_people_said([*voted(key, "ana", said), *voted(key, "bo", said)], key)
    named = {each.name: each for each in people.agreement}
    assert len(named) == 6
    assert all(each.value == pytest.approx(1.0) and each.items == 20 for each in people.agreement)
    assert all(each.low is not None and each.low < 1 for each in people.agreement)
    one_side = what_people_said(
        [*voted(key, "ana", dict.fromkeys(said, "left")), *voted(key, "bo", dict.fromkeys(said, "left"))], key
    )
    assert one_side.agreement[0].value == pytest.approx(1.0)
    assert (one_side.panel.left.value, one_side.raters[0].left.value) == (1.0, 1.0)
    assert one_side.raters[0].left.p == pytest.approx(2 / 2**20)


def test_kappa_by_hand_and_undefined_where_all_say_one_thing() -> None:
    """Ana: 6 for the candidate, 4 for the baseline; Bo agrees on 5 and 3. Observed 0.8; by chance .6 · .6 + .4 · .4 = .52."""
    key = sided(10)
    ana = {n: float(n <= 6) for n in range(1, 11)}
    bo = {**ana, 6: 0.0, 7: 1.0}
    people = what_people_said([*voted(key, "ana", ana), *voted(key, "bo", bo)], key)
    found = {each.name: each.value for each in people.agreement}
    assert found["Cohen's kappa"] == pytest.approx((0.8 - 0.52) / (1 - 0.52))
    same = what_people_said([*voted(key, "ana", dict.fromkeys(ana, 1.0)), *voted(key, "bo", dict.fromkeys(ana, 1.0))], key)
    raw, *beyond = same.agreement
    assert raw.value == 1.0
    assert all(each.value is None and "same label" in each.because for each in beyond)
    alone = what_people_said(voted(key, "ana", ana), key)
    assert all(each.value is None and each.because for each in alone.agreement)


def test_attention_checks_and_what_is_left_without_those_who_failed_them() -> None:
    checks = [entry(n, item=f"check{n}", kind="attention", candidate_side=None, expected="left") for n in range(21, 27)]
    key = key_of(*(entry(n, left=n % 2 == 0) for n in range(1, 21)), *checks)
    good = voted(key, "ana", {**{n: float(n <= 15) for n in range(1, 21)}, **dict.fromkeys(range(21, 27), "left")})
    asleep = voted(key, "bo", {**dict.fromkeys(range(1, 21), "right"), **dict.fromkeys(range(21, 26), "right"), 26: "tie"})
    people = what_people_said([*good, *asleep], key)
    ana, bo = people.raters
    assert ((ana.failed, ana.checks), (bo.failed, bo.checks)) == ((0, 6), (6, 6))
    assert bo.checks_p == pytest.approx(0.1**6)
    assert people.dozing == ("bo",)
    assert people.awake is not None
    assert people.awake.value == pytest.approx(0.75)
    assert people.win.value == pytest.approx(0.5 * (0.75 + 0.5))
    assert (people.items, people.votes) == (20, 40)
    assert people.labels == {"baseline": 15, "candidate": 25}
    assert (ana.voted, ana.given) == (26, 26)


def test_self_agreement_is_about_the_answers_though_sides_were_exchanged() -> None:
    rows = [entry(n, left=n % 2 == 0) for n in range(1, 11)]
    again = [entry(n + 10, left=n % 2 == 1, kind="duplicate", item=f"item{n}", twin=f"r{n:03d}") for n in range(1, 11)]
    key = key_of(*rows, *again)
    steady = voted(key, "ana", {n: float((n - 1) % 10 < 6) for n in range(1, 21)})
    sideways = voted(key, "bo", dict.fromkeys(range(1, 21), "left"))
    people = what_people_said([*steady, *sideways], key)
    ana, bo = people.raters
    assert (ana.again.value, ana.again.count, bo.again.value) == (1.0, 10, 0.0)
    assert ana.again_kappa.value == pytest.approx(1.0)
    assert people.votes == 20  # of each pair of showings the first counts
    assert people.panel.again.value == pytest.approx(0.5)


def test_length_and_pace() -> None:
    texts = ({"left": "s", "right": "长" * 300}, {"left": "long " * 40, "right": "s"})
    key = key_of(*(msgspec.structs.replace(entry(n, left=n % 2 == 0), **texts[n % 2]) for n in range(1, 11)))
    longer = {n: "left" if n % 2 else "right" for n in range(1, 11)}
    hasty = voted(key, "ana", longer, seconds=3.0)
    slow = voted(key, "bo", dict.fromkeys(range(1, 11), "tie"), seconds=30.0)
    people = what_people_said([*hasty, *slow, *voted(key, "cy", {1: "tie"})], key)
    ana, bo, cy = people.raters
    assert (ana.longer.value, ana.longer.p) == (1.0, pytest.approx(2 / 2**10))
    assert (ana.longer.low, ana.longer.high) == pytest.approx(clopper_pearson(10, 10, 0.95))
    assert bo.longer.value is None
    assert (ana.seconds, ana.hurried, bo.hurried) == (3.0, 5, 0)  # 300 Chinese characters cannot be read in three seconds
    assert (cy.seconds, cy.pace) == (None, None)
    assert ana.pace is not None
    assert math.isclose(ana.pace, 3.0 / 16.5)


def test_strength_counts_in_the_labels_and_not_in_the_win_rate() -> None:
    key = key_of(*(entry(n, left=True) for n in range(1, 4)), form=Form(strength=True))
    people = what_people_said(voted(key, "a", {1: "left_much", 2: "right", 3: "right_much"}), key)
    assert people.labels == {"baseline, much": 1, "baseline": 1, "candidate, much": 1}
    assert people.win.value == pytest.approx(1 / 3)


def test_no_votes_and_raters_who_never_answered() -> None:
    key = key_of(raters=("Ana", "Bo"))
    people = what_people_said([], key)
    assert (people.votes, people.win.value, people.win.note, people.agreement) == (0, None, "nobody voted", ())
    assert [(rater.name, rater.voted, rater.given) for rater in people.raters] == [("Ana", 0, 6), ("Bo", 0, 6)]
