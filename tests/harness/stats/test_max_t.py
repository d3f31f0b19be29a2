"""Max-T over candidates: equal to brute force, honest when nothing is better, cheaper than Holm where candidates are alike."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from harness import stats
from harness.stats import max_t

Table = NDArray[np.float64]


def sign_flip_p(centred: Table) -> list[float]:
    """One-sided exact p of each candidate alone, pattern by pattern."""
    signs = np.asarray(list(itertools.product([1, -1], repeat=len(centred))))
    return [float((signs @ column >= column.sum() - 1e-9).mean()) for column in centred.T]


def brute_force(centred: Table) -> list[float]:
    """Step-down min-P by looping over all patterns of signs and all subsets that the steps leave."""
    signs = list(itertools.product([1, -1], repeat=len(centred)))
    sums = [[float(np.dot(pattern, column)) for column in centred.T] for pattern in signs]
    tails = [[sum(other[k] >= row[k] - 1e-9 for other in sums) / len(sums) for k in range(centred.shape[1])] for row in sums]
    p = sign_flip_p(centred)
    order = sorted(range(len(p)), key=lambda k: p[k])
    found, most = [0.0] * len(p), 0.0
    for step, k in enumerate(order):
        rest = order[step:]
        most = max(most, sum(min(row[j] for j in rest) <= p[k] + 1e-12 for row in tails) / len(tails))
        found[k] = most
    return found


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("whole", [True, False])
def test_few_units_agree_with_brute_force(seed: int, whole: bool) -> None:
    rng = np.random.default_rng(seed)
    shared = rng.normal(0.4, 1, (9, 1))
    centred = shared + rng.normal(0.2, 1, (9, 3))
    if whole:
        centred = np.sign(centred) * (np.abs(centred) > 0.6)
    expected = np.minimum(brute_force(centred), stats.holm(sign_flip_p(centred)))
    assert stats.step_down(sign_flip_p(centred), stats.flipped(centred, 0)) == pytest.approx(expected, abs=1e-12)


def test_one_candidate_is_not_adjusted() -> None:
    rng = np.random.default_rng(3)
    for units in (8, 100, 2 * max_t.NORMAL_UNITS):
        centred = rng.normal(0.1, 1, (units, 1))
        for p in (1e-9, 0.0123, 0.4, 1.0):
            assert stats.step_down([p], stats.flipped(centred, 0)) == [pytest.approx(p)]


def test_equal_candidates_cost_nothing_and_unrelated_ones_what_holm_costs() -> None:
    rng = np.random.default_rng(4)
    one = rng.normal(0.15, 1, (150, 1))
    p = stats.MeanPairs(one[:, 0], np.arange(150), np.zeros(150, dtype=np.intp), np.ones(150)).test(0.0, "greater").p
    assert stats.step_down([p] * 5, stats.flipped(np.repeat(one, 5, axis=1), 0)) == pytest.approx([p] * 5, abs=0.003)
    apart = rng.normal(0, 1, (150, 4))
    assert stats.step_down([0.01] * 4, stats.flipped(apart, 0))[0] == pytest.approx(1 - 0.99**4, abs=0.008)


def test_two_sided_tests_look_at_both_tails() -> None:
    rng = np.random.default_rng(5)
    one = rng.normal(0, 1, (200, 1))
    mirrored = np.concatenate([one, -one], axis=1)
    assert stats.step_down([0.02, 0.02], stats.flipped(mirrored, 0, two_sided=True))[0] == pytest.approx(0.02, abs=0.004)
    assert stats.step_down([0.02, 0.02], stats.flipped(mirrored, 0))[0] == pytest.approx(0.04, abs=0.004)


def test_the_normal_limit_is_that_of_the_flips(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    centred = (rng.random((4000, 1)) < 0.3) * rng.choice([-1.0, 1.0], (4000, 1)) + rng.choice([-1.0, 0, 0, 0, 1.0], (4000, 4))
    p = [0.004, 0.011, 0.03, 0.2]
    limit = stats.step_down(p, stats.flipped(centred, 1))
    monkeypatch.setattr(max_t, "NORMAL_UNITS", 10**9)
    assert stats.step_down(p, stats.flipped(centred, 1)) == pytest.approx(limit, abs=0.012)


def test_a_candidate_without_a_difference_does_not_count() -> None:
    centred = np.zeros((40, 3))
    centred[:20, 0], centred[20:24, 0] = 1.0, -1.0
    centred[:3, 2] = 1.0  # three discordant items could never reach 0.05
    p = [float(stats.mcnemar(20, 4, "greater")), 1.0, 0.125]
    found = stats.step_down(p, stats.flipped(centred, 0))
    assert found[0] == pytest.approx(p[0], abs=5e-4)
    assert found[1:] == [1.0, pytest.approx(0.125, abs=0.02)]
    assert stats.step_down([1.0, 1.0], stats.flipped(np.zeros((5, 2)), 0)) == [1.0, 1.0]


def test_adjusted_values_keep_their_order_and_stay_between_the_raw_and_holm() -> None:
    rng = np.random.default_rng(7)
    for _ in range(20):
        p = rng.random(6) ** 3
        found = stats.step_down(p, stats.flipped(rng.normal(0, 1, (60, 6)), 0))
        assert np.all(np.asarray(found) >= p - 1e-15)
        assert np.all(np.asarray(found) <= np.asarray(stats.holm(p)) + 1e-15)
        assert np.all(np.diff(np.asarray(found)[np.argsort(p)]) >= -1e-15)


def test_resamples_of_other_tests_are_refused() -> None:
    with pytest.raises(ValueError, match="max-T of 2 tests needs resamples"):
        stats.step_down([0.1, 0.2], np.zeros((10, 3)))
    with pytest.raises(ValueError, match="max-T"):
        stats.step_down([0.1], np.zeros((0, 1)))


def claims(rng: np.random.Generator, gains: tuple[float, ...], items: int, shared: float) -> tuple[list[float], Table]:
    """Right-or-wrong candidates that change the same ``shared`` part of the items; p of each alone, and their differences."""
    place, direction = rng.random(items) < shared, np.where(rng.random(items) < 0.5, 1.0, -1.0)
    own = [rng.choice([-1.0, 0.0, 1.0], items, p=[0.05, 0.90 - gain, 0.05 + gain]) for gain in gains]
    centred = np.stack([np.where(place, direction, change) for change in own], axis=1)
    return [stats.mcnemar(int((c > 0).sum()), int((c < 0).sum()), "greater") for c in centred.T], centred


def test_false_claims_stay_rare_and_power_is_above_holms_in_simulation() -> None:
    rng = np.random.default_rng(8)
    null, found = [], []
    for _ in range(400):
        p, centred = claims(rng, (0.0,) * 6, 200, 0.2)
        null.append(min(stats.step_down(p, stats.flipped(centred, 0, resamples=499))) <= 0.05)
        p, centred = claims(rng, (0.06,) * 6, 200, 0.2)
        found.append((min(stats.step_down(p, stats.flipped(centred, 0, resamples=499))) <= 0.05, min(stats.holm(p)) <= 0.05))
    assert np.mean(null) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)
    ours, holms = np.mean(found, axis=0)
    assert ours > holms + 0.02
