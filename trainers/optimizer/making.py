"""The optimiser over the trained weights."""

from __future__ import annotations

from typing import Any

from harness.errors import UsageError
from trainers.config import TrainConfig
from trainers.methods.loading import trained_parameters


def optimizer_for(model: Any, config: TrainConfig) -> Any:
    """AdamW over the trained weights; vectors (norms, biases) are not decayed. UsageError where nothing is trained.

    A group's ``scale`` is what the scheduled learning rate is multiplied with.
    """
    import torch

    parameters = [parameter for _, parameter in trained_parameters(model)]
    if not parameters:
        raise UsageError("no weight of this model would be trained")
    settings = config.optimizer
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": settings.weight_decay, "scale": 1.0},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0, "scale": 1.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=config.learning_rate, betas=settings.betas, eps=settings.epsilon, fused=True,
    )  # fmt: skip
