"""Where a score shifted: runs from which on it is another than before, by more than it moves by itself.

Binary segmentation: the split of a stretch of runs with the largest standardised difference of means, where that is larger than the
largest of so many would be by chance (Bonferroni over the splits of the whole history); then the same on either side. How much the
score moves by itself is what runs that differ by their training seed only say; where there are none, what it moves from one run to
the next, the largest fifth of the steps left out, and then Student's t takes the place of the normal, because that is a guess.
Seeds of asking say too little: a checkpoint that is trained again differs by more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from scipy.stats import norm, t

from harness.records import History, HistoryPoint, Record

ALPHA = 0.05
FEWEST = 8
"""Runs from which on steps between them say how much a score moves by itself."""
TRAINING = "training seed"
MOST_FAILED = 0.01
"""Share of a run's items that may have an error, as a gate's limits have it by themselves."""
_TRIMMED = 0.2


class Shift(Record, frozen=True, kw_only=True):
    """``candidate`` is the first run of the new level, ``graded`` which one, and ``last`` the one before it; ``before`` and
    ``after`` are means of the stretches on either side; ``gain`` is above zero where it got better. ``otherwise``: in what the
    first run was asked otherwise, which may be all that changed."""

    place: int
    candidate: str
    created: str
    graded: str
    last: str
    otherwise: tuple[str, ...]
    before: float
    after: float
    gain: float


def whole(history: History) -> list[tuple[int, HistoryPoint]]:
    """Points with their places; without repetitions, and without runs of which too much has an error to be scores of the same."""
    return [(place, point) for place, point in enumerate(history.points) if not point.replicate and not torn(point)]


def torn(point: HistoryPoint) -> bool:
    """Whether more items have an error than a verdict would stand."""
    return point.failed > MOST_FAILED * point.asked


def noise_of(history: History) -> tuple[float | None, bool]:
    """The standard deviation of one run, and whether training seeds say so; None where nothing does."""
    if history.noise and history.noise_of == TRAINING:
        return history.noise, True
    scores = [point.score for _, point in whole(history)]
    if len(scores) < FEWEST:
        return None, False
    steps = sorted(abs(b - a) for a, b in pairwise(scores))
    kept = steps[: len(steps) - math.ceil(_TRIMMED * len(steps))]
    share = len(kept) / len(steps)
    edge = float(norm.isf((1 - share) / 2))
    left = 1 - 2 * edge * float(norm.pdf(edge)) / share  # of the mean square of a normal, without its tails
    return max(history.noise or 0.0, math.sqrt(sum(step**2 for step in kept) / len(kept) / 2 / left)), False


def shifts(history: History) -> tuple[Shift, ...]:
    """Oldest first; none where nobody knows how much the score moves by itself."""
    noise, seeds = noise_of(history)
    points = whole(history)
    if noise is None or len(points) < 2:
        return ()
    scores = [point.score for _, point in points]
    chance = ALPHA / 2 / (len(scores) - 1)
    bound = float(norm.isf(chance) if seeds else t.isf(chance, len(scores) // 2))
    ends = [0, *_splits(scores, 0, len(scores), max(noise, 1e-9), bound), len(scores)]
    sign = 1.0 if history.direction == "higher" else -1.0
    found = []
    for start, split, end in zip(ends, ends[1:], ends[2:], strict=False):
        before, after = _mean(scores[start:split]), _mean(scores[split:end])
        (_, last), (place, point) = points[split - 1 : split + 1]
        since = history.points[points[split - 1][0] + 1 : place + 1]
        found.append(
            Shift(
                place=place, candidate=point.candidate, created=point.created, graded=point.graded, last=last.graded,
                otherwise=tuple(dict.fromkeys(words for each in since for words in each.otherwise)), before=before, after=after,
                gain=sign * (after - before),
            )
        )  # fmt: skip
    return tuple(found)


def _splits(scores: Sequence[float], start: int, end: int, noise: float, bound: float) -> list[int]:
    best, largest = 0, 0.0
    for split in range(start + 1, end):
        left, right = scores[start:split], scores[split:end]
        apart = abs(_mean(left) - _mean(right)) / (noise * math.sqrt(1 / len(left) + 1 / len(right)))
        if apart > largest + 1e-9:
            best, largest = split, apart
    if largest <= bound:
        return []
    return [*_splits(scores, start, best, noise, bound), best, *_splits(scores, best, end, noise, bound)]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
