"""Free text against references: BLEU, chrF, ROUGE; and without them: length, repetition, distinct-n. Chinese included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from harness.errors import ConfigError
from harness.protocols import Conversation
from harness.records import Answer, Flag, Item, Judgment, Metric, Sample
from harness.stats.corpus import aggregate
from suites.decoding import Decoding, check_decoding, converse, suite_digest, texts_of
from suites.items import read_items, readable
from suites.overlap import (
    Tokenisation,
    bleu_statistics,
    chrf_statistics,
    distinct,
    length_ratio,
    repetition,
    rouge,
    tokenisation_for,
)
from suites.prompted import refuse_two_systems
from suites.rows import locate, read_rows

Name = Literal["chrf", "bleu", "rougeL", "rouge1", "rouge2", "length_ratio", "repetition", "distinct_1", "distinct_2"]

METRICS: dict[str, Metric] = {
    "chrf": Metric(kind="corpus", aggregator="chrf"),
    "bleu": Metric(kind="corpus", aggregator="bleu"),
    "rougeL": Metric(kind="bounded"),
    "rouge1": Metric(kind="bounded"),
    "rouge2": Metric(kind="bounded"),
    "length_ratio": Metric(kind="real"),
    "repetition": Metric(kind="bounded", direction="lower"),
    "distinct_1": Metric(kind="bounded"),
    "distinct_2": Metric(kind="bounded"),
}


class GenerationOptions(Decoding, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``items``: prompted-style rows with ``references`` or ``target`` (a text or several). ``metrics``: the first is primary.

    ``tokenize``: sacrebleu's tokeniser for BLEU; ``auto`` takes ``zh`` for Chinese references, ``char`` for Japanese, else ``13a``.
    """

    items: str
    metrics: tuple[Name, ...] = (
        "chrf",
        "bleu",
        "rougeL",
        "rouge1",
        "rouge2",
        "length_ratio",
        "repetition",
        "distinct_1",
        "distinct_2",
    )
    tokenize: Literal["auto"] | Tokenisation = "auto"


class Generation:
    """BLEU and chrF are corpus metrics (per-item scores are their sentence forms); the others are means over items."""

    Options = GenerationOptions
    version = "1"
    watched: tuple[Flag, ...] = ("truncated", "empty")
    needs_baseline = False
    journalled = True
    concurrency: int | None = None
    judge: str | None = None

    def __init__(self, name: str, options: GenerationOptions, *, seed: int, folder: Path, where: str) -> None:
        self.name, self.options, self.seed = name, options, seed
        place = f"{where}.options"
        check_decoding(options, where=place)
        if not options.metrics or len(set(options.metrics)) != len(options.metrics):
            raise ConfigError(
                f"found {list(options.metrics)!r}, expected different metrics, at least one", where=f"{place}.metrics"
            )
        path = locate(options.items, folder=folder, where=f"{place}.items")
        self._items = _read(path, f"{place}.items")
        if options.system is not None:
            refuse_two_systems(self._items, where=f"{place}.system")
        self.metrics: Mapping[str, Metric] = {metric: METRICS[metric] for metric in options.metrics}
        self.primary: str = options.metrics[0]

    def fingerprint(self) -> str:
        return suite_digest("generation", self.version, self.options, self._items, seed=self.seed)

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
        corpus = {name: self._statistics(name, item, texts) for name, metric in self.metrics.items() if metric.kind == "corpus"}
        draws: dict[str, list[float]] = {}
        for text in texts:
            rows = _per_item(text, item.target)
            for name, metric in self.metrics.items():
                if metric.kind != "corpus":
                    draws.setdefault(name, []).append(rows[name])
        sentence = {name: aggregate(self.metrics[name].aggregator, np.array([row])) for name, row in corpus.items()}
        means = {name: sum(values) / len(values) for name, values in draws.items()}
        return Sample(
            key=item.key,
            task=item.task,
            prompt=readable(item, system=self.options.system),
            target=item.target,
            outputs=tuple(texts),
            cluster=item.cluster,
            slices=item.slices,
            weight=item.weight,
            scores={name: {**sentence, **means}[name] for name in self.metrics},
            draws=draws if self.options.draws > 1 else {},
            statistics=corpus,
        )

    def _statistics(self, name: str, item: Item, texts: Sequence[str]) -> list[float]:
        """Mean over draws of the item's sufficient statistics, so that an item counts once however often it is drawn."""
        if name == "chrf":
            rows = [chrf_statistics(text, item.target) for text in texts]
        else:
            chosen = tokenisation_for(item.target) if self.options.tokenize == "auto" else self.options.tokenize
            rows = [bleu_statistics(text, item.target, chosen) for text in texts]
        return [float(value) for value in np.mean(rows, axis=0)]


def _per_item(text: str, references: Sequence[str]) -> dict[str, float]:
    return {
        **rouge(text, references),
        "length_ratio": length_ratio(text, references),
        "repetition": repetition(text),
        "distinct_1": distinct(text, 1),
        "distinct_2": distinct(text, 2),
    }


def _read(path: Path, where: str) -> list[Item]:
    """Prompted-style items whose target is the list of references. ConfigError for one without a reference that has words."""
    found = []
    for row, item in zip(read_rows(path, where=where), read_items(path, where=where), strict=True):
        given = row.fields.get("references", item.target)
        references = [given] if isinstance(given, str) else given
        if (
            not isinstance(references, list)
            or not references
            or not all(isinstance(text, str) and text.strip() for text in references)
        ):
            raise ConfigError(
                f"{path}, line {row.line}: references is {given!r}; a text or a list of texts is needed, none of them empty",
                where=where,
            )
        found.append(msgspec.structs.replace(item, target=references))
    return found
