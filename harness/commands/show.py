"""``sftgate show``: how the candidates answered, item by item."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from rich.markup import escape

from harness.commands.console import out, printable
from harness.commands.gating import declare_config, load_config
from harness.config import Loaded
from harness.errors import UsageError
from harness.pipeline.concluding import conclude, read_measured
from harness.plugins import did_you_mean
from harness.records import Frame, Judgment, Measured, Run, Sample

_OPINIONS = 12  # of judges, or check points, that are shown of an answer


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    declare_config(parser)
    parser.add_argument("--suite", help="only this suite")
    parser.add_argument("--item", help="only the item with this key")
    lost = parser.add_mutually_exclusive_group()
    lost.add_argument("--lost", metavar="NAME", help="only items that NAME got wrong and the baseline right")
    lost.add_argument("--lost-by-all", action="store_true",
                      help="only items of retained suites that every candidate got wrong and their reference right")  # fmt: skip
    parser.add_argument("--limit", type=int, default=10, help="at most so many items (default 10)")


def execute(arguments: argparse.Namespace) -> int:
    """Items on stdout."""
    loaded = load_config(arguments)
    if arguments.limit < 1:
        raise UsageError(f"--limit {arguments.limit}: expected 1 or more")
    measured = read_measured(loaded)
    suites = list(dict.fromkeys(suite for suite, _ in measured))
    if arguments.suite is not None and arguments.suite not in suites:
        raise UsageError(f"--suite: no suite is named {arguments.suite!r}. {did_you_mean(arguments.suite, suites)}")
    names = [candidate.name for candidate in loaded.config.candidates]
    if arguments.lost is not None and arguments.lost not in names:
        raise UsageError(f"--lost: no candidate is named {arguments.lost!r}. {did_you_mean(arguments.lost, names)}")
    chosen = [arguments.suite] if arguments.suite else suites
    _refuse_unknown(arguments.item, chosen, measured)
    everybody = _lost_by_all(loaded, measured, chosen) if arguments.lost_by_all else None
    shown = 0
    for suite in chosen:
        sides = {
            name: {sample.key: sample for sample in each.samples} for (owner, name), each in measured.items() if owner == suite
        }
        primary, lower = next(primary_of(each.run) for (owner, _), each in measured.items() if owner == suite)
        for key in dict.fromkeys(key for side in sides.values() for key in side):
            if arguments.item is not None and key != arguments.item:
                continue
            if everybody is not None and (suite, key) not in everybody:
                continue
            if arguments.lost is not None and not is_lost(sides, key, loaded.config.baseline, arguments.lost, primary, lower=lower):
                continue
            if shown == arguments.limit:
                out.print(f"… more than {arguments.limit} items; see --limit", markup=False)
                return 0
            shown += 1
            _print(suite, key, sides)
            if arguments.item is not None:
                _print_seen(key, sides, {name: each.run.frames for (owner, name), each in measured.items() if owner == suite})
    if not shown:
        that = f" and that has the key {arguments.item!r}" if arguments.item else ""
        who, had = ("all candidates", "their reference") if everybody is not None else (arguments.lost, "the baseline")
        out.print(printable(f"{who} lost no item that {had} had right{that}"), markup=False)
    return 0


def _lost_by_all(loaded: Loaded, measured: dict[tuple[str, str], Measured], suites: Sequence[str]) -> set[tuple[str, str]]:
    """What the gate says that all lost, said task by task, as (suite, key)."""
    from reports.forgotten import everybody_text

    found = [each for each in conclude(loaded, measured).lost_by_all if each.metric.split("/", 1)[0] in suites]
    for each in found:
        if each.count:
            out.print(printable(everybody_text(each)), markup=False)
    return {(each.metric.split("/", 1)[0], key) for each in found for key in each.keys}


def _refuse_unknown(key: str | None, suites: Sequence[str], measured: Mapping[tuple[str, str], Measured]) -> None:
    """UsageError for a key that no item of these suites has."""
    known = {sample.key for (suite, _), each in measured.items() if suite in suites for sample in each.samples}
    if key is not None and key not in known:
        raise UsageError(f"--item: no item of {', '.join(suites)} has the key {key!r}. {did_you_mean(key, known)}")


def primary_of(run: Run) -> tuple[str, bool]:
    """The metric shown first, and whether less of it is better. A run's metrics may be named by task."""
    metric = next((each for name, each in run.metrics.items() if name.rsplit("/", 1)[-1] == run.primary), None)
    return run.primary, metric is not None and metric.direction == "lower"


def is_lost(sides: Mapping[str, Mapping[str, Sample]], key: str, baseline: str, name: str, primary: str, *, lower: bool) -> bool:
    before, after = sides.get(baseline, {}).get(key), sides.get(name, {}).get(key)
    if before is None or after is None or before.scores is None or after.scores is None:
        return False
    if primary not in before.scores or primary not in after.scores:
        return False
    change = after.scores[primary] - before.scores[primary]
    return change > 0 if lower else change < 0


def _print(suite: str, key: str, sides: Mapping[str, Mapping[str, Sample]]) -> None:
    first = next(side[key] for side in sides.values() if key in side)
    place = f"{suite}/{first.task}" if first.task else suite
    out.print(f"[bold]{escape(printable(place))}[/] {escape(printable(key))}", markup=True)
    if first.prompt:  # imported scores have none
        out.print(printable(f"  prompt  {first.prompt}"), markup=False)
    if first.target is not None:
        out.print(printable(f"  target  {first.target}"), markup=False)
    for name, side in sides.items():
        sample = side.get(key)
        if sample is None:
            continue
        scores = f"error: {sample.error}" if sample.scores is None else " ".join(f"{k}={v:g}" for k, v in sample.scores.items())
        out.print(
            printable(f"  {name}: {' | '.join(sample.outputs)}   ({scores}{' ' + ','.join(sample.flags) if sample.flags else ''})"),
            markup=False,
        )
        for said in sample.judgments[:_OPINIONS]:
            out.print(printable(f"    {_opinion(said)}"), markup=False)
        if len(sample.judgments) > _OPINIONS:
            out.print(f"    … {len(sample.judgments) - _OPINIONS} more", markup=False)


def _print_seen(key: str, sides: Mapping[str, Mapping[str, Sample]], frames: Mapping[str, Sequence[Frame]]) -> None:
    """The prompt with the chat template around it, once for all who saw the same; nothing of those of whom it is not known."""
    from reports.items.prompts import whole

    texts: dict[str, list[str]] = {}
    for name, side in sides.items():
        seen = side[key].seen(frames[name]) if key in side else None
        if seen is not None:
            texts.setdefault(whole(*seen), []).append(name)
    for text, names in texts.items():
        out.print(printable(f"  as {', '.join(names)} saw the prompt:\n{text}"), markup=False)


def _opinion(said: Judgment) -> str:
    """What a judge, or a check point, had to say."""
    order = "" if said.order == "alone" else f"(candidate {said.order})"
    draw = f"draw {said.draw + 1}" if said.draw else ""
    who = " ".join(part for part in (said.judge, draw, said.criterion, order) if part)
    score = "unparsable" if said.score is None else f"{said.score:g}"
    return f"{who} {score}: {' '.join(said.reason.split())}".rstrip(": ")
