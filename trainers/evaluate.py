"""Validation loss = sum of nats / number of supervised tokens, in float64: the same number whatever the batch size or packing.

(A mean of batch means is not; the usual trainers report up to twice the true value on rows of mixed length, transformers#39241.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trainers.data.batches import Batch
from trainers.data.packing import group, pack
from trainers.data.rows import Row
from trainers.objective.losses import token_losses

MakeBatch = Callable[[Sequence[Row], Any], Batch]
Losses = Callable[[Any, Batch], Any]  # (model, batch) -> nats per supervised token


def validation_loss(
    model: Any,
    rows: Sequence[Row],
    make: MakeBatch,
    *,
    budget: int,
    device: Any,
    packing: bool = True,
    losses: Losses = token_losses,
    part: int = 0,
    parts: int = 1,
) -> tuple[float, int]:
    """(sum of nats, supervised tokens) of ``rows``, or of part ``part`` of ``parts``. Leaves the model in the mode it was in."""
    import torch

    lengths = [len(row.ids) for row in rows]
    bins = (pack if packing else group)(lengths, budget, seed=0)[part::parts]
    was_training = model.training
    model.eval()
    nats = torch.zeros((), dtype=torch.float64, device=device if torch.device(device).type != "mps" else "cpu")
    tokens = 0
    try:
        with torch.no_grad():
            for indices in bins:
                batch = make([rows[index] for index in indices], device)
                nats += losses(model, batch).sum(dtype=torch.float64)
                tokens += batch.supervised
    finally:
        model.train(was_training)
    return float(nats), tokens


def validation_losses(
    model: Any, sets: Mapping[str, Sequence[Row]], make: MakeBatch, *, budget: int, device: Any, packing: bool, accelerator: Any,
    losses: Losses,
) -> dict[str, float]:  # fmt: skip
    """Name of each validation set -> nats per supervised token, over all processes."""
    import torch

    part, parts = accelerator.process_index, accelerator.num_processes
    means = {}
    for name, rows in sets.items():
        nats, tokens = validation_loss(
            model, rows, make, budget=budget, device=device, packing=packing, losses=losses, part=part, parts=parts
        )
        if parts > 1:
            both = accelerator.reduce(torch.tensor([nats, float(tokens)], dtype=torch.float64, device=device))
            nats, tokens = float(both[0]), int(both[1])
        means[name] = nats / tokens
    return means


def leak(model: Any, rows: Sequence[Row], make: MakeBatch, device: Any) -> float:
    """How much a row's losses change (nats, largest of its tokens) when the row before it in a packed batch says something else.

    Zero to the last bit (but for mixtures of experts) where rows cannot see each other: all shapes stay the same. Layers with a
    state of their own (convolutions, state-space models) carry it from row to row, whatever the attention does; only asking the
    model shows it.
    """
    import torch

    behind = min(rows, key=lambda row: len(row.ids))
    before = next((row for row in rows if len(set(row.ids.tolist())) > 1), behind)
    other = Row(before.ids[::-1].copy(), before.weights)
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            one, two = (token_losses(model, make([first, behind], device)) for first in (before, other))
    finally:
        model.train(was_training)
    tokens = int(behind.trained.sum())
    return float((one[-tokens:] - two[-tokens:]).abs().max())
