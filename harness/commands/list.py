"""``sftgate list``: what there is to use, or what a store holds."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.table import Table

from harness.commands.console import out, printable, show_wide
from harness.errors import StoreError, UsageError
from harness.records import IMPORTED, Run
from harness.store import Store


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    parser.add_argument("what", help="suites, engines, judges, or the folder of a store")


def execute(arguments: argparse.Namespace) -> int:
    """A table on stdout."""
    from harness.engines import ENGINES
    from judges import JUDGES
    from suites import SUITES

    known = {"suites": SUITES, "engines": ENGINES, "judges": JUDGES}
    if arguments.what in known:
        for name, target in known[arguments.what].items():
            out.print(f"{name:<14} {target}", markup=False)
        return 0
    folder = Path(arguments.what)
    if not folder.is_dir():
        raise UsageError(f"{arguments.what!r} is none of {', '.join(known)} and not the folder of a store")
    _runs(folder)
    return 0


_RIGHT = {"score", "items", "failed", "seconds"}


def _runs(folder: Path) -> None:
    """Every run, with a word for those that the last measure or the last smoke run selected. StoreError, once all others are
    listed, where one cannot be read."""
    marks = _marks(folder)
    table = Table(header_style="bold", box=None, pad_edge=False)
    for title in ("", "suite", "candidate", "score", "items", "failed", "seconds", "created", "folder", ""):
        table.add_column(title, justify="right" if title in _RIGHT else "left", no_wrap=True)
    rows, damaged = [], []
    for path in dict.fromkeys((*Store(folder).runs(), *marks)):
        mark = marks.get(path, "")
        try:
            rows.append(_row(Store(folder).run(path), path, mark))
        except StoreError as error:
            damaged.append(str(error))
            rows.append((mark, path.parent.name, path.name.partition("@")[0], *[""] * 5, path.name, "cannot be read"))
    if not rows and not Store(folder).journal_path.is_file():
        raise UsageError(f"{str(folder)!r} holds no run. Expected the folder of a store, such as runs")
    if not rows:
        out.print(f"{folder} holds no run yet", markup=False)
        return
    for row in sorted(rows, key=lambda row: (row[1], row[2], row[7], row[8])):
        table.add_row(*map(printable, row))
    show_wide(table)
    selected = sum(mark == _SELECTED for mark in marks.values())
    out.print(f"{len(rows):,} runs, {selected:,} of them selected: what gate, report and compare speak of", markup=False)
    if damaged:
        raise StoreError(damaged[0] + (f" And {len(damaged) - 1:,} more cannot be read." if len(damaged) > 1 else ""))


_SELECTED, _SMOKE = "selected", "smoke"


def _marks(folder: Path) -> dict[Path, str]:
    """Run -> why it is a selected one."""
    smoke = dict.fromkeys(Store(folder, _SMOKE).current().values(), _SMOKE)
    return smoke | dict.fromkeys(Store(folder).current().values(), _SELECTED)


def _row(run: Run, path: Path, mark: str) -> tuple[str, ...]:
    score = f"{run.primary} {run.scores[run.primary]:.4g}" if run.primary in run.scores else ""
    items = str(run.planned) if run.looks is None else f"{run.asked} of {run.planned}"
    kinds = {
        "smoke run": run.limit is not None,
        "second run (A/A)": run.replicate > 0,
        "imported": run.use == IMPORTED,
    }
    note = ", ".join(name for name, holds in kinds.items() if holds)
    return mark, run.suite, run.candidate.name, score, items, str(run.failed), f"{run.seconds:.1f}", run.created, path.name, note
