"""Right or wrong on both sides: exact and score methods against published values, other libraries, and themselves mirrored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as distributions
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.proportion import proportion_confint

from harness import stats


@st.composite
def tables(draw: st.DrawFn) -> tuple[int, int, int]:
    """won, lost, items."""
    won, lost = draw(st.integers(0, 60)), draw(st.integers(0, 60))
    return won, lost, won + lost + draw(st.integers(1, 200))


def test_mcnemar_equals_the_published_gsm8k_values(vectors: dict[str, Any]) -> None:
    for name, pair in vectors["gsm8k_paired"]["pairs"].items():
        _, first, second, _ = pair["table_both_aonly_bonly_neither"]
        assert stats.mcnemar(second, first) == pytest.approx(pair["mcnemar_exact"], rel=1e-9), name
        assert stats.mcnemar_midp(second, first) == pytest.approx(pair["mcnemar_midp"], rel=1e-9), name


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (0, 1), (5, 0), (6, 0), (12, 30), (200, 180)])
def test_mcnemar_equals_statsmodels(won: int, lost: int) -> None:
    assert stats.mcnemar(won, lost) == pytest.approx(reference_mcnemar([[40, lost], [won, 40]], exact=True).pvalue)


def test_one_sided_mcnemar_needs_five_discordant_items_and_two_sided_six() -> None:
    assert stats.mcnemar(4, 0, "greater") > 0.05 >= stats.mcnemar(5, 0, "greater")
    assert stats.mcnemar(5, 0) > 0.05 >= stats.mcnemar(6, 0)


def test_tango_and_newcombe_intervals_equal_the_cross_checked_cases(vectors: dict[str, Any]) -> None:
    for case in vectors["paired_proportion_ci"]["cases"]:
        both, first, second, neither = case["table_both_aonly_bonly_neither"]
        items = both + first + second + neither
        assert stats.tango_interval(first, second, items, 0.95) == pytest.approx(case["tango"], abs=1e-10)
        assert stats.newcombe_interval(both, first, second, neither, 0.95) == pytest.approx(case["newcombe10"], abs=1e-10)


def test_proportion_intervals_equal_the_published_cases_and_statsmodels(vectors: dict[str, Any]) -> None:
    for case in vectors["binomial_ci"]:
        hits, items, level = case["k"], case["n"], 1 - case["alpha"]
        assert stats.wilson(hits, items, level) == pytest.approx(case["wilson"], abs=1e-12)
        assert stats.clopper_pearson(hits, items, level) == pytest.approx(case["beta"], abs=1e-12)
        reference = proportion_confint(hits, items, case["alpha"], "wilson")
        assert stats.wilson(hits, items, level) == pytest.approx(reference, abs=1e-12)


def test_twenty_of_twenty_is_not_certainty() -> None:
    low, high = stats.clopper_pearson(20, 20, 0.95)
    assert low == pytest.approx(0.8315665)
    assert high == 1.0


def test_non_inferiority_agrees_with_the_published_normal_values_where_items_are_many(vectors: dict[str, Any]) -> None:
    for case in vectors["noninferiority_gsm8k"]["175bft_minus_6bver"]:
        p = stats.tango_p(152, 209, 1319, -case["margin"])
        assert p == pytest.approx(case["p_noninf"], abs=0.002)


@given(tables(), st.floats(-0.3, 0.3))
def test_swapping_the_sides_mirrors_everything(table: tuple[int, int, int], delta: float) -> None:
    won, lost, items = table
    low, high = stats.tango_interval(won, lost, items, 0.9)
    swapped = stats.tango_interval(lost, won, items, 0.9)
    assert swapped == pytest.approx((-high, -low), abs=1e-9)
    assert stats.mcnemar(won, lost, "greater") == stats.mcnemar(lost, won, "less")
    assert stats.tango_p(won, lost, items, delta, "greater") == pytest.approx(
        stats.tango_p(lost, won, items, -delta, "less"), abs=1e-9
    )


@given(tables(), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_the_interval_is_what_the_score_test_keeps(table: tuple[int, int, int], level: float) -> None:
    won, lost, items = table
    low, high = stats.tango_interval(won, lost, items, level)
    assert low < (won - lost) / items < high
    tail = (1 - level) / 2
    if low > -1:
        assert stats.tango_p(won, lost, items, low) == pytest.approx(tail, abs=1e-6)
    if high < 1:
        assert stats.tango_p(won, lost, items, high, "less") == pytest.approx(tail, abs=1e-6)


def test_all_ties_still_have_an_interval_of_some_width() -> None:
    low, high = stats.tango_interval(0, 0, 600, 0.9)
    assert low == pytest.approx(-high)
    assert high > 0.004


def brute_force(won: int, lost: int, items: int, delta: float) -> float:
    """The exact unconditional p by summing every table over a fine grid of nuisance rates."""
    observed = float(stats.tango_statistic(won, lost, items, delta))
    cells = [(w, b) for w in range(items + 1) for b in range(items + 1 - w)]
    inside = [(w, b) for w, b in cells if float(stats.tango_statistic(w, b, items, delta)) >= observed - 1e-9]
    best = 0.0
    for rate in np.linspace(max(0.0, -delta), (1 - delta) / 2, 801):
        chances = [max(rate + delta, 0.0), rate, max(1 - 2 * rate - delta, 0.0)]
        counts = np.array([(w, b, items - w - b) for w, b in inside])
        best = max(best, float(distributions.multinomial.pmf(counts, items, chances).sum()))
    return best


@pytest.mark.parametrize(("won", "lost", "items", "margin"), [(0, 0, 12, 0.2), (1, 2, 15, 0.1), (3, 0, 10, 0.15), (0, 4, 14, 0.3)])
def test_the_exact_test_equals_brute_force(won: int, lost: int, items: int, margin: float) -> None:
    assert stats.exact_p(won, lost, items, -margin) == pytest.approx(brute_force(won, lost, items, -margin), abs=2e-4)


def test_the_exact_test_of_no_discordance_is_the_chance_of_seeing_no_loss() -> None:
    assert stats.exact_p(0, 0, 100, -0.02) == pytest.approx(0.98**100)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 60), st.sampled_from([0.02, 0.05, 0.1]))
def test_the_exact_test_moves_the_right_way(won: int, lost: int, tied: int, margin: float) -> None:
    items = won + lost + tied + 1
    p = stats.exact_p(won, lost, items, -margin)
    assert 0 <= p <= 1
    assert stats.exact_p(won + 1, lost, items + 1, -margin) <= p + 0.02
    assert stats.exact_p(lost, won, items, margin, "less") == pytest.approx(p, abs=1e-9)


def test_binomial_p_names_the_side_of_the_claim() -> None:
    assert stats.binomial_p(3, 100, 0.05, "less") == pytest.approx(distributions.binom.cdf(3, 100, 0.05))
    assert stats.binomial_p(3, 100, 0.05, "greater") == pytest.approx(distributions.binom.sf(2, 100, 0.05))


def test_an_interval_of_nothing_is_refused() -> None:
    for method in (stats.wilson, stats.clopper_pearson):
        with pytest.raises(ValueError, match="at least one item"):
            method(0, 0, 0.9)
    with pytest.raises(ValueError, match="at least one item"):
        stats.tango_interval(0, 0, 0, 0.9)


def test_type_one_error_of_the_deployed_non_inferiority_tests_by_enumeration() -> None:
    """The true loss equals the margin; every table is weighted with its probability, so that there is no Monte-Carlo error."""
    small, large = ((100, 0.05, wins, 0.05) for wins in (0.0, 0.05)), ((600, 0.02, wins, 0.065) for wins in (0.0, 0.03))
    for items, margin, wins, allowed in (*small, *large):
        passed = 0.0
        losses = wins + margin
        for lost in range(int(items * losses + 6 * np.sqrt(items * losses) + 3)):
            chance_lost = distributions.binom.pmf(lost, items, losses)
            for won in range(int(items * wins + 6 * np.sqrt(items * wins) + 1)):
                chance = chance_lost * distributions.binom.pmf(won, items - lost, wins / (1 - losses))
                if chance > 1e-7 and stats.difference_p(won, lost, items, -margin, "greater")[0] <= 0.05:
                    passed += chance
        assert passed <= allowed, (items, margin, wins, passed)
