"""A tiny real model with its own tokenizer, and LoRA adapters with random weights: enough to see engines disagree.

Weights are random but scaled up, so that greedy answers are decisive. The adapters' B matrices are random too: an untrained adapter
(B = 0) would hide an engine that serves the wrong one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CORPUS = [
    "The capital of France is Paris, and it lies on the river Seine.",
    'Answer with JSON: {"device": "fan", "action": "up", "value": 15, "zone": "rear"}',
    "what is 7 plus 5? The answer is 12. List the words in reverse order: red green blue.",
    "用户：请用一句话介绍你自己。我是一个语言模型，可以回答问题。",
] * 40


class Tiny(NamedTuple):
    """Folders of the model and of its adapters; ``noop`` is an adapter that changes nothing."""

    base: Path
    adapters: dict[str, Path]
    noop: Path


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    pytest.importorskip("torch")
    pytest.importorskip("peft")
    root = tmp_path_factory.mktemp("tiny")
    return build(root)


def build(root: Path) -> Tiny:
    """Write the model, three live adapters of different ranks, and a dead one, into ``root``."""
    base = root / "base"
    _save_model(base)
    ranks = {"one": 4, "two": 8, "three": 24}
    adapters = {name: save_adapter(base, root / name, rank, seed, dead=False) for seed, (name, rank) in enumerate(ranks.items())}
    return Tiny(base, adapters, save_adapter(base, root / "noop", 4, 9, dead=True))


def _save_model(folder: Path) -> None:
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    fast = save_tokenizer(folder, CHATML)
    config = Qwen2Config(
        vocab_size=512, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2, intermediate_size=128,
        max_position_embeddings=256, tie_word_embeddings=True, eos_token_id=fast.eos_token_id, pad_token_id=fast.pad_token_id,
        bos_token_id=None,
    )  # fmt: skip
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(config).to(torch.float32)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 2:
                weight.mul_(4.0 if "embed" in name else 6.0)
    model.save_pretrained(folder)


def save_tokenizer(folder: Path, template: str, *, added: tuple[str, ...] = ()) -> Any:
    """Write the tokenizer, with ``added`` tokens (not special) after its vocabulary, into ``folder``."""
    from transformers import PreTrainedTokenizerFast

    fast = PreTrainedTokenizerFast(
        tokenizer_object=_tokenizer(), eos_token="<|im_end|>", pad_token="<|endoftext|>", additional_special_tokens=["<|im_start|>"]
    )
    fast.add_tokens(list(added))
    fast.chat_template = template
    fast.save_pretrained(folder)
    return fast


def _tokenizer() -> object:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def save_adapter(base: Path, folder: Path, rank: int, seed: int, *, dead: bool) -> Path:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(100 + seed)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32),
        LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    if not dead:
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "lora_B" in name:
                    weight.normal_(std=0.08)
    model.save_pretrained(folder)
    return folder
