"""``sftgate import judgments``: who answered better by a judge elsewhere, as runs with win rates of our own."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from harness import stats
from harness.commands.console import out, printable
from harness.commands.importing import can_be_named, check_name, declared, readable
from harness.config import Loaded, load
from harness.environment import environment
from harness.errors import UsageError
from harness.gate import Policy
from harness.gate.measurements import Measurements
from harness.gate.win_rates import ranked, win_rates
from harness.history import with_scores
from harness.records import IMPORTED, Measured, Sample, WinRate
from harness.store import Store
from suites.elsewhere import FORMATS, GRADE, Arranged, Read, arranged, models, read_judgments, renamed, to_run
from suites.rows import locate

LISTED = 5
"""Judges, and models, that are named."""


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags that only judgments have."""
    judged = parser.add_argument_group(
        "judgments", "AlpacaEval annotations, MT-bench pair or single judgments, arena votes, or key, order, verdict"
    )
    judged.add_argument("--baseline", metavar="NAME", help="whom all are compared with; the config says it, a store does not")
    judged.add_argument(
        "--named", action="append", default=[], metavar="MODEL=NAME", help="what a model of the file is called here"
    )
    judged.add_argument("--format", metavar="FORMAT", help=f"{', '.join(FORMATS)}; else what the first row looks like")


def refuse_flags(arguments: argparse.Namespace) -> None:
    """UsageError for a flag that means nothing where scores are imported."""
    for flag in ("baseline", "named", "format"):
        if getattr(arguments, flag):
            raise UsageError(f"--{flag} belongs to judgments; scores have no such thing")


def execute(arguments: argparse.Namespace) -> int:
    """0 when the runs are in the store and selected."""
    for flag in ("lower", "kind", "ranges"):
        if getattr(arguments, flag):
            raise UsageError(f"--{flag.rstrip('s')} belongs to scores; how judgments are read is known")
    loaded = None if arguments.config is None else load(arguments.config)
    baseline = _baseline(arguments.baseline, loaded)
    path = locate(arguments.file, folder=Path(), where="")
    read = read_judgments(path, kind=arguments.format, candidate=arguments.candidate, baseline=baseline)
    if arguments.candidate is not None and read.format != "plain":
        raise UsageError(f"--candidate: rows of {read.format} say themselves who answered. Leave it out, or use --named MODEL=NAME")
    read = renamed(read, _named(arguments.named))
    found = arranged(read, baseline=baseline)
    runs = _runs(found, arguments, loaded, baseline)
    store = Store(arguments.store) if loaded is None else Store(loaded.store)
    for measured in runs.values():
        run = with_scores(measured)
        there = store.find(run.suite, run.candidate.name, run.graded)
        store.select(run.suite, run.candidate.name, there or store.write_run(run, measured.samples))
    for line in _told(read, found, runs, baseline, store.root):
        out.print(printable(line), markup=False)
    return 0


def _baseline(given: str | None, loaded: Loaded | None) -> str:
    if loaded is not None:
        if given not in (None, loaded.config.baseline):
            raise UsageError(f"--baseline {given!r}: the baseline of {loaded.file} is {loaded.config.baseline!r}. Leave it out")
        return loaded.config.baseline
    if given is None:
        raise UsageError(
            "--baseline is missing: whose answers are the others compared with? A store does not say it, a config does"
        )
    check_name("baseline", given)
    return given


def _named(given: Sequence[str]) -> dict[str, str]:
    names = {}
    for text in given:
        model, equals, name = text.rpartition("=")
        if not equals or not model:
            raise UsageError(f"--named {text!r}: expected MODEL=NAME, such as gpt4_turbo=base")
        if not can_be_named(name):
            raise UsageError(
                f"--named {text!r}: {name!r} cannot be the name of a candidate. Use letters, digits, '.', '_' and '-'."
            )
        names[model] = name
    return names


