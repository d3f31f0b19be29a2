"""What an adapter is, read from its folder: how vLLM can serve it, at what rank, with which content. Imports nothing heavy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from harness.checkpoints import adapter_files, read_adapter_config, read_json, tensor_shapes, weight_files
from harness.errors import EngineError

LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The only values that vLLM's ``max_lora_rank`` may take."""

PLAIN_INITIALISATIONS = {"gaussian", "eva", "orthogonal", "mica", "lora_ga", "true", "false"}
"""``init_lora_weights`` after which the base weights are what they were; PiSSA, OLoRA, CorDA and LoftQ changed them."""


VIRTUAL_TOKENS = {
    "PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "CPT", "CARTRIDGE", "ADAPTION_PROMPT",
}  # fmt: skip
"""Kinds that put something before the prompt and leave the weights alone."""

MIXTURES = {"XLORA", "POLY", "SHADOW"}
"""Kinds that weigh several adapters anew for every input."""

_SIZES_AND_PLACES = {
    "r", "lora_alpha", "rank_pattern", "alpha_pattern", "lora_dropout", "base_model_name_or_path", "revision", "inference_mode",
    "auto_mapping", "peft_version",
}  # fmt: skip

Wish = Literal["auto", "lora", "merged"]
Served = Literal["weights", "lora", "merged"]
"""How a candidate's weights reach vLLM: as they are, as a LoRA over its base, or merged into its base."""


def content_hash(folder: Path) -> str:
    """The first 12 hex digits of a hash over the adapter's weights and config: the same path re-trained is another adapter."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("adapter_*")):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]


def kind_of(folder: Path) -> str:
    """What decides how an adapter computes, as opposed to what: its config without sizes and places, in one spelling."""
    config = {key: value for key, value in read_adapter_config(folder).items() if key not in _SIZES_AND_PLACES}
    return json.dumps(
        {key: sorted(map(str, value)) if isinstance(value, list) else value for key, value in config.items()}, sort_keys=True
    )


def lora_rank(config: dict[str, Any]) -> int:
    """The largest rank that the adapter uses anywhere."""
    return max([int(config.get("r") or 0), *(int(rank) for rank in (config.get("rank_pattern") or {}).values())])


def unservable(config: dict[str, Any]) -> list[str]:
    """Why vLLM cannot serve an adapter with this config; empty where it can."""
    kind = str(config.get("peft_type", "LORA")).upper()
    if kind != "LORA":
        return [f"it is {kind}, not LoRA"]
    reasons = [
        reason
        for key, reason in (
            ("use_dora", "it is a DoRA"),
            ("lora_bias", "it trains LoRA biases (lora_bias)"),
            ("alora_invocation_tokens", "it is an activated LoRA (aLoRA)"),
            ("layer_replication", "it replicates layers (layer_replication)"),
            ("use_bdlora", "it is block-diagonal (BD-LoRA)"),
            ("use_qalora", "it is a QALoRA"),
            ("trainable_token_indices", "it trains token embeddings (trainable_token_indices)"),
        )
        if config.get(key)
    ]
    if config.get("bias", "none") != "none":
        reasons.append(f"it trains biases (bias = {config['bias']!r})")
    saved = [module for module in config.get("modules_to_save") or () if module not in {"classifier", "score"}]
    if saved:
        reasons.append(f"it replaces whole modules (modules_to_save = {', '.join(saved)})")
    start = config.get("init_lora_weights", True)
    if isinstance(start, str) and start.lower() not in PLAIN_INITIALISATIONS:
        reasons.append(f"its initialisation {start!r} changed the base weights")
    if lora_rank(config) > LORA_RANKS[-1]:
        reasons.append(f"its rank {lora_rank(config)} is above {LORA_RANKS[-1]}")
    return reasons


def loads_alone(config: Mapping[str, Any]) -> bool:
    """Must PEFT load such an adapter over a base of its own?

    Trained biases, and what some starts take from the weights, stay in the base when the adapter is switched off; PEFT refuses
    other kinds beside LoRA, and trained tokens beside adapters without.
    """
    start = config.get("init_lora_weights", True)
    started = isinstance(start, str) and start.lower() not in PLAIN_INITIALISATIONS
    leaves = started or config.get("bias", "none") != "none" or bool(config.get("layer_replication"))
    return leaves or str(config.get("peft_type", "LORA")).upper() != "LORA" or bool(config.get("trainable_token_indices"))


def unmergeable(adapter: Path, model: Path) -> list[str]:
    """Why an adapter cannot become part of the weights of its base ``model``; empty where it can."""
    config, base = read_adapter_config(adapter), read_json(model / "config.json")
    kind = str(config.get("peft_type", "LORA")).upper()
    reasons = [
        reason
        for holds, reason in (
            (kind in VIRTUAL_TOKENS, f"{kind} adds virtual tokens, not weights"),
            (kind in MIXTURES, f"{kind} weighs its parts anew for every input"),
            (config.get("alora_invocation_tokens"), "an activated LoRA (aLoRA) works only after its invocation tokens"),
            (config.get("arrow_config"), "an Arrow router weighs its parts anew for every input"),
            (config.get("layer_replication"), "replicated layers share one weight"),
        )
        if holds
    ]
    quantised = base.get("quantization_config") if isinstance(base, Mapping) else None
    if isinstance(quantised, Mapping):
        reasons.append(f"the base is quantised ({quantised.get('quant_method', 'unknown')}), and merging would round it again")
    bare = _without_bias(adapter, model) if config.get("lora_bias") else None
    return [*reasons, f"it trains a bias for {bare!r}, which has none in the base"] if bare else reasons


def _without_bias(adapter: Path, model: Path) -> str | None:
    """A module whose bias the adapter trains and the base does not have; None where there is none, or it cannot be told."""
    known = {name for file in weight_files(model) if file.suffix == ".safetensors" for name in tensor_shapes(file)}
    trained = [name for file in adapter_files(adapter) if file.suffix == ".safetensors" for name in tensor_shapes(file)]
    stems = [
        name.removeprefix("base_model.model.").removesuffix(".lora_B.bias") for name in trained if name.endswith(".lora_B.bias")
    ]
    return next((stem for stem in stems if f"{stem}.weight" in known and f"{stem}.bias" not in known), None)


def how_served(name: str, adapter: Path | None, model: Path, wish: Wish) -> Served:
    """How vLLM serves candidate ``name``; EngineError, before anything is started, where it cannot serve it as wished."""
    if adapter is None:
        return "weights"
    reasons = unservable(read_adapter_config(adapter))
    if wish != "merged" and not reasons:
        return "lora"
    hindrances = unmergeable(adapter, model)
    if wish != "lora" and not hindrances:
        return "merged"
    start = f"candidate {name!r}: vLLM cannot serve the adapter {str(adapter)!r}"
    if wish == "lora":
        raise EngineError(f"{start} as LoRA: {'; '.join(reasons)}. Without options.adapter_as it is merged into its base.")
    both = "; ".join([*reasons, *(f"and it cannot be merged: {hindrance}" for hindrance in hindrances)])
    raise EngineError(
        f"{start}: {both}. Use engine = 'transformers' for it and for the baseline, as runs of different engines are not compared."
    )


def max_lora_rank(ranks: list[int]) -> int:
    """The smallest allowed ``max_lora_rank`` that holds all of ``ranks``."""
    return next(allowed for allowed in LORA_RANKS if allowed >= max(ranks, default=1))
