"""What ``run``, ``measure``, ``gate`` and ``report`` share: their flags, the print-out, and writing what was concluded."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.markup import escape
from rich.table import Table

from harness.commands.console import Bars, err, out
from harness.commands.foretelling import show_plan
from harness.commands.github import tell
from harness.config import Loaded, load
from harness.errors import UsageError
from harness.pipeline import Measurement, Preview, conclude, measure, prepare, preview
from harness.pipeline.concluding import read_measured
from harness.pipeline.measuring import unfinished
from harness.pipeline.reaching import reach
from harness.pipeline.trained import read_training
from harness.records import Conclusion, Measured
from harness.seals import sealed
from harness.store import Store, write_together

if TYPE_CHECKING:
    from reports.failures.reading import Reading


def declare_config(parser: argparse.ArgumentParser) -> None:
    """The positional and the flags that say which config."""
    parser.add_argument("config", type=Path, help="a .toml or .yaml file")
    declare_overrides(parser)


def declare_overrides(parser: argparse.ArgumentParser) -> None:
    """The flags that say it otherwise than the config."""
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", dest="sets",
                        help="override one value, such as candidates.week47.adapter=out/week47")  # fmt: skip
    parser.add_argument("--candidate", action="append", default=[], metavar="NAME=PATH", dest="candidates",
                        help="add a candidate, or point one elsewhere: any Hugging Face or PEFT folder")  # fmt: skip


def declare_measuring(parser: argparse.ArgumentParser) -> None:
    """The flags that say how much to ask."""
    parser.add_argument("--smoke", type=int, metavar="N", help="ask N items per suite: does everything work?")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="check everything, whether endpoints answer included; print what would be done, ask nothing",
    )


def load_config(arguments: argparse.Namespace) -> Loaded:
    """The config that the command line names; a smoke run selects and writes apart from the others."""
    loaded = load(arguments.config, sets=arguments.sets, candidates=arguments.candidates)
    return loaded if getattr(arguments, "smoke", None) is None else msgspec.structs.replace(loaded, part="smoke")


def measure_now(loaded: Loaded, *, smoke: int | None, dry_run: bool) -> Measurement | None:
    """Prepare, print what will be done, and do it; None after a dry run."""
    if smoke is not None and smoke < 1:
        raise UsageError(f"--smoke {smoke}: expected at least 1 item per suite")
    prepared = prepare(loaded, limit=smoke)
    show_preview(preview(prepared))
    if smoke is not None:
        err.print(
            f"[bold yellow]smoke run[/]: {smoke} items per suite, which lets nothing pass. What it selects and writes "
            f"stands in {loaded.store / loaded.part}; gate and report go on speaking of the last full run"
        )
    if dry_run:
        reached = reach(prepared, unfinished(prepared), asking=False)
        err.print(f"dry run: nothing was asked{_answering(reached)}")
        return None
    with Bars() as bars:
        measurement = measure(prepared, progress=bars)
    err.print(
        f"{measurement.sent} requests asked, {measurement.reused} answered from the journal, {measurement.skipped} runs already "
        f"finished, {measurement.engines} engine starts, {measurement.seconds:.1f} s"
    )
    return measurement


def _answering(endpoints: Sequence[str]) -> str:
    return (
        f"; the endpoint{'s' if len(endpoints) > 1 else ''} of {escape(', '.join(endpoints))} can be reached" if endpoints else ""
    )


def show_preview(plan: Preview) -> None:
    """The print-out before asking."""
    err.print(f"[bold]engines[/] {' · '.join('+'.join(family) for family in plan.families)}")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("suite", "use", "items", "clusters", "requests", "in journal", "runs done"):
        table.add_column(title, justify="left" if title in {"suite", "use"} else "right")
    for row in plan.suites:
        table.add_row(row.name, row.use, f"{row.items:,}", f"{row.clusters:,}", f"{row.requests:,}", f"{row.journalled:,}",
                      f"{row.finished}/{row.candidates}")  # fmt: skip
    err.print(table)
    show_plan(plan.plan, plan.baseline, err)
    for line in plan.looks:
        err.print(f"look by look: {line}", markup=False)
    for line in plan.judging:
        err.print(f"to judge: {line}", markup=False)
    for line in plan.unequal:
        err.print(f"[yellow]not equal[/] {line}", markup=True)
    err.print(
        f"{plan.to_send:,} requests to send (first turns; ≈ {plan.prompt_characters / 4:,.0f} prompt tokens, at most "
        f"{plan.answer_tokens:,} answer tokens); {plan.disk_free / 2**30:.0f} GiB of disk free"
    )


def decide(loaded: Loaded, *, alone: bool = False) -> tuple[Conclusion, dict[tuple[str, str], Measured]]:
    """Conclude from the store; ``alone``: also where only the baseline was measured."""
    measured = read_measured(loaded)
    return conclude(loaded, measured, command=shlex.join(["sftgate", *sys.argv[1:]]), alone=alone), measured


def gate_now(loaded: Loaded) -> int:
    """Conclude, write everything, and say it to people and to CI; the gate's exit code."""
    conclusion, measured = decide(loaded)
    report, readings = write_outputs(loaded, conclusion, measured)
    announce(conclusion, measured, report)
    tell(conclusion, measured, readings, loaded, report)
    return conclusion.exit_code


def write_outputs(
    loaded: Loaded, conclusion: Conclusion, measured: dict[tuple[str, str], Measured]
) -> tuple[Path, Mapping[str, Reading]]:
    """verdict.json, report.html (and what does not fit into it), summary.md and junit.xml in the store; the path of the report, and
    what it found that lost items have in common.

    All of them are made before the first is written, and they are written together: what stands in the store is of one conclusion,
    also where the disk is full."""
    from reports.comment import markdown
    from reports.items.packing import SIDE_FILE
    from reports.junit import junit
    from reports.page import files
    from reports.view import build

    folder = Store(loaded.store, loaded.part).outputs
    page = build(conclusion, measured, read_training(loaded))
    made: dict[str, bytes | str] = {
        **files(page, loaded.config.lang),
        "summary.md": markdown(conclusion, measured, page.readings, lang=loaded.config.lang),
        "junit.xml": junit(conclusion),
        "verdict.json": sealed(msgspec.json.encode(conclusion)),
    }
    write_together({folder / name: content for name, content in made.items()})
    if SIDE_FILE not in made:
        (folder / SIDE_FILE).unlink(missing_ok=True)
    return folder / "report.html", page.readings


def announce(conclusion: Conclusion, measured: Mapping[tuple[str, str], Measured], report: Path | None) -> None:
    """The verdicts, for a person at a terminal; with a report, also where it is and what the exit code will say."""
    from reports.terminal import terminal
    from reports.wording import listed

    for line in terminal(conclusion, measured):
        out.print(line, markup=False)
    if report is not None:
        decisive = [verdict.candidate for verdict in conclusion.verdicts if verdict.outcome == conclusion.outcome]
        out.print(f"exit code {conclusion.exit_code} ({conclusion.outcome}: {listed(decisive)})", markup=False)
        out.print(f"report: {report}", markup=False)