def _runs(found: Arranged, arguments: argparse.Namespace, loaded: Loaded | None, baseline: str) -> dict[str, Measured]:
    """By name, the baseline first: of everybody whom the config knows, or of all."""
    suite, store = arguments.suite, Store(arguments.store if loaded is None else loaded.store)
    known = None if loaded is None else {candidate.name for candidate in loaded.config.candidates}
    names = [name for name in found.candidates if known is None or name in known]
    if not names:
        listed = ", ".join(found.candidates) or "nobody"
        whom = "" if loaded is None else f", none of whom {loaded.file} has as a candidate. Say who is who with --named MODEL=NAME"
        raise UsageError(f"{arguments.file}: compared with {baseline!r} are {listed}{whom}")
    created = datetime.now(UTC).isoformat(timespec="seconds")
    samples = {baseline: _with_earlier(store, suite, baseline, found.baseline), **{name: found.candidates[name] for name in names}}
    runs = {}
    for name, own in samples.items():
        if not can_be_named(name):
            raise UsageError(
                f"{arguments.file}: {name!r} cannot be the name of a candidate here. Call it otherwise: --named '{name}=NAME'"
            )
        contents = (None, None) if loaded is None else declared(loaded, name, suite)
        runs[name] = to_run(own, name, suite, found, contents=contents, created=created, environment=environment())
    return runs


