"""Random signs and resampling weights, in chunks, from a seed. One row per resample, one column per unit (item or cluster).

The same units and the same seed give the same resamples: all metrics and candidates of a suite share them, and their tables can be
summed side by side, in one matrix product per chunk.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RESAMPLES = 9_999
EXACT_UNITS = 13
"""Up to here all 2^units sign patterns are enumerated (8,192 ≤ 9,999)."""
CHUNK_CELLS = 4_000_000
COUNTED_CELLS = 20_000
"""Draws are counted so many at a time: their counts stay in the processor's cache."""


def flips(units: int, seed: int, resamples: int = RESAMPLES) -> Iterator[Array]:
    """Chunks of 0/1 rows that say which units change sides. Exact (all patterns, the unflipped first) for few units."""
    if units <= EXACT_UNITS:
        patterns = np.arange(2**units)[:, None] >> np.arange(units)[None, :]
        yield (patterns & 1).astype(float)
        return
    rng = np.random.default_rng(seed)
    rows = max(1, CHUNK_CELLS // units)
    width = (units + 7) // 8
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        packed = rng.integers(0, 256, size=(count, width), dtype=np.uint8)
        yield np.unpackbits(packed, axis=1, count=units).astype(float)


def exact(units: int) -> bool:
    """Whether ``flips`` enumerates."""
    return units <= EXACT_UNITS


def weights(strata: NDArray[np.intp], seed: int, resamples: int = RESAMPLES) -> Iterator[Array]:
    """Chunks of bootstrap counts: each row says how often each unit was drawn, with replacement, within its stratum."""
    units = len(strata)
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    rows, block = max(1, CHUNK_CELLS // units), max(1, COUNTED_CELLS // units)
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        picked = [rng.integers(0, len(own), size=(count, len(own))) for own in members]
        drawn = picked[0] if len(members) == 1 else np.concatenate([m[p] for m, p in zip(members, picked, strict=True)], axis=1)
        counts = np.empty((count, units))
        for first in range(0, count, block):
            part = drawn[first : first + block]
            flat = (part + units * np.arange(len(part))[:, None]).ravel()
            counts[first : first + block] = np.bincount(flat, minlength=flat.size).reshape(part.shape)
        yield counts


def sums(chunks: Iterator[Array], table: Array) -> Array:
    """What each resample adds up to: weights or flips (resamples, units) times ``table`` (units, width), chunk by chunk."""
    return np.concatenate([chunk @ table for chunk in chunks])


def numbered(codes: NDArray[np.intp]) -> NDArray[np.intp]:
    """The same groups, numbered from 0 without gaps, in the order of their ``codes`` (0 or more)."""
    present = np.bincount(codes) > 0
    return codes if bool(present.all()) else np.asarray((np.cumsum(present) - 1)[codes], dtype=np.intp)


def strata_of(units: NDArray[np.intp], strata: NDArray[np.intp]) -> NDArray[np.intp]:
    """The stratum of each numbered unit, that of its first item, itself numbered."""
    first = np.zeros(int(units.max()) + 1, dtype=np.intp)
    first[units[::-1]] = np.arange(len(units) - 1, -1, -1)
    return numbered(strata[first])
