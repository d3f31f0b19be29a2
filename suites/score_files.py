"""Scores that another tool gave, item by item, in a file: JSON lines or CSV, one score per line.

    key, metric, score              which item, what was scored, a number
    draw                            several answers to one item: 0, 1, 2 …, the same for every item of the metric
    cluster, task, slice.NAME       of the item: what is not independent, a part of the suite, a field to look at parts by

Every complaint names the line, what was found and what was expected. A column that is none of these is refused: a misspelt
``cluster`` would make intervals too narrow without a word.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import UsageError
from harness.plugins import did_you_mean
from suites.rows import read_rows, read_text

COLUMNS = ("key", "metric", "score", "draw", "cluster", "task")
NEEDED = ("key", "metric", "score")
SLICE = "slice."

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_LARGEST = 1e100
"""Beyond this the squares that a variance takes would not be numbers any more."""

_NAME = re.compile(r"[^\s/*?\[\]]+")
_TAKEN = frozenset(
    {"truncated", "empty", "unparsable", "refused", "conflict", "disputed", "context_cut", "boundary", "lost", "gained"}
)


class Scored(NamedTuple):
    """One score and the line that it stands on."""

    line: int
    key: str
    metric: str
    score: float
    draw: int
    cluster: str | None
    task: str
    slices: Mapping[str, str]


class Scores(NamedTuple):
    """All scores of a file: item -> metric -> draw -> score, with the first line of every item, in the order of the file."""

    items: dict[str, Scored]
    values: dict[str, dict[str, dict[int, Scored]]]

    @property
    def metrics(self) -> list[str]:
        """Names, in the order in which they occur."""
        return list(dict.fromkeys(metric for found in self.values.values() for metric in found))


def read_scores(path: Path) -> Scores:
    """The scores of a ``.jsonl`` or ``.csv`` file (``.gz`` too). UsageError, with the line, for anything that does not fit."""
    name = path.name.removesuffix(".gz")
    if not name.endswith((".jsonl", ".csv")):
        raise UsageError(f"{path}: found a file of another kind; expected .jsonl (one object per line) or .csv, or either with .gz")
    if not read_text(path, where="").strip():
        raise UsageError(f"{path} is empty; expected one score per line, with {', '.join(NEEDED)}")
    scores = Scores({}, {})
    for row in _csv(path) if name.endswith(".csv") else _jsonl(path):
        _add(scores, row, path)
    if not scores.items:
        raise UsageError(f"{path} holds a header and no score")
    _check_draws(scores, path)
    return scores


def _jsonl(path: Path) -> Iterator[Scored]:
    for line, fields in read_rows(path, where=""):
        yield _scored(fields, f"{path}, line {line}", line)


def _csv(path: Path) -> Iterator[Scored]:
    reader = csv.reader(io.StringIO(read_text(path, where=""), newline=""), strict=True)
    header: list[str] = []
    try:
        for cells in reader:
            place = f"{path}, line {reader.line_num}"
            if not any(cells):
                continue
            if not header:
                header = _header(cells, place)
            elif len(cells) != len(header):
                raise UsageError(f"{place}: found {len(cells)} values; expected {len(header)}, as in the header")
            else:
                filled = {name: cell for name, cell in zip(header, cells, strict=True) if cell != ""}
                yield _scored(filled, place, reader.line_num)
    except csv.Error as error:
        raise UsageError(f"{path}, line {reader.line_num}: not CSV ({error})") from error


def _header(cells: list[str], place: str) -> list[str]:
    names = [cell.strip() for cell in cells]
    if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        raise UsageError(f"{place}: found one column, {names[0]!r}; expected columns parted by commas")
    twice = next((name for index, name in enumerate(names) if name in names[:index]), None)
    if twice is not None:
        raise UsageError(f"{place}: the column {twice!r} occurs twice")
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise UsageError(f"{place}: found the columns {', '.join(names)}; expected {', '.join(NEEDED)} among them")
    return names


def _scored(fields: Mapping[str, Any], place: str, line: int) -> Scored:
    for name in fields:
        if name not in COLUMNS and not (name.startswith(SLICE) and len(name) > len(SLICE)):
            raise UsageError(f"{place}: nothing is known of {name!r}. {did_you_mean(name, (*COLUMNS, f'{SLICE}NAME'))}")
    missing = [name for name in NEEDED if fields.get(name) in (None, "")]
    if missing:
        raise UsageError(f"{place}: {' and '.join(missing)} missing; expected {', '.join(NEEDED)} on every line")
    return Scored(
        line=line,
        key=_text(fields["key"], "key", place),
        metric=_name(fields["metric"], "metric", place),
        score=_number(fields["score"], place),
        draw=_draw(fields.get("draw", 0), place),
        cluster=None if fields.get("cluster") in (None, "") else _text(fields["cluster"], "cluster", place),
        task="" if fields.get("task") in (None, "") else _name(fields["task"], "task", place),
        slices={
            name.removeprefix(SLICE): _text(value, name, place)
            for name, value in sorted(fields.items())
            if name.startswith(SLICE) and value not in (None, "")
        },
    )


def _text(value: Any, what: str, place: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise UsageError(f"{place}: {what} is {value!r}; expected text or a whole number")
    text = str(value)
    if not text.isprintable() or len(text) > 10_000:
        raise UsageError(f"{place}: {what} is {text[:80]!r}; expected at most 10,000 characters, none of which controls a terminal")
    return text


def _name(value: Any, what: str, place: str) -> str:
    """What becomes a part of ``suite/task/metric``."""
    text = _text(value, what, place)
    if not _NAME.fullmatch(text) or len(text) > 200:
        raise UsageError(f"{place}: {what} is {text[:80]!r}; expected a name without spaces, '/', '*', '?', '[' and ']'")
    if what == "metric" and text in _TAKEN:
        raise UsageError(f"{place}: metric is {text!r}, which already means something here; give it another name")
    return text


def _number(value: Any, place: str) -> float:
    """A finite number. JSON's true and false are 1 and 0."""
    number = math.nan
    if isinstance(value, bool | int | float):
        try:
            number = float(value)
        except OverflowError:  # a whole number of hundreds of digits
            number = math.inf
    elif isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        number = float(value)
    if not math.isfinite(number):
        found = str(value) if isinstance(value, float) else repr(value) if len(repr(value)) < 80 else f"{repr(value)[:80]} …"
        raise UsageError(
            f"{place}: score is {found}; expected a finite number. An item without a score is left out, and counts as missing"
        )
    if abs(number) > _LARGEST:
        raise UsageError(f"{place}: score is {number:.3g}; expected a number between -1e100 and 1e100. Score in a larger unit")
    return number


