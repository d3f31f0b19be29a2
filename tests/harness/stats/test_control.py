"""Length and style control: the fit is another library's, the interval a bootstrap with refit, and control does what it says."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from benchmarks.simulation import lengths
from harness.stats import control as room
from harness.stats import logistic
from harness.stats.control import LEAST_KNOWN, PRIOR_SD, controlled

Array = NDArray[np.float64]


@pytest.fixture(autouse=True)
def _fewer_refits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "REFITS", 600)


def voted(seed: int, items: int, base: float, slope: float) -> tuple[Array, Array]:
    """Scores in {0, ½, 1}, and by how many characters the candidate is longer (longer on average)."""
    random = np.random.default_rng(seed)
    longer = random.normal(120, 300, items)
    chance = expit(base + slope * np.tanh(longer / np.sqrt((longer**2).mean())))
    scores = (random.random(items) < chance).astype(float)
    return np.where(random.random(items) < 0.1, 0.5, scores), longer


# ---------------------------------------------------------------------------------------------------------- the fit


@pytest.mark.parametrize("seed", range(3))
def test_the_fit_is_scikit_learns_with_the_same_prior(seed: int) -> None:
    """Shares as outcomes: every item once won and once lost, with the share as weight."""
    random = np.random.default_rng(seed)
    x = np.column_stack([np.ones(80), random.normal(size=(80, 3))])
    y, weights = random.choice([0, 0.25, 0.5, 1], 80), random.integers(0, 4, 80).astype(float)
    reference = LogisticRegression(C=PRIOR_SD**2, fit_intercept=False, tol=1e-12, max_iter=2000)
    reference.fit(np.vstack([x, x]), np.repeat([1, 0], 80), np.concatenate([weights * y, weights * (1 - y)]))
    assert logistic.fit(x, y, weights[None, :], PRIOR_SD)[0] == pytest.approx(reference.coef_[0], abs=1e-5)


def test_every_row_of_weights_is_fitted_by_itself_from_wherever_it_starts() -> None:
    random = np.random.default_rng(4)
    x, y = np.column_stack([np.ones(50), random.normal(size=(50, 2))]), random.random(50)
    weights = random.integers(0, 5, (30, 50)).astype(float)
    together = logistic.fit(x, y, weights, 2.0)
    away = logistic.fit(x, y, weights, 2.0, np.array([9.0, -9.0, 9.0]))
    assert together == pytest.approx(away, abs=1e-7)
    for row, found in zip(weights[:5], together, strict=False):

        def loss(b: Array, row: Array = row) -> float:
            eta = x @ b
            return float((row * (np.logaddexp(0, eta) - y * eta)).sum() + (b**2).sum() / 8)

        assert found == pytest.approx(minimize(loss, np.zeros(3), tol=1e-10).x, abs=1e-4)


def test_items_that_are_all_won_have_an_answer_too() -> None:
    found = logistic.fit(np.ones((40, 1)), np.ones(40), np.ones((1, 40)), PRIOR_SD)[0, 0]
    assert 40 * (1 - expit(found)) == pytest.approx(found / PRIOR_SD**2)


# -------------------------------------------------------------------------------------------------------- the control


def test_a_judge_that_only_likes_length_leaves_an_even_rate() -> None:
    scores, longer = voted(0, 2000, base=0.0, slope=1.5)
    found = controlled(scores, longer[:, None])
    assert found is not None
    assert found.raw > 0.56
    assert found.interval.low is not None
    assert found.interval.high is not None
    assert found.interval.low < 0.5 < found.interval.high
    assert abs(found.value - 0.5) < 0.035
    assert found.slopes[0] == pytest.approx(1.5 * 0.9, abs=0.3)  # a tenth are ties


def test_where_no_length_differs_the_rate_is_the_raw_one() -> None:
    scores, _ = voted(1, 300, base=0.6, slope=0.0)
    found = controlled(scores, np.zeros((300, 1)))
    assert found is not None
    assert found.value == pytest.approx(found.raw, abs=5e-4)  # as near as the prior lets it
    assert found.slopes == (None,)
    assert "never differs" in found.slope_intervals[0].note


def test_swapping_the_sides_mirrors_everything() -> None:
    scores, longer = voted(2, 200, base=0.4, slope=1.0)
    one, two = controlled(scores, longer[:, None]), controlled(1 - scores, -longer[:, None])
    assert one is not None
    assert two is not None
    assert two.value == pytest.approx(1 - one.value)
    assert two.slopes == pytest.approx(one.slopes)
    assert (two.interval.low, two.interval.high) == pytest.approx((1 - (one.interval.high or 0), 1 - (one.interval.low or 0)))


def test_style_has_several_covariates_and_only_those_that_differ() -> None:
    random = np.random.default_rng(3)
    length, bold = random.normal(0, 1, 1500), random.poisson(2, 1500).astype(float)
    scores = (random.random(1500) < expit(np.tanh(length) + 0.8 * np.tanh(bold / np.sqrt((bold**2).mean())))).astype(float)
    found = controlled(scores, np.column_stack([length, np.zeros(1500), bold]))
    assert found is not None
    assert found.slopes[1] is None
    assert found.slopes[2] == pytest.approx(0.8, abs=0.5)
    assert found.value < found.raw - 0.05  # more bold text was worth that much
    assert all(each.low is not None and each.low > 0 for each in (found.slope_intervals[0], found.slope_intervals[2]))


# ------------------------------------------------------------------------------------------- intervals, contributions


def test_the_interval_refits_every_resample(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, longer = voted(5, 120, base=0.3, slope=1.2)
    monkeypatch.setattr(room, "CELLS", 5_000)
    found = controlled(scores, longer[:, None])
    random, drawn = np.random.default_rng(9), []
    x = np.column_stack([np.ones(120), np.tanh(longer / np.sqrt((longer**2).mean()))])
    for _ in range(600):
        picked = random.integers(0, 120, 120)
        drawn.append(expit(logistic.fit(x[picked], scores[picked], np.ones((1, 120)), PRIOR_SD)[0, 0]))
    assert found is not None
    assert found.interval.low == pytest.approx(np.quantile(drawn, 0.025), abs=0.025)
    assert found.interval.high == pytest.approx(np.quantile(drawn, 0.975), abs=0.025)


def test_contributions_add_up_to_the_value_and_vary_as_the_bootstrap_does() -> None:
    scores, longer = voted(6, 400, base=0.3, slope=1.2)
    clusters = np.repeat(np.arange(200), 2)
    for own in (None, clusters):
        found = controlled(scores, longer[:, None], own)
        assert found is not None
        assert found.contributions is not None
        assert found.contributions.mean() == pytest.approx(found.value)
        each = found.contributions if own is None else found.contributions.reshape(200, 2).mean(axis=1)
        half = 1.97 * each.std(ddof=1) / np.sqrt(len(each))
        assert found.interval.low == pytest.approx(found.value - half, abs=0.012)
        assert found.interval.high == pytest.approx(found.value + half, abs=0.012)


def test_items_of_one_cluster_are_resampled_together() -> None:
    scores, longer = voted(8, 100, base=0.3, slope=1.2)
    alone = controlled(scores, longer[:, None])
    twice = controlled(np.repeat(scores, 2), np.repeat(longer, 2)[:, None], np.repeat(np.arange(100), 2))
    assert alone is not None
    assert twice is not None
    assert (twice.interval.low, twice.interval.high) == pytest.approx((alone.interval.low, alone.interval.high), abs=2e-3)


def test_leaving_an_item_out_does_what_its_contribution_says() -> None:
    scores, longer = voted(7, 150, base=0.3, slope=1.2)
    found = controlled(scores, longer[:, None])
    assert found is not None
    assert found.contributions is not None
    x = np.column_stack([np.ones(150), np.tanh(longer / np.sqrt((longer**2).mean()))])
    without = expit(logistic.fit(x, scores, 1 - np.eye(150), PRIOR_SD)[:, 0])
    moved = found.value - 149 * (without - found.value)  # the jackknife's pseudo-values
    assert np.corrcoef(moved, found.contributions)[0, 1] > 0.999


def test_nothing_lost_is_not_certain_and_gives_no_contributions() -> None:
    found = controlled(np.ones(50), np.random.default_rng(0).normal(size=(50, 1)))
    assert found is not None
    assert found.interval.low == pytest.approx(0.9287, abs=1e-4)  # Wilson's for 50 of 50
    assert found.interval.high == 1.0
    assert found.contributions is None
    assert found.interval.note


def test_the_interval_covers_as_often_as_it_says() -> None:
    random, held, rounds = np.random.default_rng(12), 0, 80
    for seed in range(rounds):
        x = random.normal(0.5, 1, 80)
        scores = (random.random(80) < expit(0.4 + 1.0 * np.tanh(x / np.sqrt(1.25)))).astype(float)
        found = controlled(scores, x[:, None], seed=seed)
        assert found is not None
        held += (found.interval.low or 0) <= expit(0.4) <= (found.interval.high or 1)
    assert held / rounds >= 0.95 - 3 * 0.0244


def parted(random: np.random.Generator, items: int) -> tuple[Array, Array]:
    """A judge that takes the longer answer nearly always; nowhere are both about as long. At no difference the rate is even."""
    longer = np.where(random.random(items) < 0.75, 1, -1) * (100 + 20 * random.random(items))
    return (random.random(items) < expit(8 * np.tanh(longer / np.sqrt((longer**2).mean())))).astype(float), longer


def test_where_length_tells_everything_nothing_is_known_of_equal_length() -> None:
    """45 longer answers won and 15 shorter ones lost: the residuals are all small, and a t on them was certain of a rate of 0.1."""
    longer = np.repeat([18.0, -18.0], [45, 15])
    found = controlled((longer > 0).astype(float), longer[:, None])
    assert found is not None
    assert found.contributions is None
    assert found.interval.low is not None
    assert found.interval.high is not None
    assert found.interval.low < 0.1
    assert found.interval.high > 0.9
    assert "nearly everywhere" in found.interval.note


def test_the_interval_holds_where_length_tells_nearly_everything() -> None:
    random, held, rounds = np.random.default_rng(4), 0, 40
    for seed in range(rounds):
        scores, longer = parted(random, 60)
        found = controlled(scores, longer[:, None], seed=seed)
        assert found is not None
        held += (found.interval.low or 0) <= 0.5 <= (found.interval.high or 1)
    assert held / rounds >= 0.95 - 3 * 0.0345


def test_the_profile_is_the_likelihood_ratio_interval_of_a_share() -> None:
    """40 of 50: where 2 (40 log(0.8/p) + 10 log(0.2/(1 − p))) is z²."""
    y, x = np.repeat([1.0, 0.0], [40, 10]), np.ones((50, 1))
    ends = expit(np.array(logistic.profiled(x, y, np.array([np.log(4)]), 1e6, 0.95, 1.0)))
    for p in ends:
        assert 2 * (40 * np.log(0.8 / p) + 10 * np.log(0.2 / (1 - p))) == pytest.approx(3.841459, abs=1e-4)
    assert ends[0] < 0.8 < ends[1]
    assert logistic.information(x, np.array([np.log(4)]), 5.0) == pytest.approx(50 * 0.8 * 0.2)


def test_a_t_on_the_parts_knows_nothing_where_nothing_is_known_and_keeps_its_level_where_something_is() -> None:
    table = np.asarray(list(lengths.found(3, 1)), dtype=float)
    unknown, known = table[table[:, 0] < 1, 1:], table[table[:, 0] >= LEAST_KNOWN, 1:]
    assert unknown.mean(axis=0).min() > 0.2
    assert known.mean(axis=0).max() < 0.065 + 3 * np.sqrt(0.065 * 0.935 / len(known))


def test_what_cannot_be_controlled() -> None:
    assert controlled(np.zeros(0), np.zeros((0, 1))) is None
    with pytest.raises(ValueError, match="items by covariates"):
        controlled(np.zeros(3), np.zeros(3))
    with pytest.raises(ValueError, match="between 0 and 1"):
        controlled(np.array([2.0]), np.zeros((1, 1)))
    alone = controlled(np.array([1.0]), np.array([[3.0]]))
    assert alone is not None
    assert alone.interval.low is not None
    assert alone.interval.low < 0.25
