"""The win rate of people, with its interval: items weighted by what they stand for, clusters together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from harness.records import Share
from harness.stats import MeanPairs
from reports.blind.key import KeyEntry
from reports.people.arms import Panel


def win_rate(panel: Panel, level: float, *, even: bool = False, without: Sequence[str] = (), settled: bool = False) -> Share:
    """``even``: every item counts alike, however it was drawn. ``without``: raters whose votes are left out. ``settled``: only
    items on which nobody contradicted anybody."""
    out = {panel.names.index(name) for name in without}
    kept = np.asarray([rater not in out for rater in panel.raters], dtype=bool)
    voted = dict.fromkeys(panel.items[kept].tolist())
    numbers = [number for number in voted if not settled or _settled(panel, kept, number)]
    if not numbers:
        return Share(note="there is no item on which all votes went one way" if settled else "nobody voted")
    means = np.asarray([panel.scores[kept & (panel.items == number)].mean() for number in numbers])
    first = [_entry(panel, number) for number in numbers]
    shares = voted_on(panel.drawn, [_entry(panel, number) for number in voted])
    weights = np.ones(len(first)) if even else np.asarray([entry.weight / chance(entry, shares) for entry in first])
    pairs = MeanPairs(
        2 * means - 1,
        _codes([entry.cluster if entry.cluster is not None else entry.review_id for entry in first]),
        _codes(["" if even else entry.stratum for entry in first]),
        weights,
        span=1.0,
        size=1.0,
        alone=True,
    )
    found, ends = pairs.test(0.0, "two-sided"), pairs.interval(level)
    low, high = (None if end is None else (1 + end) / 2 for end in (ends.low, ends.high))
    return Share(
        value=(1 + pairs.gain) / 2, low=low, high=high, p=found.p, count=len(numbers), method=f"{ends.method}; {found.method}",
        note=ends.note,
    )  # fmt: skip


def _entry(panel: Panel, number: int) -> KeyEntry:
    return panel.entries[int(np.flatnonzero(panel.items == number)[0])]


def voted_on(drawn: Mapping[str, int], entries: Iterable[KeyEntry]) -> dict[str, float]:
    """Stratum -> the share of its items that have votes. ``drawn``: how many the package has; ``entries``: those with votes."""
    answered = Counter(entry.stratum for entry in entries)
    return {name: answered[name] / count for name, count in drawn.items()}


def chance(entry: KeyEntry, shares: Mapping[str, float]) -> float:
    """Of an item, to be drawn and voted on: an item counts its weight over it (Horvitz and Thompson; work left undone is taken to
    be left at random inside a stratum, and only there)."""
    return entry.probability * shares[entry.stratum]


def uneven(panel: Panel) -> bool:
    """Whether some items were likelier to be drawn and voted on than others."""
    entries = {entry.review_id: entry for entry in panel.entries}.values()
    shares = voted_on(panel.drawn, entries)
    return len({chance(entry, shares) for entry in entries}) > 1


def _settled(panel: Panel, kept: np.ndarray[tuple[int], np.dtype[np.bool_]], number: int) -> bool:
    said = set(panel.scores[kept & (panel.items == number)].tolist())
    return len(said) == 1


def _codes(names: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    place = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.asarray([place[name] for name in names], dtype=np.intp)
