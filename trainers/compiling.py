"""``compile = true``: the model's layers through torch.compile, one by one."""

from __future__ import annotations

from typing import Any

from harness.errors import ConfigError


def compile_layers(model: Any) -> None:
    """Compile every decoder layer in place, for batches of any length; attention runs as it is. Names of weights stay.

    Layer by layer and not as a whole: all layers are one program, compiled once, and gradient checkpointing goes on around it.
    """
    from transformers.modeling_layers import GradientCheckpointingLayer

    found = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    if not found:
        raise ConfigError(f"no decoder layer was found in {type(model).__name__}. Set it to false.", where="compile")
    for layer in found:
        layer.compile(dynamic=True)
