"""The base, made trainable: all of its weights, or a low-rank adapter. One ``if``, not two trainers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.errors import ConfigError, UsageError
from harness.plugins import did_you_mean
from trainers.attention import NAME, register
from trainers.config import TrainConfig


def load_tokenizer(folder: Path) -> Any:
    """The base's tokenizer, from disk only. ConfigError where there is none."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError) as error:
        raise ConfigError(f"the tokenizer of {str(folder)!r} cannot be loaded: {error}", where="base") from error


def load_model(config: TrainConfig, folder: Path) -> Any:
    """The base with the wanted weights trainable, in training mode, on the CPU.

    Trained weights are float32 whatever the precision (AdamW on bfloat16 weights loses most steps to rounding); the frozen base of
    an adapter is kept in bfloat16 when that is the precision.
    """
    import torch
    from transformers import AutoModelForCausalLM

    frozen_half = config.method == "lora" and config.precision == "bf16"
    attention = register() if config.data.packing else None
    try:
        model = AutoModelForCausalLM.from_pretrained(
            str(folder),
            dtype=torch.bfloat16 if frozen_half else torch.float32,
            attn_implementation=attention,
            local_files_only=True,
        )
    except (OSError, ValueError) as error:
        raise ConfigError(f"the model in {str(folder)!r} cannot be loaded: {error}", where="base") from error
    if config.data.packing and not getattr(model, "_supports_attention_backend", False):
        raise ConfigError(
            f"{type(model).__name__} does not take another attention ({NAME!r}). Set it to false.", where="data.packing"
        )
    if config.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        model.enable_input_require_grads()
    model = _with_adapter(model, config) if config.method == "lora" else model
    model.train()
    return model


def _with_adapter(model: Any, config: TrainConfig) -> Any:
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


def trained_parameters(model: Any) -> Iterator[tuple[str, Any]]:
    """(name, parameter) of everything that is trained, each tensor once."""
    return ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)


def optimizer_for(model: Any, config: TrainConfig) -> Any:
    """AdamW over the trained weights; vectors (norms, biases) are not decayed. UsageError where nothing is trained."""
    import torch

    parameters = [parameter for _, parameter in trained_parameters(model)]
    if not parameters:
        raise UsageError("no weight of this model would be trained")
    settings = config.optimizer
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=config.learning_rate, betas=settings.betas, eps=settings.epsilon, fused=True,
    )  # fmt: skip
