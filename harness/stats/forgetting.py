"""What a sequence of trainings, or one of them, took away.

Sources: Lopez-Paz & Ranzato, NeurIPS 2017 (backward transfer); Chaudhry et al., ECCV 2018 (forgetting). The share of changes that
guessing alone brings about is derived here: a question with k options whose answer is not known is right by chance once in k times.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def backward_transfer(scores: Sequence[Sequence[float]]) -> float:
    """1/(T−1) Σ_{j<T} (R[T][j] − R[j][j]): ``scores[i][j]`` is the score on task j after stage i. Below 0: earlier tasks lost."""
    table = _square(scores)
    return float((table[-1, :-1] - np.diag(table)[:-1]).mean())


def forgetting(scores: Sequence[Sequence[float]]) -> float:
    """1/(T−1) Σ_{j<T} (max_{i<T} R[i][j] − R[T][j]): what was once known of each task, and no longer is."""
    table = _square(scores)
    return float((table[:-1, :-1].max(axis=0) - table[-1, :-1]).mean())


def beyond_chance(lost: float, gained: float, before: float, after: float, options: int) -> tuple[float, float]:
    """Shares of items ``lost`` and ``gained`` without those that guessing explains, never below 0.

    Knowing is right; else one answer of ``options`` is. What is not known before nor after is right by chance first and wrong then
    (1 − before)(1 − after)/(options − 1) of the time, and as often the other way round, where it is a matter of chance what is
    known on both sides. Two models that know the same guess more often, up to min(1 − before, 1 − after)/options: what is
    left here then overstates both, and never understates them.
    """
    if options < 2:
        raise ValueError(f"guessing needs at least 2 options, not {options}")
    for name, share in (("lost", lost), ("gained", gained), ("before", before), ("after", after)):
        if not 0 <= share <= 1:
            raise ValueError(f"{name} is a share of items between 0 and 1, not {share}")
    guessed = (1 - before) * (1 - after) / (options - 1)
    return max(0.0, lost - guessed), max(0.0, gained - guessed)


def _square(scores: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    lengths = {len(row) for row in scores}
    if len(scores) < 2 or lengths != {len(scores)}:
        shape = f"{len(scores)} rows of {sorted(lengths)} scores"
        raise ValueError(f"as many tasks as stages are needed, at least 2: one row per stage, not {shape}")
    return np.asarray(scores, dtype=float)
