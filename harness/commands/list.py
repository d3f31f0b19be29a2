"""``sftgate list``: what there is to use, or what a store holds."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.table import Table

from harness.commands.console import out, show_wide
from harness.errors import UsageError
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
    _runs(Store(folder))
    return 0


def _runs(store: Store) -> None:
    table = Table(header_style="bold", box=None, pad_edge=False)
    for title in ("suite", "candidate", "score", "items", "failed", "seconds", "created", "folder"):
        table.add_column(title, justify="right" if title in {"score", "items", "failed", "seconds"} else "left", no_wrap=True)
    for (suite, name), path in store.current().items():
        run = store.run(path)
        score = f"{run.primary} {run.scores[run.primary]:.4g}" if run.primary in run.scores else ""
        items = str(run.planned) if run.looks is None else f"{run.asked} of {run.planned}"
        table.add_row(suite, name, score, items, str(run.failed), f"{run.seconds:.1f}", run.created, path.name)
    show_wide(table)
