"""Adapters on a frozen base, by peft: LoRA and its kin, AdaLoRA, IA³, prefix and prompt tuning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.errors import ConfigError
from harness.plugins import did_you_mean
from trainers.config import ParametersConfig, TrainConfig
from trainers.methods import pissa, virtual
from trainers.methods.names import layers
from trainers.methods.selection import chosen

ADAPTER = "default"  # peft's name of the only adapter
_IA3 = (("k_proj", "v_proj", "down_proj"), ("down_proj",))


def with_adapter(model: Any, config: TrainConfig, folder: Path, steps: int) -> Any:
    """``model``, whose weights lie in ``folder``, with an adapter that is trained for ``steps``. ConfigError where it cannot be."""
    from peft import get_peft_model

    settings = peft_settings(model, config, folder, steps)
    try:
        adapted = get_peft_model(model, settings)
    except ValueError as error:
        raise ConfigError(f"peft cannot adapt this model: {error}", where="lora.targets") from error
    adapted.peft_config[ADAPTER].base_model_name_or_path = config.base
    _check_merge(adapted, config)
    if config.lora.init != "default":
        pissa.keep_start(adapted)
    if config.method == "prompt":
        virtual.shift_kept_logits(adapted, config.prompt.tokens)
    return adapted


def peft_settings(model: Any, config: TrainConfig, folder: Path, steps: int) -> Any:
    """What peft calls a config."""
    import peft

    lora, ada = config.lora, config.adalora
    task: dict[str, Any] = {"task_type": "CAUSAL_LM"}
    if config.method == "prefix":
        width = config.prefix.projection
        return peft.PrefixTuningConfig(
            **task, num_virtual_tokens=config.prefix.tokens, prefix_projection=width > 0, encoder_hidden_size=width or None,
            init_weights="zero",
        )  # fmt: skip
    if config.method == "prompt":
        first: dict[str, Any] = {"prompt_tuning_init": "SAMPLE_VOCAB"}
        if text := config.prompt.text:
            first = {"prompt_tuning_init": "TEXT", "prompt_tuning_init_text": text, "tokenizer_name_or_path": str(folder)}
        return peft.PromptTuningConfig(**task, num_virtual_tokens=config.prompt.tokens, **first)
    if config.method == "ia3":
        targets, feedforward = _ia3_targets(model, config)
        return peft.IA3Config(**task, target_modules=targets, feedforward_modules=feedforward)
    shared = {
        **task,
        "lora_alpha": int(lora.alpha) if lora.alpha.is_integer() else lora.alpha,
        "lora_dropout": lora.dropout,
        "target_modules": _targets(model, config, lora.targets if isinstance(lora.targets, str) else list(lora.targets)),
        "bias": "none",
    }
    if config.method == "adalora":
        initial, final = round(ada.start * steps), round(ada.final * steps)
        if initial + final > steps - 2:
            raise ConfigError(f"training has {steps} steps: too few for ranks to fall. Train longer.", where="adalora")
        return peft.AdaLoraConfig(
            **shared, init_r=lora.r, target_r=ada.target_r, tinit=initial, tfinal=final, deltaT=ada.every, total_step=steps,
            beta1=ada.beta1, beta2=ada.beta2, orth_reg_weight=ada.orthogonality,
        )  # fmt: skip
    starts: dict[str, bool | str] = {"default": True, "pissa": "pissa", "pissa_fast": "pissa_niter_16"}
    return peft.LoraConfig(**shared, r=lora.r, use_rslora=lora.rslora, use_dora=lora.dora, init_lora_weights=starts[lora.init])


def _targets(model: Any, config: TrainConfig, targets: str | list[str]) -> str | list[str]:
    """The layers to adapt: as the config names them, or one by one where ``[parameters]`` leaves some out."""
    linear = _linear(model)
    if not isinstance(targets, str):
        _check_targets(linear, targets, "lora.targets")
    if config.parameters == ParametersConfig():
        return targets
    head = model.get_output_embeddings()
    wanted = {
        name: module
        for name, module in linear.items()
        if (module is not head if isinstance(targets, str) else any(f".{name}".endswith(f".{target}") for target in targets))
    }
    left = chosen(config.parameters, [f"{name}.weight" for name in wanted], layers(model))
    return [weight.removesuffix(".weight") for weight in left]


def _check_merge(model: Any, config: TrainConfig) -> None:
    """ConfigError where the head is adapted that shares its weights with the embeddings: merging would change both."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    head, embeddings = model.get_output_embeddings(), model.get_input_embeddings()
    if config.merge and isinstance(head, BaseTunerLayer) and head.get_base_layer().weight is embeddings.weight:
        raise ConfigError(
            "is true, but the adapted head shares its weights with the embeddings. Leave the head out.", where="merge"
        )


def _ia3_targets(model: Any, config: TrainConfig) -> tuple[list[str], list[str]]:
    from peft.utils import constants

    linear, family = _linear(model), str(getattr(model.config, "model_type", ""))
    targets, feedforward = list(config.ia3.targets), list(config.ia3.feedforward)
    if not targets:
        short = {name.rpartition(".")[2] for name in linear}
        if set(_IA3[0]) <= short:
            targets, feedforward = list(_IA3[0]), list(_IA3[1])
        elif family in constants.TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING:
            targets = list(constants.TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING[family])
            feedforward = list(constants.TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING[family])
        else:
            raise ConfigError(f"what to scale in {family!r} is not known. Name layers among {_short(linear)}", where="ia3.targets")
    _check_targets(linear, targets, "ia3.targets")
    for index, name in enumerate(feedforward):
        if name not in targets:
            raise ConfigError(f"{name!r} is not among ia3.targets ({', '.join(targets)})", where=f"ia3.feedforward[{index}]")
    left = _targets(model, config, targets)
    inner = [name for name in left if any(f".{name}".endswith(f".{target}") for target in feedforward)]
    return list(left), inner


def _linear(model: Any) -> dict[str, Any]:
    """The layers that can be adapted, by name."""
    import torch
    from transformers.pytorch_utils import Conv1D

    return {name: module for name, module in model.named_modules() if isinstance(module, (torch.nn.Linear, Conv1D))}


def _short(linear: dict[str, Any]) -> str:
    return ", ".join(sorted({name.rpartition(".")[2] for name in linear}))


def _check_targets(linear: dict[str, Any], targets: list[str], where: str) -> None:
    if not targets:
        raise ConfigError(f"names no layer. Known: {_short(linear)}", where=where)
    for index, target in enumerate(targets):
        if not any(f".{name}".endswith(f".{target}") for name in linear):
            near = {name.rpartition(".")[2] for name in linear}
            raise ConfigError(f"no linear layer is named {target!r}. {did_you_mean(target, near)}", where=f"{where}[{index}]")
