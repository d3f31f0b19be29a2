"""A tiny random Qwen2 with a byte-level tokenizer, and configs over small training files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.trainers.tinychat import byte_tokenizer, chat, write_rows
from trainers.config import TrainConfig, parse

Configure = Callable[..., TrainConfig]


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen2 of 0.1M parameters (two layers, grouped-query attention) with a ChatML byte tokenizer."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    folder = tmp_path_factory.mktemp("tiny") / "base"
    tokenizer = byte_tokenizer()
    config = Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, tie_word_embeddings=True, eos_token_id=0, bos_token_id=None,
        pad_token_id=None, initializer_range=0.2,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = Qwen2ForCausalLM(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """A small config over files in ``tmp_path``; keywords are dotted with ``__`` (``optimizer__steps=3``)."""
    write_rows(tmp_path / "train.jsonl", [chat(f"say {n}", "x" * (n % 9 + 1) + str(n)) for n in range(24)])
    write_rows(tmp_path / "target.jsonl", [chat(f"say {n}", "x" * (n % 5 + 1) + str(n)) for n in range(30, 38)])
    write_rows(tmp_path / "general.jsonl", [chat(f"what is {n}?", f"{n} is what it is") for n in range(7)])

    def make(base: Path | str = "base", **settings: Any) -> TrainConfig:
        raw: dict[str, Any] = {
            "name": "one",
            "base": str(base),
            "out": "out",
            "device": "cpu",
            "data": {"train": "train.jsonl", "tokens_per_batch": 128},
            "optimizer": {"learning_rate": 1e-3, "epochs": 1},
            "watching": {"answer_tokens": 4, "trackers": []},
        }
        for key, value in settings.items():
            *tables, last = key.split("__")
            target = raw
            for table in tables:
                target = target.setdefault(table, {})
            target[last] = value
        return parse(raw, folder=tmp_path)

    return make
