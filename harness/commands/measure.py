"""``sftgate measure``: ask every candidate and grade the answers."""

from __future__ import annotations

import argparse

from harness.commands.console import out
from harness.commands.gating import declare_config, declare_measuring, load_config, measure_now


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    declare_config(parser)
    declare_measuring(parser)


def execute(arguments: argparse.Namespace) -> int:
    """0 when everything was asked; what failed is in the runs and decides at the gate."""
    loaded = load_config(arguments)
    measurement = measure_now(loaded, smoke=arguments.smoke, dry_run=arguments.dry_run)
    if measurement is not None:
        out.print(f"{len(measurement.paths)} runs in {loaded.store}", markup=False)
    return 0