def _with_earlier(store: Store, suite: str, baseline: str, samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """With what was imported of the baseline before, so that one file after another can be imported. UsageError where it answered
    an item otherwise."""
    path = store.current().get((suite, baseline))
    earlier = readable(store, [] if path is None else [path])
    if not earlier or earlier[0].run.use != IMPORTED:
        return tuple(samples)
    fresh = {sample.key: sample for sample in samples}
    for old in earlier[0].samples:
        new = fresh.get(old.key)
        if new is not None and old.outputs and new.outputs and old.outputs != new.outputs:
            raise UsageError(
                f"{baseline!r} answers item {old.key!r} otherwise than in what was imported for suite {suite!r} before. Import "
                "into another suite: two baselines are no baseline"
            )
    return (*(old for old in earlier[0].samples if old.key not in fresh), *samples)


# ---------------------------------------------------------------------------------------------------------- what is told


def _told(read: Read, found: Arranged, runs: Mapping[str, Measured], baseline: str, place: Path) -> Iterator[str]:
    suite = next(iter(runs.values())).run.suite
    count = len(read.opinions) + len(read.grades)
    yield f"{count:,} judgments ({read.format}) by {_first(found.judges)}; store {place}, suite {suite}"
    table = {(suite, name): measured for name, measured in runs.items()}
    for rate in win_rates(Measurements(table, Policy(baseline=baseline))):
        if not rate.field:
            yield _rate(rate, runs[rate.candidate])
    yield from _grades(read, runs)
    others = [name for name in found.candidates if name not in runs]
    if others:
        yield f"note: not in the config, and not imported: {', '.join(others)}"
    if found.apart:
        yield f"note: {found.apart:,} judgments are about two others than {baseline}; they count for the strengths only"
    yield from _strengths(read, suite)
    yield from _agreement(read)


def _first(names: Sequence[str]) -> str:
    """Of many people each is a judge."""
    more = f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def _rate(rate: WinRate, measured: Measured) -> str:
    failed = f", {measured.run.failed:,} without a readable verdict" if measured.run.failed else ""
    parts = [f"{rate.items:,} items{failed}"]
    if rate.rate is not None:
        parts.append(f"win rate {_share(rate.rate, rate.low, rate.high)}")
    if rate.consistent is not None and rate.consistent_items < rate.items:
        share = f"{100 * rate.consistent_items / rate.items:.1f} % of items"
        parts.append(f"consistent {share}, on them {_share(rate.consistent, rate.consistent_low, rate.consistent_high)}")
    if rate.length is not None:
        parts.append(f"at equal length {_share(rate.length, rate.length_low, rate.length_high)}")
    if rate.style is not None:
        parts.append(f"at equal style {_share(rate.style, rate.style_low, rate.style_high)}")
    if rate.first + rate.second:
        parts.append(f"first slot twice {rate.first:,}, second slot twice {rate.second:,}")
    if rate.rate is not None:
        parts.append(f"all intervals {100 * rate.level:g} %")
    return f"{rate.candidate}: {'; '.join(parts)}{f' ({rate.note})' if rate.note else ''}"


def _grades(read: Read, runs: Mapping[str, Measured]) -> Iterator[str]:
    """The mean of everybody's, where the file has grades: MT-bench's own score."""
    if read.range is None:
        return
    for name, measured in runs.items():
        known = [sample.scores[GRADE] for sample in measured.samples if sample.scores and GRADE in sample.scores]
        if known:
            yield f"{name}: mean grade {sum(known) / len(known):.2f} of {read.range[1]:g}, over {len(known):,} items"


def _share(value: float, low: float | None, high: float | None) -> str:
    ends = "" if low is None or high is None else f" ({100 * low:.1f} to {100 * high:.1f})"
    return f"{100 * value:.1f} %{ends}"


def _strengths(read: Read, suite: str) -> Iterator[str]:
    """Of everybody in the file, whoever was compared with whom."""
    names = models(read)
    if len(names) < 3 or not read.opinions:
        return
    place, units = {name: at for at, name in enumerate(names)}, dict[str, int]()
    rows = [
        (
            place[each.first],
            place[each.second],
            each.score,
            units.setdefault(each.item.cluster or f"item {each.item.key}", len(units)),
        )
        for each in read.opinions
        if each.score is not None
    ]
    found = ranked(f"{suite}/win", tuple(names), rows, seed=0)
    if not found.strengths:
        yield f"strengths (Bradley-Terry): none, because {found.note}"
        return
    ends = dict(zip(names, zip(found.strengths, found.lows, found.highs, strict=True), strict=True))
    for name, (value, low, high) in sorted(ends.items(), key=lambda each: -each[1][0]):
        span = f" ({low:+.2f} to {high:+.2f})" if low is not None and high is not None else ""
        yield f"strength (Bradley-Terry) {value:+.2f}{span} {name}"


def _agreement(read: Read) -> Iterator[str]:
    """Of several judges on the same two answers, their orders averaged; nothing where no two of them saw the same (MT-bench names
    its judge otherwise for every kind of question, and of many people each saw a few)."""
    said: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for each in read.opinions:
        if each.score is not None:
            turned = each.first > each.second
            key = (each.item.key, min(each.first, each.second), max(each.first, each.second))
            said.setdefault(key, {}).setdefault(each.judge, []).append(1 - each.score if turned else each.score)
    shared = [by_judge for by_judge in said.values() if len(by_judge) > 1]
    if not shared:
        return
    judges = {judge for by_judge in shared for judge in by_judge}
    codes = np.full((len(shared), max(map(len, shared))), stats.MISSING, dtype=np.intp)
    for row, by_judge in enumerate(shared):
        for place, scores in enumerate(by_judge.values()):  # neither measure asks who of them it was
            mean = sum(scores) / len(scores)
            codes[row, place] = 0 if mean >= 0.75 else 2 if mean <= 0.25 else 1
    ratings = stats.Ratings(codes, 3)
    for found in (stats.raw_agreement(ratings), stats.krippendorff_alpha(ratings, "ordinal")):
        if found.value is None:
            yield f"{found.name} of {len(judges):,} judges: undefined, because {found.because}"
        else:
            ends = "" if found.interval.low is None else f" ({found.interval.low:.2f} to {found.interval.high:.2f})"
            yield f"{found.name} of {len(judges):,} judges: {found.value:.2f}{ends}, over {found.items:,} comparisons"
