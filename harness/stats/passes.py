"""pass@k from n draws (Chen et al., arXiv 2107.03374): the chance that k of them, drawn without replacement, hold a pass."""

from __future__ import annotations

from math import comb


def pass_at(k: int, draws: int, passed: int) -> float:
    """1 − C(n−c, k)/C(n, k), unbiased. ValueError for fewer draws than k: nothing unbiased can be said then."""
    if not 1 <= k <= draws:
        raise ValueError(f"pass@{k} of {draws} draws is unknown: it needs at least {k}")
    if not 0 <= passed <= draws:
        raise ValueError(f"{passed} of {draws} draws cannot have passed")
    return 1.0 - comb(draws - passed, k) / comb(draws, k)
