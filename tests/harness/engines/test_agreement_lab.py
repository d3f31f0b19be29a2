"""The same on a model that was really trained, the lab's, with adapters that were really trained on its data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from harness.engines.threads import torch_threads
from harness.records import Candidate, Completion, Message, Request
from tests.harness.engines.asking import answers, shown
from trainers.lab import LabPaths

pytestmark = [pytest.mark.models, pytest.mark.vllm]

LESSONS = {"device": ("target.train.jsonl", 8), "longer": ("target.train.jsonl", 16), "replay": ("replay.train.jsonl", 4)}


class Both(NamedTuple):
    """Answers of both engines to the same requests, in the same order."""

    asked: list[tuple[str, Request]]
    vllm: list[Completion]
    transformers: list[Completion]


def _rows(path: Path, count: int) -> list[list[dict[str, str]]]:
    return [json.loads(line)["messages"] for line in path.read_text(encoding="utf-8").splitlines()[:count]]


def _train(base: Path, chats: Sequence[list[dict[str, str]]], rank: int, folder: Path) -> Path:
    """A LoRA after a few real steps: short, but it moves the weights where training moves them."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(rank)
    tokenizer = AutoTokenizer.from_pretrained(base)
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
    model: Any = get_peft_model(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), config)
    optimizer = torch.optim.AdamW([weight for weight in model.parameters() if weight.requires_grad], lr=4e-3)
    for start in range(0, len(chats), 16):
        texts = [tokenizer.apply_chat_template(chat, tokenize=False) for chat in chats[start : start + 16]]
        batch = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        model(**batch, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def both(lab_test: LabPaths, tmp_path_factory: pytest.TempPathFactory) -> Both:
    pytest.importorskip("vllm")
    from harness.engines.transformers_engine import Transformers
    from harness.engines.vllm import Vllm

    root = tmp_path_factory.mktemp("adapters")
    with torch_threads(1, lab_test.base, device="cpu"):
        adapters = {
            name: _train(lab_test.base, _rows(lab_test.data / file, 320), rank, root / name)
            for name, (file, rank) in LESSONS.items()
        }
    chats = _rows(lab_test.data / "target.test.jsonl", 30) + _rows(lab_test.data / "general.validation.jsonl", 30)
    asked = []
    for chat in chats:
        messages = tuple(Message(**turn) for turn in chat[:-1])
        for name in ("base", *adapters):
            asked.append((name, Request(messages=messages, max_tokens=48)))
            asked.append((name, Request(kind="score", messages=messages, continuation=chat[-1]["content"])))
    found = {}
    for kind, use in (("vllm", Vllm), ("transformers", Transformers)):
        candidates = [Candidate(name="base", engine=kind, model=str(lab_test.base))]
        candidates += [
            Candidate(name=name, engine=kind, model=str(lab_test.base), adapter=str(path)) for name, path in adapters.items()
        ]
        with use(candidates) as engine:
            found[kind] = answers(engine, asked)
    return Both(asked, found["vllm"], found["transformers"])


def test_trained_adapters_and_their_base_answer_alike_in_one_mixed_batch(both: Both) -> None:
    pairs = [
        (left, right)
        for (_, request), left, right in zip(both.asked, both.vllm, both.transformers, strict=True)
        if request.kind == "generate"
    ]
    assert len(pairs) == 240
    assert [left.text for left, _ in pairs] == [right.text for _, right in pairs]
    assert [left.token_ids for left, _ in pairs] == [right.token_ids for _, right in pairs]
    assert [left.finish for left, _ in pairs] == [right.finish for _, right in pairs]


def test_both_show_the_same_prompt_and_it_has_the_tokens_that_were_asked(both: Both, lab_test: LabPaths) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(lab_test.base)
    frames = set()
    for (_, request), left, right in zip(both.asked, both.vllm, both.transformers, strict=True):
        text = shown(request, left)
        assert text == shown(request, right)
        assert request.messages[-1].content in text
        ids = tokenizer.apply_chat_template(
            [{"role": each.role, "content": each.content} for each in request.messages],
            add_generation_prompt=True,
            return_dict=False,
        )
        assert tokenizer.encode(text, add_special_tokens=False) == list(ids)
        if request.kind == "generate":
            assert left.tokens_in == right.tokens_in == len(ids)
        frames.add(left.frame)
    assert len(frames) == len({tuple(each.role for each in request.messages) for _, request in both.asked})


def test_log_probabilities_of_the_right_answers_agree(both: Both) -> None:
    distances = [
        abs(left.logprob - right.logprob)
        for left, right in zip(both.vllm, both.transformers, strict=True)
        if left.logprob is not None and right.logprob is not None
    ]
    assert len(distances) == 240
    print(f"lab: max |difference| {max(distances):.2e} nats over {len(distances)}")
    assert max(distances) <= 1e-3


def test_the_adapters_learned_something_of_their_own(both: Both) -> None:
    scores = {name: [] for name in ("base", *LESSONS)}  # type: dict[str, list[float]]
    for (name, _), answer in zip(both.asked, both.vllm, strict=True):
        if answer.logprob is not None:
            scores[name].append(answer.logprob)
    device = {name: sum(values[:30]) for name, values in scores.items()}
    assert device["device"] > device["base"] + 10
    assert len({round(value, 2) for value in device.values()}) == 4
