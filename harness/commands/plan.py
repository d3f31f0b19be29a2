"""``sftgate plan``: what the gate will be able to say, and what asking will cost, before any GPU time."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec
from rich.table import Table

from harness.commands.console import out
from harness.commands.foretelling import show_plan
from harness.commands.gating import declare_config, load_config
from harness.errors import UsageError
from harness.pipeline.looking import foretold
from harness.pipeline.planning import Cost, costs, foresee, read_effects, sketch
from harness.store import atomic_write


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    declare_config(parser)
    parser.add_argument("--effect", action="append", default=[], metavar="METRIC=GAIN", dest="effects",
                        help="a true gain to assume for metrics, such as 'general/*/acc=-0.02' (two points worse)")  # fmt: skip
    parser.add_argument("--power", type=float, default=0.8, metavar="P", help="how certain to be; default 0.8")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything to a file, too")


def execute(arguments: argparse.Namespace) -> int:
    """A table and sentences on stdout; 0 whatever they say, because nothing was gated."""
    if not 0.5 <= arguments.power <= 0.99:
        raise UsageError(f"--power {arguments.power:g}: expected 0.5 to 0.99, such as 0.8")
    effects = read_effects(arguments.effects)
    prepared = sketch(load_config(arguments))
    found = foresee(prepared, effects, power=arguments.power)
    asked = costs(prepared)
    show_plan(found, prepared.config.baseline, out)
    _show_costs(asked, len(prepared.config.candidates))
    looks = foretold(prepared)
    for line in looks:
        out.print(f"look by look: {line}", markup=False)
    if looks:
        out.print("All of this is said for asking in full: looks only lower the cost, and cost a little power.", markup=False)
    if arguments.json is not None:
        content = {"plan": found, "costs": asked, "candidates": len(prepared.config.candidates)}
        atomic_write(arguments.json, msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
        out.print(f"written: {arguments.json}", markup=False)
    return 0


def _show_costs(asked: list[Cost], candidates: int) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("suite", "items", "clusters", "requests", "prompt tokens ≈", "answer tokens ≤"):
        table.add_column(title, justify="left" if title == "suite" else "right")
    for each in asked:
        table.add_row(
            each.suite, f"{each.items:,}", f"{each.clusters:,}", f"{each.requests:,}", f"{each.prompt_tokens:,}",
            f"{each.answer_tokens:,}",
        )  # fmt: skip
    out.print(table)
    requests = sum(each.requests for each in asked)
    prompts, answers = sum(each.prompt_tokens for each in asked), sum(each.answer_tokens for each in asked)
    out.print(
        f"Cost per candidate: {requests:,} requests (first turns), about {prompts:,} prompt tokens, at most {answers:,} answer "
        f"tokens; {candidates} candidates: {requests * candidates:,} requests. What the journal holds is not asked again.",
        markup=False,
    )
