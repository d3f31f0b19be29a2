"""``sftgate lab``: build the tiny real models and print what they know."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec
from rich.table import Table

from harness.commands.console import Bars, out
from harness.commands.train import Stages


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    parser.add_argument("--size", choices=("full", "test"), default="full", help="test: seconds instead of minutes, knows less")
    parser.add_argument("--folder", type=Path, help="where to build; default: the cache ($SFTGATE_CACHE or ~/.cache/sftgate)")


def execute(arguments: argparse.Namespace) -> int:
    """Build what is not in the cache; prints the folder and a table."""
    from trainers.lab import build

    with Bars() as bars:
        paths = build(arguments.size, folder=arguments.folder, progress=Stages(bars))
    out.print(str(paths.root), markup=False)
    show_knowledge(paths.root)
    return 0


def show_knowledge(root: Path) -> None:
    """Accuracy per model and skill, as ``knows.json`` has it."""
    knows = msgspec.json.decode((root / "knows.json").read_bytes())
    for model, skills in knows.items():
        table = Table(title=model, header_style="bold")
        table.add_column("skill")
        table.add_column("value", justify="right")
        for skill, value in skills.items():
            table.add_row(skill, f"{value:.3f}" if isinstance(value, float) else str(value))
        out.print(table)
