"""Texts that are alike, in groups: average linkage over the angles between them (scipy), the same on every machine.

Of many texts some, spread evenly, make the groups, and the others join the nearest: the work grows with the number of texts, not
with its square.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from harness.records import Record
from reports.failures.grams import rows, scaled

APART = 0.72
"""Groups whose texts are on average less than this apart (one minus the cosine) become one."""
MOST_LINKED = 1_200
BLOCK = 2_000


class Group(Record, frozen=True, kw_only=True):
    """Places of texts that are alike, the most typical first."""

    members: tuple[int, ...]


def alike(texts: Sequence[str]) -> list[Group]:
    """Groups of two or more, the largest first."""
    if len(texts) < 2:
        return []
    matrix = rows(texts)
    said = np.flatnonzero(np.diff(matrix.indptr) > 0)
    said = said[np.asarray(matrix[said].multiply(matrix[said]).sum(axis=1)).ravel() > 0.5]
    if len(said) < 2:
        return []
    chosen = said[np.unique(np.linspace(0, len(said) - 1, min(len(said), MOST_LINKED)).round().astype(int))]
    labels = _linked(matrix[chosen])
    middles = scaled(_means(matrix[chosen], labels))
    own = np.isin(said, chosen)
    best, close = np.full(len(said), -1), np.zeros(len(said))
    best[own] = labels
    for start in range(0, len(said), BLOCK):  # a whole product would take memory for items times groups
        near = np.asarray((matrix[said[start : start + BLOCK]] @ middles.T).todense())
        place = slice(start, start + len(near))
        best[place] = np.where(own[place], best[place], near.argmax(axis=1))
        close[place] = near[np.arange(len(near)), best[place]]
    groups = []
    for label in range(middles.shape[0]):
        inside = np.flatnonzero((best == label) & (own | (close >= 1 - APART)))
        if len(inside) > 1:
            order = inside[np.lexsort((inside, -np.round(close[inside], 9)))]
            groups.append(Group(members=tuple(int(said[place]) for place in order)))
    return sorted(groups, key=lambda group: (-len(group.members), group.members))


def _linked(matrix: Any) -> Any:
    """The group of every row, counted from zero."""
    apart = 1.0 - np.asarray((matrix @ matrix.T).todense())
    np.fill_diagonal(apart, 0.0)
    tree = linkage(squareform(np.clip((apart + apart.T) / 2, 0.0, None), checks=False).round(9), "average")
    return np.unique(fcluster(tree, APART, "distance"), return_inverse=True)[1]


def _means(matrix: Any, labels: Any) -> Any:
    from scipy import sparse

    picked = sparse.coo_matrix((np.ones(len(labels)), (labels, np.arange(len(labels)))))
    return picked.tocsr() @ matrix
