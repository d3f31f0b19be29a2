"""How fast answers come: time to the first token, time per further token, tokens per second, seconds end to end; and how many
tokens are spent on thinking.

Never answered from the journal, and one conversation at a time unless ``concurrency`` says otherwise: what is measured is the
engine under a known load, on the machine at hand. Numbers of two machines, or of two loads, are not comparable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from harness.errors import ConfigError
from harness.protocols import Conversation
from harness.records import Answer, Completion, Flag, Item, Judgment, Metric, Sample
from suites.decoding import Decoding, check_decoding, converse, suite_digest
from suites.items import read_items, readable
from suites.prompted import refuse_two_systems
from suites.rows import locate


class LatencyOptions(Decoding, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``items``: prompted-style rows (targets are not looked at). ``limit``: only the first so many. ``concurrency``: at once."""

    items: str
    limit: int | None = None
    concurrency: int = 1
    max_tokens: int = 64


class Latency:
    """Real numbers, averaged over an item's draws; an engine that gives no first-token time has no such score."""

    Options = LatencyOptions
    version = "2"
    primary = "seconds"
    watched: tuple[Flag, ...] = ()
    needs_baseline = False
    journalled = False
    judge: str | None = None
    metrics: Mapping[str, Metric] = {
        "seconds": Metric(kind="real", direction="lower", unit="s"),
        "tokens_per_second": Metric(kind="real", direction="higher", unit="tokens/s"),
        "first_token_seconds": Metric(kind="real", direction="lower", unit="s"),
        "seconds_per_token": Metric(kind="real", direction="lower", unit="s"),
        "reasoning_tokens": Metric(kind="real", direction="lower", unit="tokens"),
    }

    def __init__(self, name: str, options: LatencyOptions, *, seed: int, folder: Path, where: str) -> None:
        self.name, self.options, self.seed = name, options, seed
        place = f"{where}.options"
        check_decoding(options, where=place)
        if options.concurrency < 1:
            raise ConfigError(f"found {options.concurrency}, expected at least 1", where=f"{place}.concurrency")
        self.concurrency: int | None = options.concurrency
        if options.limit is not None and options.limit < 1:
            raise ConfigError(f"found {options.limit}, expected at least 1", where=f"{place}.limit")
        rows = read_items(locate(options.items, folder=folder, where=f"{place}.items"), where=f"{place}.items")
        self._items = rows[: options.limit]
        if options.system is not None:
            refuse_two_systems(self._items, where=f"{place}.system")

    def fingerprint(self) -> str:
        return suite_digest("latency", self.version, self.options, self._items, seed=self.seed)

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
            item = by_key[answer.key]
            rows = [times(completion) for completion in answer.completions]
            draws = {name: [row[name] for row in rows] for name in self.metrics if all(name in row for row in rows)}
            yield Sample(
                key=item.key,
                task=item.task,
                prompt=readable(item, system=self.options.system),
                outputs=tuple(completion.text for completion in answer.completions),
                cluster=item.cluster,
                slices=item.slices,
                weight=item.weight,
                scores={name: sum(values) / len(values) for name, values in draws.items()},
                draws=draws if self.options.draws > 1 else {},
            )


def times(completion: Completion) -> dict[str, float]:
    """What one completion took. Time per token is that of the tokens after the first, where there are any.

    Thinking that was not counted (an endpoint may tell it without its length) has no such score.
    """
    found = {"seconds": completion.seconds}
    if completion.seconds > 0:
        found["tokens_per_second"] = completion.tokens_out / completion.seconds
    if completion.reasoning_tokens or completion.reasoning is None:
        found["reasoning_tokens"] = float(completion.reasoning_tokens)
    first = completion.first_token_seconds
    if first is not None:
        found["first_token_seconds"] = first
        if completion.tokens_out > 1:
            found["seconds_per_token"] = max(0.0, completion.seconds - first) / (completion.tokens_out - 1)
    return found
