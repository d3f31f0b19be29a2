"""Means of differences: t, clusters, strata, sign-flips, and what happens when hardly anything differs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from scipy import stats as distributions
from statsmodels.regression.linear_model import OLS

from harness import stats


def paired(differences: Any, clusters: Any = None, strata: Any = None, weights: Any = None, **options: Any) -> stats.MeanPairs:
    """MeanPairs with the usual defaults: every item its own cluster, one stratum, equal weights."""
    values = np.asarray(differences, dtype=float)
    return stats.MeanPairs(
        values,
        np.arange(len(values)) if clusters is None else np.asarray(clusters),
        np.zeros(len(values), dtype=np.intp) if strata is None else np.asarray(strata),
        np.ones(len(values)) if weights is None else np.asarray(weights, dtype=float),
        **options,
    )


def gsm8k() -> NDArray[np.float64]:
    return np.repeat([0.0, -1.0, 1.0], [306 + 652, 209, 152])


def test_the_t_interval_equals_scipy() -> None:
    values = np.random.default_rng(0).normal(0.1, 1, 200)
    found = paired(values).interval(0.9)
    expected = distributions.ttest_1samp(values, 0).confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.method == "paired t interval"


def test_the_margin_test_equals_scipy() -> None:
    values = np.random.default_rng(1).normal(0.0, 1, 80)
    expected = distributions.ttest_1samp(values, -0.2, alternative="greater").pvalue
    assert paired(values).test(-0.2, "greater").p == pytest.approx(expected)


def test_clustered_errors_equal_statsmodels_up_to_the_known_factor() -> None:
    rng = np.random.default_rng(2)
    clusters = np.repeat(np.arange(40), rng.integers(1, 8, 40))
    values = rng.normal(size=len(clusters)) + rng.normal(size=40)[clusters]
    fit = OLS(values, np.ones(len(values))).fit(cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False})
    found = paired(values, clusters)
    half = (found.interval(0.95).high or 0.0) - found.gain
    expected = float(fit.bse[0]) * np.sqrt(40 / 39) * distributions.t.ppf(0.975, 39)
    assert half == pytest.approx(expected)
    assert "clustered" in found.interval(0.95).method


def test_strata_add_their_variances() -> None:
    rng = np.random.default_rng(3)
    parts = [rng.normal(mean, 1, size) for mean, size in ((0.0, 60), (3.0, 90), (-2.0, 40))]
    values, strata = np.concatenate(parts), np.repeat([0, 1, 2], [60, 90, 40])
    found = paired(values, strata=strata)
    variance = sum((len(part) / 190) ** 2 * part.var(ddof=1) / len(part) for part in parts)
    half = (found.interval(0.9).high or 0.0) - found.gain
    assert half == pytest.approx(np.sqrt(variance) * distributions.t.ppf(0.95, 187))
    assert half < (paired(values).interval(0.9).high or 0.0) - found.gain


def test_weights_weigh() -> None:
    found = paired([1.0, 0.0, -0.5, 0.2] * 10, weights=[3.0, 1.0, 1.0, 1.0] * 10)
    assert found.gain == pytest.approx((3 - 0.5 + 0.2) / 6)


def test_the_permutation_agrees_with_the_published_one(vectors: dict[str, Any]) -> None:
    published = vectors["gsm8k_6bver_vs_175bft_resampling"]
    assert paired(gsm8k(), seed=7).test(0.0, "two-sided").p == pytest.approx(published["sign_flip_permutation_p_99999"], abs=0.002)
    low, high = published["bootstrap_ci95_9999"]["percentile"]
    found = paired(gsm8k(), ordinal=True, seed=7).interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.0015)


def test_few_units_are_enumerated_and_equal_scipy() -> None:
    values = np.array([0.3, -0.1, 0.5, 0.2, 0.4, -0.2, 0.6])
    expected = distributions.permutation_test(
        (values,), lambda x, axis: np.mean(x, axis=axis), permutation_type="samples", vectorized=True, n_resamples=np.inf,
        alternative="greater",
    ).pvalue  # fmt: skip
    found = paired(values).test(0.0, "greater")
    assert found.p == pytest.approx(expected)
    assert found.method == "exact sign-flip permutation"


def test_whole_clusters_are_flipped() -> None:
    values = [1.0, 1.0, 1.0, 1.0] * 3
    assert paired(values).test(0.0, "greater").p < 0.001
    assert paired(values, clusters=np.repeat([0, 1, 2], 4)).test(0.0, "greater").p == pytest.approx(1 / 8)


def test_the_same_seed_gives_the_same_p_and_another_seed_about_the_same() -> None:
    values = np.random.default_rng(5).normal(0.1, 1, 300)
    first, again, other = (paired(values, seed=seed).test(0.0, "greater").p for seed in (1, 1, 2))
    assert first == again
    assert first == pytest.approx(other, abs=0.02)


@settings(max_examples=60, deadline=None)
@given(arrays.arrays(np.float64, st.integers(1, 40), elements=st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0])), st.booleans())
def test_swapping_the_sides_mirrors_everything(values: NDArray[np.float64], ordinal: bool) -> None:
    mine, theirs = paired(values, span=1.0, ordinal=ordinal, seed=3), paired(-values, span=1.0, ordinal=ordinal, seed=3)
    assert mine.gain == pytest.approx(-theirs.gain)
    for delta in (0.0, 0.1):
        assert mine.test(delta, "greater").p == pytest.approx(theirs.test(-delta, "less").p, abs=1e-9)
    here, there = mine.interval(0.9), theirs.interval(0.9)
    for mine_end, their_end in ((here.low, there.high), (here.high, there.low)):
        if mine_end is None or their_end is None:
            assert mine_end is their_end
        else:
            assert mine_end == pytest.approx(-their_end, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(arrays.arrays(np.float64, st.integers(1, 60), elements=st.floats(-1, 1, allow_nan=False)))
def test_no_interval_is_a_point_and_nothing_is_nan(values: NDArray[np.float64]) -> None:
    evidence = paired(values, span=1.0)
    found = evidence.interval(0.9)
    if found.low is None or found.high is None:
        assert found.note
    else:
        assert found.low < found.high
        assert -1 <= found.low <= evidence.gain + 1e-9
        assert evidence.gain - 1e-9 <= found.high <= 1
    for delta in (-0.05, 0.0, 0.05):
        for side in ("greater", "less", "two-sided"):
            assert 0 <= evidence.test(delta, side).p <= 1  # type: ignore[arg-type]
    mde = evidence.mde(0.05)
    assert mde is None or mde > 0


def test_all_ties_get_the_score_interval_of_no_discordance() -> None:
    found = paired(np.zeros(600), span=1.0).interval(0.9)
    assert (found.low, found.high) == pytest.approx(stats.tango_interval(0, 0, 600, 0.9))
    assert "Tango" in found.method


def test_ties_in_an_unbounded_metric_are_bounded_by_nothing_and_say_so() -> None:
    found = paired(np.zeros(50)).interval(0.9)
    assert found.low is None
    assert found.high is None
    assert "nothing bounds" in found.note
    assert paired(np.zeros(50)).test(-1.0, "greater").p == 1.0


def test_one_cluster_is_not_evidence() -> None:
    evidence = paired(np.full(50, 0.5), clusters=np.zeros(50, dtype=int), span=1.0)
    assert evidence.test(0.0, "greater").p == 0.5
    low, high = evidence.interval(0.9).low, evidence.interval(0.9).high
    assert low is not None
    assert high is not None
    assert low < 0 < high


def test_an_ordinal_metric_never_meets_a_t() -> None:
    rng = np.random.default_rng(6)
    evidence = paired(rng.integers(-4, 5, 3_000), ordinal=True)
    assert "permutation" in evidence.test(-0.2, "greater").method
    assert "permutation" in evidence.interval(0.9).method


def test_a_test_and_an_interval_by_permutation_never_disagree() -> None:
    rng = np.random.default_rng(8)
    for seed in range(20):
        evidence = paired(rng.normal(0.1, 0.5, 16), seed=seed)
        low = evidence.interval(0.9).low
        assert low is not None
        assert evidence.test(low - 1e-6, "greater").p <= 0.05
        assert evidence.test(low + 1e-6, "greater").p > 0.05


@pytest.mark.parametrize("size", [0.0, 5.0])
def test_one_item_of_an_unbounded_metric_proves_nothing(size: float) -> None:
    """5.0 became 4.9: the difference seen is not the largest there could be."""
    evidence = paired([-0.1], size=size)
    for delta, side in ((-0.2, "greater"), (0.2, "less"), (-10.0, "greater")):
        assert evidence.test(delta, side).p >= 0.5  # type: ignore[arg-type]
    found = evidence.interval(0.9)
    assert (found.low, found.high) == (None, None)
    assert "too few" in found.note


def rare_losses(items: int, runs: int) -> float:
    """How often a margin of 0.2 passes where 2 % of all items lose 10 and a fifth lose a little, which is 0.2 together."""
    rng, passed = np.random.default_rng(12), 0
    for _ in range(runs):
        base = rng.normal(10, 1, items)
        lost = np.where(rng.random(items) < 0.2, -0.15 * rng.random(items), 0.0)
        lost = np.where(rng.random(items) < 0.0185, -10.0, lost)
        size = float(np.abs(np.concatenate([base, base + lost])).max())
        passed += paired(lost, size=size).test(-0.2, "greater").p <= 0.05
    return passed / runs


@pytest.mark.parametrize("items", [20, 50, 100, 300])
def test_rare_losses_that_nobody_saw_do_not_pass_in_an_unbounded_metric(items: int) -> None:
    """With the largest difference seen as the bound: 0.68, 0.39 and 0.16."""
    assert rare_losses(items, 300) <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / 300)


def test_many_items_without_a_loss_do_pass_in_an_unbounded_metric() -> None:
    assert paired(np.zeros(100), size=10.0).test(-0.2, "greater").p > 0.05
    assert paired(np.zeros(200), size=10.0).test(-0.2, "greater").p <= 0.05


def test_no_hypothesis_is_impossible_where_no_bound_is_declared() -> None:
    values = [-0.1] + [0.0] * 19
    found = paired(values, size=5.0).test(-1000.0, "greater")
    assert 0.5**20 <= found.p < 0.05
    assert found.method != "beyond what can be"
    assert paired(values, span=1.0).test(-1000.0, "greater").method == "beyond what can be"


@pytest.mark.parametrize("level", [0.9, 0.95, 0.999])
def test_the_interval_without_a_declared_bound_keeps_what_the_test_keeps(level: float) -> None:
    tail, bounded = (1 - level) / 2, 0
    for items in (1, 2, 4, 5, 6, 10, 12, 40):
        for values in (np.full(items, -0.1), np.concatenate([np.zeros(items - 1), [-0.3]])):
            for size in (0.0, 0.5, 30.0):
                evidence = paired(values, size=size)
                found = evidence.interval(level)
                if not evidence.sparse and "Tango" not in found.method and found.low is not None:
                    continue
                if found.low is None or found.high is None:
                    assert evidence.test(-1e9, "greater").p > tail or evidence.test(1e9, "less").p > tail
                    continue
                bounded += 1
                step = 1e-4 * (found.high - found.low)
                assert evidence.test(found.low - step, "greater").p <= tail < evidence.test(found.low + step, "greater").p
                assert evidence.test(found.high + step, "less").p <= tail < evidence.test(found.high - step, "less").p
    assert bounded >= 6


def test_tiny_scores_count_like_others() -> None:
    """All of 40 items lost their whole score, which is 1e-13, or too small to be squared."""
    for score in (1e-13, 1e-200):
        evidence = paired(np.full(40, -score), size=score)
        found = evidence.test(0.0, "less")
        assert found.p < 1e-3
        assert "permutation" in found.method
        high = evidence.interval(0.9).high
        assert high is not None
        assert high < 0
    rounding = paired([5e-17, -5e-17, 0.0, 1e-16], size=1.0)
    assert rounding.test(0.0, "two-sided").method == "no item differs"


def test_dense_differences_of_an_unbounded_metric_keep_their_t() -> None:
    values = np.random.default_rng(13).normal(-0.05, 0.3, 60)
    evidence = paired(values, size=12.0)
    assert evidence.test(-0.2, "greater").method == "paired t test"
    assert evidence.interval(0.9).method == "paired t interval"
    assert "permutation" in paired(values[:12], size=12.0).test(-0.2, "greater").method
