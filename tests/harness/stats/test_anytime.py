"""Evidence at any time: recorded values, and that nobody can expect to gain where the hypothesis is true."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from harness.stats import Side
from harness.stats.anytime import Bets, log_discordant

SIDES: tuple[Side, ...] = ("greater", "less")


def bets(values: Any, **more: Any) -> Bets:
    """One unit per value."""
    found = np.asarray(values, dtype=float)
    return Bets(found, np.ones(len(found)), 1.0, **more)


def test_evidence_on_discordant_items_is_as_recorded(vectors: dict[str, Any]) -> None:
    for case in vectors["evalue_discordant_beta_mixture"]["E(w,l)=2^(w+l)*B(w+1,l+1)"]:
        assert float(log_discordant(case["A_only"], case["B_only"])) == pytest.approx(case["final_logE"], rel=1e-12)


@pytest.mark.parametrize("side", ["two-sided", "greater", "less"])
def test_discordant_evidence_is_one_on_average_where_wins_and_losses_are_alike(side: Side) -> None:
    won = np.arange(41)
    evidence = np.exp(log_discordant(won, 40 - won, side))
    assert float((binom.pmf(won, 40, 0.5) * evidence).sum()) == pytest.approx(1.0)


def test_one_sided_evidence_shrinks_where_the_other_side_is_better() -> None:
    won = np.arange(41)
    evidence = np.exp(log_discordant(won, 40 - won, "greater"))
    assert float((binom.pmf(won, 40, 0.4) * evidence).sum()) < 1.0
    assert log_discordant(30, 10, "greater") == log_discordant(10, 30, "less") > 0 > log_discordant(10, 30, "greater")


def test_the_next_pair_is_a_fair_bet() -> None:
    now = np.exp(log_discordant(7, 3))
    assert 0.5 * (np.exp(log_discordant(8, 3)) + np.exp(log_discordant(7, 4))) == pytest.approx(now)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("border", [-0.1, 0.0, 0.3])
def test_capital_is_one_on_average_where_the_mean_is_the_border(border: float, side: Side) -> None:
    """All outcomes of four units that win 1, lose 1 or tie, enumerated."""
    chances = {1.0: 0.2 + border / 2, -1.0: 0.2 - border / 2, 0.0: 0.6}
    average = sum(
        math.prod(chances[value] for value in values) * math.exp(bets(values).log_capital(border, side))
        for values in itertools.product(chances, repeat=4)
    )
    assert average == pytest.approx(1.0)


@pytest.mark.parametrize("side", SIDES)
def test_uneven_clusters_are_a_fair_bet_on_their_items(side: Side) -> None:
    """A cluster of three that is lost, or two single items that are won, are drawn so that the mean over items is the border."""
    clusters = {(-3.0, 3.0): 0.1, (1.0, 1.0): 0.4, (0.0, 1.0): 0.5}
    border = sum(p * total for (total, _), p in clusters.items()) / sum(p * size for (_, size), p in clusters.items())
    average = 0.0
    for drawn in itertools.product(clusters, repeat=3):
        sums, sizes = (np.array(each) for each in zip(*drawn, strict=True))
        average += math.prod(clusters[each] for each in drawn) * math.exp(Bets(sums, sizes, 3.0).log_capital(border, side))
    assert average == pytest.approx(1.0)


def test_scores_at_the_end_of_their_range_leave_nothing_to_bet_on() -> None:
    assert bets([0.2, 0.7], low=0.0).log_capital(0.0, "greater") == 0.0
    assert bets([0.2, 0.7], low=0.0).log_capital(1.0, "less") == 0.0


def test_no_loss_among_many_rules_a_margin_out_about_as_soon_as_can_be() -> None:
    """With no loss at all, (1 − 0.03)^n ≤ 0.05 takes 99 items; not knowing which stake is best costs as many again."""
    assert bets(np.zeros(99)).log_capital(-0.03, "greater") < math.log(20) < bets(np.zeros(200)).log_capital(-0.03, "greater")


def test_interval_ends_where_the_capital_is_enough() -> None:
    found = bets(np.random.default_rng(2).choice([-1.0, 0.0, 1.0], p=[0.1, 0.7, 0.2], size=400))
    low, high = found.interval(0.9)
    assert -1 < low < found.mean < high < 1
    assert found.log_capital(low, "greater") == pytest.approx(math.log(20), abs=1e-4)
    assert found.log_capital(high, "less") == pytest.approx(math.log(20), abs=1e-4)
    wide = found.interval(0.99)
    assert wide[0] < low
    assert wide[1] > high


def test_an_interval_is_never_without_width() -> None:
    low, high = bets(np.zeros(50)).interval(0.9)
    assert low < -0.02
    assert high > 0.02
    assert bets([1.0]).interval(0.9) == pytest.approx((-1.0, 1.0), abs=0.2)


def test_looking_again_and_again_misses_the_truth_as_rarely_as_it_says() -> None:
    rng, misses, runs = np.random.default_rng(11), 0, 200
    for _ in range(runs):
        values = rng.choice([-1.0, 0.0, 1.0], p=[0.12, 0.8, 0.08], size=300)
        looks = [bets(values[:items]) for items in range(25, 301, 25)]
        misses += any(each.log_capital(-0.04, side) >= math.log(20) for each in looks for side in SIDES)
    assert misses / runs <= 0.10 + 3 * math.sqrt(0.1 * 0.9 / runs)
