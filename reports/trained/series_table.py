"""The numbers behind the curves of a training, as rows: few enough to read, each with its place in the page's data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from harness.records import Record
from reports.drawing.svg import thinned
from reports.figures import Figure, count_figure, pointer
from reports.wording import significant

MOST_ROWS = 40


class Numbers(Record, frozen=True, kw_only=True):
    """``columns``: what stands beside the step. A number that overflowed, or was not looked at, is None."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Figure, tuple[Figure | None, ...]], ...]


def step_numbers(steps: Sequence[int], lines: Mapping[str, Sequence[float]], names: Mapping[str, str], at: str) -> Numbers:
    """Of series that have a value at every step; ``names``: field of the data -> what it is called; ``at`` points to the series."""
    rows = []
    for place in thinned(range(len(steps)), MOST_ROWS):
        cells = tuple(_figure(lines[field][place], f"{at}/{field}/{place}") for field in names)
        rows.append((count_figure(steps[place], f"{at}/steps/{place}"), cells))
    return Numbers(columns=tuple(names.values()), rows=tuple(rows))


def look_numbers(
    validations: Mapping[str, Sequence[tuple[int, float]]], divergences: Mapping[str, Sequence[tuple[int, float]]], at: str
) -> Numbers:
    """Of what was looked at now and then: the loss on each set, and how far from the base."""
    columns: dict[str, dict[int, Figure | None]] = {}
    where: dict[int, str] = {}
    for field, words, lines in (("validations", "loss, {}", validations), ("divergences", "KL, {}", divergences)):
        for name, line in lines.items():
            here = f"{at}/{field}{pointer(name)}"
            columns[words.format(name)] = {step: _figure(value, f"{here}/{place}/1") for place, (step, value) in enumerate(line)}
            where |= {step: f"{here}/{place}/0" for place, (step, _) in enumerate(line)}
    rows = [
        (count_figure(step, where[step]), tuple(column.get(step) for column in columns.values()))
        for step in thinned(sorted(where), MOST_ROWS)
    ]
    return Numbers(columns=tuple(columns), rows=tuple(rows))


def _figure(value: float, at: str) -> Figure | None:
    return Figure(text=significant(value), value=value, at=at) if math.isfinite(value) else None
