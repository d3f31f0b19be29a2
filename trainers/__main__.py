"""``python -m trainers CONFIG [--set KEY=VALUE ...]``: train one candidate in this process.

Silent but for errors, so that several can run side by side. ``--progress`` writes one JSON object per line to standard output:
``{"stage": ..., "done": ..., "total": ...}``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from harness.errors import EXIT_INTERRUPTED, SftgateError
from trainers.config import load


def main(arguments: Sequence[str] | None = None) -> int:
    """Train; the exit code of ``harness.errors``."""
    parser = argparse.ArgumentParser(prog="python -m trainers", description="Train one candidate.")
    parser.add_argument("config", help="a .toml or .yaml file")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override, such as optimizer.learning_rate=1e-4"
    )
    parser.add_argument("--progress", action="store_true", help="one JSON line per step of progress on standard output")
    options = parser.parse_args(arguments)
    try:
        from trainers.loop import train

        train(load(options.config, options.set), progress=_report if options.progress else None)
    except SftgateError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except KeyboardInterrupt as error:
        sys.stderr.write(f"{error or 'interrupted'}\n")
        return EXIT_INTERRUPTED
    return 0


def _report(stage: str, done: int, total: int) -> None:
    sys.stdout.write(json.dumps({"stage": stage, "done": done, "total": total}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
