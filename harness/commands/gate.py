"""``sftgate gate``: decide from what was measured. No model, no network."""

from __future__ import annotations

import argparse

from harness.commands.gating import declare_config, gate_now, load_config


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    declare_config(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Conclude, write verdict, summary, JUnit and report; the exit code is the gate's."""
    return gate_now(load_config(arguments))
