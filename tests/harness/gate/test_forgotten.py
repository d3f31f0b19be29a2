"""What was forgotten and not only guessed, by whom, and at what price."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.gate import Policy, conclude
from harness.records import Admission, Conclusion, Measured, Metric, Rule, Stage
from harness.stats import Resampled
from tests.harness.runs import measured, right, samples, table

CHOICE = {"acc": Metric(kind="binary", chance=0.25)}


def concluded(*runs: Measured, stages: tuple[Stage, ...] = (), **policy: Any) -> Conclusion:
    settings: dict[str, Any] = {"baseline": "base", "references": {"new": "base", "other": "base"}, "seed": 1, **policy}
    return conclude(table(*runs), Policy(**settings), created="", environment={}, stages=stages)


def sides(both: int, lost: int, gained: int, wrong: int, **fields: Any) -> tuple[Measured, Measured]:
    """``base`` and ``new`` with this table of one retained suite."""
    base, new = right(both + lost, gained + wrong), [*right(both, lost), *right(gained, wrong)]
    kept = {"retained": True, **fields}
    return measured("base", base, **kept), measured("new", new, **kept)


def test_of_multiple_choice_what_guessing_can_explain_is_not_called_known() -> None:
    """60 wrong both times of four options: 20 guesses went and 20 came; 60 lost and 30 gained leave 40 that were known."""
    (reading,) = concluded(*sides(250, 60, 30, 60, metrics=CHOICE)).forgotten
    assert (reading.items, reading.metric, reading.reference) == (400, "facts/t/acc", "base")
    assert reading.lost == pytest.approx(60 / 400)
    assert reading.gained == pytest.approx(30 / 400)
    assert reading.chance == 0.25
    assert reading.known == pytest.approx(40 / 400)
    assert reading.known_low is not None
    assert 0 < reading.known_low < 40 / 400
    assert reading.lost_high is not None
    assert reading.lost_high > 60 / 400


def test_a_model_that_only_guessed_lost_nothing_that_it_knew() -> None:
    """Of 400 items guessed twice with four options 75 go and 75 come, and 225 are wrong both times."""
    (reading,) = concluded(*sides(25, 75, 75, 225, metrics=CHOICE)).forgotten
    assert reading.lost == pytest.approx(75 / 400)
    assert reading.known == pytest.approx(0.0)
    assert reading.known_low == 0.0


def test_where_nothing_can_be_guessed_what_was_lost_was_known() -> None:
    (reading,) = concluded(*sides(260, 50, 30, 60)).forgotten
    assert (reading.chance, reading.known, reading.known_low) == (None, None, None)
    assert reading.lost == pytest.approx(50 / 400)


def test_categories_are_read_by_themselves_and_small_ones_say_so() -> None:
    slices = [{"subject": "law"}] * 20 + [{"subject": "art"}] * 20 + [{"subject": "rare"}] * 3
    base = measured("base", samples(right(43, 0), slices=slices), retained=True)
    new = measured("new", samples([*right(10, 10), *right(20, 0), *right(0, 3)], slices=slices), retained=True)
    whole, art, law, rare = concluded(base, new).forgotten
    assert whole.value == ""
    assert whole.lost == pytest.approx(13 / 43)
    assert (art.field, art.value, art.lost) == ("subject", "art", 0.0)
    assert (law.value, law.lost) == ("law", 0.5)
    assert (rare.lost, rare.note) == (None, "n too small: 3 items, under 10")


def test_the_noise_floor_of_a_second_run_stands_beside_it() -> None:
    base, new = sides(80, 20, 0, 0)
    again = measured("base", right(94, 6), retained=True)
    runs = {**table(base, new), ("facts", "second run of base"): again}
    policy = Policy(baseline="base", references={"new": "base"})
    (reading,) = conclude(runs, policy, created="", environment={}).forgotten
    assert reading.lost == pytest.approx(0.2)
    assert reading.noise == pytest.approx(0.06)


def test_the_noise_floor_weighs_items_as_what_was_lost_does() -> None:
    """Ten items weigh 10 each and ninety 1: five heavy ones are lost the second time, and all heavy ones by the candidate."""
    weights = [10.0] * 10 + [1.0] * 90
    base, new, again = (
        measured(name, samples(scores, weight=weights), retained=True)
        for name, scores in (
            ("base", right(100, 0)),
            ("new", [*right(0, 10), *right(90, 0)]),
            ("base", [*right(0, 5), *right(95, 0)]),
        )
    )
    policy = Policy(baseline="base", references={"new": "base"})
    (reading,) = conclude(
        {**table(base, new), ("facts", "second run of base"): again}, policy, created="", environment={}
    ).forgotten
    assert (reading.lost, reading.noise) == (pytest.approx(100 / 190), pytest.approx(50 / 190))


def test_a_suite_that_is_not_retained_has_nothing_to_forget() -> None:
    found = concluded(*sides(80, 20, 0, 0, retained=False))
    assert (found.forgotten, found.lost_by_all, found.taxes) == ((), (), ())


def test_what_every_candidate_lost_is_listed_beside_what_chance_would_give() -> None:
    """Of 40 known, 20 and 10 are lost: at random 40 · 20/40 · 10/40 = 5 would be lost by both, and 8 are."""
    base = measured("base", right(40, 10), retained=True)
    new = measured("new", [*right(0, 20), *right(20, 0), *right(5, 5)], retained=True)
    other = measured("other", [*right(0, 8), *right(12, 0), *right(0, 2), *right(18, 0), *right(0, 10)], retained=True)
    (found,) = concluded(base, new, other).lost_by_all
    assert (found.known, found.lost) == (40, {"new": 20, "other": 10})
    assert found.expected == pytest.approx(5.0)
    assert found.count == 8
    assert found.keys == tuple(f"k{index}" for index in range(8))


def test_one_candidate_alone_is_not_everybody() -> None:
    assert concluded(*sides(80, 20, 0, 0)).lost_by_all == ()


def test_the_price_of_a_gain_is_what_was_kept() -> None:
    """Two retained suites count the same, although one has ten times the items: (−10 − 50)/2 points for 30."""
    runs = [
        measured("base", right(100, 100), suite="skill"),
        measured("new", right(160, 40), suite="skill"),
        measured("base", right(200, 0), suite="facts", retained=True),
        measured("new", right(180, 20), suite="facts", retained=True),
        measured("base", right(20, 0), suite="maths", retained=True),
        measured("new", right(10, 10), suite="maths", retained=True),
    ]
    (tax,) = concluded(*runs).taxes
    assert (tax.candidate, tax.against) == ("new", "base")
    assert tax.target == ("skill/t/acc",)
    assert tax.target_gain == pytest.approx(0.3)
    assert tax.retained == ("facts/t/acc", "maths/t/acc")
    assert tax.retained_gain == pytest.approx(-0.3)
    assert tax.target_low is not None
    assert 0 < tax.target_low < 0.3
    assert tax.retained_high is not None
    assert -0.3 < tax.retained_high < 0


def test_what_somebody_claims_a_gain_of_is_the_target() -> None:
    runs = [measured(name, right(50, 50), suite=suite) for suite in ("skill", "style") for name in ("base", "new")]
    runs += [measured(name, right(90, 10), retained=True) for name in ("base", "new")]
    claim = Rule(metric="style/*/acc", require="superior")
    read = Rule(metric="skill/*/acc", require="superior", severity="inform")
    (tax,) = concluded(*runs, rules=(claim, read)).taxes
    assert tax.target == ("style/t/acc",)


@pytest.mark.parametrize(("alone", "target"), [(True, ("safety/t/acc",)), (False, ())])
def test_what_a_judge_prefers_is_no_target_and_what_it_answers_questions_about_is(alone: bool, target: tuple[str, ...]) -> None:
    examined = Admission(judge="j", admitted=True, pairs=44, accuracy=1, kappa=1, consistency=1, unparsable=0, alone=alone)
    runs = [measured(name, right(50, 50), suite="safety", judge_hash="j", admission=examined) for name in ("base", "new")]
    runs += [measured(name, right(90, 10), retained=True) for name in ("base", "new")]
    (tax,) = concluded(*runs).taxes
    assert tax.target == target


STAGES = (Stage(candidate="base", suite="facts"), Stage(candidate="new", suite="skill"), Stage(candidate="other", suite="style"))


def staged(*rates: list[int]) -> list[Measured]:
    """``rates[i][j]`` of 40 items right after stage i in suite j."""
    return [
        measured(name, right(count, 40 - count), suite=suite, retained=suite == "facts")
        for name, row in zip(("base", "new", "other"), rates, strict=True)
        for suite, count in zip(("facts", "skill", "style"), row, strict=True)
    ]


def test_stages_give_the_table_transfer_and_forgetting() -> None:
    """Of 40: ((20 − 40) + (24 − 32))/2 = −14; ((40 − 20) + (32 − 24))/2 = 14."""
    found = concluded(*staged([40, 4, 0], [30, 32, 0], [20, 24, 40]), stages=STAGES).stages
    assert found is not None
    assert found.scores == ((1.0, 0.1, 0.0), (0.75, 0.8, 0.0), (0.5, 0.6, 1.0))
    assert found.transfer == pytest.approx(-14 / 40)
    assert found.forgotten == pytest.approx(14 / 40)
    assert found.transfer_high is not None
    assert found.transfer_high < 0
    assert (found.metrics, found.items) == (("facts/acc", "skill/acc", "style/acc"), (40, 40, 40))


def test_stages_without_numbers_say_why() -> None:
    whole = staged([40, 4, 0], [30, 32, 0], [20, 24, 40])
    found = concluded(*whole[:-1], stages=STAGES).stages
    assert found is not None
    assert (found.scores, found.note) == ((), "style: other was not measured")
    assert concluded(*whole).stages is None


def test_the_p_of_a_skewed_score_is_never_more_than_one() -> None:
    """Twice a tail of 80 % is no probability."""
    seen = Resampled(1.0, np.linspace(0.0, 2.0, 999), 50, skewed=True)
    assert seen.p(1.4, "greater") == 1.0
    assert 0.0 <= seen.p(1.4, "two-sided") <= 1.0
