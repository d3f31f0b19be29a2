"""What vLLM can serve is known from an adapter's config alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.engines.adapters import LORA_RANKS, Wish, content_hash, how_served, lora_rank, max_lora_rank, unservable
from harness.errors import EngineError

PLAIN: dict[str, Any] = {
    "peft_type": "LORA",
    "r": 8,
    "lora_alpha": 16,
    "bias": "none",
    "init_lora_weights": True,
    "target_modules": ["q_proj"],
}


UNMERGEABLE = {"PREFIX_TUNING", "layer_replication", "aLoRA"}
"""What the cases below call the kinds that cannot be merged."""


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
def test_what_vllm_cannot_serve_as_lora_is_merged_and_never_served_by_force(
    tmp_path: Path, change: dict[str, Any], word: str
) -> None:
    adapter = _adapter(tmp_path, change)
    if word in UNMERGEABLE:
        with pytest.raises(EngineError, match=word) as refused:
            how_served("week47", adapter, tmp_path, "auto")
        assert "'transformers' for it and for the baseline" in str(refused.value)
    else:
        assert how_served("week47", adapter, tmp_path, "auto") == "merged"
    with pytest.raises(EngineError, match=word) as caught:
        how_served("week47", adapter, tmp_path, "lora")
    assert "'week47'" in str(caught.value)


@pytest.mark.parametrize(("wish", "expected"), [("auto", "lora"), ("lora", "lora"), ("merged", "merged")])
def test_plain_lora_is_merged_only_where_that_is_wished(tmp_path: Path, wish: Wish, expected: str) -> None:
    assert how_served("a", _adapter(tmp_path, {}), tmp_path, wish) == expected
    assert how_served("a", None, tmp_path, wish) == "weights"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"peft_type": "PROMPT_TUNING"}, "virtual tokens"),
        ({"peft_type": "P_TUNING"}, "virtual tokens"),
        ({"peft_type": "XLORA"}, "anew for every input"),
        ({"alora_invocation_tokens": [1]}, "invocation tokens"),
        ({"layer_replication": [[0, 2]]}, "one weight"),
    ],
)
def test_what_cannot_be_merged_either_is_sent_to_another_engine(tmp_path: Path, change: dict[str, Any], word: str) -> None:
    with pytest.raises(EngineError, match=word) as caught:
        how_served("a", _adapter(tmp_path, change), tmp_path, "merged")
    assert "engine = 'transformers'" in str(caught.value)


def test_nothing_is_merged_into_a_quantised_base(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"quantization_config": {"quant_method": "awq"}}))
    adapter = _adapter(tmp_path / "adapter", {"use_dora": True})
    with pytest.raises(EngineError, match=r"DoRA; and it cannot be merged: the base is quantised \(awq\)"):
        how_served("a", adapter, tmp_path, "auto")


def _adapter(folder: Path, change: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps(PLAIN | change))
    return folder


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
