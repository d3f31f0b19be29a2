"""How long rows are, and how different from one another."""

from __future__ import annotations

import math
import random
import zlib
from collections.abc import Iterator, Sequence

import numpy as np

from harness.records import Spread
from trainers.audit.duplicates import Neighbours
from trainers.audit.entries import Entry
from trainers.audit.words import plain, words

_BARS = 24
_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_SAMPLE = 500
_PAIRS = 20_000
_TEXT = 2**20


def spread(name: str, unit: str, values: Sequence[float]) -> Spread:
    """A distribution, with bars of equal width on a logarithmic scale where the largest is a hundred times the median or more."""
    data = np.asarray(values, float)
    low, high, middle = float(data.min()), float(data.max()), float(np.median(data))
    if low >= 0 and high > 20 * max(middle, 1e-9) and high > 1:
        edges = np.concatenate([[min(low, 0.0)], np.geomspace(max(1.0, low or 1.0), high, _BARS)])
    elif high > low:
        edges = np.linspace(low, high, _BARS + 1)
    else:
        edges = np.array([low - 0.5, low + 0.5])
    edges = np.unique(edges)
    counts, _ = np.histogram(data, edges)
    return Spread(
        name=name, unit=unit, rows=len(data), mean=float(data.mean()), quantiles=tuple(np.quantile(data, _QUANTILES).tolist()),
        edges=tuple(edges.tolist()), counts=tuple(counts.tolist()),
    )  # fmt: skip


def lengths(entries: Sequence[Entry]) -> Iterator[Spread]:
    """Words of questions and answers."""
    asked = [len(words(entry.question)) for entry in entries if entry.messages]
    if asked:
        yield spread("length of the question", "words", asked)
    yield spread("length of the answer", "words", [len(words(entry.answer)) for entry in entries])


def measures(entries: Sequence[Entry]) -> dict[str, float]:
    """Single numbers, each on at most 500 rows drawn with a fixed seed (``compression``: on the first megabyte).

    ``diversity``: one minus the mean similarity of two questions (Jaccard of five-character pieces, estimated by MinHash);
    ``distinct_1``, ``distinct_2``: different words and pairs of words among all of the answers (Li et al. 2016);
    ``vocabulary``: different words in all answers; ``compression``: how far zlib shrinks all texts (0.3 is usual prose).
    """
    drawn = random.Random(0).sample(range(len(entries)), min(_SAMPLE, len(entries)))
    neighbours = Neighbours(1.0)
    sketches = [neighbours.sketch(text) for number in drawn if (text := plain(entries[number].question or entries[number].answer))]
    found: dict[str, float] = {}
    if len(sketches) > 1:
        pairs = random.Random(1)
        count = min(_PAIRS, math.comb(len(sketches), 2))
        two = [pairs.sample(range(len(sketches)), 2) for _ in range(count)]
        found["diversity"] = 1 - sum(sketches[a].jaccard(sketches[b]) for a, b in two) / count
    said = [words(entries[number].answer) for number in drawn]
    for order in (1, 2):
        grams = [tuple(text[start : start + order]) for text in said for start in range(len(text) - order + 1)]
        if grams:
            found[f"distinct_{order}"] = len(set(grams)) / len(grams)
    found["vocabulary"] = float(len({word for entry in entries for word in words(entry.answer)}))
    if raw := _first_megabyte(entries):
        found["compression"] = len(zlib.compress(raw, 6)) / len(raw)
    return found


def _first_megabyte(entries: Sequence[Entry]) -> bytes:
    parts, size = [], 0
    for entry in entries:
        parts.append("\n".join(entry.texts).encode("utf-8", "replace"))
        size += len(parts[-1])
        if size >= _TEXT:
            break
    return b"\n".join(parts)[:_TEXT]
