"""``sftgate aa-test``: the baseline against itself, and against damage done on purpose: what the gate itself is worth."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.table import Table
from rich.text import Text

from harness.commands.console import Bars, err, out, show_wide
from harness.commands.gating import declare_config, load_config
from harness.errors import UsageError
from harness.gate.policy import which_items
from harness.gate.selftest import exit_code
from harness.pipeline import prepare
from harness.pipeline.noise import FILE, write_selftest
from harness.pipeline.planting import plant, ways
from harness.pipeline.repeating import asking, originals, repeat
from harness.records import Finding, Noise, Plant, Repetition, SelfTest

MARKS = {"noticed": "[green]noticed[/]", "missed": "[bold red]missed[/]", "no rule": "no blocking rule about losses"}

SEEN = {"fail": "noticed", "invalid": "not measured", "inconclusive": "not planted"}


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    declare_config(parser)
    parser.add_argument("--planted", action="store_true", help="also plant damage, which the gate must notice: answers shuffled, "
                        "and noise on the weights where they are on this machine")  # fmt: skip
    parser.add_argument("--plant", choices=("shuffled", "noised"), help="plant only this one")
    parser.add_argument("--strength", type=float, default=1.0, metavar="SD",
                        help="noise on the weights, in standard deviations of each tensor (default 1)")  # fmt: skip
    parser.add_argument("--smoke", type=int, metavar="N", help="ask N items per suite: does everything work?")


def execute(arguments: argparse.Namespace) -> int:
    """0 when the gate stays silent about nothing and, with plants, notices damage; 13 when it fires on nothing; 11 when it misses
    damage, or cannot judge; 12 when the two sides cannot be compared."""
    if arguments.smoke is not None and arguments.smoke < 1:
        raise UsageError(f"--smoke {arguments.smoke}: expected at least 1 item per suite")
    if not 0 < arguments.strength < float("inf"):
        raise UsageError(f"--strength {arguments.strength:g}: expected more than 0, such as 1")
    loaded = load_config(arguments)
    prepared = prepare(loaded, limit=arguments.smoke)
    repeated = originals(prepared)
    if not asking(prepared):
        raise UsageError(
            "every suite of this config holds imported scores: nobody is asked anything, neither twice nor with damage."
        )
    chosen = ways(prepared, arguments.plant) if arguments.planted or arguments.plant else ()
    if not repeated and not chosen:
        raise UsageError(
            f"the answers of {loaded.config.baseline!r} were recorded, or its scores imported: read a second time they are the "
            "same, which says nothing about noise. What can be tested is damage: --plant shuffled, where there are answers."
        )
    with Bars() as bars:
        repetitions, measured = repeat(prepared, progress=bars)
        plants = plant(prepared, measured, repetitions, chosen=chosen, strength=arguments.strength, progress=bars)
    test = SelfTest(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        baseline=loaded.config.baseline,
        repetitions=repetitions,
        plants=plants,
        limit=prepared.limit,
        seed=loaded.config.seed,
        command=shlex.join(["sftgate", *sys.argv[1:]]),
    )
    write_selftest(prepared.store, test)
    if arguments.smoke is not None:
        err.print(f"[bold yellow]smoke run[/]: {arguments.smoke} items per suite, of which no noise floor is known")
    for repetition in repetitions:
        _show_repetition(repetition)
    for each in plants:
        _show_plant(each)
    out.print(f"\nAll of it is in {prepared.store.root / FILE}", markup=False)
    return exit_code(test)


def _show_repetition(repetition: Repetition) -> None:
    same, asked = (sum(counts) for counts in zip(*repetition.identical.values(), strict=True))
    out.print(f"\n[bold]{repetition.candidate} against itself[/] (other order, other seeds)")
    noisy = [noise for noise in repetition.noise if noise.differ]
    if same == asked and not noisy:
        out.print(f"no noise at all: {asked:,} answers identical, no metric differs anywhere", markup=False)
    elif same == asked:
        out.print(
            f"no noise in the answers: {asked:,} identical; {len(noisy)} of {len(repetition.noise)} metrics differ", markup=False
        )
    else:
        parts = [f"{suite} {items - kept:,} of {items:,}" for suite, (kept, items) in repetition.identical.items() if kept < items]
        out.print(f"{asked - same:,} of {asked:,} answers differ: {', '.join(parts)}", markup=False)
    if noisy:
        show_wide(_table(noisy))
        if len(noisy) < len(repetition.noise):
            out.print(f"no item differs in {len(repetition.noise) - len(noisy)} more metrics", markup=False)
    for line in _lines(repetition.findings):
        out.print(line, markup=False)
    out.print(f"[bold]{repetition.outcome.replace('_', ' ')}[/]", end=" ")
    out.print(repetition.sentence, markup=False)


def _table(noise: Sequence[Noise]) -> Table:
    drawn = Table(header_style="bold", box=None, pad_edge=False)
    levels = " or ".join(f"{level:.0%}" for level in sorted({each.level for each in noise}))
    for heading in ("metric", "value", "repeat", "differ", "lost", "gained", "sd", f"{levels} interval", "p"):
        drawn.add_column(heading, justify="left" if heading == "metric" else "right", no_wrap=True)
    for each in noise:
        interval = each.note if each.low is None or each.high is None else f"[{each.low:+.4g}, {each.high:+.4g}]"
        spread, p = ("" if number is None else f"{number:.3g}" for number in (each.sd, each.p))
        drawn.add_row(
            each.metric, f"{each.value:.4g}", f"{each.repeat:.4g}", f"{each.differ:,} of {each.items:,}", f"{each.lost:,}",
            f"{each.gained:,}", spread, Text(interval), p,
        )  # fmt: skip
    return drawn


def _lines(findings: Sequence[Finding]) -> list[str]:
    """What a person must know of the rules: which fire, and which claims are not proven, as they should not be."""
    lines = []
    for finding in findings:
        severity = "" if finding.rule.severity == "block" else f" ({finding.rule.severity})"
        what = f"{finding.metric}{which_items(finding.rule)}{severity}"
        if finding.rule.require == "superior":
            said = "FIRES: a gain is claimed" if finding.outcome == "pass" else "not proven, as it should be"
            lines.append(f"  {what} superior: {said}")
        elif finding.outcome != "pass":
            state = "FIRES" if finding.outcome == "fail" else finding.outcome.replace("_", " ")
            lines.append(f"  {what} {finding.rule.require}: {state}: {finding.reason}")
    return lines


def _show_plant(each: Plant) -> None:
    strength = "" if each.strength is None else f", {each.strength:g} sd of every tensor"
    out.print(f"\n[bold]planted: {each.how}[/]{strength}")
    for suite, sight in each.sight.items():
        out.print(f"  {suite}: {MARKS.get(sight, sight)}", end=f": {each.why[suite]}\n" if suite in each.why else "\n")
    out.print(f"[bold]{SEEN.get(each.outcome, 'NOT NOTICED')}[/]", end=" ")
    out.print(each.sentence, markup=False)
