"""What one optimiser step minimises, micro-batch by micro-batch."""

from __future__ import annotations

from typing import Any, NamedTuple

from trainers.config import TrainConfig
from trainers.data.batches import Batch
from trainers.objective.losses import token_losses


class Minimised(NamedTuple):
    """Of one micro-batch: the weighted ``total`` to minimise (a scalar with gradient), and its plain ``nats`` (without)."""

    total: Any
    nats: Any


class Objective:
    """The loss as the config says.

    ``total`` is a *sum* over tokens: the loop divides it by the weights of the whole optimiser step, not of the micro-batch; only
    then is accumulation over k micro-batches equal to one batch k times as large (transformers#34191).
    """

    def __init__(self, config: TrainConfig, model: Any) -> None:
        self.config, self.model = config, model

    def __call__(self, model: Any, batch: Batch) -> Minimised:
        """The loss of one micro-batch; ``model`` is the bare one as wrapped for several processes."""
        nats = token_losses(model, batch)
        return Minimised((nats * batch.weights).sum(), nats.detach().sum())

    def add_penalties(self) -> None:
        """Add the gradients of decoupled penalties to those of the trained weights: once per step, before clipping."""
