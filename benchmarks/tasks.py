"""lm-eval tasks of four shapes, written from the lab's sentences: the same files are read by both sides."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

CHOICES = "bench_choices"
LETTERS = "bench_letters"
GENERATION = "bench_generation"
ROLLING = "bench_rolling"

CONTEXT_TOKENS = 150
CHOICE_TOKENS = 12

METRICS = {CHOICES: ("acc", "acc_norm"), LETTERS: ("acc",), GENERATION: ("exact_match",), ROLLING: ()}
"""The metrics of each task whose value per document is a score; a rolled text is compared by its log-probability."""

_ACC = [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}]
_SHAPES: dict[str, dict[str, Any]] = {
    CHOICES: {
        "output_type": "multiple_choice",
        "doc_to_text": "{{context}}",
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "answer",
        "metric_list": [*_ACC, {"metric": "acc_norm", "aggregation": "mean", "higher_is_better": True}],
    },
    LETTERS: {
        "output_type": "multiple_choice",
        "doc_to_text": "{{context}}\n{{lines}}\nAnswer:",
        "doc_to_choice": "{{letters}}",
        "doc_to_target": "answer",
        "metric_list": _ACC,
    },
    GENERATION: {
        "output_type": "generate_until",
        "doc_to_text": "<|im_start|>user\n{{question}}<|im_end|>\n<|im_start|>assistant\n",
        "target_delimiter": "",
        "doc_to_target": "{{answer}}",
        "generation_kwargs": {"until": ["\n"], "do_sample": False, "max_gen_toks": 12},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    },
    ROLLING: {
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "{{text}}",
        "metric_list": [{"metric": "bits_per_byte"}],
    },
}


def write_tasks(folder: Path, data: Path, tokenizer: Any, counts: Mapping[str, int], *, seed: int = 0) -> Path:
    """Task files and their documents (``counts``: task -> how many) in ``folder``. ``data``: the lab's; always the same for a seed.

    Choices have about 12 tokens after a context of about 150; letters have one token after the same context and four lines.
    """
    folder.mkdir(parents=True)
    texts = [json.loads(line)["text"] for line in (data / "lm_eval" / "lab_text.jsonl").read_text(encoding="utf-8").splitlines()]
    draw = random.Random(seed)
    writer = _Writer(texts, tokenizer, draw)
    sums = [json.loads(line) for line in (data / "lm_eval" / "lab_arith.jsonl").read_text(encoding="utf-8").splitlines()]
    makers: dict[str, Callable[[], dict[str, Any]]] = {
        CHOICES: writer.choices,
        LETTERS: writer.letters,
        GENERATION: lambda: draw.choice(sums),
        ROLLING: lambda: {"text": writer.passage(2 * CONTEXT_TOKENS)},
    }
    for name, count in counts.items():
        rows = [makers[name]() for _ in range(count)]
        file = folder / f"{name}.jsonl"
        file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        task = {
            "task": name,
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(file)}},
            "test_split": "test",
            **_SHAPES[name],
            "metadata": {"version": 1.0},
        }
        (folder / f"{name}.yaml").write_text(json.dumps(task, ensure_ascii=False), encoding="utf-8")  # JSON is YAML
    return folder


class _Writer:
    """Documents made of the lab's sentences."""

    def __init__(self, texts: list[str], tokenizer: Any, draw: random.Random) -> None:
        self.tokenizer, self.draw = tokenizer, draw
        self.sentences = sorted({sentence.strip(" .") + "." for text in texts for sentence in text.split(". ")})
        self.labels = [letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if self._count(f": {letter}") == self._count(":") + 1][:4]

    def _count(self, text: str) -> int:
        return len(self.tokenizer.encode(text))

    def passage(self, tokens: int) -> str:
        """Sentences until there are so many tokens."""
        text = ""
        while self._count(text) < tokens:
            text = f"{text} {self.draw.choice(self.sentences)}".strip()
        return text

    def choices(self) -> dict[str, Any]:
        """A passage and four ways to go on."""
        choices: list[str] = []
        while len(choices) < 4:
            made = self.passage(CHOICE_TOKENS - 2)
            choices += [made] if made not in choices else []
        return {"context": self.passage(CONTEXT_TOKENS), "choices": choices, "answer": self.draw.randrange(4)}

    def letters(self) -> dict[str, Any]:
        """A passage, four labelled lines, and the labels to choose from; each label is one token."""
        lines = "\n".join(f"{label}. {self.draw.choice(self.sentences)}" for label in self.labels)
        context = self.passage(CONTEXT_TOKENS - 4 * 10)
        return {"context": context, "lines": lines, "letters": self.labels, "answer": self.draw.randrange(4)}
