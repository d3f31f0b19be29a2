"""Runs of words that questions and rows share, found at once for thousands of questions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from trainers.audit.words import Hashes, Ids, gram_hashes, ids_of


class _Index(NamedTuple):
    """The runs of one length of all texts: sorted hashes, with the text and the first word of each."""

    hashes: Hashes
    texts: Ids
    starts: Ids


class Grams:
    """Texts, each a list of words, to be asked which of them other texts cover with runs of ``size`` words.

    A text shorter than that is one run; one below ``least`` words is left out.
    """

    def __init__(self, texts: Sequence[Sequence[str]], *, size: int, least: int) -> None:
        self._vocabulary: dict[str, int] = {}
        self._sizes = [len(text) for text in texts]
        lengths: dict[int, list[tuple[int, Ids]]] = {}
        for number, text in enumerate(texts):
            ids = np.array([self._vocabulary.setdefault(word, len(self._vocabulary)) for word in text], np.int64)
            if len(ids) >= least:
                lengths.setdefault(min(size, len(ids)), []).append((number, ids))
        self._values: Hashes = np.random.default_rng(0).integers(0, 2**64, len(self._vocabulary) + 1, np.uint64)
        self._indices = {length: self._index(length, members) for length, members in lengths.items()}

    def _index(self, length: int, members: Sequence[tuple[int, Ids]]) -> _Index:
        hashes, texts, starts = [], [], []
        for number, ids in members:
            made, where = gram_hashes(ids, length, self._values)
            hashes.append(made)
            starts.append(where)
            texts.append(np.full(len(made), number, np.int64))
        every = np.concatenate(hashes)
        order = np.argsort(every, kind="stable")
        return _Index(every[order], np.concatenate(texts)[order], np.concatenate(starts)[order])

    def covered(self, rows: Sequence[tuple[int, Sequence[str]]]) -> Iterator[tuple[int, int, float]]:
        """(text, row, share) of all texts that rows cover in part: the share of the text's words that lie in runs of the row.
        A row may come in several pieces of the same number; no run crosses from one to the next."""
        if not rows:
            return
        laid = [np.append(ids_of(self._vocabulary, words), -1) for _, words in rows]
        numbers = np.repeat([number for number, _ in rows], [len(ids) for ids in laid])
        words, masks = np.concatenate(laid), dict[tuple[int, int], int]()
        for length, index in self._indices.items():
            hashes, starts = gram_hashes(words, length, self._values)
            left, right = (np.searchsorted(index.hashes, hashes, side) for side in ("left", "right"))
            for hit in np.flatnonzero(right > left).tolist():
                row = int(numbers[starts[hit]])
                for place in range(int(left[hit]), int(right[hit])):
                    pair = (int(index.texts[place]), row)
                    masks[pair] = masks.get(pair, 0) | ((1 << length) - 1) << int(index.starts[place])
        for (text, row), mask in masks.items():
            yield text, row, mask.bit_count() / self._sizes[text]
