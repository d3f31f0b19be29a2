"""``sftgate review``: export a blind package of paired answers for people; import their votes as the metric ``human/win``."""

from __future__ import annotations

import argparse

from harness.commands.gating import declare_config, load_config
from harness.commands.reviewing import declare_export, export_review
from harness.commands.voting import declare_import, import_votes

ACTIONS = {
    "export": ("write a blind package of paired answers for people, and its key for you", declare_export),
    "import": ("put the votes that came back into the store", declare_import),
}


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags, of which each action has its own."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="export|import")
    for name, (text, declare_flags) in ACTIONS.items():
        action = actions.add_parser(name, help=text, description=text, epilog=parser.epilog, allow_abbrev=False)
        declare_config(action)
        declare_flags(action)


def execute(arguments: argparse.Namespace) -> int:
    """0 when the package was written, or the votes are in the store."""
    loaded = load_config(arguments)
    return export_review(loaded, arguments) if arguments.action == "export" else import_votes(loaded, arguments)
