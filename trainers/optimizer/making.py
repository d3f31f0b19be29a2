"""The optimiser over the trained weights."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from harness.errors import ConfigError
from trainers.config import TrainConfig
from trainers.optimizer.groups import parameter_groups


def optimizer_for(model: Any, config: TrainConfig) -> Any:
    """The optimiser that ``config.optimizer`` names, over groups of weights. ConfigError for one that is not here."""
    import torch

    groups, settings, rate = parameter_groups(model, config), config.optimizer, config.learning_rate
    moments: dict[str, Any] = {"betas": settings.betas, "eps": settings.epsilon}
    if settings.weights == "bf16":
        from trainers.optimizer.rounding import rounded_adamw

        return rounded_adamw(groups, rate, seed=config.seed, **moments)
    if settings.kind == "adafactor":
        from transformers import Adafactor

        return Adafactor(groups, lr=rate, scale_parameter=False, relative_step=False, warmup_init=False)
    if settings.kind == "adamw8bit":
        return _eight_bit()(groups, lr=rate, **moments)
    return torch.optim.AdamW(groups, lr=rate, fused=True, **moments)


def _eight_bit() -> Any:
    import torch

    for missing, found in (
        ("an NVIDIA GPU", torch.cuda.is_available()),
        ("bitsandbytes (pip install bitsandbytes)", importlib.util.find_spec("bitsandbytes")),
    ):
        if not found:
            raise ConfigError(f'"adamw8bit" needs {missing}. Set "adafactor" to save memory without it.', where="optimizer.kind")
    return importlib.import_module("bitsandbytes.optim").AdamW8bit
