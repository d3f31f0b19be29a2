"""How often so many of a group would be lost by chance, where some items belong together.

Items of one cluster (one document, one passage) are lost together, so that they are no independent witnesses: of each cluster one
item is taken, the group is tested among these (hypergeometric), and that again with other items in their place. Twice the mean of
such p is a p, however much they have in common (Vovk and Wang 2020).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import hypergeom

TURNS = 25


def chances(
    groups: Sequence[tuple[str, Sequence[int]]],
    wholes: Mapping[str, Sequence[int]],
    lost: Sequence[bool],
    clusters: Sequence[Hashable],
) -> list[float]:
    """One p per group: the name of the whole that it is a part of, and the places of its items. ``lost`` and ``clusters`` are of
    all items."""
    if not groups:
        return []
    taken, many = _taken(clusters)
    gone = np.asarray(lost, dtype=bool)
    whole = {name: _counted(taken, gone, places) for name, places in wholes.items()}
    parts = [(*_counted(taken, gone, inside), *whole[name]) for name, inside in groups]
    items, losses, all_items, all_losses = (np.asarray([each[part] for each in parts]) for part in range(4))
    p = np.asarray(hypergeom.sf(losses - 1, all_items, all_losses, items)).mean(axis=1)
    twice = [2.0 if many[list(wholes[name])].any() else 1.0 for name, _ in groups]
    return [float(value) for value in np.minimum(1.0, twice * p)]


def _taken(clusters: Sequence[Hashable]) -> tuple[Any, Any]:
    """Whether an item is taken, turn by turn; and whether it shares its cluster with others."""
    numbers: dict[Hashable, int] = {}
    own = np.asarray([numbers.setdefault(each, len(numbers)) for each in clusters], dtype=int)
    sizes = np.bincount(own)
    order, starts = np.argsort(own, kind="stable"), np.cumsum(sizes) - sizes
    taken = np.zeros((TURNS, len(own)), dtype=bool)
    dice = np.random.default_rng(0)
    for turn in range(TURNS):
        taken[turn, order[starts + np.floor(dice.random(len(sizes)) * sizes).astype(int)]] = True
    return taken, sizes[own] > 1


def _counted(taken: Any, gone: Any, places: Sequence[int]) -> tuple[Any, Any]:
    """Items that are taken, and those among them that were lost, turn by turn."""
    some = taken[:, list(places)]
    return some.sum(axis=1), (some & gone[list(places)]).sum(axis=1)
