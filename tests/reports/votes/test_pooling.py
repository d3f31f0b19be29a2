"""Votes of several packages about the same answers: pooled, each item by its chance of having been voted on in any of them."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from harness.errors import UsageError
from harness.gate import Policy, conclude
from harness.records import Measured, Rule
from reports.blind.form import Form
from reports.blind.key import NAME_DIGITS, OTHER, Key, KeyEntry, Stratum
from reports.people import what_people_said
from reports.votes.ledger import gather, ledger_path, write_ledger
from reports.votes.pooling import Poll, beside, require_all, stands_for_all
from reports.votes.unblinding import to_measured
from reports.votes.vote import Rated, Vote
from tests.reports.votes.ballots import entry, key_of, page, run_of

ALL = tuple(f"item{number}" for number in range(1, 11))


def package(numbers: Iterable[int], *, odd: int | None = None, **change: Any) -> Key:
    """Of ten items. ``odd``: how many are drawn of those with odd numbers, a stratum of their own then."""
    numbers = list(numbers)
    names = {number: "all" if odd is None else ("odd" if number % 2 else "even") for number in range(1, 11)}
    sizes = {name: list(names.values()).count(name) for name in names.values()}
    drawn = {name: sum(names[number] == name for number in numbers) for name in sizes}
    rows = [
        entry(number, left=number % 3 == 0, stratum=names[number], probability=drawn[names[number]] / sizes[names[number]])
        for number in numbers
    ]
    key = msgspec.structs.replace(
        key_of(*rows),
        strata={name: Stratum(size=sizes[name], drawn=drawn[name]) for name in sizes},
        frame={name: tuple(f"item{number}" for number in names if names[number] == name) for name in sizes},
        package="",
        **change,
    )
    return msgspec.structs.replace(key, package=key.commitment[:NAME_DIGITS])


def cast(key: Key, wins: dict[str, float], rater: str = "ana", **more: Any) -> list[Vote]:
    """``wins``: item -> 1 the candidate, 0 the baseline; items that it does not name are not voted on."""
    return [
        Vote(review_id=row.review_id, rater=rater, choice=_side(row, wins[row.item]), **more)
        for row in key.items
        if row.item in wins
    ]


def _side(row: KeyEntry, win: float) -> Any:
    return "tie" if win == 0.5 else row.candidate_side if win else OTHER[row.candidate_side or "left"]


def poll(key: Key, votes: Iterable[Vote]) -> Poll:
    said = tuple(votes)
    return Poll(key=key, votes=said, people=what_people_said(said, key))


def test_an_item_stands_for_its_chance_of_being_drawn_in_either_package() -> None:
    """Five of ten at ½; and of another draw four of the five odd ones at ⅘, and one of the five even ones at ⅕. So an odd item is
    seen with 1 − ½ · ⅕ = 0.9, an even one with 1 − ½ · ⅘ = 0.6, whichever package it came in."""
    one, two = package([1, 2, 3, 4, 5]), package([1, 3, 5, 7, 10], odd=4)
    both = [poll(key, cast(key, dict.fromkeys(ALL, 1.0))) for key in (one, two)]
    weights = stands_for_all(both)
    assert weights.keys() == {f"pref/item{number}" for number in (1, 2, 3, 4, 5, 7, 10)}
    for name, weight in weights.items():
        assert weight == pytest.approx(1 / 0.9 if int(name.removeprefix("pref/item")) % 2 else 1 / 0.6)
    assert stands_for_all(both[:1]) == {f"pref/item{number}": 2.0 for number in range(1, 6)}
    _, candidate = to_measured(both)
    assert {sample.key: sample.weight for sample in candidate.samples} == weights


def test_a_package_that_few_voted_in_could_show_few_items() -> None:
    """Of the second package's five, all at ½, two have votes: its chance is ½ · ⅖, so 1 − ½ · ⅘ = 0.6 for all ten."""
    one, two = package([1, 2, 3, 4, 5]), package([1, 6, 7, 8, 9])
    polls = [poll(one, cast(one, dict.fromkeys(ALL, 1.0))), poll(two, cast(two, {"item1": 1.0, "item6": 0.0}))]
    (weight,) = set(stands_for_all(polls).values())
    assert weight == pytest.approx(1 / 0.6)


