"""How often candidates were preferred to the baseline, with and without what length and style may explain; and, of several
candidates, Bradley and Terry's strengths. For reading: rules are about ``win`` and the metrics that are made of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from harness import stats
from harness.compare import LEVEL, Pair, comparable, level_of
from harness.compare.winning import EVEN, WIN, consistent, differences, of_the_whole
from harness.gate.measurements import Measurements
from harness.gate.policy import only_compared
from harness.gate.slices import FEW, MOST_VALUES, SPLIT
from harness.records import Sample, Strengths, WinRate

MOST_CONTROLLED = 40
"""Slices of one conclusion in which length and style are controlled for: each takes thousands of fits."""

WEIGHED = "items weigh differently, so that length and style are not controlled for"


@dataclass(frozen=True)
class Duel:
    """A candidate and the baseline, item by item: the pair of columns, and the two samples of each of its rows."""

    metric: str
    candidate: str
    baseline: str
    pair: Pair
    own: tuple[Sample, ...]
    other: tuple[Sample, ...]

    @property
    def scores(self) -> NDArray[np.float64]:
        """The candidate's, from 0 to 1; the baseline's are ½."""
        return self.pair.candidate.table[:, 0]

    def cut(self, inside: NDArray[np.bool_]) -> Duel:
        """The same over some of the items."""
        pair = replace(self.pair, baseline=self.pair.baseline.where(inside), candidate=self.pair.candidate.where(inside))
        own, other = (tuple(sample for sample, kept in zip(side, inside, strict=True) if kept) for side in (self.own, self.other))
        return replace(self, pair=pair, own=own, other=other)


def duels(measurements: Measurements) -> Iterator[Duel]:
    """Everybody against the baseline in every metric ``win``; those who may not be compared are left out."""
    baseline = measurements.policy.baseline
    for suite in measurements.suites:
        theirs = measurements.measured.get((suite, baseline))
        for name in measurements.candidates if theirs is not None else ():
            mine = measurements.measured.get((suite, name))
            if name == baseline or only_compared(name) or mine is None or theirs is None:
                continue
            if not comparable(measurements.parity(suite, baseline, name)):
                continue
            own, other = ({sample.key: sample for sample in side.samples} for side in (mine, theirs))
            for metric, column in measurements.columns(suite, name).items():
                pair = None if column.name != WIN or column.group else measurements.pair((metric,), metric, name, baseline)
                if pair is not None and pair.items:
                    keys = pair.baseline.keys
                    yield Duel(metric, name, baseline, pair, tuple(own[k] for k in keys), tuple(other[k] for k in keys))


def win_rates(measurements: Measurements) -> list[WinRate]:
    """Every win rate, each followed by its slices; of a run that was asked look by look, by its items alone."""
    found: list[WinRate] = []
    seed = measurements.policy.seed
    for duel in duels(measurements):
        found.append(_controlled(duel, _rate(duel, seed), seed))
        for field, value, part in _parts(duel, measurements):
            rate = structs.replace(_rate(part, seed), field=field, value=value)
            sliced = sum(bool(each.field) for each in found)
            if sliced >= MOST_CONTROLLED and not rate.note:
                found.append(
                    structs.replace(rate, note=f"length and style are controlled for in the first {MOST_CONTROLLED} slices only")
                )
            else:
                found.append(_controlled(part, rate, seed))
    return found


def _parts(duel: Duel, measurements: Measurements) -> Iterator[tuple[str, str, Duel]]:
    """Field and value of every slice, and its items."""
    traits = measurements.traits(duel.metric.split("/", 1)[0])
    said = [traits[key].slices for key in duel.pair.baseline.keys]
    for field in sorted({field for each in said for field in each} - {SPLIT}):
        values = sorted({each[field] for each in said if field in each})
        for value in values if 1 < len(values) <= MOST_VALUES else ():
            inside = np.asarray([each.get(field) == value for each in said], dtype=bool)
            yield field, value, duel.cut(inside)


def _rate(duel: Duel, seed: int) -> WinRate:
    column, judgments = duel.pair.baseline, [of_the_whole(sample.judgments) for sample in duel.own]
    opinions = [opinion for each in judgments for opinion in each]
    first, second = zip(*([_slots(sample) for sample in duel.own] or [(0, 0)]), strict=True)
    found = WinRate(
        metric=duel.metric,
        candidate=duel.candidate,
        baseline=duel.baseline,
        items=duel.pair.items,
        clusters=len(np.unique(column.clusters)),
        first=sum(first),
        second=sum(second),
        verdicts=len(opinions),
        unparsable=sum(opinion.score is None for opinion in opinions),
        level=LEVEL,
    )
    if found.clusters < FEW:
        return structs.replace(found, note=f"n too small: {found.clusters} items or clusters, under {FEW}")
    rate, low, high = _ends(duel.pair, seed)
    found = structs.replace(found, rate=rate, low=low, high=high)
    kept = np.asarray([consistent(sample.judgments) for sample in duel.own], dtype=bool)
    found = structs.replace(found, consistent_items=int(kept.sum()))
    if kept.any():
        rate, low, high = _ends(duel.cut(kept).pair, seed)
        found = structs.replace(found, consistent=rate, consistent_low=low, consistent_high=high)
    return found


def _ends(pair: Pair, seed: int) -> tuple[float, float | None, float | None]:
    """A win rate as a rule ``at_least`` has it: nothing of it is uncertain on the baseline's side, which is ½ everywhere. (Around
    the gain all wins and losses differ by ½, and a t on them misses twice as often as it says where most are won.)"""
    found = level_of(pair.candidate, EVEN, level=LEVEL, seed=seed)
    if found is None:
        raise ValueError(f"{pair.metric}: no item to read a win rate from")
    return found.score, found.low, found.high


def _slots(sample: Sample) -> tuple[int, int]:
    """Whether one judge preferred the first slot in both orders, or the second."""
    sides: dict[str, dict[str, str]] = {}
    for each in of_the_whole(sample.judgments):
        sides.setdefault(each.judge, {})[each.order] = each.prefers
    first = any(said.get("left") == "left" and said.get("right") == "right" for said in sides.values())
    second = any(said.get("left") == "right" and said.get("right") == "left" for said in sides.values())
    return int(first), int(second)


def _controlled(duel: Duel, found: WinRate, seed: int) -> WinRate:
    """With the rates that do not count length, and style; where there is any rate."""
    if found.rate is None:
        return found
    texts = [(mine.outputs, theirs.outputs) for mine, theirs in zip(duel.own, duel.other, strict=True)]
    if float(np.ptp(duel.pair.baseline.weights)) > 0:
        return structs.replace(found, note=WEIGHED)
    if not all(mine and theirs for mine, theirs in texts):
        return structs.replace(found, note="some answers were not kept, so that length and style are not controlled for")
    gaps = np.asarray([differences(mine[0], theirs[0]) for mine, theirs in texts])
    scores, clusters = duel.scores, duel.pair.baseline.clusters
    length = stats.controlled(scores, gaps[:, :1], clusters, level=LEVEL, seed=seed)
    style = stats.controlled(scores, gaps, clusters, level=LEVEL, seed=seed)
    if length is None or style is None:
        return found
    return structs.replace(
        found,
        length=length.value,
        length_low=length.interval.low,
        length_high=length.interval.high,
        length_slope=length.slopes[0],
        style=style.value,
        style_low=style.interval.low,
        style_high=style.interval.high,
        note=length.interval.note or style.interval.note,
    )


def strengths(measurements: Measurements) -> list[Strengths]:
    """Bradley and Terry's, of the baseline and two candidates or more, metric by metric."""
    listed: dict[str, list[Duel]] = {}
    for duel in duels(measurements):
        listed.setdefault(duel.metric, []).append(duel)
    return [_strengths(members, measurements.policy.seed) for members in listed.values() if len(members) > 1]


