"""Tokens per second and MFU of real shapes with random weights: printed, so that `make gpu` shows them. No speed fails a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.records import Training
from tests.trainers.tinychat import byte_tokenizer, chat, write_rows

pytestmark = [pytest.mark.gpu, pytest.mark.models]

SHAPES = {  # as Qwen3-0.6B and Qwen3-1.7B
    "0.6B": {"hidden_size": 1024, "intermediate_size": 3072},
    "1.7B": {"hidden_size": 2048, "intermediate_size": 6144},
}
GOAL = "0.40 at 1.7B on an H200"


@pytest.fixture(scope="module", params=SHAPES)
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    folder = tmp_path_factory.mktemp("speed") / request.param
    config = Qwen3Config(
        vocab_size=151_936, num_hidden_layers=28, num_attention_heads=16, num_key_value_heads=8, head_dim=128,
        max_position_embeddings=8192, tie_word_embeddings=True, eos_token_id=0, **SHAPES[request.param],
    )  # fmt: skip
    torch.manual_seed(0)
    with torch.device("cuda"):
        model = Qwen3ForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder


@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_tokens_per_second_and_mfu(base: Path, tmp_path: Path, method: str, compiled: bool, capsys: Any) -> None:
    from trainers.config import parse
    from trainers.loop import train

    rows = [chat(f"say {n}", "lorem ipsum dolor " * (40 + n % 160)) for n in range(400)]
    write_rows(tmp_path / "train.jsonl", rows)
    config = parse(
        {
            "name": "speed", "base": str(base), "out": "out", "method": method, "precision": "bf16", "compile": compiled,
            "data": {"train": "train.jsonl", "tokens_per_batch": 16_384}, "optimizer": {"steps": 20, "learning_rate": 1e-5},
            "watching": {"flow": 0, "answers": 0, "verbatim": 0, "trackers": []}, "checkpoint_steps": 1000,
        },
        folder=tmp_path,
    )  # fmt: skip
    folder = train(config)
    speed = msgspec.json.decode((folder / "training.json").read_bytes(), type=Training).speed
    assert speed is not None
    said = {
        "shape": base.name, "method": method, "compiled": compiled, "device": speed.device,
        "tokens/s": round(speed.tokens_per_second), "MFU": speed.utilisation and round(speed.utilisation, 3), "goal": GOAL,
        "GB": speed.memory and round(speed.memory / 1e9, 1),
    }  # fmt: skip
    with capsys.disabled():
        print(f"\n{json.dumps(said)}")
    assert speed.tokens_per_second > 0
