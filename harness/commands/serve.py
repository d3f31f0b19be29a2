"""``sftgate serve``: a store of many runs in a browser, on this machine, for reading."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands.console import out, printable
from harness.errors import UsageError
from harness.store import Store

PORT = 8347


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    parser.description = (
        "Index, history, and any two runs or candidates on the pages of the report. Answers on 127.0.0.1 only, without accounts; "
        "writes nothing. Ctrl-C ends it."
    )
    parser.add_argument("store", type=Path, help="the folder of a store, such as runs")
    parser.add_argument("--port", type=int, default=PORT, help=f"(default {PORT}; 0: any that is free)")
    parser.add_argument("--pins", type=Path, metavar="FILE", help="pin file (default: baselines.toml beside the store, if there)")
    parser.add_argument("--lang", choices=("en", "zh"), default="en", help="language of the pages")


def execute(arguments: argparse.Namespace) -> int:
    """Until Ctrl-C."""
    from reports.serve.answering import Site
    from reports.serve.loopback import Loopback

    store = Store(arguments.store)
    if not store.root.is_dir() or (not store.runs() and not store.journal_path.is_file()):
        raise UsageError(f"{str(store.root)!r} holds no run. Expected the folder of a store, such as runs")
    if not 0 <= arguments.port <= 65535:
        raise UsageError(f"--port {arguments.port}: expected a number from 0 to 65535")
    if arguments.pins is not None and not arguments.pins.is_file():
        raise UsageError(f"--pins: {str(arguments.pins)!r} does not exist")
    pins = arguments.pins or store.root.resolve().parent / "baselines.toml"
    try:
        server = Loopback(Site(store, pins, arguments.lang), arguments.port)
    except OSError as error:
        raise UsageError(f"--port {arguments.port}: cannot be used ({error.strerror}). Name another one, or 0") from error
    with server:
        out.print(printable(f"{store.root}: http://127.0.0.1:{server.port}/ (Ctrl-C ends it)"), markup=False)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0
