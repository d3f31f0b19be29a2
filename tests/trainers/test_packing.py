from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainers.data.packing import fill, group, pack

LENGTHS = st.lists(st.integers(1, 64), max_size=200)


@given(LENGTHS, st.integers(0, 5))
def test_packing_keeps_every_row_once_and_no_bin_overflows(lengths: list[int], seed: int) -> None:
    bins = pack(lengths, 64, seed=seed)
    assert sorted(index for indices in bins for index in indices) == list(range(len(lengths)))
    assert all(indices and sum(lengths[index] for index in indices) <= 64 for indices in bins)


@given(LENGTHS, st.integers(0, 5))
def test_padded_batches_keep_every_row_once_and_within_the_budget(lengths: list[int], seed: int) -> None:
    batches = group(lengths, 64, seed=seed)
    assert sorted(index for indices in batches for index in indices) == list(range(len(lengths)))
    assert all(indices and len(indices) * max(lengths[index] for index in indices) <= 64 for indices in batches)


def test_bins_are_nearly_full() -> None:
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(5.6, 1.05, 20_000), 8, 4096).astype(int).tolist()
    assert fill(pack(lengths, 4096, seed=1), lengths, 4096) > 0.995


def test_a_bin_is_a_random_sample_not_the_longest_rows() -> None:
    lengths = [10] * 300 + [30] * 300
    bins = pack(lengths, 200, seed=3)
    shares = [np.mean([lengths[index] == 30 for index in indices]) for indices in bins]
    assert 0.1 < np.median(shares) < 0.9
    assert np.mean([share in (0.0, 1.0) for share in shares]) < 0.1


def test_the_order_follows_from_the_seed() -> None:
    lengths = list(range(1, 60))
    assert pack(lengths, 100, seed=4) == pack(lengths, 100, seed=4)
    assert pack(lengths, 100, seed=4) != pack(lengths, 100, seed=5)
    assert group(lengths, 100, seed=4) == group(lengths, 100, seed=4)
    assert group(lengths, 100, seed=4) != group(lengths, 100, seed=5)


def test_similar_lengths_share_a_padded_batch() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(5, 200, 3_000).tolist()
    padded = sum(len(indices) * max(lengths[index] for index in indices) for indices in group(lengths, 1000, seed=0))
    assert sum(lengths) / padded > 0.85


@pytest.mark.parametrize("arrange", [pack, group])
def test_a_row_beyond_the_budget_is_refused(arrange) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="65 tokens"):
        arrange([3, 65], 64, seed=0)


@pytest.mark.parametrize("arrange", [pack, group])
def test_no_rows_give_no_batches(arrange) -> None:  # type: ignore[no-untyped-def]
    assert arrange([], 64, seed=0) == []
