"""Samples and comparisons as tables: one row per item and candidate, one per rule and comparison, and every number unrounded.

In CSV no cell can be run as a formula: what begins like one gets an apostrophe. Parquet has all text as it is.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from harness.errors import UsageError
from harness.records import Comparison, Conclusion, Finding, Measured, Sample
from reports.blind.sheets import inert_cell
from reports.items.texts import encodable, target_text

Cell = str | int | float | bool | None
Table = list[dict[str, Cell]]
"""Rows of the same names, in the same order; of one column all cells are of one type, or None."""

_NUMBERS = (
    "baseline_value", "candidate_value", "gain", "low", "high", "level", "p", "items", "clusters", "missing", "won", "lost", "tied",
    "mde",
)  # fmt: skip
_WORDS = ("method", "kind", "direction", "unit", "note")


def sample_table(measured: Mapping[tuple[str, str], Measured]) -> Table:
    """Every item as everybody answered it. ``score:METRIC`` and ``slice:FIELD`` are columns; further answers stand in ``outputs``,
    as JSON."""
    rows = [_sample(suite, name, sample) for (suite, name), each in measured.items() for sample in each.samples]
    return _square(rows)


def comparison_table(conclusion: Conclusion) -> Table:
    """Every finding of every verdict with its comparison, then the comparisons that no rule is about."""
    rows: Table = []
    ruled = []
    for verdict in conclusion.verdicts:
        for finding in verdict.findings:
            rows.append({"verdict": verdict.outcome, **_finding(finding, verdict.candidate), **_compared(finding.comparison)})
            ruled.append(finding.comparison)
    rows += [
        {"candidate": each.candidate, "metric": each.metric, **_compared(each)}
        for each in conclusion.comparisons
        if each not in ruled
    ]
    return _square(rows)


def _sample(suite: str, name: str, sample: Sample) -> dict[str, Cell]:
    fixed: dict[str, Cell] = {
        "suite": suite,
        "candidate": name,
        "task": sample.task,
        "key": sample.key,
        "cluster": sample.cluster,
        "weight": float(sample.weight),
        "prompt": sample.prompt,
        "target": target_text(sample.target),
        "output": next(iter(sample.outputs), None),
        "outputs": msgspec.json.encode(list(map(encodable, sample.outputs))).decode() if len(sample.outputs) > 1 else None,
        "error": sample.error,
        "flags": " ".join(sample.flags),
        "prompt_hash": sample.prompt_hash,
    }
    scores: dict[str, Cell] = {f"score:{metric}": float(value) for metric, value in (sample.scores or {}).items()}
    return fixed | scores | {f"slice:{field}": value for field, value in sample.slices.items()}


def _finding(finding: Finding, candidate: str) -> dict[str, Cell]:
    rule = finding.rule
    return {
        "candidate": candidate,
        "metric": finding.metric or rule.metric,
        "rule": rule.name or rule.metric,
        "require": rule.require,
        "margin": None if rule.margin is None else float(rule.margin),
        "value": None if rule.value is None else float(rule.value),
        "severity": rule.severity,
        "outcome": finding.outcome,
        "reason": finding.reason,
    }


def _compared(comparison: Comparison | None) -> dict[str, Cell]:
    if comparison is None:
        return {}
    p_holm = comparison.parameters.get("p_holm")
    numbers: dict[str, Cell] = {name: getattr(comparison, name) for name in _NUMBERS}
    words: dict[str, Cell] = {name: getattr(comparison, name) for name in _WORDS}
    return {"against": comparison.baseline, **numbers, "p_holm": p_holm if isinstance(p_holm, float) else None, **words}


def _square(rows: Table) -> Table:
    """Every row with every column; in a column of numbers where one is a fraction all are."""
    names = dict.fromkeys(name for row in rows for name in row)
    fractions = {name for name in names if any(isinstance(row.get(name), float) for row in rows)}
    return [{name: _number(row.get(name), name in fractions) for name in names} for row in rows]


def _number(cell: Cell, fraction: bool) -> Cell:
    if isinstance(cell, int) and not isinstance(cell, bool) and fraction:
        return float(cell)
    if isinstance(cell, float) and not math.isfinite(cell):
        return None
    return encodable(cell) if isinstance(cell, str) else cell


def as_csv(table: Table) -> bytes:
    """UTF-8 with a BOM, for spreadsheets; None is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    names = list(table[0]) if table else []
    writer.writerow([inert_cell(encodable(name)) for name in names])
    for row in table:
        writer.writerow(
            [inert_cell(cell) if isinstance(cell, str) else "" if cell is None else repr(cell) for cell in row.values()]
        )
    return ("\ufeff" + out.getvalue()).encode()


def as_parquet(table: Table) -> bytes:
    """Parquet (zstd). UsageError where pyarrow is not installed."""
    try:
        import pyarrow  # type: ignore[import-untyped]
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError("Parquet needs pyarrow, which is not installed: pip install pyarrow, or export csv") from error
    columns: Sequence[str] = list(table[0]) if table else []
    content = {encodable(name): pyarrow.array([row[name] for row in table], type=_type(table, name, pyarrow)) for name in columns}
    out = io.BytesIO()
    parquet.write_table(pyarrow.table(content), out, compression="zstd")
    return out.getvalue()


def _type(table: Table, name: str, pyarrow: Any) -> Any:
    cell = next((row[name] for row in table if row[name] is not None), None)
    return pyarrow.float64() if isinstance(cell, float) else pyarrow.int64() if isinstance(cell, int) else pyarrow.string()
