"""What a test of a rate against a value can see, exactly."""

from __future__ import annotations

import pytest
from scipy.stats import binom

from harness.stats import binomial_mde, binomial_p


@pytest.mark.parametrize(("items", "value"), [(300, 0.5), (20, 0.9), (5, 0.5), (1000, 0.02), (40, 0.999)])
def test_at_that_distance_the_exact_test_has_its_power(items: int, value: float) -> None:
    for side, sign in (("less", -1), ("greater", 1)):
        distance = binomial_mde(items, value, side, 0.05)  # type: ignore[arg-type]
        if distance is None:
            continue
        rate = value + sign * distance
        proven = [hits for hits in range(items + 1) if binomial_p(hits, items, value, side) <= 0.05]  # type: ignore[arg-type]
        assert binom.pmf(proven, items, rate).sum() == pytest.approx(0.8, abs=1e-6)


def test_where_no_outcome_proves_anything_there_is_none() -> None:
    assert binomial_mde(4, 0.5, "less", 0.05) is None
    assert binomial_mde(4, 0.5, "greater", 0.05) is None
    assert binomial_mde(20, 0.9, "greater", 0.05) is None
    assert binomial_mde(5, 0.5, "less", 0.05) is not None
