"""``sftgate measure``: ask every candidate and grade the answers."""

from __future__ import annotations

import argparse

from harness.commands.console import err, out
from harness.commands.gating import declare_config, declare_measuring, load_config, measure_now
from harness.errors import EXIT_EVALUATION


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    declare_config(parser)
    declare_measuring(parser)


def execute(arguments: argparse.Namespace) -> int:
    """0 when what was asked was answered; 13 when more items failed than ``limits.max_errors`` allows."""
    loaded = load_config(arguments)
    measurement = measure_now(loaded, smoke=arguments.smoke, dry_run=arguments.dry_run)
    if measurement is not None:
        out.print(f"{len(measurement.paths)} runs in {loaded.store}", markup=False)
        if measurement.failed > loaded.config.limits.max_errors * max(1, measurement.asked):
            err.print(f"{measurement.failed} of {measurement.asked} items failed; `sftgate show` says why", markup=False)
            return EXIT_EVALUATION
    return 0
