"""Votes with the key laid beside them: every vote comes back to the answer it was cast for, as an ordinary run."""

from __future__ import annotations

import random
from collections.abc import Mapping

import msgspec
import pytest

from harness.errors import UsageError
from harness.gate import Policy, conclude
from harness.records import Measured, Rule
from reports.blind.form import Choice, Form
from reports.blind.key import OTHER, Key
from reports.people import what_people_said
from reports.votes.pooling import Poll
from reports.votes.unblinding import criterion_name, to_measured
from reports.votes.vote import Rated, Vote
from tests.reports.votes.ballots import entry, key_of, run_of


def unblinded(key: Key, *votes: Vote) -> tuple[Measured, Measured]:
    return to_measured(
        (Poll(key=key, votes=votes, people=what_people_said(votes, key)),), created="now", environment={"python": "3"}
    )


def cast(key: Key, said: Mapping[str, str], rater: str = "ana") -> list[Vote]:
    """``said``: review id -> arm, or choice."""
    sides = {row.review_id: row.candidate_side for row in key.entries}
    found = []
    for name, what in said.items():
        side = sides[name] or "left"
        choice = {"candidate": side, "baseline": OTHER[side]}.get(what, what)
        found.append(Vote(review_id=name, rater=rater, choice=msgspec.convert(choice, Choice)))
    return found


def test_planted_preferences_are_recovered_in_full() -> None:
    draw = random.Random(4)
    key = key_of(*(entry(n, left=draw.random() < 0.5) for n in range(1, 201)))
    planted = {row.review_id: draw.choice(["candidate", "baseline", "tie", "both_bad"]) for row in key.entries}
    baseline, candidate = unblinded(key, *cast(key, planted))
    worth = {"candidate": 1.0, "baseline": 0.0, "tie": 0.5, "both_bad": 0.5}
    assert {sample.key: sample.scores for sample in candidate.samples} == {
        f"pref/{row.item}": {"win": worth[planted[row.review_id]]} for row in key.entries
    }
    assert {sample.scores and sample.scores["win"] for sample in baseline.samples} == {0.5}
    assert all(sample.outputs[0].startswith("new") for sample in candidate.samples)
    assert all(sample.outputs[0].startswith("old") for sample in baseline.samples)


def test_the_runs_are_ordinary_runs_of_the_suite_human() -> None:
    key = key_of()
    baseline, candidate = unblinded(key, *cast(key, {"r001": "candidate", "r002": "tie"}))
    for side, name in ((baseline, "prod"), (candidate, "week47")):
        run = side.run
        assert (run.suite, run.use, run.primary, run.candidate.name) == ("human", "human", "win", name)
        assert (run.metrics["win"].kind, run.planned, run.asked, run.failed) == ("bounded", 6, 2, 0)
        assert (run.created, run.environment, run.fingerprints.asked) == ("now", {"python": "3"}, f"asked-{name}")
    assert (baseline.run.suite_hash, baseline.run.items_hash, baseline.run.judge_hash) == (
        candidate.run.suite_hash,
        candidate.run.items_hash,
        candidate.run.judge_hash,
    )
    assert [people.votes for people in candidate.run.people] == [2]
    assert baseline.run.people == ()


def test_two_packages_against_one_baseline_stay_comparable_and_other_votes_are_another_run() -> None:
    key = key_of()
    third = msgspec.structs.replace(key, candidate=run_of("week48"))
    votes = cast(key, {"r001": "candidate", "r002": "tie"})
    (first, _), (_, second) = unblinded(key, *votes), unblinded(third, *votes)
    assert (first.run.suite_hash, first.run.items_hash, first.run.judge_hash) == (
        second.run.suite_hash,
        second.run.items_hash,
        second.run.judge_hash,
    )
    assert unblinded(key, *votes[:1])[0].run.graded != first.run.graded


def test_planted_rows_do_not_count_and_items_weigh_what_they_stand_for() -> None:
    twin = entry(4, left=False, item="item1", kind="duplicate", twin="r001")
    check = entry(5, item="check", kind="attention", candidate_side=None, expected="left")
    rows = (entry(1, left=True, probability=0.25, weight=2.0), entry(2, left=False), entry(3, left=True), twin, check)
    key = key_of(*rows)
    votes = cast(key, {"r001": "candidate", "r002": "baseline", "r004": "baseline", "r005": "right"})
    _, candidate = unblinded(key, *votes)
    found = {sample.key: (sample.scores, sample.weight) for sample in candidate.samples}
    assert found == {  # two of the three items have votes: each stands for half as many again as it was drawn for
        "pref/item1": ({"win": 1.0}, pytest.approx(2 / 0.25 * 1.5)),
        "pref/item2": ({"win": 0.0}, pytest.approx(1 * 1.5)),
    }
    assert (candidate.run.planned, candidate.run.asked) == (3, 2)


