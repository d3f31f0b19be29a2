"""Packing in other architectures: the same losses as padded rows, or a clear refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.errors import ConfigError
from harness.records import Training
from tests.trainers.tinychat import byte_tokenizer, chat, write_rows
from trainers.config import parse
from trainers.loop import train

pytestmark = pytest.mark.models

KNOWN = {
    "Llama": {},
    "Qwen3": {"head_dim": 8},
    "Mistral": {"sliding_window": 8},
    "Gemma3Text": {"head_dim": 8, "sliding_window": 8},
    "Granite": {"logits_scaling": 2.0},
    "GPT2": {"n_embd": 32, "n_layer": 2, "n_head": 4},
}
EXPERTS = {"num_local_experts": 2, "num_experts_per_tok": 1, "head_dim": 8}
UNKNOWN = {
    "Lfm2": ({"layer_types": ["conv", "full_attention"]}, "rows of one batch see each other in Lfm2ForCausalLM"),
    "Gemma2": ({"head_dim": 8}, r"attention \(softcap\) cannot be packed"),
    "GptOss": (EXPERTS, r"attention \(s_aux\) cannot be packed"),
    "Mamba": ({}, "MambaForCausalLM does not take another attention"),
}


def base_of(family: str, settings: dict[str, Any], folder: Path) -> Path:
    """A random two-layer model whose rows would notice each other (weights larger than usual)."""
    import torch
    import transformers

    tokenizer = byte_tokenizer()
    shape = {
        "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 512, "pad_token_id": None, "bos_token_id": None, "eos_token_id": 0,
    }  # fmt: skip
    config = getattr(transformers, f"{family}Config")(**(shape | settings))
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.2)
    model.save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    write_rows(folder / "rows.jsonl", [chat(f"say {n}", ("x" * (n % 5 + 1) + str(n)) * 6) for n in range(8)])
    return folder / "base"


def trained(folder: Path, *, packing: bool, **settings: Any) -> Training:
    data = {"train": "rows.jsonl", "validation": "rows.jsonl", "tokens_per_batch": 256, "packing": packing, "overlap": "allow"}
    raw = {
        "name": f"packing_{packing}",
        "base": "base",
        "device": "cpu",
        "data": data,
        "optimizer": {"steps": 3, "learning_rate": 3e-3},
    }
    place = train(parse({**raw, **settings}, folder=folder))
    return msgspec.json.decode((place / "training.json").read_bytes(), type=Training)


@pytest.mark.parametrize("family", KNOWN)
def test_packed_validation_equals_padded(family: str, tmp_path: Path) -> None:
    base_of(family, KNOWN[family], tmp_path)
    packed, padded = (trained(tmp_path, packing=packing) for packing in (True, False))
    assert packed.validations[0].losses["target"] == pytest.approx(padded.validations[0].losses["target"], abs=1e-5)
    assert packed.validations[-1].losses["target"] < packed.validations[0].losses["target"]


@pytest.mark.parametrize("family", UNKNOWN)
def test_what_cannot_be_packed_is_refused_and_trains_padded(family: str, tmp_path: Path) -> None:
    settings, said = UNKNOWN[family]
    base_of(family, settings, tmp_path)
    with pytest.raises(ConfigError, match=said) as caught:
        trained(tmp_path, packing=True)
    assert caught.value.where == "data.packing"
    padded = trained(tmp_path, packing=False)
    assert padded.validations[-1].losses["target"] < padded.validations[0].losses["target"]


def test_a_leak_is_seen_in_half_precision_too(tmp_path: Path) -> None:
    base_of("Lfm2", UNKNOWN["Lfm2"][0], tmp_path)
    with pytest.raises(ConfigError, match="see each other"):
        trained(tmp_path, packing=True, precision="bf16", method="lora")


def test_layers_that_peft_cannot_adapt_are_a_config_error(tmp_path: Path) -> None:
    base_of("Mamba", {}, tmp_path)
    with pytest.raises(ConfigError, match="peft cannot adapt this model"):
        trained(tmp_path, packing=False, method="lora")
