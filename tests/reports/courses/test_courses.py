"""Shifts are named where they are, chance is not one, and what is lost slowly is seen although no week shows it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from lxml import html as lxml_html
from msgspec.structs import replace

from harness.records import History, HistoryPoint
from reports import page
from reports.courses.anchors import anchor
from reports.courses.panel import course
from reports.courses.shifts import FEWEST, noise_of, shifts
from reports.courses.weeks import weekly
from tests.reports import fixtures

START = datetime(2026, 1, 5, 10, tzinfo=UTC)  # a Monday, week 2


def made(scores: Sequence[float], *, noise: float | None = 0.01, days: int = 7, **fields: object) -> History:
    points = tuple(
        HistoryPoint(candidate=f"w{n}", created=(START + timedelta(days=days * n)).isoformat(), score=score, graded=f"g{n}")
        for n, score in enumerate(scores)
    )
    told = History(
        suite="s",
        metric="acc",
        kind="bounded",
        direction="higher",
        points=points,
        noise=noise,
        noise_runs=3,
        noise_of="training seed",
    )
    return replace(told, **fields)


def test_a_shift_is_named_by_the_first_run_after_it_with_the_means_of_both_sides() -> None:
    found = shifts(made([0.80, 0.81, 0.79, 0.70, 0.71, 0.69, 0.70]))
    assert [(each.place, each.candidate) for each in found] == [(3, "w3")]
    assert (found[0].before, found[0].after, found[0].gain) == pytest.approx((0.80, 0.70, -0.10))


def test_several_shifts_are_found_and_lower_may_be_better() -> None:
    told = made([0.8] * 5 + [0.6] * 5 + [0.9] * 5, direction="lower")
    assert [(each.candidate, round(each.gain, 6)) for each in shifts(told)] == [("w5", 0.2), ("w10", -0.3)]


def test_the_last_run_alone_can_be_a_shift_and_repetitions_are_none() -> None:
    told = made([0.80, 0.80, 0.81, 0.80, 0.70])
    assert [each.candidate for each in shifts(told)] == ["w4"]
    points = (*told.points[:4], replace(told.points[4], replicate=1))
    assert shifts(replace(told, points=points)) == ()


@pytest.mark.parametrize("noise", [0.01, None])
def test_chance_is_seldom_called_a_shift(noise: float | None) -> None:
    dice = random.Random(3)
    called = sum(bool(shifts(made([dice.gauss(0.7, 0.01) for _ in range(20)], noise=noise))) for _ in range(200))
    assert called <= 17  # of 200 at a level of 5 %: more has a chance of 1.7 %


def test_where_no_training_seed_says_it_the_steps_do_and_seeds_of_asking_say_too_little() -> None:
    assert noise_of(made([0.7] * (FEWEST - 1), noise=None)) == (None, False)
    dice = random.Random(1)
    scores = [dice.gauss(0.7, 0.01) for _ in range(400)]
    sigma, seeds = noise_of(made(scores, noise=None))
    assert (sigma, seeds) == (pytest.approx(0.01, rel=0.12), False)
    assert noise_of(made(scores, noise=0.001, noise_of="seed of asking"))[0] == sigma
    assert noise_of(made(scores, noise=0.5, noise_of="seed of asking"))[0] == 0.5
    assert noise_of(made([0.7] * 3, noise=0.5, noise_of="seed of asking")) == (None, False)


def test_weeks_are_compared_with_the_reference_and_a_promoted_run_stands_for_its_week() -> None:
    told = made([0.80, 0.79, 0.78, 0.785], days=3)  # Monday, Thursday, Sunday of one week, Wednesday of the next
    found = weekly(told, "w0")
    assert found is not None
    assert [(week.name, week.candidate) for week in found.weeks] == [("2026-W02", "w2"), ("2026-W03", "w3")]
    assert [week.gain for week in found.weeks] == pytest.approx([-0.02, -0.015])
    assert [week.step for week in found.weeks] == [None, pytest.approx(0.005)]
    points = (told.points[0], replace(told.points[1], promoted="2026-01-09"), *told.points[2:])
    promoted = weekly(replace(told, points=points), "w0")
    assert promoted is not None
    assert promoted.weeks[0].candidate == "w1"
    assert weekly(made([0.8]), "") is None
    undated = replace(told, points=(replace(told.points[0], created=""), replace(told.points[3], created="long ago")))
    assert weekly(undated, "") is None


def test_slow_loss_is_seen_that_no_single_week_shows() -> None:
    slow = made([0.800, 0.797, 0.795, 0.791, 0.790, 0.786, 0.783, 0.781], noise=0.005)
    found = weekly(slow, "")
    assert found is not None
    assert (found.slow, found.slope) == (True, pytest.approx(-0.0028, abs=0.0004))
    assert found.total == pytest.approx(-0.019)
    assert found.p == pytest.approx(2 / 40320)  # all 28 pairs of eight weeks fall; either way
    sudden = weekly(made([0.80, 0.80, 0.799, 0.75, 0.749, 0.748, 0.747, 0.746], noise=0.005), "")
    assert sudden is not None
    assert not sudden.slow
    better = weekly(made([0.7, 0.71, 0.72, 0.73, 0.74, 0.75], noise=0.05), "")
    assert better is not None
    assert not better.slow
    lower = weekly(made([0.70, 0.71, 0.72, 0.73, 0.74, 0.75], noise=0.05, direction="lower"), "")
    assert lower is not None
    assert lower.slow


def test_a_slope_is_not_called_a_shift_as_well() -> None:
    slow = made([0.800, 0.795, 0.791, 0.786, 0.782, 0.777, 0.772, 0.768], noise=0.005)
    assert shifts(slow)
    told = course(slow, "")
    assert told.weekly is not None
    assert (told.weekly.slow, told.shifts) == (True, ())
    assert course(made([0.8] * 5 + [0.7] * 5), "").shifts


def test_equal_scores_have_neither() -> None:
    told = course(made([0.7] * 10, noise=None), "")
    assert (told.shifts, told.total) == ((), 0.0)
    assert told.weekly is not None
    assert told.weekly.slope is None


def test_the_page_names_shift_and_slow_loss_from_its_own_data() -> None:
    conclusion, measured, training = fixtures.small()
    sudden = made([0.8] * 5 + [0.7] * 5)
    slow = made([0.800, 0.797, 0.795, 0.791, 0.790, 0.786, 0.783, 0.781], noise=0.005)
    changed = replace(conclusion, history=(sudden, slow))
    tree = lxml_html.document_fromstring(page.render(changed, measured, training).encode())
    section = tree.get_element_by_id("history")
    assert "since w5" in " ".join(section.text_content().split())
    assert "Slow loss" in section.text_content()
    gain = section.xpath(".//*[@data-at='/courses/0/shifts/0/gain']")[0]
    assert gain.text_content() == "−10.0 pp"
    assert section.xpath(".//*[@data-at='/courses/1/weekly/slope']")


def test_runs_full_of_errors_are_neither_a_shift_nor_a_week() -> None:
    told = made([0.80, 0.80, 0.81, 0.80, 0.50])
    points = (*told.points[:4], replace(told.points[4], asked=100, failed=60))
    told = replace(told, points=points)
    assert shifts(told) == ()
    found = weekly(told, "")
    assert found is not None
    assert [week.candidate for week in found.weeks] == ["w0", "w1", "w2", "w3"]


def test_a_shift_says_what_was_asked_otherwise_then_and_between_which_runs_it_is() -> None:
    told = made([0.80, 0.81, 0.79, 0.70, 0.71, 0.69, 0.70])
    points = (*told.points[:3], replace(told.points[3], otherwise=("version 1 → 2",)), *told.points[4:])
    found = shifts(replace(told, points=points))
    assert [(each.last, each.graded, each.otherwise) for each in found] == [("g2", "g3", ("version 1 → 2",))]


def test_weeks_are_those_of_utc_and_missing_ones_are_counted() -> None:
    told = made([0.80, 0.79, 0.78, 0.785])
    moments = ("2026-01-04T20:00:00-08:00", "2026-01-06T00:00:00", "2026-01-20T10:00:00+00:00", "2026-02-03T10:00:00+00:00")
    points = tuple(replace(point, created=moment) for point, moment in zip(told.points, moments, strict=True))
    found = weekly(replace(told, points=points), "")
    assert found is not None
    assert [(week.name, week.runs, week.missed) for week in found.weeks] == [
        ("2026-W02", 2, 0),
        ("2026-W04", 1, 1),
        ("2026-W06", 1, 1),
    ]
    assert [week.monday for week in found.weeks] == ["2026-01-05", "2026-01-19", "2026-02-02"]


def test_points_are_held_against_the_baseline_else_the_pin_else_the_reference_else_the_first() -> None:
    told = made([0.80, 0.81, 0.79, 0.70])
    named = anchor(told, "", "")
    assert named is not None
    assert (named.what, named.name, named.score) == ("first", "w0", 0.80)
    referred = anchor(told, "", "w1")
    assert referred is not None
    assert (referred.what, referred.graded) == ("reference", "g1")
    points = (*told.points[:2], replace(told.points[2], pins=("prod",), baseline=True), replace(told.points[3], now=True))
    pinned = anchor(replace(told, points=points), "", "w1")
    assert pinned is not None
    assert (pinned.what, pinned.name) == ("pin", "prod")
    judged = anchor(replace(told, points=points), "w3", "w1")
    assert judged is not None
    assert (judged.what, judged.score) == ("baseline", 0.70)
    assert anchor(replace(told, points=()), "", "") is None


def test_a_step_that_noise_hides_between_its_two_weeks_is_no_slow_loss() -> None:
    step = made([0.805, 0.800, 0.803, 0.800, 0.802, 0.796, 0.788, 0.783, 0.782, 0.785, 0.780, 0.782], noise=0.004)
    found = weekly(step, "")
    assert found is not None
    assert found.slow, "it falls, and no single week falls by more than chance"
    told = course(step, "")
    assert told.weekly is not None
    assert (told.weekly.slow, [each.candidate for each in told.shifts]) == (False, ["w6"])


def test_of_many_weeks_one_falls_by_two_deviations_and_the_loss_is_slow_nonetheless() -> None:
    told = 0
    for seed in range(20):
        dice = random.Random(seed)
        history = made([0.9 - 0.003 * week + dice.gauss(0, 0.01) for week in range(40)])
        found = weekly(history, "")
        assert found is not None
        told += found.slow
    assert told >= 15  # with one bound for any number of weeks: 2