def test_several_raters_are_averaged_inside_the_item_and_their_disagreement_is_flagged() -> None:
    key = key_of(entry(1))
    votes = [*cast(key, {"r001": "candidate"}), *cast(key, {"r001": "baseline"}, "bo"), *cast(key, {"r001": "tie"}, "cy")]
    _, candidate = unblinded(key, *votes)
    (sample,) = candidate.samples
    assert (sample.scores, sample.draws, sample.flags) == ({"win": 0.5}, {"win": [1.0, 0.0, 0.5]}, ("conflict",))
    assert [judgment.judge for judgment in sample.judgments] == ["human:ana", "human:bo", "human:cy"]


def test_strength_and_criteria_are_metrics_of_their_own() -> None:
    form = Form(strength=True, reasons=("clear",), criteria=("tone", "礼貌 程度"))
    key = key_of(entry(1, left=True), entry(2, left=False), entry(3, left=True), form=form)
    both, half = Rated(left=5, right=2), Rated(left=4)
    votes = [
        Vote(review_id="r001", rater="a", choice="left_much", ratings={"tone": both}, reasons=("clear",), comment="so"),
        Vote(review_id="r001", rater="b", choice="right", ratings={"tone": Rated(left=3, right=4)}),
        Vote(review_id="r002", rater="a", choice="left_much", ratings={"tone": both}),
        Vote(review_id="r003", rater="a", choice="both_bad", ratings={"tone": half, "礼貌 程度": both}),
    ]
    baseline, candidate = unblinded(key, *votes)
    second = criterion_name("礼貌 程度")
    assert [sample.scores for sample in candidate.samples] == [
        {"win": 0.5, "preference": 0.625, "criterion_tone": 4.0},
        {"win": 0.0, "preference": 0.0, "criterion_tone": 2.0},
        {"win": 0.5, "preference": 0.5, second: 5.0},
    ]
    assert [sample.scores for sample in baseline.samples] == [
        {"win": 0.5, "preference": 0.5, "criterion_tone": 3.0},
        {"win": 0.5, "preference": 0.5, "criterion_tone": 5.0},
        {"win": 0.5, "preference": 0.5, second: 2.0},
    ]
    assert candidate.samples[0].judgments[0].reason == "clear; so"
    assert candidate.run.metrics["criterion_tone"].range == (1.0, 5.0)


def test_names_of_criteria_stay_apart() -> None:
    assert criterion_name("tone") == "criterion_tone"
    assert len({criterion_name(name) for name in ("polite/tone", "polite tone", "polite_tone", "/", " ")}) == 5
    assert "/" not in criterion_name("a/b")


def test_compare_and_gate_read_them_like_any_metric() -> None:
    """Ten items of a stratum of which half were drawn are won, twenty of one drawn in full are lost: (20 − 20) / 40."""
    form = Form(criteria=("tone",))
    key = key_of(*(entry(n, left=n % 2 == 0, stratum=str(n <= 10), probability=0.5 if n <= 10 else 1.0) for n in range(1, 31)),
                 form=form)  # fmt: skip
    said = {row.review_id: "candidate" if n < 10 else "baseline" for n, row in enumerate(key.entries)}
    rated = {"tone": Rated(left=4, right=4)}
    votes = [msgspec.structs.replace(vote, ratings=rated) for vote in cast(key, said)]
    baseline, candidate = unblinded(key, *votes)
    rules = (
        Rule(metric="human/win", require="non_inferior", margin=0.45),
        Rule(metric="human/criterion_tone", require="non_inferior", margin=0.5),
    )
    concluded = conclude(
        {("human", "prod"): baseline, ("human", "week47"): candidate},
        Policy(baseline="prod", rules=rules, bad_answers=False), created="", environment={},
    )  # fmt: skip
    found = {comparison.metric: comparison for comparison in concluded.comparisons}
    assert found["human/win"].gain == pytest.approx(0.0)
    assert found["human/criterion_tone"].gain == pytest.approx(0.0)
    assert what_people_said(votes, key).win.value == pytest.approx(0.5)
    outcomes = {finding.rule.metric: finding.outcome for finding in concluded.verdicts[0].findings}
    assert outcomes == {"human/win": "pass", "human/criterion_tone": "pass"}


def test_no_votes_at_all_is_refused() -> None:
    key = key_of()
    with pytest.raises(UsageError, match="no votes to import"):
        unblinded(key)