def _strengths(members: list[Duel], seed: int) -> Strengths:
    names = (members[0].baseline, *(duel.candidate for duel in members))
    if any(float(np.ptp(duel.pair.baseline.weights)) > 0 for duel in members):
        return Strengths(
            metric=members[0].metric, names=names, level=LEVEL, note="items weigh differently, and strengths know no weights"
        )
    units: dict[str, int] = {}
    rows = [
        (place, score, units.setdefault(sample.cluster or f"item {sample.key}", len(units)))
        for place, duel in enumerate(members, start=1)
        for sample, score in zip(duel.own, duel.scores.tolist(), strict=True)
    ]
    return ranked(members[0].metric, names, [(place, 0, score, unit) for place, score, unit in rows], seed=seed)


def ranked(metric: str, names: tuple[str, ...], rows: list[tuple[int, int, float, int]], *, seed: int) -> Strengths:
    """From one row per comparison: who (by place in ``names``), against whom, the score of the first, the item or cluster."""
    left, right, units = (np.asarray([row[at] for row in rows], dtype=np.intp) for at in (0, 1, 3))
    scores = np.asarray([row[2] for row in rows], dtype=float)
    found = stats.bradley_terry(names, left, right, scores, units, level=LEVEL, seed=seed)
    notes = dict.fromkeys(interval.note for interval in found.intervals if interval.low is None)
    return Strengths(
        metric=metric,
        names=names,
        strengths=found.strengths,
        lows=tuple(interval.low for interval in found.intervals),
        highs=tuple(interval.high for interval in found.intervals),
        comparisons=len(rows),
        items=found.items,
        level=LEVEL,
        note=found.because or "; ".join(note for note in notes if note),
    )
