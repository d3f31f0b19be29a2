"""``sftgate train``: fine-tune a model as a train config says."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands.console import Bars, out


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    parser.add_argument("config", type=Path, help="a .toml or .yaml file")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", dest="sets", help="override one value")


def execute(arguments: argparse.Namespace) -> int:
    """Train; prints the folder that ``run --candidate NAME=FOLDER`` takes."""
    from trainers.config import load
    from trainers.loop import train

    config = load(arguments.config, arguments.sets)
    with Bars() as bars:
        folder = train(config, progress=bars.told)
    out.print(str(folder), markup=False)
    return 0
