"""``sftgate changed``: what differs between two runs of one suite, whether or not they may be compared."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.table import Table

from harness.commands.console import out, printable, show_wide
from harness.errors import UsageError
from harness.store import Store


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    parser.description = (
        "Prompts, template, decoding, versions, items and answers of two runs of one suite, such as "
        "runs/general/w46@1a2b3c4d5e6f runs/general/w47@6f5e4d3c2b1a. What compare refuses to compare, this explains."
    )
    parser.add_argument("old", type=Path, help="folder of a run (it has a run.json)")
    parser.add_argument("new", type=Path, help="folder of another run")


def execute(arguments: argparse.Namespace) -> int:
    """0 whatever differs. ComparabilityError for runs of two suites."""
    from reports.apart import plain
    from reports.changes import ABOUT, changes

    for place in (arguments.old, arguments.new):
        if not (place / "run.json").is_file():
            raise UsageError(f"{place} is not the folder of a run: it has no run.json. sftgate list STORE shows them")
    if arguments.old.resolve() == arguments.new.resolve():
        raise UsageError("one run is named twice; nothing changed between it and itself")
    found = changes(*(Store(place.parent.parent).read(place) for place in (arguments.old, arguments.new)))
    out.print(printable(f"{found.suite}: {found.old} → {found.new}, {found.shared:,} items in common"), markup=False)
    table = Table(header_style="bold", box=None, pad_edge=False)
    for title in ("about", "what", "old", "new", "for comparing"):
        table.add_column(title, overflow="fold")
    for about in ABOUT:
        for each in found.about(about):
            note = "may differ" if not each.forbids else "forbids it" + (", unless allowed" if each.allowable else "")
            table.add_row(*map(printable, (each.about, each.what, each.old, each.new, note)))
    if found.differences:
        show_wide(table)
    if found.same_weights:
        out.print("The same weights, adapter and tokenizer.", markup=False)
    for item in found.items:
        if item.count:
            out.print(printable(f"{item.what}: {item.count:,}"), markup=False)
            for example in item.examples:
                told = f": {plain(example.old)!r} → {plain(example.new)!r}" if example.old or example.new else ""
                out.print(printable(f"  {example.key}{told}"), markup=False)
    if not found.differences and not any(item.count for item in found.items):
        out.print("Nothing differs.", markup=False)
    return 0
