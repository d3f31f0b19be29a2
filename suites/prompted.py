"""Questions with known answers: asked through the chat template, in one turn or in several, and graded by a program.

Scores compare texts (exact match, containment, pattern, JSON, number) or tool calls.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from harness.errors import ConfigError
from harness.records import Candidate, Completion, Item, Metric
from suites.asking import Asking, ItemOptions, Value
from suites.calls import reads_calls
from suites.extraction import after_marker, last_boxed, last_number
from suites.items import History, read_items
from suites.letters import last_choice
from suites.scoring import Normalisation, Score, call_grader, grader
from suites.shots import answer_of, reading_form

Graded = Callable[[Completion], bool | None]
"""Is this answer right? None: it could not be parsed."""


class PromptedOptions(ItemOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``score``: one or several; the first is primary. ``after``: the answer is what stands after the last such marker.
    ``extract``: of that, the answer is what stands in the last ``\\boxed{}``, or the letter of the choice (``suites.letters``).

    ``normalise`` applies to both sides of exact_match and contains; ``tolerance`` (relative or absolute) to numeric.
    ``history``: what stands between the ``turns`` of an item, the model's own answers or the item's gold ``replies``; the last
    answer is graded.
    """

    score: Score | tuple[Score, ...] = "exact_match"
    normalise: tuple[Normalisation, ...] = ("strip",)
    tolerance: float = 1e-6
    after: str | None = None
    extract: Literal["choice", "boxed"] | None = None
    history: History = "own"


class Prompted(Asking):
    """Items from JSONL (``suites.items``); a score is the mean over its draws, and an answer that cannot be parsed is wrong."""

    Options = PromptedOptions
    version = "3"
    options: PromptedOptions

    def read(self, path: Path) -> list[Item]:
        where, options = f"{self.place}.items", self.options
        self.scores = check_scores(options, where=self.place)
        items = read_items(path, where=where, needs_target=True, history=options.history)
        self._letters = letters_of(items, path=path, where=where) if options.extract == "choice" else ""
        self._graders = {item.key: self._grade_by(item, path, where) for item in items}
        parses = (
            options.after is not None
            or options.extract is not None
            or bool({"json_equal", "numeric", "tool_call"} & set(self.scores))
        )
        self.watched = ("truncated", "empty", "unparsable") if parses else ("truncated", "empty")
        return items

    def examine(self, candidate: Candidate, *, where: str) -> None:
        """ConfigError where tool calls are graded that nobody reads."""
        if "tool_call" in self.scores and reads_calls(candidate) is False:
            raise ConfigError(
                f"suite {self.name!r} grades tool calls, and nobody reads those of {candidate.name!r}: they would stay in the "
                "text and count as none. Set tool_parser, such as 'hermes'",
                where=f"{where}.options",
            )

    def answer_of(self, fields: Mapping[str, Any]) -> Any:
        form = reading_form(self.options.after, boxed=self.options.extract == "boxed")
        return answer_of(fields.get("target"), self.scores, form=form, where=f"{self.place}.shots")

    def offered(self) -> Mapping[str, Metric]:
        return {score: Metric(kind="binary") for score in self.scores}

    def score(self, item: Item, completion: Completion) -> Mapping[str, Value]:
        return {score: right(completion) for score, right in self._graders[item.key].items()}

    def _grade_by(self, item: Item, path: Path, where: str) -> dict[str, Graded]:
        place = f"{path}, item {item.key!r}"
        return {score: self._grader(score, item.target, place, where) for score in self.scores}

    def _grader(self, score: Score, target: Any, place: str, where: str) -> Graded:
        if score == "tool_call":
            return call_grader(target, place=place, where=where)
        steps, tolerance = self.options.normalise, self.options.tolerance
        right = grader(score, target, steps=steps, tolerance=tolerance, place=place, where=where)

        def grade(completion: Completion) -> bool | None:
            answer = self._answer(completion.text)
            return None if answer is None else right(answer)

        return grade

    def extracted(self, completions: Sequence[Completion]) -> tuple[str | None, ...]:
        options, numeric = self.options, self.scores == ("numeric",)
        if not numeric and options.after is None and options.extract is None:
            return ()
        marked = [self._answer(completion.text) for completion in completions]
        return tuple(_number(text) if numeric and text is not None else text for text in marked)

    def _answer(self, text: str) -> str | None:
        """The part of a text that is graded; None where it is not there."""
        marked = text if self.options.after is None else after_marker(text, self.options.after)
        if marked is None or self.options.extract is None:
            return marked
        return last_choice(marked, self._letters) if self.options.extract == "choice" else last_boxed(marked)


def _number(text: str) -> str | None:
    """The number that is compared, as it was read."""
    found = last_number(text)
    return None if found is None else f"{found:.15g}"


def letters_of(items: Sequence[Item], *, path: Path, where: str) -> str:
    """The letters that an item may be answered with: from A to the last that is right anywhere, D at least."""
    last = "D"
    for item in items:
        for letter in item.target if isinstance(item.target, list) else [item.target]:
            if not isinstance(letter, str) or len(letter) != 1 or letter not in string.ascii_uppercase:
                raise ConfigError(
                    f"{path}, item {item.key!r}: target is {item.target!r}; extract = 'choice' needs a capital letter such as 'B'",
                    where=where,
                )
            last = max(last, letter)
    return string.ascii_uppercase[: string.ascii_uppercase.index(last) + 1]


def check_scores(options: PromptedOptions, *, where: str) -> tuple[Score, ...]:
    """The scores asked for, at least one and none twice; ConfigError else, and for a tolerance or marker that cannot be meant."""
    scores: tuple[Any, ...] = (options.score,) if isinstance(options.score, str) else tuple(options.score)
    if not scores or len(set(scores)) != len(scores):
        raise ConfigError(f"found {list(scores)!r}, expected one score, or several different ones", where=f"{where}.score")
    if not 0 <= options.tolerance < 1:
        raise ConfigError(f"found {options.tolerance!r}, expected 0 or above and below 1", where=f"{where}.tolerance")
    if options.extract is not None and set(scores) == {"tool_call"}:
        raise ConfigError("a tool call is not extracted from text; leave extract out", where=f"{where}.extract")
    if options.extract == "choice" and set(scores) - {"exact_match", "tool_call"}:
        raise ConfigError(
            f"extract = 'choice' gives a letter, and score is {list(scores)!r}; use exact_match", where=f"{where}.extract"
        )
    if options.after == "":
        raise ConfigError("an empty marker stands everywhere; leave it out or name a text", where=f"{where}.after")
    return scores
