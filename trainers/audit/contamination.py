"""How much of an evaluation stands in training data, question by question.

Three ways to be found; runs of words as in Tülu 3 (arXiv 2411.15124, section 3.2) and GPT-3 (arXiv 2005.14165, appendix C):

- ``exact``: a turn of a row is the question, word for word; ``contained``: all of the question stands in one row;
- ``n-gram``: runs of eight words that both share cover at least half of the question's words, within one row. Shorter questions are
  looked for whole; those below four words only as a whole turn. Runs that stand in a tenth of the suite's own questions (at least
  five) are how the suite asks, not what it asks, and do not count;
- ``near``: a user's turn is nearly the question (``trainers.audit.duplicates``), with the same numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.records import Match, Touched
from trainers.audit.duplicates import Neighbours
from trainers.audit.entries import Entry
from trainers.audit.words import Hashes, Ids, contains, gram_hashes, ids_of, plain, shorten, words

GRAM = 8
SHARE = 0.5
SHORTEST = 4
_COMMON_SHARE, _COMMON = 0.1, 5
_CHUNK = 256

Progress = Callable[[str, int, int], None]


class Question(NamedTuple):
    """An item of an evaluation: what is asked (its texts), what is right (targets), and what it belongs together with."""

    suite: str
    task: str
    key: str
    texts: tuple[str, ...]
    targets: tuple[str, ...] = ()
    cluster: str = ""


class _Found(NamedTuple):
    overlap: float
    match: Match
    entry: int


class _Grams(NamedTuple):
    """The runs of one length of all questions: sorted hashes, with the question and the first word of each."""

    hashes: Hashes
    questions: Ids
    starts: Ids


def touched(
    entries: Sequence[Entry], questions: Sequence[Question], *, near: float, gram: int = GRAM, progress: Progress
) -> list[Touched]:
    """The questions that rows give away, the surest first."""
    search = _Search(questions, near, gram)
    for start in range(0, len(entries), _CHUNK):
        search.look(entries[start : start + _CHUNK], start)
        progress("compare with the suites", min(start + _CHUNK, len(entries)), len(entries))
    made = [_told(questions[number], found, entries[found.entry]) for number, found in search.best.items()]
    rank: tuple[Match, ...] = ("exact", "contained", "near", "n-gram")
    return sorted(made, key=lambda each: (rank.index(each.match), not each.answered, -each.overlap, each.suite, each.key))


def _told(question: Question, found: _Found, entry: Entry) -> Touched:
    said = plain(entry.answer)
    return Touched(
        suite=question.suite, task=question.task, key=question.key, match=found.match, overlap=found.overlap,
        answered=any(contains(said, plain(target)) for target in question.targets), text=shorten(" ".join(question.texts)),
        file=entry.file, line=entry.line, found=shorten(entry.question or entry.answer),
    )  # fmt: skip


class _Search:
    """The questions, ready to be looked for in rows; ``best`` holds the surest finding of each."""

    def __init__(self, questions: Sequence[Question], near: float, gram: int) -> None:
        self.best: dict[int, _Found] = {}
        self._whole: dict[str, list[int]] = {}
        self._vocabulary: dict[str, int] = {}
        self._sizes: list[int] = []
        self._neighbours = Neighbours(near)
        self._same: dict[str, list[int]] = {}
        lengths: dict[int, list[tuple[int, Ids]]] = {}
        for number, question in enumerate(questions):
            parts = [words(text) for text in question.texts]
            if whole := " ".join(word for part in parts for word in part):
                self._whole.setdefault(whole, []).append(number)
            self._sizes.append(sum(map(len, parts)))
            if self._sizes[-1] >= SHORTEST:
                size = min(gram, max(map(len, parts)))
                lengths.setdefault(size, []).append((number, self._laid_out(parts)))
        values = np.random.default_rng(0).integers(0, 2**64, len(self._vocabulary) + 1, np.uint64)
        self._values: Hashes = values
        self._grams = {size: self._grams_of(size, members, questions) for size, members in lengths.items()}
        for whole, numbers in self._whole.items():
            key = str(len(self._same))
            self._same[key] = numbers
            self._neighbours.add(key, whole, self._neighbours.sketch(whole))

    def _laid_out(self, parts: Sequence[Sequence[str]]) -> Ids:
        """The word ids of a question's texts, with a -1 between two, so that no run crosses from one to the next."""
        ids: list[int] = []
        for part in parts:
            ids += [self._vocabulary.setdefault(word, len(self._vocabulary)) for word in part] + [-1]
        return np.array(ids[:-1], np.int64)

    def _grams_of(self, size: int, members: Sequence[tuple[int, Ids]], questions: Sequence[Question]) -> _Grams:
        hashes, owners, starts = [], [], []
        for number, ids in members:
            made, where = gram_hashes(ids, size, self._values)
            hashes.append(made)
            starts.append(where)
            owners.append(np.full(len(made), number, np.int64))
        every, owner, start = np.concatenate(hashes), np.concatenate(owners), np.concatenate(starts)
        keep = ~self._common(every, owner, questions)
        order = np.argsort(every[keep], kind="stable")
        return _Grams(every[keep][order], owner[keep][order], start[keep][order])

    def _common(self, hashes: Hashes, owners: Ids, questions: Sequence[Question]) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which runs are how a suite asks: those of many of its questions that do not belong together."""
        clusters: dict[str, set[str]] = {}
        for question in questions:
            clusters.setdefault(question.suite, set()).add(question.cluster or question.key)
        limits = {suite: max(_COMMON, _COMMON_SHARE * len(found)) for suite, found in clusters.items()}
        held: Counter[tuple[str, int]] = Counter()
        pairs = {
            (questions[owner].suite, questions[owner].cluster or questions[owner].key, value)
            for owner, value in zip(owners.tolist(), hashes.tolist(), strict=True)
        }
        held.update((suite, value) for suite, _, value in pairs)
        return np.fromiter(
            (held[questions[owner].suite, value] > limits[questions[owner].suite]
             for owner, value in zip(owners.tolist(), hashes.tolist(), strict=True)),
            bool, len(hashes),
        )  # fmt: skip

    def look(self, entries: Sequence[Entry], first: int) -> None:
        """Look into some rows; ``first`` is the number of the first."""
        laid: list[Ids] = []
        rows: list[Ids] = []
        for offset, entry in enumerate(entries):
            number = first + offset
            for text in entry.texts:
                said = words(text)
                for question in self._whole.get(" ".join(said), ()):
                    self._note(question, _Found(1.0, "exact", number))
                laid.append(np.append(ids_of(self._vocabulary, said), -1))
                rows.append(np.full(len(said) + 1, number, np.int64))
            for text in entry.asked or (entry.answer,):
                self._look_near(plain(text), number)
        if laid:
            self._look_for_grams(np.concatenate(laid), np.concatenate(rows))

    def _look_near(self, text: str, number: int) -> None:
        if text in self._whole or text.count(" ") + 1 < SHORTEST:
            return
        for near in self._neighbours.near(text, self._neighbours.sketch(text)):
            for question in self._same[near.key]:
                self._note(question, _Found(near.similarity, "near", number))

    def _look_for_grams(self, ids: Ids, rows: Ids) -> None:
        """``rows``: for each word, the row that it is in."""
        covered: dict[tuple[int, int], int] = {}
        for size, grams in self._grams.items():
            hashes, starts = gram_hashes(ids, size, self._values)
            left = np.searchsorted(grams.hashes, hashes, "left")
            right = np.searchsorted(grams.hashes, hashes, "right")
            for index in np.flatnonzero(right > left).tolist():
                row = int(rows[starts[index]])
                for hit in range(int(left[index]), int(right[index])):
                    pair = (int(grams.questions[hit]), row)
                    covered[pair] = covered.get(pair, 0) | ((1 << size) - 1) << int(grams.starts[hit])
        for (question, row), mask in covered.items():
            share = mask.bit_count() / self._sizes[question]
            if share >= SHARE:
                self._note(question, _Found(min(share, 1.0), "contained" if share >= 1 else "n-gram", row))

    def _note(self, question: int, found: _Found) -> None:
        rank: dict[Match, int] = {"exact": 3, "contained": 2, "near": 1, "n-gram": 1}
        best = self.best.get(question)
        if best is None or (rank[found.match], found.overlap) > (rank[best.match], best.overlap):
            self.best[question] = found