def _draw(value: Any, place: str) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**9:
        raise UsageError(f"{place}: draw is {str(value)[:80]!r}; expected 0, 1, 2 …")
    return value


def _add(scores: Scores, row: Scored, path: Path) -> None:
    first = scores.items.setdefault(row.key, row)
    for what in ("task", "cluster", "slices"):
        a, b = getattr(first, what), getattr(row, what)
        if a != b:
            raise UsageError(
                f"{path}: {what} of item {row.key!r} is {a or 'nothing'!r} on line {first.line} and {b or 'nothing'!r} on line "
                f"{row.line}; expected the same on every line of an item"
            )
    draws = scores.values.setdefault(row.key, {}).setdefault(row.metric, {})
    there = draws.setdefault(row.draw, row)
    if there is not row:
        draw = f", draw {row.draw}" if row.draw else ""
        raise UsageError(
            f"{path}: lines {there.line} and {row.line} both score {row.metric!r} of item {row.key!r}{draw}; expected one score "
            "each. Several answers to one item are numbered with 'draw'"
        )


def _check_draws(scores: Scores, path: Path) -> None:
    """Of one metric every item has the same draws: a mean of four is not read like one of one."""
    for metric in scores.metrics:
        having = [(key, found[metric]) for key, found in scores.values.items() if metric in found]
        usual = having[0][1].keys()
        for key, draws in having[1:]:
            if draws.keys() != usual:
                first = next(iter(draws.values()))
                raise UsageError(
                    f"{path}, line {first.line}: item {key!r} has {_listed(draws)} of {metric!r}, and item {having[0][0]!r} has "
                    f"{_listed(having[0][1])}; expected the same draws of every item"
                )


def _listed(draws: Mapping[int, Scored]) -> str:
    numbers = sorted(draws)
    if len(numbers) == 1:
        return f"draw {numbers[0]}"
    return f"{len(numbers)} draws ({', '.join(map(str, numbers[:8]))}{' …' if len(numbers) > 8 else ''})"
