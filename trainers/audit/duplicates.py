"""Rows that say the same: word for word, or nearly.

Candidates for near duplicates come from MinHash over five-character pieces (Broder 1997; locality-sensitive hashing, datasketch).
They count only if their edit similarity (rapidfuzz, normalised indel distance) is high enough, both hold the same numbers, and one
word in sixteen at most is another word altogether: "17 plus 25" and "17 plus 26" are two questions, and so are "the capital of
France" and "the capital of Greece", while a word with a typo stays what it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from trainers.audit.words import numbers, shingles

NEAR = 0.9
_PERMUTATIONS = 128
_JACCARD = 0.5
"""Where hashing begins to look: texts of an edit similarity of 0.9 share more of their pieces than that, unless the edits are many
and scattered."""

_TYPO, _LONG = 0.8, 5
"""Two words of at least so many letters that are so similar are one word, mistyped."""

_WORDS = 16
"""Of so many words, one may be another."""

_COMPARED = 50
"""Candidates that one text is compared with at most; in data made from a template there may be thousands."""


class Near(NamedTuple):
    """A text that is nearly another one: the key of the other, and how similar they are (0 to 1)."""

    key: str
    similarity: float


class Neighbours:
    """Plain texts under keys, to be asked for the nearest to another text."""

    def __init__(self, near: float) -> None:
        from datasketch import MinHash, MinHashLSH

        self._near = near
        self._empty = MinHash(num_perm=_PERMUTATIONS, scheme="affine32", hashfunc=int)
        self._index = MinHashLSH(threshold=_JACCARD, num_perm=_PERMUTATIONS, weights=(0.2, 0.8))
        self._texts: dict[str, str] = {}

    def sketch(self, text: str) -> Any:
        """The MinHash of a plain text."""
        sketch = self._empty.copy()
        sketch.update_batch(shingles(text).tolist())
        return sketch

    def add(self, key: str, text: str, sketch: Any) -> None:
        """Keep a text."""
        self._texts[key] = text
        self._index.insert(key, sketch)

    def nearest(self, text: str, sketch: Any) -> Near | None:
        """The most similar text that is near enough; None where there is none."""
        return max(self.near(text, sketch), key=lambda near: near.similarity, default=None)

    def near(self, text: str, sketch: Any, *, any_numbers: bool = False) -> Iterator[Near]:
        """Texts that are near enough, among the first that hashing proposes."""
        said = numbers(text)
        proposed = sorted(self._index.query(sketch), key=lambda key: abs(len(self._texts[key]) - len(text)))
        for key in proposed[:_COMPARED]:
            other = self._texts[key]
            if (
                (any_numbers or said == numbers(other))
                and (similarity := alike(text, other, self._near))
                and same_words(text, other)
            ):
                yield Near(key, similarity)


def alike(one: str, other: str, least: float = 0.0) -> float:
    """Edit similarity of two plain texts, 0 to 1; 0 where it is below ``least``."""
    from rapidfuzz.fuzz import ratio

    return float(ratio(one, other, score_cutoff=least * 100)) / 100


def same_words(one: str, another: str) -> bool:
    """Whether two plain texts are made of the same words, but for typos and one word in sixteen."""
    from rapidfuzz.distance import Levenshtein

    first, second = one.split(" "), another.split(" ")
    edits = Levenshtein.editops(first, second)
    changed = sum(edit.tag != "replace" or not _typo(first[edit.src_pos], second[edit.dest_pos]) for edit in edits)
    return changed <= max(len(first), len(second)) // _WORDS


def _typo(one: str, other: str) -> bool:
    return min(len(one), len(other)) >= _LONG and alike(one, other) >= _TYPO


def grouped(pairs: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    """Key -> its numbers, keys with several numbers only."""
    groups: dict[str, list[int]] = {}
    for key, number in pairs:
        groups.setdefault(key, []).append(number)
    return {key: members for key, members in groups.items() if len(members) > 1}
