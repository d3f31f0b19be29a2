"""The base, made trainable: all of its weights, or a low-rank adapter. One ``if``, not two trainers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.errors import ConfigError
from trainers.attention import NAME, register
from trainers.config import TrainConfig
from trainers.methods.lora import with_adapter


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
    model = with_adapter(model, config) if config.method == "lora" else model
    model.train()
    return model


def trained_parameters(model: Any) -> Iterator[tuple[str, Any]]:
    """(name, parameter) of everything that is trained, each tensor once."""
    return ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)
