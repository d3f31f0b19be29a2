"""What a lab model knows: accuracy on held-out tasks by batched greedy generation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainers.lab.tasks import Task

MAX_NEW_TOKENS = 40


def answers(model: Any, tokenizer: Any, prompts: Sequence[Sequence[tuple[str, str]]], *, batch: int = 200) -> list[str]:
    """The greedy answer to each chat, given as (role, content) turns. Damaged models loop: at most 40 tokens are generated."""
    import torch

    texts = [
        tokenizer.apply_chat_template([{"role": r, "content": c} for r, c in chat], tokenize=False, add_generation_prompt=True)
        for chat in prompts
    ]
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    found = [""] * len(texts)
    for start in range(0, len(order), batch):
        part = order[start : start + batch]
        asked = tokenizer(
            [texts[i] for i in part], return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False
        )
        with torch.inference_mode():
            out = model.generate(
                input_ids=asked["input_ids"],
                attention_mask=asked["attention_mask"],
                max_new_tokens=MAX_NEW_TOKENS,
                do_sample=False,
            )
        told = tokenizer.batch_decode(out[:, asked["input_ids"].shape[1] :], skip_special_tokens=True)
        for i, text in zip(part, told, strict=True):
            found[i] = text
    return found


def accuracies(model: Any, tokenizer: Any, tasks: Sequence[Task]) -> dict[str, dict[str, float]]:
    """Per skill: the share of exactly right answers, and of how many. ``general`` pools its five skills."""
    from trainers.lab.mixture import GENERAL

    told = answers(model, tokenizer, [[("user", t.prompt)] for t in tasks])
    right: dict[str, list[bool]] = {}
    for task, text in zip(tasks, told, strict=True):
        right.setdefault(task.skill, []).append(text == task.answer)
        if task.skill in GENERAL:
            right.setdefault("general", []).append(text == task.answer)
    return {skill: {"accuracy": round(sum(v) / len(v), 4), "n": len(v)} for skill, v in right.items()}
