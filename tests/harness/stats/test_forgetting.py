"""What a sequence of trainings took away, and what guessing alone would have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness import stats

SHARES = st.floats(0, 1)


def test_stages_equal_the_recorded_values(vectors: dict[str, Any]) -> None:
    recorded = vectors["bwt"]
    table = recorded["R[i][j]=acc on task j after training stage i"]
    assert stats.backward_transfer(table) == pytest.approx(recorded["BWT"])
    assert stats.forgetting(table) == pytest.approx(recorded["forgetting_chaudhry"])


def test_what_was_learned_in_between_and_lost_again_is_forgotten() -> None:
    table = [[0.5, 0.0, 0.0], [0.9, 0.6, 0.0], [0.4, 0.6, 0.8]]
    assert stats.backward_transfer(table) == pytest.approx((-0.1 + 0.0) / 2)
    assert stats.forgetting(table) == pytest.approx((0.5 + 0.0) / 2)


def guessed_twice(known: NDArray[np.bool_], still: NDArray[np.bool_], options: int) -> tuple[float, float, float, float]:
    """Lost, gained, before and after, of items that are known or guessed."""
    rng = np.random.default_rng(0)
    first, second = (side | (rng.random(len(known)) < 1 / options) for side in (known, still))
    shares = (first & ~second, ~first & second, first, second)
    lost, gained, before, after = (float(share.mean()) for share in shares)
    return lost, gained, before, after


def test_guesses_come_and_go_as_often_as_the_formula_says() -> None:
    """What is known before and after is independent: 40 % each; 24 % are truly lost and gained where the formula leaves them."""
    rng, items, options = np.random.default_rng(1), 400_000, 4
    known, still = rng.random(items) < 0.4, rng.random(items) < 0.4
    lost, gained, before, after = guessed_twice(known, still, options)
    left = stats.beyond_chance(lost, gained, before, after, options)
    unknown = float((~known & ~still).mean())
    assert lost - left[0] == pytest.approx(unknown * (1 / options) * (1 - 1 / options), abs=0.002)
    assert gained - left[1] == pytest.approx(lost - left[0])


def test_of_two_models_that_know_the_same_forgetting_is_overstated_and_by_how_much_is_known() -> None:
    known = np.random.default_rng(2).random(400_000) < 0.4
    lost, gained, before, after = guessed_twice(known, known, 4)
    left = stats.beyond_chance(lost, gained, before, after, 4)
    assert left[0] > 0.03
    assert lost <= min(1 - before, 1 - after) / 4 + 0.002


@given(SHARES, SHARES, SHARES, SHARES, st.integers(2, 10))
def test_what_is_left_is_never_negative_nor_more_than_was_seen(
    lost: float, gained: float, before: float, after: float, options: int
) -> None:
    left = stats.beyond_chance(lost, gained, before, after, options)
    assert 0 <= left[0] <= lost
    assert 0 <= left[1] <= gained
    assert stats.beyond_chance(gained, lost, after, before, options) == pytest.approx(left[::-1])


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 options"):
        stats.beyond_chance(0.1, 0.1, 0.5, 0.5, 1)
    with pytest.raises(ValueError, match="before is a share"):
        stats.beyond_chance(0.1, 0.1, 50.0, 0.5, 4)
    for table in ([[0.5]], [[0.5, 0.1]], [[0.5, 0.1], [0.2]]):
        with pytest.raises(ValueError, match="as many tasks as stages"):
            stats.forgetting(table)
