"""Row 7: steps of a fine-tune on packed rows, against TRL's ``SFTTrainer(packing=True)`` on the same CPU."""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from benchmarks.row import Outcome, Setting, Unequal, row
from trainers.lab import build


@dataclass(frozen=True)
class PackedTraining:
    """One epoch over the same tokens, float32, no gradient checkpointing; the first step of each side is not counted."""

    name: str = "SFT steps with packed rows, against TRL's SFTTrainer(packing=True)"
    target: float = 2.0

    def run(self, setting: Setting) -> Outcome:
        """Sides take turns; loading, tokenising and packing are not timed."""
        budget, bins, width = (512, 4, 64) if setting.quick else (2048, 6, 128)
        base = _base(setting.place, width, budget)
        _rows(setting.place / "train.jsonl", budget, bins)
        tokenised = _tokenised(base, setting.place / "train.jsonl", budget)
        ours: list[float] = []
        theirs: list[float] = []
        for turn in range(setting.repeats):
            rate, tokens = _ours(base, setting.place, budget, f"run{turn}", setting.threads)
            ours.append(1e6 / rate)
            other, seen = _trl(base, tokenised, setting.place, budget)
            theirs.append(1e6 / other)
            if seen != tokens:
                raise Unequal(f"we trained {tokens} tokens, TRL {seen}")
            setting.say(f"run {turn + 1} of {setting.repeats}: {rate:,.0f} and {other:,.0f} tokens per second")
        lengths = [len(ids) for ids in tokenised["input_ids"]]
        return Outcome(
            row=row(self.name, ours=statistics.median(ours), theirs=statistics.median(theirs), target=self.target),
            what="seconds per million real tokens",
            facts={
                "ours": ours, "theirs": theirs, "tokens per batch": budget, "width": width, "rows": len(lengths),
                "mean tokens per row": round(sum(lengths) / len(lengths), 1), "longest row": max(lengths),
            },
        )  # fmt: skip


def _base(place: Path, width: int, budget: int) -> Path:
    """A random Qwen2 of four layers with the lab's tokenizer."""
    import torch
    from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

    folder = place / "base"
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(build("test").base)
    settings = Qwen2Config(
        vocab_size=8192, hidden_size=width, intermediate_size=3 * width, num_hidden_layers=4, num_attention_heads=8,
        num_key_value_heads=4, max_position_embeddings=budget, tie_word_embeddings=True, eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    Qwen2ForCausalLM(settings).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _rows(file: Path, budget: int, bins: int) -> None:
    """Conversations of log-normal length, as SFT data have it: most short, some eight times as long."""
    texts = [json.loads(line)["text"] for line in (build("test").data / "text.jsonl").read_text().splitlines()]
    words = " ".join(texts).split(" ")
    lengths, rng, rows = np.random.default_rng(0), Random(0), []
    written = 0
    while written < budget * bins * 0.6:  # words; each is a token or two
        count = int(np.clip(lengths.lognormal(np.log(budget / 24), 0.8), 4, budget / 3))
        start = rng.randrange(len(words) - count)
        said = [words[start : start + count // 3 + 1], words[start + count // 3 + 1 : start + count]]
        turns = [{"role": role, "content": " ".join(part)} for role, part in zip(("user", "assistant"), said, strict=True)]
        rows.append(json.dumps({"messages": turns}))
        written += count
    file.write_text("\n".join(rows) + "\n")


def _config(base: Path, place: Path, budget: int, name: str, threads: int) -> Any:
    from trainers.config import parse

    return parse(
        {
            "name": name, "base": str(base), "out": "out", "device": "cpu", "threads": threads,
            "data": {"train": "train.jsonl", "tokens_per_batch": budget}, "optimizer": {"epochs": 1, "learning_rate": 1e-4},
            "watching": {"flow": 0, "answers": 0, "verbatim": 0, "trackers": []}, "checkpoint_steps": 1_000_000,
        },
        folder=place,
    )  # fmt: skip


def _tokenised(base: Path, file: Path, budget: int) -> dict[str, list[list[int]]]:
    """The very rows that we train, for TRL: ids, and labels where they are trained."""
    from trainers.data.masks import Template
    from trainers.data.sets import read_sets
    from trainers.methods.loading import load_tokenizer

    config = _config(base, file.parent, budget, "rows", 1)
    rows = read_sets(config, Template(load_tokenizer(base)), lambda *_: None).train.rows
    labels = [np.where(row.trained, row.ids, -100).tolist() for row in rows]
    return {"input_ids": [row.ids.tolist() for row in rows], "labels": labels}


def _ours(base: Path, place: Path, budget: int, name: str, threads: int) -> tuple[float, int]:
    """(tokens per second of all steps but the first, tokens of all steps)."""
    from trainers.loop import train

    training = json.loads((train(_config(base, place, budget, name, threads)) / "training.json").read_text())
    return training["speed"]["tokens_per_second"], training["tokens"]


def _trl(base: Path, tokenised: dict[str, list[list[int]]], place: Path, budget: int) -> tuple[float, int]:
    """The same of TRL: by its own count of tokens, and the time when each step ended."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    ended: list[float] = []

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            ended.append(time.perf_counter())

    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32),
        args=SFTConfig(
            output_dir=str(place / "trl"), num_train_epochs=1, per_device_train_batch_size=1, packing=True, max_length=budget,
            learning_rate=1e-4, logging_steps=1, save_strategy="no", report_to=[], use_cpu=True, bf16=False,
            gradient_checkpointing=False, disable_tqdm=True,
        ),
        train_dataset=Dataset.from_dict(tokenised),
        processing_class=AutoTokenizer.from_pretrained(base),
        callbacks=[Clock()],
    )  # fmt: skip
    trainer.train()
    counts = [entry["num_tokens"] for entry in trainer.state.log_history if "num_tokens" in entry and "loss" in entry]
    return (counts[-1] - counts[0]) / (ended[-1] - ended[0]), int(counts[-1])