def test_what_could_not_be_drawn_in_a_package_has_no_chance_there() -> None:
    one, two = package([1, 2, 3, 4, 5]), package([1, 6, 7, 8, 9])
    two = msgspec.structs.replace(two, frame={"all": ALL[:9]})
    polls = [poll(key, cast(key, dict.fromkeys(ALL, 1.0))) for key in (one, two)]
    whole = stands_for_all([polls[0], poll(two, cast(two, {"item1": 1.0}))])
    assert whole["pref/item1"] == pytest.approx(1 / (1 - 0.5 * (1 - 0.5 / 5)))
    three = package([6, 7, 8, 9, 10])
    weights = stands_for_all([poll(three, cast(three, dict.fromkeys(ALL, 1.0))), polls[1]])
    assert weights["pref/item10"] == pytest.approx(2.0), "item 10 could be drawn in one of both only"
    assert weights["pref/item6"] == pytest.approx(1 / 0.75)


def test_pooled_votes_are_unbiased_where_the_packages_drew_unlike() -> None:
    """The candidate wins all odd items and no even one: ½. One package takes mostly odd items, the other any."""
    draw, found, plain = random.Random(5), [], []
    truth = {name: float(number % 2 == 0) for number, name in enumerate(ALL)}
    for _ in range(400):
        odd, even = draw.sample([1, 3, 5, 7, 9], 4), draw.sample([2, 4, 6, 8, 10], 1)
        keys = package(sorted(draw.sample(range(1, 11), 3))), package(sorted([*odd, *even]), odd=4)
        weights = stands_for_all([Poll(key=key, votes=tuple(cast(key, truth)), people=PEOPLE) for key in keys])
        total = sum(weights[name] * truth[name.removeprefix("pref/")] for name in weights)
        found.append(total / 10)  # of ten items (Horvitz and Thompson)
        plain.append(np.mean([truth[name.removeprefix("pref/")] for name in weights]))
    assert np.mean(found) == pytest.approx(0.5, abs=0.01)
    assert np.mean(plain) > 0.6


PEOPLE = what_people_said([], key_of())


def test_votes_of_both_count_once_for_each_person_and_no_side_is_mistaken() -> None:
    one, two = package([1, 2, 3]), package([1, 2, 9])
    first = [*cast(one, {"item1": 1.0, "item2": 1.0, "item3": 0.0}), *cast(one, {"item1": 0.0}, "bo")]
    second = [*cast(two, {"item1": 0.0, "item9": 1.0}), *cast(two, {"item2": 0.0}, "cy")]
    baseline, candidate = to_measured([poll(one, first), poll(two, second)])
    by_key = {sample.key: sample for sample in candidate.samples}
    assert {name: sample.draws["win"] for name, sample in by_key.items()} == {
        "pref/item1": [0.5, 0.0],  # ana said both, bo the baseline
        "pref/item2": [1.0, 0.0],
        "pref/item3": [0.0],
        "pref/item9": [1.0],
    }
    assert (by_key["pref/item1"].scores, len(by_key["pref/item1"].judgments)) == ({"win": 0.25}, 3)
    assert (candidate.run.planned, candidate.run.asked, baseline.run.asked) == (4, 4, 4)
    assert [each.package for each in candidate.run.people] == [one.package, two.package]


def test_a_question_that_one_package_asked_is_answered_by_its_raters_alone() -> None:
    one, two = package([1, 2]), package([1, 3], form=Form(strength=True, criteria=("tone",)))
    rated = {"tone": Rated(left=5, right=5)}
    _, candidate = to_measured(
        [
            poll(one, cast(one, {"item1": 0.0, "item2": 1.0})),
            poll(two, cast(two, {"item1": 1.0, "item3": 1.0}, "bo", ratings=rated)),
        ]
    )
    assert {sample.key: sample.scores for sample in candidate.samples} == {
        "pref/item1": {"win": 0.5, "preference": 0.75, "criterion_tone": 5.0},
        "pref/item2": {"win": 1.0},
        "pref/item3": {"win": 1.0, "preference": 0.75, "criterion_tone": 5.0},
    }
    assert set(candidate.run.metrics) == {"win", "preference", "criterion_tone"}


def saved(folder: Path, key: Key, choices: dict[str, str]) -> Path:
    """The key and its votes, as an import leaves them."""
    path = folder / f"key-{key.package}.json"
    path.write_bytes(msgspec.json.encode(key))
    file = page(folder / f"{key.package}.json", key, choices)
    write_ledger(ledger_path(path, key), gather([file], key, (), names={}, now="")[0].kept)
    return path


