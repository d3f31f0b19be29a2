"""What an epoch is mixed of."""

from __future__ import annotations

import random
from collections.abc import Sequence


def replayed(lengths: Sequence[int], tokens: int, *, seed: int, epoch: int) -> list[int]:
    """Indices of replay rows of about ``tokens`` tokens for one epoch.

    Epochs walk on through one shuffled circle of the replay rows, so that all of them are seen before any is seen again.
    """
    if tokens <= 0 or not lengths:
        return []
    order = list(range(len(lengths)))
    random.Random(seed).shuffle(order)
    whole = sum(lengths)
    start, at, skip = 0, 0, (tokens * epoch) % whole
    while at < skip:
        at += lengths[order[start]]
        start += 1
    taken: list[int] = []
    total = 0
    while total < tokens:
        index = order[(start + len(taken)) % len(order)]
        taken.append(index)
        total += lengths[index]
    return taken
