"""``sftgate export``: samples, comparisons and verdicts for other tools."""

from __future__ import annotations

import argparse
from pathlib import Path
from urllib.parse import quote

from harness.commands.console import out, printable
from harness.commands.gating import decide, declare_config, load_config
from harness.errors import UsageError
from harness.records import Conclusion, Measured
from harness.store import Store, atomic_write

FORMATS = ("csv", "parquet", "llm-comparator", "tensorboard", "mlflow", "wandb")
_TRACKED = ("mlflow", "wandb")


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    parser.description = (
        "csv, parquet: tables of samples and of comparisons · llm-comparator: a file per candidate for Google's viewer · "
        "tensorboard, mlflow, wandb: the verdicts, a run per candidate, where the library is installed. Nothing is asked; 0 "
        "whatever the verdict."
    )
    declare_config(parser)
    parser.add_argument("--to", required=True, choices=FORMATS, help="what to write")
    parser.add_argument("--into", type=Path, metavar="FOLDER", help="where to (default: the folder export of the store)")


def execute(arguments: argparse.Namespace) -> int:
    """A line on stdout per thing that was written."""
    if arguments.to in _TRACKED and arguments.into is not None:
        raise UsageError(f"--into: {arguments.to} decides itself where it writes to. Leave it out")
    loaded = load_config(arguments)
    conclusion, measured = decide(loaded)
    store = Store(loaded.store, loaded.part)
    folder = arguments.into or store.outputs / "export"
    if arguments.to in ("csv", "parquet", "llm-comparator"):
        for name, (content, note) in _files(arguments.to, conclusion, measured).items():
            atomic_write(folder / name, content)
            out.print(printable(f"{folder / name}{note}"), markup=False)
        return 0
    from reports.elsewhere.tracking import track

    report = store.outputs / "report.html"
    for line in track(arguments.to, conclusion, measured, folder / "tensorboard", report if report.is_file() else None):
        out.print(printable(line), markup=False)
    return 0


def _files(kind: str, conclusion: Conclusion, measured: dict[tuple[str, str], Measured]) -> dict[str, tuple[bytes, str]]:
    """By name, with what is to be said of each."""
    from reports.elsewhere.comparator import comparator
    from reports.elsewhere.tables import as_csv, as_parquet, comparison_table, sample_table

    if kind == "llm-comparator":
        found = {}
        for name in [verdict.candidate for verdict in conclusion.verdicts]:
            content, left_out = comparator(measured, conclusion.baseline, name)
            note = f" (without {left_out:,} items that have no score from 0 to 1 on both sides)" if left_out else ""
            found[f"comparator-{quote(name, safe='')}.json"] = content, note
        return found
    write = as_csv if kind == "csv" else as_parquet
    tables = {"samples": sample_table(measured), "comparisons": comparison_table(conclusion)}
    return {f"{name}.{kind}": (write(table), "") for name, table in tables.items()}
