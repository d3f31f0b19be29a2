"""Gains over several training seeds: the noise of seeds is in the interval, and three seeds are not fooled."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats as distributions

from harness.stats import MeanPairs, Replicates

Array = NDArray[np.float64]


def of(gains: Array, clusters: Array | None = None, span: float | None = None) -> Replicates:
    items = gains.shape[1]
    code = np.arange(items) if clusters is None else clusters
    return Replicates(gains, MeanPairs(gains[0], code.astype(np.intp), np.zeros(items, dtype=np.intp), np.ones(items), span=span))


def drawn(rng: np.random.Generator, replicates: int, items: int, seeds: float, shared: float = 1.0, own: float = 1.0) -> Array:
    """Gains with no true gain: noise of seeds, of items (shared by all seeds), and of both together."""
    return np.asarray(
        rng.normal(0, seeds, (replicates, 1)) + rng.normal(0, shared, (1, items)) + rng.normal(0, own, (replicates, items))
    )


def test_without_noise_of_items_it_is_the_t_test_over_seeds() -> None:
    gains = np.repeat(np.asarray([[0.1], [0.3], [0.2], [0.35]]), 50, axis=1)
    expected = distributions.ttest_1samp([0.1, 0.3, 0.2, 0.35], 0.0, alternative="greater").pvalue
    assert of(gains).test(0.0, "greater").p == pytest.approx(expected, rel=1e-6)


def test_it_is_never_easier_than_the_items_alone() -> None:
    rng = np.random.default_rng(0)
    for seeds in (0.0, 0.1, 1.0):
        gains = drawn(rng, 4, 60, seeds) + 0.3
        found = of(gains)
        alone = MeanPairs(gains.mean(axis=0), np.arange(60), np.zeros(60, dtype=np.intp), np.ones(60))
        for delta in (-0.5, 0.0, 0.4):
            assert found.test(delta, "greater").p >= alone.test(delta, "greater").p
        mine, theirs = found.interval(0.9), alone.interval(0.9)
        assert (mine.low or 9.0) <= (theirs.low or -9.0)
        assert (mine.high or -9.0) >= (theirs.high or 9.0)


def test_swapping_the_sides_changes_the_sign() -> None:
    gains = drawn(np.random.default_rng(1), 3, 80, 0.2) + 0.1
    found, turned = of(gains), of(-gains)
    assert turned.gain == pytest.approx(-found.gain)
    assert turned.test(-0.2, "less").p == pytest.approx(found.test(0.2, "greater").p)
    low, high = found.interval(0.9).low, found.interval(0.9).high
    assert (turned.interval(0.9).low, turned.interval(0.9).high) == pytest.approx((-high if high else None, -low if low else None))


@pytest.mark.parametrize(("replicates", "seeds"), [(3, 0.0), (3, 0.1), (3, 0.4), (5, 0.1)])
def test_a_recipe_without_a_gain_is_rarely_called_better(replicates: int, seeds: float) -> None:
    rng = np.random.default_rng(2)
    runs, called, covered = 400, 0, 0
    for _ in range(runs):
        interval = of(drawn(rng, replicates, 120, seeds)).interval(0.9)
        assert interval.low is not None
        assert interval.high is not None
        called += interval.low > 0
        covered += interval.low <= 0 <= interval.high
    assert called / runs <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / runs)
    assert covered / runs >= 0.90 - 2.5 * np.sqrt(0.09 / runs)


def test_the_test_rejects_what_the_interval_leaves_out() -> None:
    rng = np.random.default_rng(6)
    for _ in range(20):
        found = of(drawn(rng, 3, 60, 0.1))
        low = found.interval(0.9).low
        assert low is not None
        assert found.test(low - 1e-6, "greater").p < 0.05 < found.test(low + 1e-6, "greater").p


def test_one_checkpoint_would_be_called_better_far_too_often() -> None:
    rng = np.random.default_rng(3)
    called = sum((of(drawn(rng, 3, 120, 0.4)).by_item.interval(0.9).low or -1.0) > 0 for _ in range(300))
    assert called / 300 > 0.12, "what the noise of seeds does to a test that leaves it out"


def test_clusters_are_the_units() -> None:
    rng = np.random.default_rng(4)
    single = drawn(rng, 4, 30, 0.1)
    repeated, code = np.repeat(single, 5, axis=1), np.repeat(np.arange(30), 5)
    one, five = of(single), of(repeated, code)
    assert five.units == 30
    assert five.test(0.1, "greater").p == pytest.approx(one.test(0.1, "greater").p)


@pytest.mark.parametrize("count", [1, 2])
def test_under_three_replicates_nothing_is_said(count: int) -> None:
    found = of(np.full((count, 40), 0.5))
    assert found.test(0.0, "greater").p == 1.0
    assert "fewer than 3 replicates" in found.test(0.0, "greater").method
    assert found.interval(0.9).low is None
    assert found.mde(0.05) is None
    assert found.replicates_needed(0.1, 0.05) is None


def test_gains_that_never_differ_have_a_width() -> None:
    found = of(np.zeros((4, 200)), span=1.0)
    interval = found.interval(0.9)
    assert (interval.low or 0.0) < 0 < (interval.high or 0.0)
    assert found.test(-0.05, "greater").p < 0.05
    assert found.test(0.0, "greater").p == 1.0


def test_one_item_or_one_cluster_says_nothing() -> None:
    for gains, code in ((np.ones((4, 1)), None), (np.ones((4, 30)), np.zeros(30))):
        assert of(gains, code, span=1.0).test(0.0, "greater").p > 0.05


def test_more_seeds_help_where_more_items_do_not() -> None:
    gains = drawn(np.random.default_rng(5), 4, 2000, 0.3, 0.1, 0.1)
    found = of(gains)
    assert found.items_needed(0.1, 0.05) is None
    needed = found.replicates_needed(0.2, 0.05)
    assert needed is not None
    assert 4 < needed < 100
    assert found.between == pytest.approx(float(gains.mean(axis=1).std(ddof=1)), rel=0.05)
