"""What an adapter is, read from its folder: can vLLM serve it, at what rank, and which content it has. Imports nothing heavy."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from harness.checkpoints import read_adapter_config
from harness.errors import EngineError

LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The only values that vLLM's ``max_lora_rank`` may take."""

PLAIN_INITIALISATIONS = {"gaussian", "eva", "orthogonal", "mica", "lora_ga", "true", "false"}
"""``init_lora_weights`` after which the base weights are what they were; PiSSA, OLoRA, CorDA and LoftQ changed them."""


def content_hash(folder: Path) -> str:
    """The first 12 hex digits of a hash over the adapter's weights and config: the same path re-trained is another adapter."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("adapter_*")):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]


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


def served_rank(name: str, folder: Path) -> int:
    """The rank of candidate ``name``'s adapter; EngineError, before anything is started, where vLLM cannot serve it."""
    config = read_adapter_config(folder)
    reasons = unservable(config)
    if reasons:
        raise EngineError(
            f"candidate {name!r}: vLLM cannot serve the adapter {str(folder)!r}: {'; '.join(reasons)}. "
            "Merge it into its base and name the merged weights as the model, or use engine = 'transformers'."
        )
    return lora_rank(config)


def max_lora_rank(ranks: list[int]) -> int:
    """The smallest allowed ``max_lora_rank`` that holds all of ``ranks``."""
    return next(allowed for allowed in LORA_RANKS if allowed >= max(ranks, default=1))
