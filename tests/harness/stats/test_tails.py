"""Sums of independent units: against every pattern counted out, and never below the truth where it is a bound."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom

from harness import stats
from harness.stats import tails

Array = NDArray[np.float64]
WHOLE = st.lists(st.integers(-6, 6), min_size=1, max_size=9).map(lambda found: np.array(found, dtype=float))


@pytest.mark.parametrize(
    ("values", "step"),
    [
        ([2.0, -4.0, 6.0], 2.0), ([2.0, 3.0], 1.0), ([0.25, 0.75, 0.0], 0.25), ([0.1, 0.3, -0.7], 0.1), ([5.0], 5.0),
        ([0.0], None), ([1.0, np.pi], None), ([1.0, 1e-5], None),
    ],
)  # fmt: skip
def test_the_step_of_a_lattice(values: list[float], step: float | None) -> None:
    found = tails.step_of(np.array(values))
    assert found == (None if step is None else pytest.approx(step))


def counted(values: Array, chances: Array, units: int, total: float, upper: bool) -> float:
    found = 0.0
    for pattern in product(range(len(values)), repeat=units):
        summed = float(values[list(pattern)].sum())
        if (summed >= total - 1e-9) if upper else (summed <= total + 1e-9):
            found += float(np.prod(chances[list(pattern)]))
    return found


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(-4, 4), min_size=1, max_size=4, unique=True), st.integers(1, 6), st.integers(0, 10**6), st.booleans(),
    st.floats(-0.9, 0.9),
)  # fmt: skip
def test_the_sum_of_units_on_a_lattice_is_counted_exactly(
    whole: list[int], units: int, seed: int, upper: bool, shift: float
) -> None:
    rng = np.random.default_rng(seed)
    values = np.array(whole, dtype=float) - shift
    chances = rng.dirichlet(np.ones(len(values)))
    total = float(rng.choice(values, units).sum())
    expected = counted(values, chances, units, total, upper)
    assert tails.drawn(values, chances, units, total, upper, 1.0) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 10**6), st.booleans())
def test_without_a_lattice_it_is_never_below_the_truth_and_hardly_above(kinds: int, units: int, seed: int, upper: bool) -> None:
    rng = np.random.default_rng(seed)
    values, chances = rng.normal(size=kinds + 1), rng.dirichlet(np.ones(kinds + 1))
    total = float(rng.choice(values, units).sum())
    found = tails.drawn(values, chances, units, total, upper, None)
    assert found >= counted(values, chances, units, total, upper) - 1e-8
    near = 0.01 * float(np.ptp(values)) * (1 if upper else -1)
    assert found <= counted(values, chances, units, total - near, upper) + 1e-9


@pytest.mark.parametrize("units", [20, 300])
def test_two_values_far_apart_are_a_binomial_number_though_they_have_no_lattice(units: int) -> None:
    for lost in (0, 1, 5, 11):
        values, chances = np.array([-1.0 + 0.037, 0.037]), np.array([0.05, 0.95])
        total = float(units * 0.037 - lost)
        found = tails.drawn(values, chances, units, total, True, None)
        assert found == pytest.approx(float(binom.cdf(lost, units, 0.05)), abs=1e-9)


def signed(values: Array, total: float) -> float:
    return float(np.mean([float(np.dot(signs, values)) >= total - 1e-9 for signs in product((1, -1), repeat=len(values))]))


@settings(max_examples=60, deadline=None)
@given(WHOLE)
def test_sums_over_random_halves_are_those_of_all_patterns(values: Array) -> None:
    found = tails.subsets(values)
    if not values.any():
        assert found is None
        return
    assert found is not None
    rows, chances = found
    assert chances.sum() == pytest.approx(1)
    patterns = np.array([float(np.dot(taken, values)) for taken in product((0, 1), repeat=len(values))])
    for row, chance in zip(rows, chances, strict=True):
        assert chance == pytest.approx(float((np.abs(patterns - row) < 1e-9).mean()))


def test_too_many_different_sums_are_not_counted() -> None:
    assert tails.subsets(np.asarray(np.arange(1, 2001), dtype=float)) is None


@settings(max_examples=60, deadline=None)
@given(WHOLE, st.floats(-5, 30))
def test_the_bound_on_flipped_signs_is_never_below_the_truth(values: Array, total: float) -> None:
    assert tails.flips_bound(values, total) >= signed(values, total) - 1e-12


def test_the_bound_on_flipped_signs_is_no_worse_than_a_normal_tail_allows() -> None:
    values = np.random.default_rng(0).random(400)
    spread = float(np.sqrt((values**2).sum()))
    for z in (4.0, 6.0, 8.0):
        found = tails.flips_bound(values, z * spread)
        assert np.exp(-0.62 * z**2) < found <= np.exp(-(z**2) / 2)
    assert tails.flips_bound(np.ones(30), 30.0) == 0.5**30
    assert tails.flips_bound(np.zeros(5), 1.0) == 1.0


def clusters(sums: Array, size: int) -> stats.MeanPairs:
    """Clusters of ``size`` right-or-wrong items that gain or lose so many."""
    values = np.zeros((len(sums), size))
    for row, total in zip(values, sums.astype(int).tolist(), strict=True):
        row[: abs(total)] = np.sign(total)
    codes = np.repeat(np.arange(len(sums)), size)
    return stats.MeanPairs(values.ravel(), codes, np.zeros(len(codes), dtype=np.intp), np.ones(len(codes)), span=1.0)


def test_broken_clusters_are_more_certain_than_any_number_of_resamples() -> None:
    broken = clusters(np.repeat([-3.0, -1.0, 0.0], [20, 20, 60]), 4)
    found = broken.test(0.0, "less")
    assert found.method == "exact sign-flip permutation"
    assert found.p == pytest.approx(0.5**40)
    assert found.floor == 0.5**40
    assert broken.test(0.0, "two-sided").p == pytest.approx(2 * 0.5**40)
    assert broken.test(0.0, "greater").p == pytest.approx(1.0)
    real = stats.MeanPairs(
        -1 - np.random.default_rng(0).random(40), np.arange(40), np.zeros(40, dtype=np.intp), np.ones(40), size=2.0
    )
    assert real.test(0.0, "less").p == pytest.approx(0.5**40)
    assert real.test(0.0, "less").method == "sign-flip permutation"
    assert real.test(0.0, "greater").p == pytest.approx(1.0)


def test_the_exact_permutation_is_what_resamples_estimate() -> None:
    rng = np.random.default_rng(3)
    for _ in range(10):
        sums = rng.integers(-3, 3, size=60).astype(float)
        found = clusters(sums, 4).test(0.0, "less")
        halves = rng.random((40_000, 60)) < 0.5
        estimated = float((sums.sum() - 2 * halves @ sums <= sums.sum()).mean())
        assert found.p == pytest.approx(estimated, abs=0.012)
        assert "seed" not in found.parameters
