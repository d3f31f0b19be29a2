"""How much each weight of the base matters to the loss on general rows: the diagonal of the Fisher information."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from trainers.data.batches import Batch
from trainers.data.rows import Row
from trainers.objective.losses import trained_logits

MakeBatch = Callable[[Sequence[Row], Any], Batch]


def diagonal_fisher(
    model: Any,
    weights: Sequence[Any],
    rows: Sequence[Row],
    make: MakeBatch,
    *,
    device: Any,
    seed: int,
    tell: Callable[[int, int], None],
) -> list[Any]:
    """For each of ``weights``: sum over ``rows`` of (gradient of the row's nats)^2 / their trained tokens, float32.

    The targets are sampled from the model, position by position: with the targets of the data it would not be the Fisher
    information (Kunstner 2019, arXiv 1905.12558). So half of ``sum(fisher * change^2)`` is, to second order, what a change of the
    weights costs in nats per token of such rows as the base itself would answer them. The model's mode and gradients are put back.
    """
    import torch

    total = [torch.zeros_like(weight, dtype=torch.float32) for weight in weights]
    generator = torch.Generator(device=device).manual_seed(seed)
    wanted = [weight.requires_grad for weight in weights]
    was_training = model.training
    model.eval()
    try:
        for weight in weights:
            weight.requires_grad_(True)
        tokens = 0
        for number, row in enumerate(rows):
            logits = trained_logits(model, make([row], device))
            sampled = torch.multinomial(logits.detach().softmax(-1), 1, generator=generator)[:, 0]
            nats = torch.nn.functional.cross_entropy(logits, sampled, reduction="sum")
            for kept, gradient in zip(total, torch.autograd.grad(nats, list(weights), allow_unused=True), strict=True):
                if gradient is not None:
                    kept.addcmul_(gradient.float(), gradient.float())
            tokens += len(sampled)
            tell(number + 1, len(rows))
    finally:
        model.train(was_training)
        for weight, trained in zip(weights, wanted, strict=True):
            weight.requires_grad_(trained)
    return [kept / tokens for kept in total]
