"""``compile = true``: the model's layers through torch.compile, one by one."""

from __future__ import annotations

from typing import Any

from harness.errors import ConfigError
from trainers import attention


def compile_layers(model: Any, backend: str = "inductor") -> None:
    """Compile every decoder layer in place, for batches of any length. Names of weights stay.

    Layer by layer and not as a whole: all layers are one program, compiled once, and gradient checkpointing goes on around it.
    Attention over groups of rows runs as it is: every batch has other groups, and each would be another program.
    """
    import torch
    from transformers.modeling_layers import GradientCheckpointingLayer

    found = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    if not found:
        raise ConfigError(f"no decoder layer was found in {type(model).__name__}. Set it to false.", where="compile")
    attention.grouped = torch.compiler.disable(attention.grouped)
    for layer in found:
        layer.compile(dynamic=True, backend=backend)
