"""What vLLM can serve is known from an adapter's config alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.engines.adapters import LORA_RANKS, content_hash, lora_rank, max_lora_rank, served_rank, unservable
from harness.errors import EngineError

PLAIN: dict[str, Any] = {
    "peft_type": "LORA",
    "r": 8,
    "lora_alpha": 16,
    "bias": "none",
    "init_lora_weights": True,
    "target_modules": ["q_proj"],
}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"r": 24},
        {"use_rslora": True},
        {"rank_pattern": {"q_proj": 32}},
        {"init_lora_weights": "gaussian"},
        {"modules_to_save": ["score"]},
    ],
)
def test_plain_lora_can_be_served(change: dict[str, Any]) -> None:
    assert unservable(PLAIN | change) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"modules_to_save": ["lm_head", "embed_tokens"]}, "lm_head, embed_tokens"),
        ({"bias": "lora_only"}, "lora_only"),
        ({"lora_bias": True}, "lora_bias"),
        ({"init_lora_weights": "pissa_niter_16"}, "pissa_niter_16"),
        ({"init_lora_weights": "olora"}, "olora"),
        ({"peft_type": "PREFIX_TUNING"}, "PREFIX_TUNING"),
        ({"peft_type": "ADALORA"}, "ADALORA"),
        ({"trainable_token_indices": [5]}, "trainable_token_indices"),
        ({"layer_replication": [[0, 2]]}, "layer_replication"),
        ({"alora_invocation_tokens": [1]}, "aLoRA"),
        ({"r": 1024}, "1024"),
    ],
)
def test_what_vllm_refuses_is_refused_before_it_starts(tmp_path: Path, change: dict[str, Any], word: str) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps(PLAIN | change))
    with pytest.raises(EngineError) as caught:
        served_rank("week47", tmp_path)
    assert "'week47'" in str(caught.value)
    assert word in str(caught.value)
    assert "transformers" in str(caught.value)


def test_the_rank_is_the_largest_one_anywhere() -> None:
    assert lora_rank(PLAIN | {"rank_pattern": {"q_proj": 32, "v_proj": 4}}) == 32
    assert lora_rank(PLAIN | {"rank_pattern": {"q_proj": 4}}) == 8


@pytest.mark.parametrize(("ranks", "expected"), [([], 1), ([1], 1), ([2], 8), ([8, 24], 32), ([257], 320), ([512], 512)])
def test_the_next_allowed_rank_is_taken(ranks: list[int], expected: int) -> None:
    assert max_lora_rank(ranks) == expected
    assert expected in LORA_RANKS


def test_the_content_hash_sees_weights_and_config_and_not_the_path(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "same", "weights", "config")]
    for folder in folders:
        folder.mkdir()
        (folder / "adapter_model.safetensors").write_bytes(b"other" if folder.name == "weights" else b"weights")
        (folder / "adapter_config.json").write_text("{}" if folder.name == "config" else json.dumps(PLAIN))
    hashes = [content_hash(folder) for folder in folders]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3
