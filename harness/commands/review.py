"""``sftgate review``: export a blind package of paired answers for people; import their votes as the metric ``human/win``."""

from __future__ import annotations

import argparse

from harness.commands.gating import declare_config, load_config
from harness.commands.reviewing import declare_export, export_review
from harness.commands.voting import declare_import, import_votes


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    parser.add_argument("action", choices=("export", "import"))
    declare_config(parser)
    declare_export(parser)
    declare_import(parser)


def execute(arguments: argparse.Namespace) -> int:
    """0 when the package was written, or the votes are in the store."""
    loaded = load_config(arguments)
    return export_review(loaded, arguments) if arguments.action == "export" else import_votes(loaded, arguments)
