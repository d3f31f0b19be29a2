"""Which rows go into which batch: packed by best fit, or padded with rows of similar length. Lengths in, indices out; no torch.

Rows are *placed in shuffled order*, not by decreasing length: a batch of an SFT run must be a random sample of the data, and
best-fit-decreasing would fill the first batches with the longest rows only and the last with the shortest (often: one skill
each). Packed batches carry no padding at all, so the few tokens that a bin stays below the budget cost nothing.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence

import numpy as np


def pack(lengths: Sequence[int], budget: int, *, seed: int) -> list[list[int]]:
    """Indices of rows per bin, at most ``budget`` tokens each; every row once. Random row order, best fit, random bin order.

    A row longer than ``budget`` is an error of the caller (ValueError).
    """
    if len(lengths) and max(lengths) > budget:
        raise ValueError(f"a row of {max(lengths)} tokens does not fit a batch of {budget}")
    rng = np.random.default_rng(seed)
    room: list[tuple[int, int]] = []  # (tokens left, bin), sorted
    bins: list[list[int]] = []
    smallest = min(lengths, default=0)
    for index in rng.permutation(len(lengths)).tolist():
        length = lengths[index]
        place = bisect.bisect_left(room, (length, -1))
        if place == len(room):
            left, number = budget, len(bins)
            bins.append([])
        else:
            left, number = room.pop(place)
        bins[number].append(index)
        if left - length >= smallest:
            bisect.insort(room, (left - length, number))
    return [bins[number] for number in rng.permutation(len(bins)).tolist()]


def group(lengths: Sequence[int], budget: int, *, seed: int, window: int = 16) -> list[list[int]]:
    """Indices of rows per padded batch, so that rows x longest <= ``budget``; every row once.

    Rows are shuffled, then sorted by length inside windows of about ``window`` batches: little padding, still a random sample.
    """
    if len(lengths) and max(lengths) > budget:
        raise ValueError(f"a row of {max(lengths)} tokens does not fit a batch of {budget}")
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(lengths)).tolist()
    per_window = max(1, window * budget * len(lengths) // max(1, sum(lengths)))
    batches: list[list[int]] = []
    for start in range(0, len(order), per_window):
        batch: list[int] = []
        for index in sorted(order[start : start + per_window], key=lambda row: lengths[row]):
            if batch and (len(batch) + 1) * lengths[index] > budget:
                batches.append(batch)
                batch = []
            batch.append(index)
        batches.append(batch)
    return [batches[number] for number in rng.permutation(len(batches)).tolist()]


def in_turn(lengths: Sequence[int], budget: int, *, packing: bool) -> list[list[int]]:
    """Indices of rows per batch as the rows come, for those whose order matters: each batch takes what still fits.

    Packed batches hold at most ``budget`` tokens, padded ones rows x longest <= ``budget``.
    """
    if len(lengths) and max(lengths) > budget:
        raise ValueError(f"a row of {max(lengths)} tokens does not fit a batch of {budget}")
    batches: list[list[int]] = []
    held = longest = 0
    for index, length in enumerate(lengths):
        held, longest = held + length, max(longest, length)
        size = held if packing else (len(batches[-1]) + 1 if batches else 1) * longest
        if not batches or size > budget:
            batches.append([])
            held = longest = length
        batches[-1].append(index)
    return batches


def fill(bins: Sequence[Sequence[int]], lengths: Sequence[int], budget: int) -> float:
    """Share of the bins' token budget that rows fill."""
    return sum(lengths[index] for indices in bins for index in indices) / max(1, budget * len(bins))
