"""The loss of supervised fine-tuning: negative log-likelihood of trained tokens, one number per token."""

from __future__ import annotations

from typing import Any

from trainers.batches import Batch


def token_losses(model: Any, batch: Batch) -> Any:
    """Nats per supervised token, (supervised,) float32, with gradient.

    Divide their sum by the supervised tokens of the *whole optimiser step*, not of the micro-batch: only then is accumulation over
    k micro-batches equal to one batch k times as large (transformers#34191).
    """
    import torch

    logits = model(**batch.inputs).logits
    kept = logits[0] if batch.chosen is None else logits[batch.chosen]
    return torch.nn.functional.cross_entropy(kept.float(), batch.targets, reduction="none")
