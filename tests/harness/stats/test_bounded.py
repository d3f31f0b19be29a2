"""Sparse bounded differences: Tango's score where units are won, lost or tied, and safe where they are anything between."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import multinomial

from harness import stats
from harness.stats.bounded import BoundedUnits

Array = NDArray[np.float64]
SCORES = arrays.arrays(np.float64, st.integers(1, 50), elements=st.sampled_from([-1.0, -0.6, -0.25, 0.0, 0.0, 0.0, 0.1, 1.0]))


SIDES: tuple[stats.Side, ...] = ("greater", "less")


def units(values: Any, span: float = 1.0) -> BoundedUnits:
    found = np.asarray(values, dtype=float)
    return BoundedUnits(found, np.ones(len(found)), span, 1.0)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 20), st.integers(0, 20), st.integers(301, 500), st.integers(-90, 90), st.sampled_from([0.8, 0.9, 0.95]))
def test_of_many_items_won_lost_or_tied_it_is_tango(won: int, lost: int, tied: int, points: int, level: float) -> None:
    delta = points / 100
    found, items = units(np.repeat([1.0, -1.0, 0.0], [won, lost, tied])), won + lost + tied
    assert found.statistic(delta) == pytest.approx(float(stats.tango_statistic(won, lost, items, delta)), rel=1e-6, abs=1e-6)
    assert found.p(delta, "greater") == pytest.approx(stats.tango_p(won, lost, items, delta), rel=1e-4, abs=1e-12)
    assert found.interval(level) == pytest.approx(stats.tango_interval(won, lost, items, level), abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 9), st.integers(0, 9), st.integers(1, 60), st.integers(-90, 90), st.sampled_from([0.8, 0.9, 0.95]))
def test_of_few_items_it_is_never_more_certain_than_tango(won: int, lost: int, tied: int, points: int, level: float) -> None:
    delta, items = points / 100, won + lost + tied
    found = units(np.repeat([1.0, -1.0, 0.0], [won, lost, tied]))
    for side in SIDES:
        assert found.p(delta, side) >= stats.tango_p(won, lost, items, delta, side) - 1e-6
    ends, tango = found.interval(level), stats.tango_interval(won, lost, items, level)
    assert ends[0] <= tango[0] + 1e-6
    assert ends[1] >= tango[1] - 1e-6


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 8), st.integers(0, 8), st.integers(1, 40), st.integers(-90, 90), st.sampled_from(["greater", "less"]))
def test_p_of_few_items_is_the_chance_of_such_a_sum(won: int, lost: int, tied: int, points: int, side: stats.Side) -> None:
    """Counted out under the nearest distribution with that gain: every number of wins and losses."""
    delta, items = points / 100, won + lost + tied
    found = units(np.repeat([1.0, -1.0, 0.0], [won, lost, tied]))
    z = found.statistic(delta) * (1 if side == "greater" else -1)
    if z <= 0:
        assert found.p(delta, side) == pytest.approx(float(ndtr(-z)))
        return
    values, chances = found.null(delta)
    shares = [float(chances[np.abs(values + delta - what) < 1e-9].sum()) for what in (1.0, -1.0)]
    wins, losses = np.meshgrid(np.arange(items + 1), np.arange(items + 1), indexing="ij")
    counts = np.stack([wins, losses, np.maximum(items - wins - losses, 0)], axis=-1)
    likely = multinomial.pmf(counts.reshape(-1, 3), items, [*shares, max(0.0, 1 - sum(shares))]).reshape(wins.shape)
    beyond = (wins - losses >= won - lost) if side == "greater" else (wins - losses <= won - lost)
    summed = float(likely[beyond & (wins + losses <= items)].sum())
    assert found.p(delta, side) == pytest.approx(max(summed, float(ndtr(-z))), rel=1e-6, abs=2e-12)


@settings(max_examples=50, deadline=None)
@given(SCORES, st.floats(-0.95, 0.95))
def test_the_reweighted_data_have_the_mean_of_the_hypothesis(values: Array, delta: float) -> None:
    distances, chances = units(values).null(delta)
    assert chances.sum() == pytest.approx(1, abs=1e-6)
    assert (chances >= 0).all()
    assert float(chances @ distances) == pytest.approx(0, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(SCORES, st.sampled_from([0.8, 0.9, 0.95]))
def test_the_interval_is_what_the_test_keeps_and_swapping_the_sides_mirrors_it(values: Array, level: float) -> None:
    found, z = units(values), float(ndtri(0.5 + level / 2))
    low, high = found.interval(level)
    assert -1 <= low < high <= 1
    assert low <= found.gain <= high
    assert units(-values).interval(level) == pytest.approx((-high, -low), abs=1e-6)
    for end, sign in ((low, 1.0), (high, -1.0)):
        if abs(end) < 1:
            side: stats.Side = "greater" if sign > 0 else "less"
            assert found.p(end - sign * 1e-4, side) < float(ndtr(-z)) < found.p(end + sign * 1e-4, side)


@settings(max_examples=50, deadline=None)
@given(SCORES, st.floats(0.1, 50))
def test_the_unit_of_measurement_does_not_matter(values: Array, factor: float) -> None:
    low, high = units(values).interval(0.9)
    assert units(factor * values, factor).interval(0.9) == pytest.approx((factor * low, factor * high), rel=1e-4, abs=1e-6 * factor)


def test_clusters_lost_whole_count_as_single_items() -> None:
    lost = np.repeat(np.repeat([-1.0, 0.0], [3, 57]), 6)
    pairs = stats.MeanPairs(lost, np.arange(360) // 6, np.zeros(360, dtype=np.intp), np.ones(360), span=1.0)
    found = pairs.interval(0.9)
    alone = units(np.repeat([-1.0, 0.0], [3, 57]))
    assert (found.low, found.high) == pytest.approx(alone.interval(0.9), abs=1e-6)
    assert pairs.test(-0.1, "greater").p == pytest.approx(alone.p(-0.1, "greater"), abs=1e-9)
    assert pairs.test(-0.1, "greater").method == "Tango score over clusters"


def test_clusters_that_show_nothing_rule_out_only_what_would_have_shown() -> None:
    """39 clusters would all be spared by a process that loses 5 % of them outright in 13 % of cases: that is no proof."""
    still = stats.MeanPairs(
        np.zeros(39 * 18), np.arange(39 * 18) // 18, np.zeros(39 * 18, dtype=np.intp), np.ones(39 * 18), span=1.0
    )
    assert still.test(-0.05, "greater").p > 0.05
    assert still.test(-0.15, "greater").p < 0.05


def test_more_items_in_each_cluster_do_not_hurt_where_losses_are_small_and_many() -> None:
    rng = np.random.default_rng(0)
    values = np.where(rng.random(400 * 5) < 0.02, -1.0, 0.0)
    clusters = np.arange(2000) // 5
    pairs = stats.MeanPairs(values, clusters, np.zeros(2000, dtype=np.intp), np.ones(2000), span=1.0)
    found = pairs.interval(0.9)
    assert pairs.sparse
    assert found.low is not None
    assert -0.05 < found.low < pairs.gain - 0.004


def test_a_heavy_item_that_was_lost_may_be_lost_again() -> None:
    weights = np.repeat([10.0, 1.0], [15, 1000])  # the heavy ones are too few to speak for the rest
    light, heavy = np.zeros(1015), np.zeros(1015)
    light[500], heavy[5] = -1.0, -1.0
    widths = []
    for values in (light, heavy):
        pairs = stats.MeanPairs(values, np.arange(1015), np.zeros(1015, dtype=np.intp), weights, span=1.0)
        found = pairs.interval(0.9)
        assert found.low is not None
        widths.append(pairs.gain - found.low)
    assert widths[1] > 1.3 * widths[0]


def test_a_few_clusters_lost_whole_are_few_though_others_lost_an_item() -> None:
    """Sixteen of twenty clusters differ, but three of them make up nearly all: a t would be too sure of the rest."""
    values = np.zeros((20, 20))
    values[:3, :14], values[3:16, 0] = -1.0, -1.0
    zeros = np.zeros(400, dtype=np.intp)
    uneven = stats.MeanPairs(values.ravel().copy(), np.arange(400) // 20, zeros, np.ones(400), span=1.0)
    values[:3, 1:] = 0.0
    even = stats.MeanPairs(values.ravel(), np.arange(400) // 20, zeros, np.ones(400), span=1.0)
    assert uneven.sparse
    assert not even.sparse
