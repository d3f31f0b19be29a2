"""One metric over all the runs that a store holds of the same items: what it was, whose it was, what was pinned and promoted, where
it was asked otherwise, and how much it moves when nothing but a seed changes. Pure: runs and pins in, a record out."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from harness.baselines import Pin, Pins
from harness.compare.parity import asked_otherwise
from harness.errors import EvaluationError
from harness.gate.measurements import Measurements
from harness.gate.policy import Policy
from harness.records import IMPORTED, History, HistoryPoint, Measured, Metric, Run

Answers = tuple[str, str]
"""Whose, and the hash of them: two checkpoints may have answered alike."""

FEWEST = 3
"""Points below which there is no history to speak of."""

MOST = 60
"""Points that are kept: the newest, and every pin."""


def instant(created: str) -> float:
    """When that was, wherever the clock stood: seconds of our era. What says no time is older than all that does; what says no zone
    is UTC."""
    try:
        found = datetime.fromisoformat(created)
    except ValueError:
        return -math.inf
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def with_scores(measured: Measured) -> Run:
    """The run with its own score in every metric over all of its items, tasks pooled item by item."""
    run = measured.run
    pair = (run.suite, run.candidate.name)
    found = Measurements({pair: measured}, Policy(baseline=pair[1]))
    try:
        columns = [column for column in found.columns(*pair).values() if not column.flag and not column.group]
    except EvaluationError:  # samples that contradict each other; who judges them says how
        return run
    scores = {}
    for name in dict.fromkeys(column.name for column in columns):
        try:
            value = found.value(*pair, name)
        except EvaluationError:  # one name, read in two ways by two tasks: it has no score of its own
            continue
        if value is not None and math.isfinite(value):
            scores[name] = value
    return msgspec.structs.replace(run, scores=scores)


def history(runs: Iterable[Run], like: Run, pins: Pins, *, now: Collection[Answers], most: int = MOST) -> History | None:
    """The primary metric of ``like`` over all ``runs`` about the same items in the same version of the suite, oldest first.

    ``now``: whose answers are judged just now. None where there is nothing to look back at: fewer than
    three runs, or none but those. Runs in part, smoke runs, and damage done on purpose (``aa-test --planted``) do not count.
    """
    metric = like.primary
    counted = in_order(runs)
    elsewhere = sum(not same_questions(run, like) for run in counted)
    counted = [run for run in counted if same_questions(run, like) and metric in run.scores]
    past = [run for run in counted if answers(run) not in now and not run.replicate]
    if len(counted) < FEWEST or not past:
        return None
    folders = {run.graded for run in counted}
    kept = _newest([(run, _point(run, metric, pins, now, folders)) for run in counted], most)
    told = [asked_otherwise(before, run) for (before, _), (run, _) in zip([*kept[:1], *kept], kept, strict=False)]
    declared = _declared(like, metric)
    noise, noise_runs, noise_of = _noise(counted, metric)
    return History(
        suite=like.suite,
        metric=metric,
        kind=declared.kind,
        direction=declared.direction,
        unit=declared.unit,
        points=tuple(msgspec.structs.replace(point, otherwise=words) for (_, point), words in zip(kept, told, strict=True)),
        omitted=len(counted) - len(kept),
        elsewhere=elsewhere,
        noise=noise,
        noise_runs=noise_runs,
        noise_of=noise_of,
    )


def answers(run: Run) -> Answers:
    """Whose answers a run holds, and which."""
    return run.candidate.name, run.samples_hash


def in_order(runs: Iterable[Run]) -> list[Run]:
    """The runs that count, oldest first; what the same weights answered once and somebody declared again is one run. Nobody knows
    whether an endpoint's are the same, so that it has a run for every time that it was asked."""
    distinct: dict[tuple[Answers, str, str, str], Run] = {}
    for run in sorted(filter(whole, runs), key=lambda run: (instant(run.created), run.candidate.name)):
        known = run.fingerprints.weights or run.fingerprints.adapter or run.use == IMPORTED
        asked = (run.fingerprints.asked, "" if known else run.created)
        distinct.setdefault((answers(run), questions(run), *asked), run)
    return list(distinct.values())


def questions(run: Run) -> str:
    """What was asked and how it was graded, as one text: runs with another one are no points of one line."""
    return f"{run.items_hash} {run.suite_hash} {run.judge_hash}"


def same_questions(run: Run, like: Run) -> bool:
    """Whether two runs of a suite may stand on one line."""
    return questions(run) == questions(like)


def whole(run: Run) -> bool:
    """Whether a run is of all items, and of a candidate as it is."""
    smoke = run.limit is not None and run.limit <= run.planned
    planted = "#" in run.candidate.name and not run.replicate
    return not (smoke or planted or (run.looks is not None and run.looks.stopped))


def holds(run: Run, pin: Pin, folders: Collection[str]) -> bool:
    """Whether a pin means this run: that of its fingerprint, or any with the same answers where none of ``folders`` is that."""
    pinned = pin.runs.get(run.suite)
    if pinned is None or (pin.candidate, pinned.samples) != answers(run):
        return False
    return pinned.graded == run.graded or pinned.graded not in folders


def _point(run: Run, metric: str, pins: Pins, now: Collection[Answers], folders: Collection[str]) -> HistoryPoint:
    named = [name for name, pin in pins.pins.items() if holds(run, pin, folders)]
    promoted = [promotion.created for promotion in pins.promotions if promotion.to in named]
    return HistoryPoint(
        candidate=run.candidate.name.partition("#")[0],
        created=run.created,
        score=run.scores[metric],
        graded=run.graded,
        replicate=run.replicate,
        seed=run.seed,
        asked=run.asked or run.planned,
        failed=run.failed,
        pins=tuple(named),
        promoted=max(promoted, key=instant, default=""),
        baseline=pins.promoted in named,
        now=answers(run) in now,
    )


def _newest(points: Sequence[tuple[Run, HistoryPoint]], most: int) -> list[tuple[Run, HistoryPoint]]:
    spare = [number for number, (_, point) in enumerate(points) if not point.pins and not point.now]
    room = max(0, most - (len(points) - len(spare)))
    dropped = set(spare[: len(spare) - room])
    return [each for number, each in enumerate(points) if number not in dropped]


def _declared(run: Run, metric: str) -> Metric:
    if metric in run.metrics:
        return run.metrics[metric]
    named = (each for name, each in run.metrics.items() if name.rsplit("/", 1)[-1] == metric)
    return next(named, Metric(kind="real"))


def _noise(runs: Sequence[Run], metric: str) -> tuple[float | None, int, str]:
    """How much the score moves by itself: the standard deviation within groups of runs that differ by a seed only, pooled over the
    groups (n − 1 each). Training seeds of one recipe where there are any, else repeated runs of one checkpoint."""
    recipes: Mapping[str, dict[str, float]] = defaultdict(dict)
    repeats: Mapping[str, dict[str, float]] = defaultdict(dict)
    for run in runs:
        if run.candidate.recipe and not run.replicate:
            recipes[run.candidate.recipe][run.candidate.name] = run.scores[metric]
        repeats[run.fingerprints.asked][f"{run.seed} {run.replicate}"] = run.scores[metric]
    for groups, what in ((recipes, "training seed"), (repeats, "seed of asking")):
        several = [list(scores.values()) for scores in groups.values() if len(scores) > 1]
        if several:
            squares = sum((score - sum(scores) / len(scores)) ** 2 for scores in several for score in scores)
            spare = sum(len(scores) - 1 for scores in several)
            return math.sqrt(squares / spare), sum(map(len, several)), what
    return None, 0, ""
