"""The models that both sides are measured on: a random one of ordinary proportions, the lab's base, and random adapters."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

WIDE = {"hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 8, "vocab_size": 32_000}
WIDE_QUICK = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "vocab_size": 2_000}


def wide_model(lab_base: Path, folder: Path, *, quick: bool = False) -> Path:
    """A Qwen2 model with random float32 weights (8 layers, hidden 512, 32,000 words) behind the lab's tokenizer.

    The lab's base is tiny, so what surrounds the matrix products weighs more there than in any model that people ship. Weights
    have three times the usual spread, so that choices differ by far more than rounding.
    """
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    folder.mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"):
        if (lab_base / name).is_file():
            shutil.copy(lab_base / name, folder / name)
    torch.manual_seed(0)
    config = Qwen2Config(
        **(WIDE_QUICK if quick else WIDE), num_attention_heads=8, num_key_value_heads=8, max_position_embeddings=2048,
        tie_word_embeddings=True, initializer_range=0.06, bos_token_id=0, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    Qwen2ForCausalLM(config).to(torch.float32).save_pretrained(folder)
    return folder


def random_adapter(base: Path, folder: Path, *, seed: int = 0) -> Path:
    """A LoRA adapter of rank 8 with random weights in both factors: live, and useless."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base), LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    model.save_pretrained(folder)
    return folder


def describe(model: Path) -> dict[str, Any]:
    """What of a model decides its speed."""
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    keys = ("num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads", "vocab_size")
    return {**{key: config[key] for key in keys}, "dtype": "float32"}
