"""``sftgate import``: put the scores of another tool, or the judgments of judges elsewhere, into the store."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from harness.commands import elsewhere
from harness.commands.console import out, printable
from harness.commands.importing import check_name, declared, readable
from harness.config import load
from harness.environment import environment
from harness.errors import UsageError
from harness.history import with_scores
from harness.records import IMPORTED, SHARES, Candidate, Measured, Metric
from harness.store import Store
from suites.rows import locate
from suites.score_files import read_scores
from suites.scores import KINDS, readings, to_measured


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    parser.add_argument(
        "what", choices=("scores", "judgments"),
        help="scores: one score per item, from a .jsonl or .csv file; judgments: who answered better, says a judge elsewhere",
    )  # fmt: skip
    parser.add_argument("file", metavar="FILE", help="scores: key, metric, score; and optionally draw, cluster, task, slice.NAME")
    parser.add_argument("--candidate", metavar="NAME", help="whose scores they are; needed for scores")
    parser.add_argument("--suite", required=True, metavar="NAME", help='a suite with use = "scores"')
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--config", type=Path, metavar="CONFIG", help="put them into the store of this config, which declares both")
    place.add_argument("--store", type=Path, metavar="FOLDER", help="put them into this store")
    parser.add_argument("--lower", action="append", default=[], metavar="METRIC", help="less of this metric is better")
    parser.add_argument("--kind", action="append", default=[], metavar="METRIC=KIND",
                        help=f"read a metric as {', '.join(KINDS)}; else 0/1 is binary, 0 to 1 bounded, the rest real")  # fmt: skip
    parser.add_argument("--range", action="append", default=[], metavar="METRIC=LOW:HIGH", dest="ranges",
                        help="the lowest and the highest score that an item can have, of a metric that is no share")  # fmt: skip
    elsewhere.declare(parser)


def execute(arguments: argparse.Namespace) -> int:
    """0 when all is in the store and selected. The same content is one run, however often it is imported."""
    check_name("suite", arguments.suite)
    return _scores(arguments) if arguments.what == "scores" else elsewhere.execute(arguments)


def _scores(arguments: argparse.Namespace) -> int:
    name, suite = arguments.candidate, arguments.suite
    if name is None:
        raise UsageError("--candidate is missing: a file of scores does not say whose they are")
    check_name("candidate", name)
    elsewhere.refuse_flags(arguments)
    loaded = None if arguments.config is None else load(arguments.config)
    store = Store(arguments.store) if loaded is None else Store(loaded.store)
    contents = (None, None) if loaded is None else declared(loaded, name, suite)
    kinds, ranges = _kinds(arguments.kind), _ranges(arguments.ranges)
    scores = read_scores(locate(arguments.file, folder=Path(), where=""))
    try:
        metrics = readings(scores, lower=arguments.lower, kinds=kinds, ranges=ranges)
    except UsageError as error:
        raise UsageError(f"{arguments.file}: {error}") from error
    measured = to_measured(
        scores,
        metrics,
        Candidate(name=name, engine="none"),
        suite,
        contents=contents,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        environment=environment(),
    )
    current = store.current()
    others = readable(store, [path for (owner, who), path in current.items() if owner == suite and who != name])
    _refuse_other_reading(measured, others)
    run, there = with_scores(measured), store.find(suite, name, measured.run.graded)
    store.select(suite, name, there or store.write_run(run, measured.samples))
    for line in _told(measured, others, again=there is not None, place=store.root):
        out.print(printable(line), markup=False)
    return 0


def _kinds(given: Sequence[str]) -> dict[str, str]:
    kinds = {}
    for text in given:
        metric, equals, kind = text.rpartition("=")
        if not equals or not metric or not kind:
            raise UsageError(f"--kind {text!r}: expected METRIC=KIND, such as f1=bounded")
        kinds[metric] = kind
    return kinds


def _ranges(given: Sequence[str]) -> dict[str, tuple[float, float]]:
    ranges = {}
    for text in given:
        metric, _, limits = text.rpartition("=")
        try:
            low, high = (float(part) for part in limits.split(":"))
        except ValueError:
            low = high = math.nan
        if not metric or not -math.inf < low < high < math.inf:
            raise UsageError(f"--range {text!r}: expected METRIC=LOW:HIGH with LOW under HIGH, such as grade=1:5")
        ranges[metric] = low, high
    return ranges


def _refuse_other_reading(measured: Measured, others: Sequence[Measured]) -> None:
    """One metric of one suite is read in one way, whoever is scored; said now, and not when the gate finds two kinds of number."""
    suite = measured.run.suite
    for other in others:
        who = other.run.candidate.name
        if other.run.use != IMPORTED:
            raise UsageError(
                f"--suite: sftgate asked {who!r} for the answers of {suite!r} itself (use = {other.run.use!r}); imported scores "
                "need a suite of their own"
            )
        for metric, mine in measured.run.metrics.items():
            theirs = other.run.metrics.get(metric)
            if theirs is not None and _read_as(theirs) != _read_as(mine):
                raise UsageError(
                    f"{metric!r} of {suite!r} is {_described(mine)} here, and {_described(theirs)} in what was imported for "
                    f"{who!r}. Say how it is to be read with --kind {metric}=…, --lower {metric} or --range {metric}=…, alike for "
                    "everybody (a range can also stand in the config, on the suite: range = { METRIC = [low, high] })"
                )


def _read_as(metric: Metric) -> tuple[str, str, tuple[float, float] | None]:
    return "share" if metric.kind in SHARES else metric.kind, metric.direction, metric.range


def _described(metric: Metric) -> str:
    limits = "" if metric.range is None else " from {:g} to {:g}".format(*metric.range)
    return f"{metric.kind}{limits}, {metric.direction} is better"


def _told(measured: Measured, others: Sequence[Measured], *, again: bool, place: Path) -> list[str]:
    run, keys = measured.run, {sample.key for sample in measured.samples}
    listed = "; ".join(f"{name} ({_described(metric)})" for name, metric in run.metrics.items())
    what = "was imported before and is selected" if again else "is imported"
    lines = [f"{run.candidate.name} in suite {run.suite} {what}: {len(keys):,} items, {listed}; store {place}"]
    for other in others:
        theirs = {sample.key for sample in other.samples}
        if theirs != keys:
            lines.append(
                f"note: {len(theirs - keys):,} items of {other.run.candidate.name} have no score here, and {len(keys - theirs):,} "
                "here have none there; a rule's max_missing says how much of that it bears"
            )
    return lines
