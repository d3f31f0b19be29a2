"""``sftgate run``: measure, gate and report."""

from __future__ import annotations

import argparse

from harness.commands.gating import announce, decide, declare_config, declare_measuring, load_config, measure_now, write_outputs


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    declare_config(parser)
    declare_measuring(parser)


def execute(arguments: argparse.Namespace) -> int:
    """The whole way; the exit code is the gate's."""
    loaded = load_config(arguments)
    if measure_now(loaded, smoke=arguments.smoke, dry_run=arguments.dry_run) is None:
        return 0
    conclusion, measured = decide(loaded)
    announce(conclusion, write_outputs(loaded, conclusion, measured))
    return conclusion.exit_code
