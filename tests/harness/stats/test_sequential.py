"""Looking several times: published boundaries, the multivariate normal, simulation, and what a sequential p must obey."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri
from scipy.stats import betabinom, binom, multivariate_normal

from harness.stats.sequential import Spending, bounds, discordant_chance, nominal, sequential_p, spent

FIVE = (0.2, 0.4, 0.6, 0.8, 1.0)
SPENDINGS: tuple[Spending, ...] = ("obrien_fleming", "pocock")

fractions = st.lists(st.integers(1, 40), min_size=1, max_size=6, unique=True).map(
    lambda found: [each / 40 for each in sorted(found)]
)


@pytest.mark.parametrize(
    ("spending", "alpha", "published"),
    [
        ("obrien_fleming", 0.025, (4.8769, 3.3569, 2.6803, 2.2898, 2.0310)),
        ("pocock", 0.025, (2.4380, 2.4268, 2.4101, 2.3966, 2.3859)),
    ],
)
def test_five_equal_looks_have_the_published_bounds(spending: Spending, alpha: float, published: tuple[float, ...]) -> None:
    """Lan & DeMets 1983; Jennison & Turnbull 2000, chapter 7 (as the public programs of both print them)."""
    assert bounds(FIVE, alpha, spending) == pytest.approx(published, abs=2e-4)


@pytest.mark.parametrize("spending", SPENDINGS)
@pytest.mark.parametrize("seen", [(0.5, 1.0), (0.2, 0.9, 1.0), (0.5, 0.501, 1.0), (0.3, 0.7, 1.3)])
def test_what_is_spent_by_each_look_is_what_a_multivariate_normal_says(spending: Spending, seen: tuple[float, ...]) -> None:
    times = np.array(seen)
    found = np.array(bounds(seen, 0.05, spending))
    correlation = np.sqrt(np.minimum.outer(times, times) / np.maximum.outer(times, times))
    for looks in range(1, len(seen) + 1):
        stayed = multivariate_normal.cdf(
            found[:looks], cov=correlation[:looks, :looks], abseps=1e-9, releps=1e-9, maxpts=400_000, rng=np.random.default_rng(0)
        )
        assert 1 - stayed == pytest.approx(spent(seen[looks - 1], 0.05, spending), abs=2e-6)


@pytest.mark.parametrize("spending", SPENDINGS)
def test_ten_unequal_looks_cross_as_often_as_they_may(spending: Spending) -> None:
    seen = np.array([0.04, 0.09, 0.2, 0.22, 0.4, 0.45, 0.6, 0.8, 0.81, 1.0])
    runs = 200_000
    steps = np.random.default_rng(3).standard_normal((runs, 10)) * np.sqrt(np.diff(seen, prepend=0.0))
    crossed = np.cumsum(steps, axis=1) / np.sqrt(seen) >= np.array(bounds(tuple(seen), 0.05, spending))
    so_far = np.maximum.accumulate(crossed, axis=1).mean(axis=0)
    allowed = np.array([spent(fraction, 0.05, spending) for fraction in seen])
    assert np.abs(so_far - allowed).max() < 4 * math.sqrt(0.05 * 0.95 / runs)


def test_one_look_at_everything_is_no_looking_at_all() -> None:
    assert nominal(0, (1.0,), 0.05, "obrien_fleming") == pytest.approx(0.05)
    for p in (1e-12, 0.003, 0.2, 0.9):
        assert sequential_p([p], [1.0], "pocock")[0] == pytest.approx(p, rel=1e-6)


def test_a_first_look_has_its_sequential_p_in_closed_form() -> None:
    assert sequential_p([0.01], [0.3], "pocock")[0] == pytest.approx(0.01 / math.log1p((math.e - 1) * 0.3), rel=1e-6)
    early = 2 * (1 - 0.5 * (1 + math.erf(-float(ndtri(0.001 / 2)) * math.sqrt(0.3) / math.sqrt(2))))
    assert sequential_p([0.001], [0.3], "obrien_fleming")[0] == pytest.approx(early, rel=1e-6)


@given(seen=fractions, spending=st.sampled_from(SPENDINGS), alpha=st.floats(1e-4, 0.4), data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_sequential_p_reaches_alpha_exactly_where_a_look_does(
    seen: list[float], spending: Spending, alpha: float, data: st.DataObject
) -> None:
    p = data.draw(st.lists(st.floats(0, 1), min_size=len(seen), max_size=len(seen)))
    found, which = sequential_p(p, seen, spending)
    rejected = [p[look] <= nominal(look, seen, alpha, spending) for look in range(len(seen))]
    if abs(found - alpha) > 1e-6:
        assert (found <= alpha) == any(rejected)
    assert 0 <= found <= 1
    assert 0 <= which < len(seen)


@given(seen=fractions, spending=st.sampled_from(SPENDINGS))
@settings(max_examples=25, deadline=None)
def test_levels_rise_with_alpha_so_that_one_smallest_alpha_exists(seen: list[float], spending: Spending) -> None:
    found = [bounds(seen, alpha, spending) for alpha in (1e-8, 1e-4, 0.01, 0.05, 0.2, 0.5, 0.8, 0.99)]
    assert all(later <= earlier + 1e-7 for less, more in pairwise(found) for earlier, later in zip(less, more, strict=True))


def test_looking_again_never_takes_back_what_was_proven() -> None:
    assert sequential_p([0.2, 0.001, 0.3], FIVE[:3], "pocock")[0] == sequential_p([0.2, 0.001], FIVE[:2], "pocock")[0]
    assert sequential_p([0.2, 0.001, 0.3], FIVE[:3], "pocock")[1] == 1


def test_sequential_p_are_uniform_where_nothing_is_to_be_found() -> None:
    seen = (0.25, 0.5, 1.0)
    steps = np.random.default_rng(5).standard_normal((3_000, 3)) * np.sqrt(np.diff(seen, prepend=0.0))
    z = np.cumsum(steps, axis=1) / np.sqrt(seen)
    p = np.array([[0.5 * math.erfc(value / math.sqrt(2)) for value in row] for row in z])
    for alpha in (0.01, 0.05, 0.2):
        levels = [nominal(look, seen, alpha, "pocock") for look in range(3)]
        assert (p <= levels).any(axis=1).mean() == pytest.approx(alpha, abs=4 * math.sqrt(alpha / 3_000))


def test_a_last_look_that_outruns_the_plan_spends_what_is_left() -> None:
    assert spent(1.4, 0.05, "pocock") == 0.05
    late = nominal(1, (0.5, 1.4), 0.05, "obrien_fleming")
    assert 0.04 < late < nominal(1, (0.5, 1.0), 0.05, "obrien_fleming")  # the looks have less in common
    assert nominal(2, (0.5, 1.0, 1.2), 0.05, "pocock") < 1e-200  # nothing is left after everything


def test_certain_and_impossible_p() -> None:
    assert sequential_p([0.0], [0.5], "obrien_fleming")[0] < 1e-100
    assert sequential_p([1.0, 1.0], [0.5, 1.0], "pocock") == (1.0, 1)


@pytest.mark.parametrize("seen", [(), (0.0, 1.0), (0.5, 0.5), (0.6, 0.4)])
def test_fractions_that_do_not_increase_are_refused(seen: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="expected increasing numbers above 0"):
        bounds(seen, 0.05, "pocock")


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, math.nan])
def test_an_alpha_that_is_no_probability_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match="expected above 0 and below 1"):
        bounds((0.5, 1.0), alpha, "pocock")


def test_every_look_needs_its_p() -> None:
    with pytest.raises(ValueError, match="1 p-values for 2 information fractions"):
        sequential_p([0.1], [0.5, 1.0], "pocock")


def test_the_chance_of_a_discordant_result_is_what_sampling_says() -> None:
    """As a beta-binomial where every item differs; certain at the end; small where hardly anything differs."""
    assert discordant_chance(0, 0, 400, 1000, 0.04, "less", 0) < 0.03
    assert discordant_chance(0, 12, 400, 1000, 0.04, "less", 0) > 0.95
    assert discordant_chance(0, 12, 400, 1000, 0.04, "greater", 0) < 0.01
    assert discordant_chance(3, 15, 400, 400, 0.04, "less", 0) == 1.0
    assert discordant_chance(3, 8, 400, 400, 0.04, "less", 0) == 0.0
    more = np.arange(41)
    needed = more[[binom.cdf(30 + 40 - up, 100, 0.5) <= 0.04 for up in more]].min()  # wins among 40 more, after 30 of 60
    expected = betabinom(40, 30.5, 30.5).sf(needed - 1)
    assert discordant_chance(30, 30, 60, 100, 0.04, "greater", 0) == pytest.approx(expected, abs=0.02)
