"""Measured runs side by side: columns by metric, aligned by item key, parity checked. Pure functions of what is on disk."""

from __future__ import annotations

from harness.compare.columns import Column, columns, deciding, metric_id, pooled, transitions
from harness.compare.levels import Level, end_of, level_of
from harness.compare.pairs import LEVEL, Pair, align, compare, shown_beside
from harness.compare.parity import ALLOWABLE, broken, comparable, parity

__all__ = [
    "ALLOWABLE",
    "LEVEL",
    "Column",
    "Level",
    "Pair",
    "align",
    "broken",
    "columns",
    "comparable",
    "compare",
    "deciding",
    "end_of",
    "level_of",
    "metric_id",
    "parity",
    "pooled",
    "shown_beside",
    "transitions",
]
