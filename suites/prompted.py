"""Questions with known answers: asked through the chat template, in one turn or in several, and graded by a program.

Scores compare texts (exact match, containment, pattern, JSON, number) or tool calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import ConfigError
from harness.protocols import Conversation
from harness.records import Answer, Completion, Flag, Item, Judgment, Metric, MetricKind, Sample
from suites.decoding import Decoding, by_turn, check_decoding, converse, suite_digest
from suites.extraction import after_marker
from suites.items import History, beside_calls, read_items, readable
from suites.rows import locate
from suites.scoring import Normalisation, Score, call_grader, grader

Graded = Callable[[Completion], bool | None]
"""Is this answer right? None: it could not be parsed."""


class PromptedOptions(Decoding, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``score``: one or several; the first is primary. ``after``: the answer is what stands after the last such marker.

    ``normalise`` applies to both sides of exact_match and contains; ``tolerance`` (relative or absolute) to numeric.
    ``history``: what stands between the ``turns`` of an item, the model's own answers or the item's gold ``replies``; the last
    answer is graded.
    """

    items: str
    score: Score | tuple[Score, ...] = "exact_match"
    normalise: tuple[Normalisation, ...] = ("strip",)
    tolerance: float = 1e-6
    after: str | None = None
    history: History = "own"


class Prompted:
    """Items from JSONL (``suites.items``); a score is the mean over its draws, and an answer that cannot be parsed is wrong."""

    Options = PromptedOptions
    version = "1"
    needs_baseline = False
    journalled = True
    concurrency: int | None = None
    judge: str | None = None

    def __init__(self, name: str, options: PromptedOptions, *, seed: int, folder: Path, where: str) -> None:
        self.name, self.options, self.seed = name, options, seed
        place = f"{where}.options"
        check_decoding(options, where=place)
        self.scores = check_scores(options, where=place)
        path = locate(options.items, folder=folder, where=f"{place}.items")
        self._items = read_items(path, where=f"{place}.items", needs_target=True, history=options.history)
        self._graders = {item.key: self._grade_by(item, path, f"{place}.items") for item in self._items}
        kind: MetricKind = "binary" if options.draws == 1 else "bounded"
        self.metrics: Mapping[str, Metric] = {score: Metric(kind=kind) for score in self.scores}
        self.primary: str = self.scores[0]
        parses = options.after is not None or bool({"json_equal", "numeric", "tool_call"} & set(self.scores))
        self.watched: tuple[Flag, ...] = ("truncated", "empty", "unparsable") if parses else ("truncated", "empty")
        if options.system is not None:
            refuse_two_systems(self._items, where=f"{place}.system")

    def _grade_by(self, item: Item, path: Path, where: str) -> dict[str, Graded]:
        place = f"{path}, item {item.key!r}"
        return {score: self._grader(score, item.target, place, where) for score in self.scores}

    def _grader(self, score: Score, target: Any, place: str, where: str) -> Graded:
        if score == "tool_call":
            return call_grader(target, place=place, where=where)
        steps, tolerance, marker = self.options.normalise, self.options.tolerance, self.options.after
        right = grader(score, target, steps=steps, tolerance=tolerance, place=place, where=where)

        def grade(completion: Completion) -> bool | None:
            answer = completion.text if marker is None else after_marker(completion.text, marker)
            return None if answer is None else right(answer)

        return grade

    def fingerprint(self) -> str:
        return suite_digest("prompted", self.version, self.options, self._items, seed=self.seed)

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
        graded = {score: [right(completion) for completion in last] for score, right in self._graders[item.key].items()}
        unparsable = any(value is None for values in graded.values() for value in values)
        draws = {score: [float(value or 0) for value in values] for score, values in graded.items()}
        return Sample(
            key=item.key,
            task=item.task,
            prompt=readable(item, system=self.options.system),
            target=item.target,
            outputs=tuple(beside_calls(completion.text, completion.tool_calls) for completion in (*last, *before)),
            cluster=item.cluster,
            slices=item.slices,
            weight=item.weight,
            scores={score: sum(values) / len(values) for score, values in draws.items()},
            draws=draws if self.options.draws > 1 else {},
            flags=("unparsable",) if unparsable else (),
        )


def check_scores(options: PromptedOptions, *, where: str) -> tuple[Score, ...]:
    """The scores asked for, at least one and none twice; ConfigError else, and for a tolerance or marker that cannot be meant."""
    scores: tuple[Any, ...] = (options.score,) if isinstance(options.score, str) else tuple(options.score)
    if not scores or len(set(scores)) != len(scores):
        raise ConfigError(f"found {list(scores)!r}, expected one score, or several different ones", where=f"{where}.score")
    if not 0 <= options.tolerance < 1:
        raise ConfigError(f"found {options.tolerance!r}, expected 0 or above and below 1", where=f"{where}.tolerance")
    if options.after == "":
        raise ConfigError("an empty marker stands everywhere; leave it out or name a text", where=f"{where}.after")
    return scores


def refuse_two_systems(items: Sequence[Item], *, where: str) -> None:
    """ConfigError where the suite has a system prompt and an item brings its own."""
    for item in items:
        if item.data["messages"][0]["role"] == "system":
            raise ConfigError(f"item {item.key!r} brings a system turn of its own; keep one of the two", where=where)
