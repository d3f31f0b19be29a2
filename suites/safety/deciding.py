"""Who decides whether an answer refuses, and whether it is toxic: patterns and a list of words, a classifier, or a judge."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from harness.errors import ConfigError
from harness.fingerprint import digest
from harness.plugins import did_you_mean
from harness.protocols import Conversation
from harness.records import Answer, Completion, Item, Judgment
from suites.classifier import Classified, Classifier
from suites.decoding import by_draw
from suites.examined import BOUND
from suites.judging import Judging, JudgingOptions, Point, opinions_of
from suites.safety.toxicity import WordList
from suites.stances import refuses

Question = Literal["refused", "toxic"]
PROMPTS: Mapping[str, str] = {"refused": "refusal", "toxic": "toxicity"}
"""The shipped judge prompt of each question."""
USUAL: tuple[Question, ...] = ("refused",)
"""What a judge is asked where the config does not say."""


class DecidingOptions(JudgingOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``judges``: the questions that a judge answers, ``judge_prompts``: by other prompts than those that are shipped.
    ``classifiers``: question -> a local model that answers it."""

    judges: tuple[Question, ...] | None = None
    judge_prompts: dict[str, str] = {}
    classifiers: dict[str, Classifier] = {}

    def resolved(self) -> dict[str, object]:
        """Without the classifiers: what they hold is hashed (``Deciders.fingerprint``)."""
        return {name: value for name, value in super().resolved().items() if name != "classifiers"}


class Told(Completion, frozen=True, kw_only=True):
    """An answer and what was decided about it; None: nobody was asked."""

    refused: bool | None = None
    toxic: bool | None = None


class Deciders:
    """Of each question, who answers it. What neither a judge nor a classifier is asked, patterns and the list of words tell."""

    def __init__(self, options: DecidingOptions, words: WordList | None, *, folder: Path, where: str) -> None:
        self._words = words
        self.judging = Judging(
            options,
            PROMPTS,
            judges=USUAL if options.judges is None else options.judges,
            own=options.judge_prompts,
            folder=folder,
            where=where,
        )
        unknown = next((question for question in options.classifiers if question not in PROMPTS), None)
        if unknown is not None:
            raise ConfigError(f"no question is called {unknown!r}. {did_you_mean(unknown, PROMPTS)}", where=f"{where}.classifiers")
        self._classifiers: Mapping[str, Classified] = {
            question: Classified(classifier, folder=folder, where=f"{where}.classifiers.{question}")
            for question, classifier in options.classifiers.items()
        }
        twice = next((question for question in self.judging.questions if question in self._classifiers), None)
        if twice is not None:
            raise ConfigError(f"a judge answers {twice!r} as well; keep one of the two", where=f"{where}.classifiers.{twice}")
        if words is not None and "toxic" in self._decided:
            raise ConfigError("a judge or a classifier says what is toxic; keep one of the two", where=f"{where}.toxic_words")

    @property
    def _decided(self) -> Collection[str]:
        """What a judge or a classifier decides."""
        return (*self.judging.questions, *self._classifiers)

    @property
    def toxicity(self) -> bool:
        """Whether anything says what is toxic."""
        return self._words is not None or "toxic" in self._decided

    @property
    def options_of(self) -> dict[str, str]:
        """The option behind each question that is not left to patterns."""
        words = {} if self._words is None else {"toxic": "toxic_words"}
        judges = dict.fromkeys(self.judging.questions, "judges")
        return {**words, **judges, **{question: f"classifiers.{question}" for question in self._classifiers}}

    def words_digest(self) -> str | None:
        """Hash of the list of words; None without one."""
        return None if self._words is None else self._words.digest()

    def fingerprint(self) -> str | None:
        """Of the judge's questions and of the classifiers; None where there is neither."""
        if not self._decided:
            return None
        classifiers = {question: classifier.fingerprint() for question, classifier in self._classifiers.items()}
        return digest({"judging": self.judging.fingerprint(), "classifiers": classifiers})

    @property
    def remarks(self) -> tuple[str, ...]:
        """Nobody examined a classifier here."""
        return tuple(
            f"whether an answer is {question} was told by the classifier {each.name!r} ({', '.join(each.labels)} from "
            f"{each.threshold:g} on), which was not examined here"
            for question, each in self._classifiers.items()
        )

    def consult(self, item: Item, answer: Answer) -> Conversation[Sequence[Judgment]]:
        return self.judging.consult(item, answer, self._points(item, answer))

    def told(self, item: Item, answer: Answer, judgments: Sequence[Judgment]) -> Answer | None:
        """The answer with what was decided about it; None where an opinion of the judge cannot be read, or is missing."""
        judged = opinions_of(self._points(item, answer), judgments)
        if judged is None:
            return None
        completions = tuple(
            self._read(item, completion, judged.get(Point(place, turn, "refused")), judged.get(Point(place, turn, "toxic")))
            for place, draw in enumerate(by_draw(item, answer))
            for turn, completion in enumerate(draw)
        )
        return msgspec.structs.replace(answer, completions=completions)

    def _points(self, item: Item, answer: Answer) -> list[Point]:
        """What the judge is asked about: every answer may be toxic, and the last one of a draw refuses or does not."""
        return [
            Point(place, turn, question)
            for place, draw in enumerate(by_draw(item, answer))
            for turn in range(len(draw))
            for question in self.judging.questions
            if question == "toxic" or ("expects" in item.data and turn == len(draw) - 1)
        ]

    def _read(self, item: Item, completion: Completion, refused: bool | None, toxic: bool | None) -> Told:
        text = completion.text[:BOUND]
        shared = {field: getattr(completion, field) for field in Completion.__struct_fields__}
        if "refused" in self._classifiers:
            refused = self._classifiers["refused"].says(text, whole=False) if "expects" in item.data else None
        elif "refused" not in self.judging.questions:
            refused = refuses(text)
        if "toxic" in self._classifiers:
            toxic = self._classifiers["toxic"].says(text, whole=True)
        elif self._words is not None:
            toxic = self._words.found_in(text)
        return Told(**shared, refused=refused, toxic=toxic)
