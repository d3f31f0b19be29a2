"""Power of the deployed tests: against brute force, against published starting values, and where nothing can be known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from harness import stats
from harness.stats import Design
from harness.stats.power import connor_items, critical_statistic, miller_items, population_of, proof_probability
from harness.stats.power.enumerated import RESOLUTION
from harness.stats.power.population import spread_of
from harness.stats.power.scored import score_probability

RUNS = 2500
NOISE = 3 * math.sqrt(0.25 / RUNS)
"""Three Monte-Carlo standard errors at worst."""


def passed(require: str, items: int, discordance: float, effect: float, margin: float) -> float:
    """Share of simulated comparisons that the deployed test lets pass."""
    rng = np.random.default_rng(round(1e6 * discordance) + items)
    share = max(discordance, abs(effect))
    cells = rng.multinomial(items, [(share + effect) / 2, (share - effect) / 2, 1 - share], size=RUNS)
    delta, side = {"superior": (margin, "greater"), "non_inferior": (-margin, "greater"), "not_regressed": (-margin, "less")}[
        require
    ]
    outcomes, counts = np.unique(cells[:, :2], axis=0, return_counts=True)
    p = np.asarray([stats.difference_p(int(won), int(lost), items, delta, side)[0] for won, lost in outcomes])  # type: ignore[arg-type]
    share_proven = float((counts * (p <= 0.05)).sum() / RUNS)
    return 1 - share_proven if require == "not_regressed" else share_proven


@pytest.mark.parametrize(
    ("require", "items", "discordance", "effect", "margin"),
    [
        ("non_inferior", 40, 0.05, 0.0, 0.10),
        ("non_inferior", 150, 0.10, 0.0, 0.05),
        ("non_inferior", 150, 0.02, -0.02, 0.05),
        ("non_inferior", 1200, 0.10, -0.01, 0.03),
        ("non_inferior", 5000, 0.40, 0.0, 0.02),
        ("superior", 200, 0.20, 0.08, 0.0),
        ("superior", 150, 0.30, 0.25, 0.10),
        ("superior", 2000, 0.10, 0.02, 0.0),
        ("not_regressed", 30, 0.10, -0.10, 0.0),
        ("not_regressed", 600, 0.05, -0.03, 0.0),
        ("not_regressed", 600, 0.10, -0.05, 0.02),
    ],
)
def test_the_power_of_counts_is_what_the_deployed_test_delivers(
    require: Any, items: int, discordance: float, effect: float, margin: float
) -> None:
    planned = stats.pass_probability(require, Design(items, discordance), effect, margin)
    assert planned == pytest.approx(passed(require, items, discordance, effect, margin), abs=min(0.03, NOISE))


@pytest.mark.parametrize(("items", "delta"), [(20, -0.1), (120, -0.05), (120, 0.2), (300, -0.02)])
def test_the_critical_value_parts_what_the_exact_test_proves_from_what_it_does_not(items: int, delta: float) -> None:
    critical = critical_statistic(items, delta, 0.05)
    rng = np.random.default_rng(items)
    for won, lost, _ in rng.multinomial(items, [0.05 + max(delta, 0), 0.05, 0.9 - max(delta, 0)], size=25):
        statistic = float(stats.tango_statistic(won, lost, items, delta))
        if abs(statistic - critical) > RESOLUTION:
            assert (stats.exact_p(int(won), int(lost), items, delta) <= 0.05) == (statistic >= critical)


def test_the_starting_values_are_those_of_the_published_table_and_promise_too_much() -> None:
    table = {
        0.05: {0.01: 3092, 0.02: 773, 0.03: 344, 0.05: 124, 0.10: 31},
        0.10: {0.01: 6183, 0.02: 1546, 0.03: 687, 0.05: 248, 0.10: 62},
        0.20: {0.01: 12366, 0.02: 3092, 0.03: 1374, 0.05: 495, 0.10: 124},
    }
    for discordance, row in table.items():
        for margin, items in row.items():
            assert stats.starting_items(discordance, margin) == pytest.approx(items, abs=1)
    delivered = [stats.pass_probability("non_inferior", Design(table[p][m], p), 0.0, m) for p, m in [(0.05, 0.10), (0.05, 0.05)]]
    assert delivered == pytest.approx([0.52, 0.71], abs=0.02)


def test_means_and_connor_begin_where_the_papers_say(vectors: dict[str, Any]) -> None:
    miller = vectors["sample_size_miller"]
    paper = miller["paper_example"]
    assert miller_items(paper["delta"], paper["omega2"]) == pytest.approx(paper["n"])
    assert miller_items(paper["delta"], paper["omega2"], (1 / 6, 1 / 6)) == pytest.approx(miller["same_with_K1_s2_1/6"])
    for case in miller["mcnemar_connor_n"]:
        assert connor_items(case["p10"], case["p01"]) == pytest.approx(case["n"])


@pytest.mark.parametrize(("discordance", "margin"), [(0.02, 0.05), (0.05, 0.10), (0.10, 0.05), (0.10, 0.02), (0.3, 0.03)])
def test_the_items_needed_deliver_the_power_and_hardly_fewer_do(discordance: float, margin: float) -> None:
    needed = stats.items_for("non_inferior", Design(50, discordance), 0.0, margin)
    assert needed is not None
    powers = [stats.pass_probability("non_inferior", Design(round(f * needed), discordance), 0.0, margin) for f in (0.8, 1.0, 1.15)]
    assert powers[0] < 0.8 <= powers[1] < 0.88
    assert powers[2] >= 0.8


@pytest.mark.parametrize("items", [80, 400, 3000])
def test_margins_gains_and_losses_found_are_borders_of_the_power(items: int) -> None:
    design = Design(items, 0.08)
    margin, gain, loss = stats.smallest_margin(design), stats.smallest_gain(design), stats.mde(design)
    assert margin is not None
    assert gain is not None
    assert stats.pass_probability("non_inferior", design, 0.0, margin) == pytest.approx(0.8, abs=0.03)
    assert stats.pass_probability("superior", design, gain) == pytest.approx(0.8, abs=0.01)
    assert loss == gain


def test_clusters_of_scores_have_the_power_of_the_clustered_test() -> None:
    clusters, size, margin, icc, runs = 40, 5, 0.10, 0.4, 1500
    rng, passes = np.random.default_rng(3), 0
    code, zeros, ones = np.repeat(np.arange(clusters), size), np.zeros(clusters * size, dtype=np.intp), np.ones(clusters * size)
    for _ in range(runs):
        noise = math.sqrt(icc) * rng.normal(size=(clusters, 1)) + math.sqrt(1 - icc) * rng.normal(size=(clusters, size))
        passes += stats.MeanPairs(0.4 * noise.ravel(), code, zeros, ones).test(-margin, "greater").p <= 0.05
    design = Design(clusters * size, clusters=clusters, icc=icc, sd=0.4)
    assert stats.pass_probability("non_inferior", design, 0.0, margin) == pytest.approx(passes / runs, abs=0.03)


@pytest.mark.parametrize(("units", "size", "share", "margin"), [(60, 5, 0.04, 0.06), (250, 1, 0.30, 0.05), (80, 1, 0.04, 0.05)])
def test_units_of_which_most_are_tied_have_the_power_of_the_score_test(units: int, size: int, share: float, margin: float) -> None:
    def world(rng: np.random.Generator, count: int) -> Any:
        fate = np.where(rng.random((count, 1)) < 0.5, rng.random((count, 1)), rng.random((count, size)))
        sign = np.where(fate < share / 2, -1.0, np.where(fate > 1 - share / 2, 1.0, 0.0))
        return sign if size > 1 else sign * rng.choice([0.25, 0.5, 1.0], (count, 1))

    rng, runs, passes = np.random.default_rng(units), 400, 0
    code, zeros, ones = np.repeat(np.arange(units), size), np.zeros(units * size, dtype=np.intp), np.ones(units * size)
    for _ in range(runs):
        differences = world(rng, units).ravel()
        passes += stats.MeanPairs(differences, code, zeros, ones, span=1.0).test(-margin, "greater").p <= 0.05
    seen = world(np.random.default_rng(0), 4000)
    population = population_of(seen.sum(axis=1), np.full(4000, float(size)), 1.0)
    design = Design(units * size, clusters=units, sd=float(seen.std()), population=population)
    assert "score test" in stats.method_of("non_inferior", design, margin)
    assert stats.pass_probability("non_inferior", design, 0.0, margin) == pytest.approx(passes / runs, abs=0.03 + 3 * 0.025)
    lost = stats.pass_probability("non_inferior", design, -0.02, margin)
    assert lost <= stats.pass_probability("non_inferior", design, 0.0, margin)


@pytest.mark.parametrize(("units", "share", "gain"), [(60, 0.3, 0.12), (400, 0.1, 0.03), (1000, 0.05, -0.01), (40, 0.05, 0.0)])
def test_sign_flips_of_units_that_differ_have_the_power_planned(units: int, share: float, gain: float) -> None:
    population = ((0.0, 1.0, 1 - share), (0.5, 1.0, share / 2), (1.0, 1.0, share / 2))
    rng, runs, passes = np.random.default_rng(units), 300, 0
    code, zeros, ones = np.arange(units), np.zeros(units, dtype=np.intp), np.ones(units)
    up = (1 + gain / (0.75 * share)) / 2
    for seed in range(runs):
        differences = np.where(rng.random(units) < share, np.where(rng.random(units) < up, 1.0, -1.0), 0.0)
        differences *= rng.choice([0.5, 1.0], units)
        passes += stats.MeanPairs(differences, code, zeros, ones, span=1.0, seed=seed).test(0.0, "greater").p <= 0.05
    planned = score_probability(population, units, gain, 0.0, 0.05, alone=True)
    assert planned == pytest.approx(passes / runs, abs=0.03 + 3 * math.sqrt(0.25 / runs))
    whole = ((0.0, 1.0, 1 - share), (1.0, 1.0, share))
    exact = proof_probability(units, (share + gain) / 2, (share - gain) / 2, 0.0, 0.05)
    assert score_probability(whole, units, gain, 0.0, 0.05, alone=True) == pytest.approx(exact, abs=0.025)


def test_ordinal_scores_of_which_most_are_tied_are_planned_on_their_own_scale() -> None:
    population = ((0.0, 1.0, 0.9), (0.25, 1.0, 0.06), (1.0, 1.0, 0.04))
    design = Design(300, sd=0.5, population=population, span=4.0)
    shares = Design(300, sd=0.125, population=population)
    for margin in (0.1, 0.2, 0.4):
        planned = stats.pass_probability("non_inferior", design, 0.0, margin)
        assert planned == pytest.approx(stats.pass_probability("non_inferior", shares, 0.0, margin / 4))
    found = stats.smallest_margin(design)
    assert found is not None
    assert stats.pass_probability("non_inferior", design, 0.0, found) == pytest.approx(0.8, abs=0.06)


def test_a_population_counts_what_cancels_and_leans_where_a_gain_is_assumed() -> None:
    population = population_of(np.array([2.0, -1.0, 0.0, 0.0]), np.array([2.0, 2.0, 2.0, 2.0]), 0.5)
    assert population == ((0.0, 2.0, 0.75), (1.0, 2.0, 0.125), (2.0, 2.0, 0.125))
    assert spread_of(population, 0.0) == pytest.approx(math.sqrt(0.125 * 1 + 0.125 * 4) / 2)
    assert spread_of(population, -0.5) > 0
    assert score_probability(population, 100, 0.0, -1.0, 0.05) == 1.0
    assert score_probability(population, 100, 0.0, 1.0, 0.05) == 0.0


def test_a_rule_about_a_value_passes_as_often_as_the_binomial_says() -> None:
    rng = np.random.default_rng(0)
    hits = rng.binomial(200, 0.95, size=RUNS)
    proven = np.mean([stats.binomial_p(int(each), 200, 0.90, "greater") <= 0.05 for each in hits])
    assert stats.pass_probability("at_least", Design(200, score=0.95), 0.0, 0.90) == pytest.approx(proven, abs=NOISE)
    mirrored = stats.pass_probability("at_most", Design(200, score=0.05), 0.0, 0.10)
    assert mirrored == pytest.approx(stats.pass_probability("at_least", Design(200, score=0.95), 0.0, 0.90))
    needed = stats.items_for("at_least", Design(200, score=0.95), 0.0, 0.90)
    assert needed is not None
    assert stats.pass_probability("at_least", Design(round(1.2 * needed), score=0.95), 0.0, 0.90) > 0.8
    assert stats.items_for("at_least", Design(200, score=0.85), 0.0, 0.90) is None
    assert stats.pass_probability("at_most", Design(50, score=0.0), 0.0, 0.0) == 0.0


def test_one_item_one_cluster_and_nothing_discordant_prove_nothing_and_break_nothing() -> None:
    assert stats.pass_probability("non_inferior", Design(1), 0.0, 0.05) == 0.0
    assert (stats.smallest_margin(Design(1)) or 0.0) > 0.9
    assert stats.mde(Design(4, 0.0)) is None
    assert stats.pass_probability("not_regressed", Design(1), -1.0) == 1.0
    single = Design(100, clusters=1, icc=0.5)
    assert stats.pass_probability("non_inferior", single, 0.0, 0.5) == 0.0
    assert stats.smallest_margin(single) is None
    tied = Design(100, 0.0)
    assert stats.pass_probability("superior", tied) == 0.0
    assert 0.0 < (stats.smallest_margin(tied) or 0.0) < 0.05
    assert proof_probability(0, 0.1, 0.1, 0.0, 0.05) == 0.0


def test_a_gain_as_seen_needs_the_items_of_the_test_that_must_prove_it() -> None:
    pairs = stats.BinaryPairs(won=24, lost=16, items=400)
    needed = pairs.items_needed(0.0, 0.05)
    assert needed is not None
    assert stats.pass_probability("superior", Design(needed, 0.10), 0.02) == pytest.approx(0.8, abs=0.02)
    assert pairs.items_needed(0.03, 0.05) is None
    equal = pairs.items_needed(-0.03, 0.05, equal=True)
    assert equal is not None
    assert stats.pass_probability("non_inferior", Design(equal, 33 / 400), 0.0, 0.03) == pytest.approx(0.8, abs=0.02)


def test_nothing_on_the_wrong_side_of_the_border_is_ever_proven_by_more_items() -> None:
    assert stats.items_for("non_inferior", Design(100), -0.05, 0.05) is None
    assert stats.items_for("superior", Design(100), 0.0) is None
    assert stats.items_for("not_regressed", Design(100), 0.0) is None
    assert stats.binary_items(0.1, -0.02, -0.02, 0.05) is None
    assert stats.items_for("non_inferior", Design(100, sd=50.0), 0.0, 1e-4) is None


def test_a_margin_as_large_as_everything_always_passes() -> None:
    assert stats.pass_probability("non_inferior", Design(10), 0.0, 1.0) == 1.0
    assert stats.pass_probability("superior", Design(10), 0.5, 1.0) == 0.0


@pytest.mark.parametrize(
    "wrong",
    [{"items": 0}, {"items": 5, "clusters": 6}, {"items": 5, "discordance": 1.2}, {"items": 5, "icc": math.nan},
     {"items": 5, "sd": math.inf}, {"items": 5, "score": -0.1}],
)  # fmt: skip
def test_a_design_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Design(**wrong)
    with pytest.raises(ValueError, match="score"):
        stats.pass_probability("at_least", Design(10), 0.0, 0.5)


def test_draws_averaged_and_clusters_cost_what_the_design_effect_says() -> None:
    design = Design(400, clusters=100, icc=0.5)
    assert design.design_effect == pytest.approx(2.5)
    alone, together = (stats.smallest_margin(each) for each in (Design(400, sd=math.sqrt(0.1)), design))
    assert alone is not None
    assert together is not None
    assert together / alone == pytest.approx(math.sqrt(2.5), rel=0.03)
    assert design.with_items(800).clusters == 200
    assert "design effect of 2.5" in stats.method_of("non_inferior", design, 0.05)
    assert stats.method_of("non_inferior", Design(100), 0.05) == "exact unconditional test, enumerated"
    assert stats.method_of("not_regressed", Design(100)) == "exact McNemar, enumerated"
