"""Rows that say the same: word for word, or nearly.

Candidates for near duplicates come from MinHash over five-character pieces (Broder 1997; locality-sensitive hashing, datasketch).
They count only if their edit similarity (rapidfuzz, normalised indel distance) is high enough and both hold the same numbers:
"17 plus 25" and "17 plus 26" are two questions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from trainers.audit.words import Hashes, numbers, shingles

NEAR = 0.9
_PERMUTATIONS = 128
_JACCARD = 0.5
"""Where hashing begins to look: texts of an edit similarity of 0.9 share more of their pieces than that, unless the edits are many
and scattered."""

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
        return self.sketched(shingles(text))

    def sketched(self, hashes: Hashes) -> Any:
        """The MinHash of these pieces."""
        sketch = self._empty.copy()
        sketch.update_batch(hashes.tolist())
        return sketch

    def add(self, key: str, text: str, sketch: Any) -> None:
        """Keep a text."""
        self._texts[key] = text
        self._index.insert(key, sketch)

    def nearest(self, text: str, sketch: Any) -> Near | None:
        """The most similar text that is near enough; None where there is none."""
        return max(self.near(text, sketch), key=lambda near: near.similarity, default=None)

    def near(self, text: str, sketch: Any) -> Iterator[Near]:
        """Texts that are near enough, among the first that hashing proposes."""
        said = numbers(text)
        proposed = sorted(self._index.query(sketch), key=lambda key: abs(len(self._texts[key]) - len(text)))
        for key in proposed[:_COMPARED]:
            other = self._texts[key]
            if said == numbers(other) and (similarity := alike(text, other, self._near)):
                yield Near(key, similarity)


def alike(one: str, other: str, least: float = 0.0) -> float:
    """Edit similarity of two plain texts, 0 to 1; 0 where it is below ``least``."""
    from rapidfuzz.fuzz import ratio

    return float(ratio(one, other, score_cutoff=least * 100)) / 100


def grouped(pairs: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    """Key -> its numbers, keys with several numbers only."""
    groups: dict[str, list[int]] = {}
    for key, number in pairs:
        groups.setdefault(key, []).append(number)
    return {key: members for key, members in groups.items() if len(members) > 1}
