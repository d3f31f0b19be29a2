"""The loss of supervised fine-tuning: negative log-likelihood of trained tokens, one number per token."""

from __future__ import annotations

from typing import Any

from trainers.data.batches import Batch


def trained_logits(model: Any, batch: Batch) -> Any:
    """Logits at the positions that predict a trained token: (supervised, vocabulary) float32, with gradient."""
    logits = model(**batch.inputs).logits
    return (logits[0] if batch.chosen is None else logits[batch.chosen]).float()


def token_losses(model: Any, batch: Batch) -> Any:
    """Nats per supervised token, (supervised,) float32, with gradient; without any weight."""
    import torch

    return torch.nn.functional.cross_entropy(trained_logits(model, batch), batch.targets, reduction="none")
