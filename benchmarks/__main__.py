"""``make bench``: measure side by side, print the table, and write it to benchmarks/out."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from benchmarks.machine import machine, threads
from benchmarks.results import show, write
from benchmarks.row import Outcome, Setting, Unequal
from benchmarks.rows import BENCHMARKS

OUT = Path(__file__).parent / "out"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every benchmark has its row, whether or not it meets its target; 1 when the sides of one disagreed, or it broke."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="timed runs of each side, in turns (3)")
    parser.add_argument("--quick", action="store_true", help="tiny models and few items: shows that it works, not how fast it is")
    parser.add_argument("--only", default="", metavar="TEXT", help="only benchmarks whose name contains this")
    parser.add_argument("--threads", type=int, default=1, help="torch threads of both sides (1)")
    parser.add_argument("--out", type=Path, default=OUT, help="where results.json and details.json go (benchmarks/out)")
    chosen = parser.parse_args(arguments)
    if chosen.repeats < 1 or chosen.threads < 1:
        parser.error("--repeats and --threads must be at least 1")
    wanted = [benchmark for benchmark in BENCHMARKS if chosen.only in benchmark.name]
    if not wanted:
        parser.error(f"no benchmark has {chosen.only!r} in its name; there are: {'; '.join(each.name for each in BENCHMARKS)}")
    os.environ.setdefault("RAYON_NUM_THREADS", str(chosen.threads))  # tokenizers; read when first used
    console = Console(highlight=False, soft_wrap=True)
    about = {
        "command": " ".join(["python -m benchmarks", *(sys.argv[1:] if arguments is None else arguments)]),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(chosen.threads),
        "quick": chosen.quick,
        "repeats": chosen.repeats,
    }
    started = time.perf_counter()
    outcomes: list[Outcome] = []
    failed: dict[str, str] = {}
    for number, benchmark in enumerate(wanted, 1):
        console.print(f"[{number}/{len(wanted)}] {benchmark.name}", style="bold", markup=False)
        with tempfile.TemporaryDirectory() as place, threads(chosen.threads):
            setting = Setting(
                repeats=chosen.repeats,
                quick=chosen.quick,
                threads=chosen.threads,
                place=Path(place),
                say=lambda text: console.print(f"    {text}", markup=False),
            )
            try:
                outcomes.append(benchmark.run(setting))
            except Exception as error:  # whatever breaks one row, the others are still worth having
                failed[benchmark.name] = f"{type(error).__name__}: {error}"
                console.print(f"    {failed[benchmark.name]}", style="red", markup=False)
                if not isinstance(error, Unequal):
                    traceback.print_exc()
        write(outcomes, failed, {**about, "seconds": round(time.perf_counter() - started, 1)}, chosen.out)
    show(outcomes, failed, console)
    console.print(f"written to {chosen.out}", markup=False)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
