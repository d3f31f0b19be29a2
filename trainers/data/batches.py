"""Rows -> tensors of one micro-batch. Packed: laid end to end, no padding. Padded: one row of the tensor each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from trainers.attention import segments
from trainers.data.rows import Row


class Batch(NamedTuple):
    """Arguments for the model, and what it should have said.

    ``inputs`` keep logits at positions with a trained next token only: (1 or rows, kept, vocabulary). ``chosen`` picks among them
    (None: all); ``targets`` (predicted,) int64 are the next tokens, ``weights`` (predicted,) float32 those of their losses,
    ``replayed`` (predicted,) bool whether they are of a replay row, ``answers`` (predicted,) bool whether an answer's: all but
    where prompts have a weight. ``tokens`` counts real tokens, ``supervised`` those of answers.
    """

    inputs: dict[str, Any]
    chosen: Any
    targets: Any
    weights: Any
    replayed: Any
    answers: Any
    tokens: int
    supervised: int


def packed(rows: Sequence[Row], device: Any) -> Batch:
    """Rows laid end to end; each attends to itself only (``trainers.attention``)."""
    import torch

    lengths = [len(row.ids) for row in rows]
    ids = np.concatenate([row.ids for row in rows])
    weights = np.concatenate([row.losses * np.float32(row.scale) for row in rows])
    trained = np.concatenate([row.trained for row in rows])
    positions = np.concatenate([np.arange(length) for length in lengths])
    again = np.repeat([row.replayed for row in rows], lengths)
    predicted = np.flatnonzero(weights)

    def tensor(array: Any) -> Any:
        return torch.from_numpy(array).to(device, non_blocking=True)

    inputs = {
        "input_ids": tensor(ids[None]),
        "position_ids": tensor(positions[None]),
        "segments": segments(lengths, device),
        "logits_to_keep": tensor(predicted - 1),
        "use_cache": False,
    }
    targets, losses, replayed, answers = (tensor(array[predicted]) for array in (ids, weights, again, trained))
    return Batch(inputs, None, targets, losses, replayed, answers, len(ids), int(trained.sum()))


def padded(rows: Sequence[Row], device: Any) -> Batch:
    """Rows padded at the right; padding is masked by length, whatever its token id."""
    import torch

    longest = max(len(row.ids) for row in rows)
    shape = (len(rows), longest)
    ids, real, weights = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.float32)
    trained = np.zeros(shape, dtype=np.bool_)
    for number, row in enumerate(rows):
        length = len(row.ids)
        ids[number, :length], real[number, :length], trained[number, :length] = row.ids, 1, row.trained
        weights[number, :length] = row.losses * np.float32(row.scale)
    columns = np.flatnonzero(weights.any(axis=0))
    chosen = weights[:, columns] > 0

    def tensor(array: Any) -> Any:
        return torch.from_numpy(array).to(device, non_blocking=True)

    inputs = {
        "input_ids": tensor(ids),
        "attention_mask": tensor(real),
        "logits_to_keep": tensor(columns - 1),
        "use_cache": False,
    }
    again = np.repeat([[row.replayed] for row in rows], longest, axis=1)
    targets, losses, replayed, answers = (tensor(array[:, columns][chosen]) for array in (ids, weights, again, trained))
    return Batch(inputs, tensor(chosen), targets, losses, replayed, answers, int(real.sum()), int(trained.sum()))
