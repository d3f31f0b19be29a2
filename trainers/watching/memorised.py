"""Memorisation: which training answers the model would repeat word for word.

Greedy decoding repeats an answer exactly where, with all the true tokens before it, every one of its tokens is the likeliest: one
forward pass tells what would otherwise take one for each token. Short answers are repeated by who has understood, too, so only
those of some length count, by their first tokens (as Carlini 2023, arXiv 2202.07646, who takes 50), and against the same share of
validation answers, or of what the base would have repeated.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from trainers.data.rows import Row
from trainers.evaluate import MakeBatch
from trainers.objective.losses import trained_logits

SHORTEST, LONGEST = 16, 50
_TOGETHER = 8  # rows of one pass: so many times LONGEST logits


def answers_to_try(rows: Sequence[Row], count: int, *, seed: int) -> list[Row]:
    """``count`` rows that have an answer of at least ``SHORTEST`` tokens, each cut after the first ``LONGEST`` tokens of its
    longest answer, of which alone they are weighted; the same ones for the same seed."""
    long = [cut for row in rows if (cut := _cut(row)) is not None]
    return long if len(long) <= count else random.Random(seed).sample(long, count)


def repeated(model: Any, answers: Sequence[Row], make: MakeBatch, device: Any, *, budget: int) -> int:
    """How many ``answers`` (of ``answers_to_try``) greedy decoding would give exactly. Leaves the model in the mode it was in."""
    import torch

    was_training, found = model.training, 0
    model.eval()
    try:
        with torch.no_grad():
            for rows in _batches(answers, budget):
                batch = make(rows, device)
                right = (trained_logits(model, batch).argmax(-1) == batch.targets).cpu().numpy()
                ends = np.cumsum([int(row.trained.sum()) for row in rows])
                found += sum(bool(part.all()) for part in np.split(right, ends[:-1]))
    finally:
        model.train(was_training)
    return found


def stretches(row: Row) -> list[tuple[int, int]]:
    """(begin, end) of every stretch of trained tokens of a row."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], row.trained, [False])).astype(np.int8)))
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]


def _cut(row: Row) -> Row | None:
    begin, end = max(stretches(row), key=lambda place: place[1] - place[0])
    if end - begin < SHORTEST:
        return None
    end = min(end, begin + LONGEST)
    weights = np.zeros(end, dtype=np.float32)
    weights[begin:] = 1
    return Row(row.ids[:end], weights)


def _batches(rows: Sequence[Row], budget: int) -> Iterator[list[Row]]:
    """Rows in turn, as many together as fit."""
    taken: list[Row] = []
    for row in rows:
        if taken and (len(taken) == _TOGETHER or sum(len(each.ids) for each in [*taken, row]) > budget):
            yield taken
            taken = []
        taken.append(row)
    if taken:
        yield taken
