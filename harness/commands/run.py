"""``sftgate run``: measure, gate and report."""

from __future__ import annotations

import argparse

from harness.commands.gating import declare_config, declare_measuring, gate_now, load_config, measure_now
from harness.pipeline.pinned import find_pinned


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    declare_config(parser)
    declare_measuring(parser)


def execute(arguments: argparse.Namespace) -> int:
    """The whole way; the exit code is the gate's."""
    loaded = load_config(arguments)
    find_pinned(loaded)  # a baseline that is not in the store is found out before anything is asked
    if measure_now(loaded, smoke=arguments.smoke, dry_run=arguments.dry_run) is None:
        return 0
    return gate_now(loaded)