def test_packages_beside_are_told_apart_by_whose_answers_they_show(tmp_path: Path) -> None:
    mine = package([1, 2, 3])
    other = package([3, 4, 5])
    rows = tuple(msgspec.structs.replace(row, left=row.left + "!") for row in mine.entries)
    again = package([1, 2, 3], entries=rows, seed=9)
    rival = package([1, 4], candidate=run_of("week48"))
    old = msgspec.structs.replace(run_of("week47"), fingerprints=msgspec.structs.replace(run_of("x").fingerprints, weights="other"))
    retrained = package([1, 4], candidate=old)
    for each in (other, again, rival, retrained):
        saved(tmp_path, each, {"r001": "left", "r003": "left", "r004": "left"})
    (tmp_path / "key-0123.json").write_text("a key without votes is not even read")
    found = beside(saved(tmp_path, mine, {"r001": "left"}), mine)
    assert [each.key.package for each in found.same] == [other.package]
    assert [each.key.package for each in found.rivals] == [rival.package]
    assert [each.package for each in found.outdated] == [again.package]
    hashed = [msgspec.structs.replace(run, samples_hash="same") for run in (mine.baseline, mine.candidate)]
    mine, masked = (msgspec.structs.replace(key, baseline=hashed[0], candidate=hashed[1], package="") for key in (mine, again))
    mine, masked = (msgspec.structs.replace(key, package=key.commitment[:NAME_DIGITS]) for key in (mine, masked))
    saved(tmp_path, masked, {"r001": "left"})
    shown = beside(saved(tmp_path, mine, {"r001": "left"}), mine)
    assert masked.package in [each.key.package for each in shown.same], "the same runs, with names masked in one package"
    earlier = {other.package: "runs/a", again.package: "runs/a", "abc": "runs/a"}
    with pytest.raises(UsageError, match=r"voted on these answers in package abc, too.*key-abc\.json.*delete runs/a first"):
        require_all(earlier, found.same, found.outdated, tmp_path / "key.json")
    require_all(dict(list(earlier.items())[:2]), found.same, found.outdated, tmp_path / "key.json")


def test_each_candidate_is_compared_over_its_own_items_by_its_own_weights() -> None:
    """Beside week47, items 1 to 20 were drawn alike; beside week48, items 11 to 30, the even ones a quarter as likely."""
    mine = key_of(*(entry(n, left=True) for n in range(1, 21)), form=Form(criteria=("tone",)))
    theirs = key_of(
        *(entry(n, left=True, stratum=str(n % 2), probability=1.0 if n % 2 else 0.25) for n in range(11, 31)),
        form=Form(criteria=("tone",)),
    )
    rival = msgspec.structs.replace(theirs, candidate=run_of("week48"))
    odd = {f"item{n}": float(n % 2) for n in range(1, 31)}
    high, low = {"tone": Rated(left=4, right=2)}, {"tone": Rated(left=1, right=1)}
    own, others = poll(mine, cast(mine, odd, ratings=high)), poll(rival, cast(rival, odd, ratings=low))
    prod, week48 = to_measured([others], rivals=[own])
    _, week47 = to_measured([own], rivals=[others])
    measured: dict[tuple[str, str], Measured] = {
        ("human", "prod"): prod,
        ("human", "week47"): week47,
        ("human", "week48"): week48,
    }
    rule = Rule(metric="human/win", require="non_inferior", margin=0.45)
    concluded = conclude(measured, Policy(baseline="prod", rules=(rule,), bad_answers=False), created="", environment={})
    gains = {each.candidate: (each.gain, each.items, each.missing) for each in concluded.comparisons if each.metric == "human/win"}
    assert gains["week47"] == (pytest.approx(0.0), 20, 0)
    assert gains["week48"] == (pytest.approx((10 * 1 - 10 * 4) / 50 / 2), 20, 0)
    assert {each.candidate: each.outcome for each in concluded.verdicts} == {"week47": "pass", "week48": "pass"}
    rated = {sample.key: sample.scores["criterion_tone"] for sample in prod.samples if sample.scores}
    assert (rated["pref/item1"], rated["pref/item11"], rated["pref/item30"]) == (2.0, 1.5, 1.0)
