"""Items of an evaluation as questions: what is asked, without what all questions of a task have around them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from trainers.audit.words import words

SHORTEST = 4
_FEW = 5


class Question(NamedTuple):
    """An item of an evaluation: what is asked (its texts), what is right (targets), and what it belongs together with."""

    suite: str
    task: str
    key: str
    texts: tuple[str, ...]
    targets: tuple[str, ...] = ()
    cluster: str = ""

    def akin(self, other: Question) -> bool:
        """Whether both are about the same document, so that they resemble each other for another reason than how they are asked."""
        return bool(self.cluster) and self.cluster == other.cluster


def said(questions: Sequence[Question]) -> list[list[str]]:
    """The words of each question, all of its texts together."""
    return [[word for text in question.texts for word in words(text)] for question in questions]


def cores(questions: Sequence[Question], asked: Sequence[Sequence[str]], *, least: int = SHORTEST) -> list[list[str]]:
    """Each question (``asked``: its words) without what all questions of its task begin and end with ("Question: … Answer:"); whole
    where fewer than ``least`` words would be left, or where the task has few questions (all about one document share that, too)."""
    tasks: dict[tuple[str, str], list[int]] = {}
    for number, question in enumerate(questions):
        tasks.setdefault((question.suite, question.task), []).append(number)
    found = [list(text) for text in asked]
    for members in tasks.values():
        different = {tuple(asked[number]) for number in members}
        if min(len(different), len({questions[number].cluster or questions[number].key for number in members})) < _FEW:
            continue
        before = _shared([list(text) for text in different])
        after = _shared([list(text[::-1][: len(text) - before]) for text in different])
        for number in members:
            core = asked[number][before : len(asked[number]) - after]
            if len(core) >= least:
                found[number] = list(core)
    return found


def _shared(texts: Sequence[list[str]]) -> int:
    """How many words all texts begin with."""
    first, last = min(texts), max(texts)
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))))
