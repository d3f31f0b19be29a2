"""``sftgate lab``: build the tiny real models and print what they know."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import msgspec
from rich.table import Table

from harness.commands.console import Bars, out


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    parser.add_argument("--size", choices=("full", "test"), default="full", help="test: seconds instead of minutes, knows less")
    parser.add_argument("--folder", type=Path, help="where to build; default: the cache ($SFTGATE_CACHE or ~/.cache/sftgate)")


def execute(arguments: argparse.Namespace) -> int:
    """Build what is not in the cache; prints the folder and a table."""
    from trainers.lab import build

    with Bars() as bars:
        paths = build(arguments.size, folder=arguments.folder, progress=bars.told)
    out.print(str(paths.root), markup=False)
    show_knowledge(paths.root)
    return 0


def show_knowledge(root: Path) -> None:
    """Accuracy on held-out questions per skill and model, as ``knows.json`` has it."""
    models = msgspec.json.decode((root / "knows.json").read_bytes())["models"]
    table = Table(header_style="bold")
    table.add_column("skill")
    for model in models:
        table.add_column(model, justify="right")
    for skill in dict.fromkeys(skill for skills in models.values() for skill in skills):
        table.add_row(skill, *(_figure(skills.get(skill)) for skills in models.values()))
    out.print(table)


def _figure(found: Any) -> str:
    """One cell: an accuracy with its n, a figure, or counts by name."""
    if found is None:
        return ""
    if isinstance(found, dict):
        if "accuracy" in found:
            return f"{found['accuracy']:.3f} (n = {found['n']:.0f})"
        return ", ".join(f"{name} {count}" for name, count in found.items())
    return f"{found:.3f}" if isinstance(found, float) else str(found)
