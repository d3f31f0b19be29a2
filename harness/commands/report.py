"""``sftgate report``: write the report from what was measured, whatever the verdict."""

from __future__ import annotations

import argparse

from harness.commands.console import out
from harness.commands.gating import decide, declare_config, load_config, write_outputs


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    declare_config(parser)


def execute(arguments: argparse.Namespace) -> int:
    """0 when the report was written."""
    loaded = load_config(arguments)
    conclusion, measured = decide(loaded, alone=True)
    path, _ = write_outputs(loaded, conclusion, measured)
    out.print(str(path), markup=False)
    return 0
