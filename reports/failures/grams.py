"""Texts as rows of numbers: what runs of signs they hold, weighted by how few of the texts hold them (TF-IDF).

Three signs in a row, and two where Chinese, Japanese or Korean ones are among them, which say more each. Case, kinds of white space
and numbers make no difference. Of a long text the end counts: there the question stands, after instructions and worked examples.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

LONGEST = 400
"""Signs of a text that count."""

_SPACE = re.compile(r"\s+")
_DIGIT = re.compile(r"\d+")
_WIDE = 0x2E80
_BUCKETS = 18
_FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)


def rows(texts: Sequence[str]) -> sparse.csr_matrix:
    """One row per text, of length one; of an empty text, and of one that says no more than all of them, a row of zeros."""
    plain = [f" {_plain(text)} " if text.strip() else "" for text in texts]
    signs = np.frombuffer("".join(plain).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    owners = np.repeat(np.arange(len(plain), dtype=np.int32), [len(text) for text in plain])
    wide = signs >= _WIDE
    parts = [_grams(signs, owners, wide, length) for length in (2, 3)]
    where, what = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    counts = sparse.coo_matrix((np.ones(len(where), dtype=np.float32), (where, what)), shape=(len(plain), 1 << _BUCKETS)).tocsr()
    counts.sum_duplicates()
    held = np.bincount(counts.indices, minlength=1 << _BUCKETS)
    rare = np.sqrt(np.log(len(plain) / np.maximum(held, 1))).astype(np.float32)  # its root, lest names drown out sentences
    counts.data = np.sqrt(counts.data) * rare[counts.indices]
    counts.eliminate_zeros()
    return scaled(counts)


def scaled(matrix: Any) -> sparse.csr_matrix:
    """Rows of length one; zeros stay."""
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    even: sparse.csr_matrix = sparse.diags(np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)) @ matrix
    return even


def _plain(text: str) -> str:
    short = _SPACE.sub(" ", text[-4 * LONGEST :]).strip()[-LONGEST:]
    return _DIGIT.sub("0", short.casefold())


def _grams(signs: Any, owners: Any, wide: Any, length: int) -> tuple[Any, Any]:
    """Whose, and which (hashed): of two signs with a wide one among them, of three without."""
    count = len(signs) - length + 1
    if count < 1:
        return np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int32)
    windows = [slice(start, start + count) for start in range(length)]
    some = np.logical_or.reduce([wide[window] for window in windows])
    kept = (owners[windows[0]] == owners[windows[-1]]) & (some if length == 2 else ~some)
    with np.errstate(over="ignore"):
        mixed = sum((signs[window][kept] + np.uint64(1)) * factor for window, factor in zip(windows, _FACTORS, strict=False))
        found = np.asarray(mixed, dtype=np.uint64)
        found = (found ^ (found >> np.uint64(29))) * _FACTORS[0]
    return owners[windows[0]][kept], (found >> np.uint64(64 - _BUCKETS)).astype(np.int32)
