"""The table on the screen, and the two files: results.json (the rows) and details.json (everything behind them)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.row import Outcome


def show(outcomes: Sequence[Outcome], failed: Mapping[str, str], console: Console) -> None:
    """One line per row, and beneath it why a benchmark has none."""
    table = Table("benchmark", "ours", "theirs", "ratio", "target", "met")
    for column in table.columns[1:]:
        column.justify = "right"
    for outcome in outcomes:
        row = outcome.row
        met = "[green]yes[/]" if row.met else "[red]no[/]"
        table.add_row(row.name, f"{row.ours:g}", f"{row.theirs:g}", f"{row.ratio:g}x", f"{row.target:g}x", met)
    console.print(table)
    for name, reason in failed.items():
        console.print(f"{name}: no row. {reason}", style="red", markup=False)


def write(outcomes: Sequence[Outcome], failed: Mapping[str, str], about: Mapping[str, Any], folder: Path) -> None:
    """``results.json`` and ``details.json`` in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    details = {
        **about,
        "failed": failed,
        "rows": {outcome.row.name: {"numbers are": outcome.what, **outcome.facts} for outcome in outcomes},
    }
    for name, content in (("results.json", [outcome.row for outcome in outcomes]), ("details.json", details)):
        (folder / name).write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
