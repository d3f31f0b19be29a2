"""Slices for reading: every metric of every candidate, by what the items say of themselves. No rule is about them, and no verdict
rests on them.

A slice is a field of the items (``slices``) and one of its values. Its numbers are those that a rule with ``slice = "field=value"``
would decide by. Many slices show something by chance alone: p is adjusted over all slices of a candidate (Benjamini and Hochberg,
JRSS B 57 (1995) 289), a family of their own, so that they cost no rule anything. Slices of few items say so instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from harness.compare import LEVEL, Pair, comparable
from harness.gate.measurements import Measurements
from harness.gate.policy import TRANSITIONS, only_compared
from harness.gate.selection import Selection
from harness.records import SliceReading
from harness.stats import benjamini_hochberg

FEW = 10
"""Independent items (or clusters) under which a slice shows no numbers: whatever they said would be mostly chance."""

MOST_VALUES = 50
"""Values of a field above which it is no slice but a name, and is not read by value."""

SPLIT = "split"
"""The field that says which items select and which certify: no slice."""

LOOKED = "asked look by look: the items of a slice were not fixed beforehand"


def slice_readings(measurements: Measurements) -> list[SliceReading]:
    """All slices of all candidates against the baseline, candidate by candidate; none where no item says anything of itself."""
    fields = {suite: _fields(measurements, suite) for suite in measurements.suites}
    if not any(fields.values()):
        return []
    found: list[SliceReading] = []
    baseline = measurements.policy.baseline
    for name in measurements.candidates:
        if name == baseline or only_compared(name):
            continue
        own = [each for metric in _metrics(measurements, name) for each in _read(measurements, metric, name, fields)]
        adjusted = iter(benjamini_hochberg([each.p for each in own if each.p is not None]))
        found += [each if each.p is None else structs.replace(each, p_bh=next(adjusted)) for each in own]
    return found


def _fields(measurements: Measurements, suite: str) -> dict[str, list[str]]:
    """The fields that a suite's items have, and their values."""
    found: dict[str, set[str]] = {}
    for traits in measurements.traits(suite).values():
        for field, value in traits.slices.items():
            if field != SPLIT:
                found.setdefault(field, set()).add(value)
    return {field: sorted(found[field]) for field in sorted(found)}


def _metrics(measurements: Measurements, name: str) -> Iterator[str]:
    """What both sides were scored by and may be compared on; what is derived from it (flags, lost, gained) is not read by slice."""
    baseline = measurements.policy.baseline
    for suite in measurements.suites:
        sides = [measurements.run(suite, side) for side in (name, baseline)]
        if None in sides or not comparable(measurements.parity(suite, baseline, name)):
            continue
        for metric, column in sorted(measurements.columns(suite, name).items()):
            if not column.flag and column.name not in TRANSITIONS:
                yield metric


@dataclass(frozen=True)
class _Whole:
    """A metric over all items: what its slices are cut from."""

    measurements: Measurements
    metric: str
    name: str
    pair: Pair
    looked: bool

    @cached_property
    def _suite(self) -> str:
        return self.metric.split("/", 1)[0]

    def _says(self, keys: Sequence[str], field: str) -> list[str | None]:
        traits = self.measurements.traits(self._suite)
        return [None if (each := traits.get(key)) is None else each.slices.get(field) for key in keys]

    def by_value(self, field: str, values: Sequence[str]) -> Iterator[SliceReading]:
        if self.pair.baseline.group:  # the weights of a group's tasks are shared among the items that are left
            baseline = self.measurements.policy.baseline
            for value in values:
                part = self.measurements.within(Selection(part=f"{field}={value}"))
                pair = part.pair((self.metric,), self.metric, self.name, baseline)
                if pair is not None and pair.items:
                    yield self._reading(field, value, pair, pair.absent + pair.failed)
            return
        said = np.asarray(self._says(self.pair.baseline.keys, field), dtype=object)
        without = self._says(sorted(self._unanswered), field)
        for value in values:
            mask = said == value
            if mask.any():
                yield self._reading(field, value, _cut(self.pair, mask), without.count(value))

    @cached_property
    def _unanswered(self) -> set[str]:
        """Keys without a score on either side, or with one on one side only."""
        columns = (self.measurements.columns(self._suite, side)[self.metric] for side in self._sides)
        known = [set(column.keys) | column.errors for column in columns]
        return set().union(*known) - set(self.pair.baseline.keys)

    @property
    def _sides(self) -> tuple[str, str]:
        return self.name, self.measurements.policy.baseline

    def _reading(self, field: str, value: str, pair: Pair, missing: int) -> SliceReading:
        metric, units = pair.baseline.metric, len(np.unique(pair.baseline.clusters))
        bare = SliceReading(
            metric=self.metric, candidate=self.name, baseline=self.measurements.policy.baseline, field=field, value=value,
            items=pair.items, clusters=units, missing=missing, level=LEVEL, kind=metric.kind, direction=metric.direction,
        )  # fmt: skip
        if units < FEW:
            what = "items" if units == pair.items else "clusters"
            return structs.replace(bare, note=f"n too small: {units} {what}, under {FEW}")
        evidence = pair.evidence
        if evidence is None:
            raise ValueError("a slice has items")
        won, lost, _ = pair.counts
        told = structs.replace(
            bare, baseline_value=pair.values[0], candidate_value=pair.values[1], gain=evidence.gain, won=won, lost=lost
        )
        if self.looked:
            return structs.replace(told, note=LOOKED)
        tested, interval = evidence.test(0.0, "two-sided"), evidence.interval(LEVEL)
        return structs.replace(told, low=interval.low, high=interval.high, p=tested.p, method=tested.method, note=interval.note)


def _read(measurements: Measurements, metric: str, name: str, fields: dict[str, dict[str, list[str]]]) -> Iterator[SliceReading]:
    suite, baseline = metric.split("/", 1)[0], measurements.policy.baseline
    pair = measurements.pair((metric,), metric, name, baseline) if fields[suite] else None
    if pair is None or not pair.items:
        return
    looked = measurements.looked(suite, name) or measurements.in_part(suite, baseline)
    whole = _Whole(measurements, metric, name, pair, looked)
    for field, values in fields[suite].items():
        if len(values) > MOST_VALUES:
            yield SliceReading(
                metric=metric, candidate=name, baseline=baseline, field=field, value="*", items=pair.items,
                clusters=len(np.unique(pair.baseline.clusters)), kind=pair.baseline.metric.kind,
                direction=pair.baseline.metric.direction,
                note=f"{len(values):,} values are too many to be read one by one (at most {MOST_VALUES})",
            )  # fmt: skip
        else:
            yield from whole.by_value(field, values)


def _cut(pair: Pair, mask: NDArray[np.bool_]) -> Pair:
    return replace(pair, baseline=pair.baseline.where(mask), candidate=pair.candidate.where(mask))
