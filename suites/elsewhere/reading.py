"""From a file to judgments: the format is what its first row looks like, unless it is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.errors import ConfigError, UsageError
from harness.plugins import did_you_mean
from suites.elsewhere import alpaca_eval, arena, mt_bench, plain
from suites.elsewhere.opinion import Graded, Opinion, Read
from suites.rows import Row, read_rows, unit_of

FORMATS: Mapping[str, tuple[str, ...]] = {
    "alpaca_eval": alpaca_eval.FIELDS,
    "mt_bench_pair": mt_bench.PAIR,
    "mt_bench_single": mt_bench.SINGLE,
    "arena": arena.FIELDS,
    "plain": plain.FIELDS,
}
"""Name -> the fields that every row must have."""


def read_judgments(path: Path, *, kind: str | None = None, candidate: str | None = None, baseline: str | None = None) -> Read:
    """All judgments of a file (rows of any kind that suites read). ``candidate`` and ``baseline``: who answered, where rows of the
    plain format do not say. UsageError, with the line, for whatever does not fit."""
    try:
        rows = read_rows(path, where="")
    except ConfigError as error:
        raise UsageError(str(error)) from error
    kind = kind or _format(rows[0], path)
    if kind not in FORMATS:
        raise UsageError(f"--format {kind!r} is not known. {did_you_mean(kind, FORMATS)}")
    if kind == "mt_bench_single":
        grades = [grade for place, fields in _complete(rows, path, kind) for grade in mt_bench.grades(fields, place)]
        _refuse_repeated(((each.item.key, each.model, each.judge), each) for each in grades)
        return Read(format=kind, grades=tuple(grades), range=mt_bench.RANGE)
    readers: dict[str, Callable[[Mapping[str, Any], str], list[Opinion]]] = {
        "alpaca_eval": alpaca_eval.opinions,
        "mt_bench_pair": mt_bench.opinions,
        "arena": arena.opinions,
        "plain": lambda fields, place: plain.opinions(fields, place, candidate, baseline),
    }
    opinions = [opinion for place, fields in _complete(rows, path, kind) for opinion in readers[kind](fields, place)]
    for each in opinions:
        if each.first == each.second:
            raise UsageError(f"{each.place}: {each.first!r} is compared with itself")
    _refuse_repeated((_identity(each), each) for each in opinions)
    return Read(format=kind, opinions=tuple(opinions))


def _format(row: Row, path: Path) -> str:
    for name, fields in FORMATS.items():
        if all(field in row.fields for field in fields):
            return name
    listed = "; ".join(f"{name}: {', '.join(fields)}" for name, fields in FORMATS.items())
    found = ", ".join(sorted(row.fields)) or "nothing"
    raise UsageError(
        f"{path}, {unit_of(path)} {row.line}: found the fields {found[:300]}; expected those of one of these: {listed}"
    )


def _complete(rows: list[Row], path: Path, kind: str) -> list[tuple[str, dict[str, Any]]]:
    """Rows with their places, each with all the fields of its format."""
    found = []
    for row in rows:
        place = f"{path}, {unit_of(path)} {row.line}"
        missing = [name for name in FORMATS[kind] if name not in row.fields]
        if missing:
            raise UsageError(f"{place}: {missing[0]!r} is missing; a row of {kind} has {', '.join(FORMATS[kind])}")
        found.append((place, row.fields))
    return found


def _identity(each: Opinion) -> tuple[Any, ...]:
    """What may stand in a file once: the same judge on the same two answers in the same order, whoever is named first."""
    first = each.first < each.second
    side = {"left": first, "right": not first, "alone": None}[each.order]
    return each.item.key, min(each.first, each.second), max(each.first, each.second), each.judge, side


def _refuse_repeated(judgments: Iterable[tuple[tuple[Any, ...], Opinion | Graded]]) -> None:
    seen: dict[tuple[Any, ...], str] = {}
    for identity, each in judgments:
        if identity in seen:
            raise UsageError(
                f"{each.place}: {each.judge!r} judged item {each.item.key!r} of the same models in the same order at "
                f"{seen[identity]} already; a judgment counts once"
            )
        seen[identity] = each.place
