"""Does the model do as it is told? IFEval's input format, read as it is; strict and loose, per prompt and per instruction.

Zhou et al. 2023, arXiv 2311.07911. Gate on the prompt level: instructions of one prompt are not independent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import ConfigError
from harness.plugins import did_you_mean
from harness.protocols import Conversation
from harness.records import Answer, Flag, Item, Judgment, Metric, MetricKind, Sample
from suites.checks import CHECKS, Check, build, follows_loose, follows_strict
from suites.checks.language import available
from suites.decoding import Decoding, check_decoding, converse, suite_digest, texts_of
from suites.items import grouping, keys_of, readable, task_of
from suites.rows import Row, locate, read_rows, stem

_NEED_DETECTION = ("language:response_language", "change_case:english_capital", "change_case:english_lowercase")
_READINGS = (("strict", follows_strict), ("loose", follows_loose))


class InstructionsOptions(Decoding, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``items``: JSONL rows ``{"key", "prompt", "instruction_id_list", "kwargs"}`` as IFEval publishes them."""

    items: str
    max_tokens: int = 1280


class Instructions:
    """``prompt_*``: all instructions of a prompt were kept. ``instruction_*``: share of all instructions kept, over the corpus."""

    Options = InstructionsOptions
    version = "1"
    primary = "prompt_strict"
    watched: tuple[Flag, ...] = ("truncated", "empty")
    needs_baseline = False
    journalled = True
    concurrency: int | None = None
    judge: str | None = None

    def __init__(self, name: str, options: InstructionsOptions, *, seed: int, folder: Path, where: str) -> None:
        self.name, self.options, self.seed = name, options, seed
        place = f"{where}.options"
        check_decoding(options, where=place)
        path = locate(options.items, folder=folder, where=f"{place}.items")
        rows = read_rows(path, where=f"{place}.items")
        keys = keys_of(rows, path=path, where=f"{place}.items")
        self._items: list[Item] = []
        self._checks: dict[str, list[Check]] = {}
        for row, key in zip(rows, keys, strict=True):
            item, self._checks[key] = _read(row, key, path, f"{place}.items")
            self._items.append(item)
        kind: MetricKind = "binary" if options.draws == 1 else "bounded"
        self.metrics: Mapping[str, Metric] = {
            "prompt_strict": Metric(kind=kind),
            "prompt_loose": Metric(kind=kind),
            "instruction_strict": Metric(kind="ratio", aggregator="ratio", range=(0.0, 1.0)),
            "instruction_loose": Metric(kind="ratio", aggregator="ratio", range=(0.0, 1.0)),
        }

    def fingerprint(self) -> str:
        return suite_digest("instructions", self.version, self.options, self._items, seed=self.seed)

    def items(self) -> Iterable[Item]:
        return self._items

    def ask(self, item: Item) -> Conversation[Answer]:
        return converse(item, self.options, seed=self.seed)

    def grade(
        self, answers: Sequence[Answer], judgments: Mapping[str, Sequence[Judgment]], baseline: Mapping[str, Answer]
    ) -> Iterator[Sample]:
        del judgments, baseline
        for item, texts in texts_of(answers, self._items):
            yield self._sample(item, texts)

    def _sample(self, item: Item, texts: Sequence[str]) -> Sample:
        checks = self._checks[item.key]
        draws: dict[str, list[float]] = {}
        statistics: dict[str, list[float]] = {}
        for reading, follows in _READINGS:
            kept = [sum(follows(check, text) for check in checks) for text in texts]
            draws[f"prompt_{reading}"] = [float(count == len(checks)) for count in kept]
            draws[f"instruction_{reading}"] = [count / len(checks) for count in kept]
            statistics[f"instruction_{reading}"] = [sum(kept) / len(texts), float(len(checks))]
        return Sample(
            key=item.key,
            task=item.task,
            prompt=readable(item, system=self.options.system),
            target=item.target,
            outputs=tuple(texts),
            cluster=item.cluster,
            slices=item.slices,
            weight=item.weight,
            scores={metric: sum(values) / len(values) for metric, values in draws.items()},
            draws=draws if self.options.draws > 1 else {},
            statistics=statistics,
        )


def _read(row: Row, key: str, path: Path, where: str) -> tuple[Item, list[Check]]:
    place = f"{path}, line {row.line} (item {key!r})"
    fields = row.fields
    prompt, names, kwargs = fields.get("prompt"), fields.get("instruction_id_list"), fields.get("kwargs")
    if not isinstance(prompt, str) or not prompt.strip():
        raise ConfigError(f"{place}: prompt is {prompt!r}; a non-empty text is needed", where=where)
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"{place}: instruction_id_list is {names!r}; a non-empty list of instruction ids is needed", where=where)
    if not isinstance(kwargs, list) or len(kwargs) != len(names) or not all(isinstance(entry, dict) for entry in kwargs):
        raise ConfigError(f"{place}: kwargs is {kwargs!r}; a list of one object per instruction is needed", where=where)
    checks = [_check(name, arguments, place, where) for name, arguments in zip(names, kwargs, strict=True)]
    item = Item(
        key=key,
        task=task_of(fields, default=stem(path), place=place, where=where),
        data={"messages": [{"role": "user", "content": prompt}], "kwargs": kwargs},
        target=names,
        **grouping(fields, place=place, where=where),
    )
    return item, checks


def _check(name: str, arguments: dict[str, Any], place: str, where: str) -> Check:
    if name not in CHECKS:
        raise ConfigError(f"{place}: unknown instruction {name!r}. {did_you_mean(name, CHECKS)}", where=where)
    if name in _NEED_DETECTION and not available():
        raise ConfigError(f"{place}: {name!r} needs language detection; install it with `pip install langdetect`", where=where)
    try:
        return build(name, arguments)
    except ValueError as error:
        raise ConfigError(f"{place}: {error}", where=where) from error
