"""Which scored pairs share a forward: tokens of a common beginning are held once, rows of similar length make a batch.

Pure arithmetic on token ids, no model. A *sequence* is what the model reads for a pair: the context and all of the continuation but
its last token. Sorted, sequences with a common beginning are neighbours; a *row* holds some of them as a tree: every token of a
common beginning once, each token seeing only its own ancestors. What many rows have in common (the few-shot examples of a task) is
the *prefix* of their batch, to be computed once for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from harness.engines.tokens import Pair

SHORTEST_PREFIX = 32
"""Tokens below which a prefix common to several rows is not worth a forward of its own."""

_NARROW = 256
"""Distinct tokens that a row may always grow to; beyond, it is at most twice as long as the longest sequence in it."""

_SPREAD = 8
"""With the prefix counted in every row, to which its keys are copied, a batch holds at most so many times its token budget."""


class Limits(NamedTuple):
    """What the planner may do.

    ``tokens``: of a batch, padding included. ``hidden``: the model's width, against which the quadratic cost of a longer row is
    weighed. ``tree``: rows may branch and batches may have prefixes. ``window``: a longer sequence may do neither, and shares no
    batch with shorter ones.
    """

    tokens: int
    hidden: int
    tree: bool = True
    window: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Pairs (numbers into the planned list) that share one row, in the order of their sequences.

    ``shared``: how many tokens each sequence has in common with the one before it; 0 for the first. ``length``: distinct tokens,
    the prefix included.
    """

    pairs: tuple[int, ...]
    shared: tuple[int, ...]
    length: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows for one forward, behind a common prefix (which may be empty)."""

    rows: tuple[Row, ...]
    prefix: tuple[int, ...] = ()


class Layout(NamedTuple):
    """A batch as arrays. B rows of L tokens behind a prefix of P tokens; N scored tokens.

    ``ids`` and ``positions``: int64 (B, L). ``visible``: bool (B, L, P + L), which tokens each token may look at; None where every
    row is a plain sequence without a prefix, for which the model's own causal mask is right. ``heads``: int64 (N,), the place in
    the flattened (B · L) whose output predicts each scored token; ``targets``: int64 (N,), that token. Scored tokens are in the
    order of the batch's pairs.
    """

    ids: Any
    positions: Any
    visible: Any
    heads: Any
    targets: Any


def plan(pairs: Sequence[Pair], limits: Limits, known: Iterable[tuple[int, ...]] = ()) -> list[Batch]:
    """Batches that score every pair once. ``known``: prefixes that have been computed already and cost nothing."""
    sequences = [pair.context + pair.continuation[:-1] for pair in pairs]
    order = sorted(range(len(pairs)), key=sequences.__getitem__)
    most = math.inf if limits.window is None else limits.window
    long = [index for index in order if len(sequences[index]) > most]
    short = [index for index in order if len(sequences[index]) <= most]
    # Apart from the others: beside a tree a batch has a mask of ours, and that knows no window.
    batches = _batches(_rows(long, sequences, limits._replace(tree=False)), limits, ())
    free: list[Row] = []
    if not limits.tree:
        return batches + _batches(_rows(short, sequences, limits), limits, ())
    for rows, length in _groups(_rows(short, sequences, limits), pairs, sequences):
        prefix = _prefix(rows, length, sequences, known)
        if prefix:
            batches += _batches(rows, limits, prefix)
        else:
            free += rows
    return batches + _batches(free, limits, ())


def common(left: Sequence[int], right: Sequence[int]) -> int:
    """How many tokens two sequences have in common at their beginning."""
    low, high = 0, min(len(left), len(right))
    if left[:high] == right[:high]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if left[:middle] == right[:middle]:
            low = middle
        else:
            high = middle
    return low


def _rows(order: Sequence[int], sequences: Sequence[list[int]], limits: Limits) -> list[Row]:
    """Neighbours join the same row while what they share is worth more than what a longer row costs in attention."""
    rows: list[Row] = []
    members: list[int] = []
    shared: list[int] = []
    length = longest = 0
    for index in order:
        same = common(sequences[members[-1]], sequences[index]) if members else 0
        new = len(sequences[index]) - same
        if members and same == len(sequences[members[-1]]) and length == same:
            joins = True  # it goes on where the row, still a plain sequence, ends
        else:
            room = max(_NARROW, 2 * longest)
            joins = limits.tree and same > 0 and length + new <= room and 3 * limits.hidden * same >= length * new
        if members and not joins:
            rows.append(Row(tuple(members), tuple(shared), length))
            members, shared, length, longest = [], [], 0, 0
        members.append(index)
        shared.append(same if joins else 0)
        length += new if joins else len(sequences[index])
        longest = max(longest, len(sequences[index]))
    if members:
        rows.append(Row(tuple(members), tuple(shared), length))
    return rows


def _groups(rows: Sequence[Row], pairs: Sequence[Pair], sequences: Sequence[list[int]]) -> list[tuple[list[Row], int]]:
    """Runs of rows with the length of their common beginning; a run ends where one more row would make sharing save less."""
    groups: list[tuple[list[Row], int]] = []
    for row in rows:
        own = min([*row.shared[1:], *(len(pairs[index].context) - 1 for index in row.pairs)])
        if groups:
            members, length = groups[-1]
            both = min(length, own, common(sequences[members[-1].pairs[-1]], sequences[row.pairs[0]]))
            if both >= SHORTEST_PREFIX and both * len(members) >= length * (len(members) - 1):
                members.append(row)
                groups[-1] = (members, both)
                continue
        groups.append(([row], own))
    return groups


def _prefix(rows: Sequence[Row], length: int, sequences: Sequence[list[int]], known: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    """What to compute once before these rows: their common beginning, or a part of it that is known, where that saves more."""
    start = tuple(sequences[rows[0].pairs[0]][:length])
    usable = [len(prefix) for prefix in known if len(prefix) >= SHORTEST_PREFIX and start[: len(prefix)] == prefix]
    best = max(usable, default=0)
    computed = length * (len(rows) - 1) if length >= SHORTEST_PREFIX else 0
    return start[:best] if best * len(rows) >= computed else start


def _batches(rows: Iterable[Row], limits: Limits, prefix: tuple[int, ...]) -> list[Batch]:
    """Rows, longest first, cut where the budget is spent or where a row is less than half as long as the batch is wide."""
    batches: list[list[Row]] = []
    width = 0
    for row in sorted(rows, key=lambda row: -row.length):
        length = row.length - len(prefix)
        count = len(batches[-1]) + 1 if batches else 0
        full = count * width > limits.tokens or count * (width + len(prefix)) > _SPREAD * limits.tokens
        if not batches or full or 2 * length < width:
            batches.append([])
            width = length
        batches[-1].append(row)
    return [Batch(tuple(batch), prefix) for batch in batches]


def layout(batch: Batch, pairs: Sequence[Pair]) -> Layout:
    """The arrays of a batch. Padding looks at the first token of all, so that no row of the mask is empty."""
    import numpy as np

    skip = len(batch.prefix)
    width = max(row.length for row in batch.rows) - skip
    ids = np.zeros((len(batch.rows), width), dtype=np.int64)
    positions = np.zeros_like(ids)
    plain = not skip and all(_is_line(row, pairs) for row in batch.rows)
    visible = None if plain else np.zeros((len(batch.rows), width, skip + width), dtype=bool)
    heads: list[Any] = []
    targets: list[int] = []
    for number, row in enumerate(batch.rows):
        path = np.zeros(0, dtype=np.int64)  # places in the row of the current sequence's tokens
        end = 0
        for index, shared in zip(row.pairs, row.shared, strict=True):
            pair = pairs[index]
            sequence = pair.context + pair.continuation[:-1]
            kept = max(shared - skip, 0)
            new = sequence[skip + kept :]
            start, end = end, end + len(new)
            ids[number, start:end] = new
            positions[number, start:end] = np.arange(skip + kept, len(sequence))
            if visible is not None and new:
                visible[number, start:end, skip + path[:kept]] = True
                visible[number, start:end, skip + start : skip + end] = np.tri(len(new), dtype=bool)
            path = np.concatenate([path[:kept], np.arange(start, end)])
            first = len(pair.context) - 1 - skip
            heads.append(number * width + path[first : first + len(pair.continuation)])
            targets += pair.continuation
        if visible is not None:
            visible[number, :end, :skip] = True
            visible[number, end:, 0] = True
    return Layout(ids, positions, visible, np.concatenate(heads), np.array(targets, dtype=np.int64))


def _is_line(row: Row, pairs: Sequence[Pair]) -> bool:
    """Does every sequence of the row go on where the one before it ends?"""
    last = pairs[row.pairs[-1]]
    return row.length == len(last.context) + len(last.continuation) - 1
