"""What most suites are: items of a file, asked through the chat template, every answer graded alone. Derive from ``Asking``, say
which ``metrics`` there are, and write ``score``; reading, asking, draws, turns, flags and fingerprints are done here.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np

from harness.errors import ConfigError
from harness.plugins import did_you_mean
from harness.protocols import Conversation
from harness.records import Answer, Completion, Flag, Item, Judgment, Metric, Sample
from harness.stats.corpus import WIDTHS, each
from suites.decoding import Decoding, by_turn, check_decoding, converse, suite_digest
from suites.items import beside_calls, read_items, readable
from suites.mapping import mapping
from suites.rows import locate, mapped
from suites.shots import Shots, answer_of, with_shots

Value = float | None | Sequence[float]
"""A score; None for an answer that cannot be parsed (it scores 0 and is flagged); sufficient statistics for a corpus metric."""

LONGEST_THOUGHT = 8_000
"""Characters of what stood before an answer that a sample keeps."""

UNNAMED = "/*?[]"
"""What a metric that is named after something of the user's may not have: rules name metrics by patterns."""


class ItemOptions(Decoding, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``items``: the file of what is asked, a saved data set, or one on the hub; and how answers are asked for (``Decoding``).

    ``fields``: templates that make items of its columns (``suites.mapping``). ``shots``: examples before each question.
    ``timeout_seconds``: an item that is not answered so long after the engine was given it is an error.
    """

    items: str
    fields: dict[str, Any] | None = None
    shots: Shots | None = None
    timeout_seconds: float | None = None


class Asking:
    """A suite but for ``metrics`` and ``score``. A binary metric of several draws is bounded: its score is a mean over draws."""

    Options: ClassVar[type[ItemOptions]] = ItemOptions
    version = "1"
    metrics: Mapping[str, Metric] = {}
    primary = ""
    watched: tuple[Flag, ...] = ("truncated", "empty")
    needs_baseline = False
    journalled = True
    concurrency: int | None = None
    judge: str | None = None
    hinging: Collection[str] = ()
    options: ItemOptions

    def __init__(self, name: str, options: ItemOptions, *, seed: int, folder: Path, where: str) -> None:
        self.name, self.options, self.seed, self.folder = name, options, seed, folder
        self.place = f"{where}.options"
        check_decoding(options, where=self.place)
        self.timeout_seconds = options.timeout_seconds
        if options.timeout_seconds is not None and not 0 < options.timeout_seconds < math.inf:
            raise ConfigError(
                f"found {options.timeout_seconds:g}, expected seconds above 0; leave it out to wait",
                where=f"{self.place}.timeout_seconds",
            )
        path = locate(options.items, folder=folder, where=f"{self.place}.items")
        change = None if options.fields is None else mapping(options.fields, where=f"{self.place}.fields")
        with mapped(path, change):
            self._items = self.read(path)
            if options.shots is not None:
                self._items = with_shots(
                    self._items, options.shots, path, self.answer_of, folder=folder, where=f"{self.place}.shots"
                )
        if options.system is not None:
            refuse_two_systems(self._items, where=f"{self.place}.system")
        self.metrics = {metric: _drawn(kept, options.draws) for metric, kept in self.offered().items()}
        _check_metrics(self.use, self.metrics, self.primary, where=where)
        self.primary = self.primary or next(iter(self.metrics))

    def read(self, path: Path) -> list[Item]:
        """The items; what a suite needs of them is checked here, with file and line in the complaint (ConfigError)."""
        return read_items(path, where=f"{self.place}.items")

    def answer_of(self, fields: Mapping[str, Any]) -> Any:
        """What a row holds for the right answer, where it serves as an example; of several, the first."""
        return answer_of(fields.get("target"), (), where=f"{self.place}.shots")

    def offered(self) -> Mapping[str, Metric]:
        """The metrics under these options, the primary one first unless ``primary`` names it."""
        return self.metrics

    def metrics_of(self, item: Item) -> Collection[str]:  # noqa: ARG002
        """The metrics that an answer to this item has a score of, whatever it says: how many items a rule will rest on is known
        from it before anything is asked. Override it where ``score`` leaves some out; those that only an answer decides are
        ``hinging``."""
        return self.metrics.keys()

    def score(self, item: Item, completion: Completion) -> Mapping[str, Value]:
        """What one answer is worth. Pure. A metric that is left out has no score of this item (``metrics_of``)."""
        raise NotImplementedError

    def draw_scores(self, item: Item, answer: Answer) -> Sequence[Mapping[str, Value]]:
        """What each draw is worth: what its last answer is. Override it where the answers of all turns decide (``by_draw``)."""
        return [self.score(item, completion) for completion in by_turn(item, answer)[0]]

    def flags(self, item: Item, completions: Sequence[Completion]) -> tuple[Flag, ...]:  # noqa: ARG002
        """What is to be noted of an item beside truncated, empty and unparsable."""
        return ()

    def extracted(self, completions: Sequence[Completion]) -> tuple[str | None, ...]:  # noqa: ARG002
        """The part of each answer that is graded, None where it is not there; empty where all of an answer is."""
        return ()

    @property
    def use(self) -> str:
        """Which class this is: two suites over the same items are not the same."""
        return f"{type(self).__module__}:{type(self).__qualname__}"

    def fingerprint(self) -> str:
        return suite_digest(self.use, self.version, self.options, self._items, seed=self.seed)

    def items(self) -> Iterable[Item]:
        return self._items

    def ask(self, item: Item) -> Conversation[Answer]:
        return converse(item, self.options, seed=self.seed)

    def grade(
        self, answers: Sequence[Answer], judgments: Mapping[str, Sequence[Judgment]], baseline: Mapping[str, Answer]
    ) -> Iterator[Sample]:
        del judgments, baseline
        by_key = {item.key: item for item in self._items}
        for answer in answers:
            yield self._sample(by_key[answer.key], answer)

    def _sample(self, item: Item, answer: Answer) -> Sample:
        """The last turn's answers are graded and stand first in ``outputs``; those of the turns before follow, draw by draw."""
        last, before = by_turn(item, answer)
        answered = (*last, *before)
        graded = self.draw_scores(item, answer)
        shared = [metric for metric in self.metrics if all(metric in scores for scores in graded)]
        values = {metric: [scores[metric] for scores in graded] for metric in shared}
        statistics = {metric: _mean(rows) for metric, rows in values.items() if self.metrics[metric].aggregator != "mean"}
        draws = {metric: [self._number(metric, value) for value in rows] for metric, rows in values.items()}
        unparsable = any(value is None for rows in values.values() for value in rows)
        return Sample(
            key=item.key,
            task=item.task,
            prompt=readable(item, system=self.options.system),
            target=item.target,
            outputs=tuple(beside_calls(completion.text, completion.tool_calls) for completion in answered),
            thinking=thinking_of(answered),
            extracted=self.extracted(last),
            cluster=item.cluster,
            slices=item.slices,
            weight=item.weight,
            scores={
                metric: self._number(metric, statistics[metric]) if metric in statistics else sum(rows) / len(rows)
                for metric, rows in draws.items()
            },
            draws=draws if self.options.draws > 1 else {},
            statistics=statistics,
            flags=(*(("unparsable",) if unparsable else ()), *self.flags(item, last)),
        )

    def _number(self, metric: str, value: Value) -> float:
        """A single value; of sufficient statistics, what they say of this one item."""
        if value is None or isinstance(value, (int, float)):
            return float(value or 0)
        return float(each(self.metrics[metric].aggregator, np.array([value], dtype=float))[0])


def thinking_of(completions: Sequence[Completion]) -> tuple[str, ...]:
    """What stood before each answer, for people: of a long one the beginning and the end; the journal has all of it."""
    found = [completion.reasoning or "" for completion in completions]
    return tuple(map(_shortened, found)) if any(found) else ()


def _shortened(text: str) -> str:
    half = LONGEST_THOUGHT // 2
    gap = f"\n… {len(text) - 2 * half:,} characters left out …\n"
    return text if len(text) <= LONGEST_THOUGHT else f"{text[:half]}{gap}{text[-half:]}"


def _mean(rows: Sequence[Value]) -> list[float]:
    """Mean over draws of an item's sufficient statistics, so that an item counts once however often it is drawn."""
    return [float(value) for value in np.mean(np.array(rows, dtype=float), axis=0)]


def _drawn(metric: Metric, draws: int) -> Metric:
    return msgspec.structs.replace(metric, kind="bounded") if draws > 1 and metric.kind == "binary" else metric


def _check_metrics(use: str, metrics: Mapping[str, Metric], primary: str, *, where: str) -> None:
    """ConfigError for metrics that could never be compared: a slip in the class, found before anything is asked."""
    if not metrics:
        raise ConfigError(f"{use} has no metrics; say in 'metrics' what an answer is scored by", where=f"{where}.use")
    if primary and primary not in metrics:
        raise ConfigError(
            f"{use}: the primary metric {primary!r} is none of its metrics. {did_you_mean(primary, metrics)}", where=f"{where}.use"
        )
    for name, metric in metrics.items():
        if not name.strip() or "/" in name:
            raise ConfigError(
                f"{use}: a metric is called {name!r}; a name without '/' is needed, for rules say SUITE/TASK/METRIC",
                where=f"{where}.use",
            )
        if metric.aggregator not in WIDTHS:
            raise ConfigError(
                f"{use}: {name!r} has the aggregator {metric.aggregator!r}. {did_you_mean(metric.aggregator, WIDTHS)}",
                where=f"{where}.use",
            )


def refuse_two_systems(items: Sequence[Item], *, where: str) -> None:
    """ConfigError where the suite has a system prompt and an item brings its own."""
    for item in items:
        if item.data["messages"][0]["role"] == "system":
            raise ConfigError(f"item {item.key!r} brings a system turn of its own; keep one of the two", where=where)
