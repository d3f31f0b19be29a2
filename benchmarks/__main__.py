"""``make bench``: print what asking costs besides the model, and write it to benchmarks/out/overhead.json."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.overhead import overhead


def main() -> int:
    """Print one line per figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--repeats", type=int, default=1, help="draws per item: 4 gives about 20,000 requests")
    found = overhead(parser.parse_args().repeats)
    for name, value in found.items():
        print(f"{name:<32} {value}")
    out = Path(__file__).parent / "out" / "overhead.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
