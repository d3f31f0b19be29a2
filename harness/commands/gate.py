"""``sftgate gate``: decide from what was measured. No model, no network."""

from __future__ import annotations

import argparse

from harness.commands.gating import announce, decide, declare_config, load_config, write_outputs


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    declare_config(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Conclude, write verdict, summary, JUnit and report; the exit code is the gate's."""
    loaded = load_config(arguments)
    conclusion, measured = decide(loaded)
    announce(conclusion, write_outputs(loaded, conclusion, measured))
    return conclusion.exit_code
