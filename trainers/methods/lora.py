"""Low-rank adapters, by peft."""

from __future__ import annotations

from typing import Any

from harness.errors import ConfigError
from harness.plugins import did_you_mean
from trainers.config import TrainConfig


def with_adapter(model: Any, config: TrainConfig) -> Any:
    """``model`` with an adapter as ``config.lora`` says. ConfigError where its targets do not exist."""
    from peft import LoraConfig, get_peft_model

    lora = config.lora
    targets = lora.targets if isinstance(lora.targets, str) else list(lora.targets)
    settings = LoraConfig(
        r=lora.r,
        lora_alpha=int(lora.alpha) if lora.alpha.is_integer() else lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
        bias="none",
    )
    if not isinstance(targets, str):
        _check_targets(model, targets)
    try:
        adapted = get_peft_model(model, settings)
    except ValueError as error:
        raise ConfigError(f"peft cannot adapt this model: {error}", where="lora.targets") from error
    adapted.peft_config["default"].base_model_name_or_path = config.base
    return adapted


def _check_targets(model: Any, targets: list[str]) -> None:
    import torch

    linear = {name.rpartition(".")[2] for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    if not targets:
        raise ConfigError(f"names no layer. Known: {', '.join(sorted(linear))}", where="lora.targets")
    for index, target in enumerate(targets):
        if target.rpartition(".")[2] not in linear:
            raise ConfigError(
                f"no linear layer is named {target!r}. {did_you_mean(target, linear)}", where=f"lora.targets[{index}]"
            )
