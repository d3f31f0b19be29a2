"""PiSSA and AdaLoRA as the plain LoRA adapters that they are equal to: what vLLM serves and every loader understands.

The scaling is inside B, so that alpha = rank everywhere.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from trainers.config import TrainConfig
from trainers.methods import pissa
from trainers.methods.adapters import ADAPTER

Pair = tuple[Any, Any]  # A (rank, in), B (out, rank), float32


def saved_plainly(config: TrainConfig) -> bool:
    """Is the adapter of this method saved as another kind than it was trained as?"""
    return config.method == "adalora" or config.lora.init != "default"


def save_plain(model: Any, config: TrainConfig, folder: Path) -> None:
    """Write ``adapter_config.json`` and ``adapter_model.safetensors``."""
    from peft import LoraConfig
    from safetensors.torch import save_file

    pairs = _adalora_pairs(model) if config.method == "adalora" else _pissa_pairs(model)
    ranks = {module: len(a) for module, (a, _) in pairs.items()}
    largest = max(ranks.values())
    pattern = {module: rank for module, rank in ranks.items() if rank != largest}
    settings = LoraConfig(
        task_type="CAUSAL_LM", inference_mode=True, r=largest, lora_alpha=largest, target_modules=sorted(pairs), bias="none",
        rank_pattern=pattern, alpha_pattern=dict(pattern), lora_dropout=config.lora.dropout,
        base_model_name_or_path=model.peft_config[ADAPTER].base_model_name_or_path,
    )  # fmt: skip
    folder.mkdir(parents=True)
    settings.save_pretrained(str(folder))
    file = folder / "adapter_config.json"
    written = json.loads(file.read_text())
    file.write_text(json.dumps(written | {"target_modules": sorted(written["target_modules"])}, indent=2) + "\n")
    tensors = {}
    for module, (a, b) in pairs.items():
        tensors[f"base_model.model.{module}.lora_A.weight"] = a.contiguous().cpu()
        tensors[f"base_model.model.{module}.lora_B.weight"] = b.contiguous().cpu()
    save_file(tensors, str(folder / "adapter_model.safetensors"), metadata={"format": "pt"})


def _modules(model: Any) -> dict[str, Any]:
    """The adapted layers by their names in the base."""
    return {
        name.removeprefix("base_model.model."): module
        for name, module in model.named_modules()
        if hasattr(module, "lora_A") and ADAPTER in module.lora_A
    }


def _adalora_pairs(model: Any) -> dict[str, Pair]:
    """B (A ∘ E) s / (r + 1e-5), without the directions whose singular value was set to 0 (but at least one, of nothing)."""
    pairs = {}
    for name, module in _modules(model).items():
        values = module.lora_E[ADAPTER].detach().float()
        kept = values.flatten().nonzero().flatten()
        kept = kept if len(kept) else kept.new_zeros(1)
        scale = module.scaling[ADAPTER] / (float(module.ranknum[ADAPTER]) + 1e-5)
        a, b = module.lora_A[ADAPTER].detach().float(), module.lora_B[ADAPTER].detach().float()
        pairs[name] = ((a * values)[kept], (b * scale)[:, kept])
    return pairs


def _pissa_pairs(model: Any) -> dict[str, Pair]:
    """s (B A − B₀ A₀), side by side."""
    import torch

    start, pairs = pissa.start_of(model), {}
    for name, module in _modules(model).items():
        scale, stem = module.scaling[ADAPTER], f"base_model.model.{name}"
        first_a, first_b = (start[f"{stem}.lora_{side}.{ADAPTER}.weight"].cpu().float() for side in "AB")
        a, b = (getattr(module, f"lora_{side}")[ADAPTER].weight.detach().cpu().float() for side in "AB")
        pairs[name] = (torch.cat([a, first_a]), torch.cat([b, -first_b], 1) * scale)
    return pairs
