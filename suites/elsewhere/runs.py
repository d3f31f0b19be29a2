"""Judgments as runs: everybody against one baseline, item by item."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.compare.winning import CONTROLLED, EVEN, WIN, with_controlled
from harness.errors import UsageError
from harness.fingerprint import digest
from harness.plugins import did_you_mean
from harness.records import IMPORTED, Candidate, Fingerprints, Judgment, Measured, Metric, Run, Sample
from suites.bench import UNPARSABLE
from suites.elsewhere.opinion import Asked, Graded, Opinion, Order, Read
from suites.preference import flags_of, win_of

VERSION = "1"
GRADE = "grade"
TURNED: Mapping[Order, Order] = {"left": "right", "right": "left", "alone": "alone"}
OWN = Judgment(score=EVEN, reason="the baseline's own answer")


@dataclass(frozen=True)
class Arranged:
    """Samples of the baseline and of everybody who was compared with it; ``judges`` of the file. ``apart``: how many judgments are
    about two others."""

    baseline: tuple[Sample, ...]
    candidates: Mapping[str, tuple[Sample, ...]]
    metrics: Mapping[str, Metric]
    judges: tuple[str, ...]
    apart: int = 0


def renamed(read: Read, named: Mapping[str, str]) -> Read:
    """With other names for those who answered. UsageError for a name that nobody in the file has, and for two who become one."""
    known = models(read)
    for name in named:
        if name not in known:
            raise UsageError(f"--named {name}=…: nobody in the file is called so. {did_you_mean(name, known)}")
    shared = [name for name, count in Counter(named.get(each, each) for each in known).items() if count > 1]
    if shared:
        raise UsageError(f"--named: two models of the file would both be called {shared[0]!r}")

    def call(name: str) -> str:
        return named.get(name, name)

    return replace(
        read,
        opinions=tuple(replace(each, first=call(each.first), second=call(each.second)) for each in read.opinions),
        grades=tuple(replace(each, model=call(each.model)) for each in read.grades),
    )


def models(read: Read) -> list[str]:
    """Everybody who answered, in the order in which they occur."""
    return list(dict.fromkeys([*(n for each in read.opinions for n in (each.first, each.second)), *(g.model for g in read.grades)]))


def arranged(read: Read, *, baseline: str) -> Arranged:
    """Everybody against the baseline. UsageError where nobody is called so, and where rows contradict each other."""
    known = models(read)
    if baseline not in known:
        raise UsageError(f"nothing is said of the baseline {baseline!r}. {did_you_mean(baseline, known)}")
    judges = tuple(dict.fromkeys([*(each.judge for each in read.opinions), *(each.judge for each in read.grades)]))
    items = _items([*((each.place, each.item) for each in read.opinions), *((each.place, each.item) for each in read.grades)])
    metrics = {WIN: Metric(kind="bounded"), **CONTROLLED}
    if read.range is not None:
        return _graded(read, baseline, items, {GRADE: Metric(kind="real", range=read.range), **metrics}, judges)
    mine = [_about(each, baseline) for each in read.opinions if baseline in (each.first, each.second)]
    texts = _texts(mine)
    own = [_sample(items[key], (OWN,), texts.get((baseline, key))) for key in dict.fromkeys(each.item.key for each in mine)]
    candidates: dict[str, dict[str, list[Opinion]]] = {}
    for each in mine:
        candidates.setdefault(each.first, {}).setdefault(each.item.key, []).append(each)
    return Arranged(
        baseline=_all(own, baseline, baseline, texts),
        candidates={
            name: _all(
                [_sample(items[key], _said(said), texts.get((name, key))) for key, said in by_key.items()], name, baseline, texts
            )
            for name, by_key in candidates.items()
        },
        metrics=metrics,
        judges=judges,
        apart=len(read.opinions) - len(mine),
    )


def _items(found: Iterable[tuple[str, Asked]]) -> dict[str, Asked]:
    """Every item once; rows about one item say the same of it."""
    items: dict[str, tuple[str, Asked]] = {}
    for place, item in found:
        where, first = items.setdefault(item.key, (place, item))
        for what in ("prompt", "cluster", "task", "slices"):
            one, two = getattr(first, what), getattr(item, what)
            if one != two:
                said = f"{what} of item {item.key!r} is {str(two)[:80]!r}, and {str(one)[:80]!r} at {where}"
                raise UsageError(f"{place}: {said}; expected the same")
    return {key: item for key, (_, item) in items.items()}


def _about(opinion: Opinion, baseline: str) -> Opinion:
    """The same, about the other model against the baseline."""
    if opinion.second == baseline:
        return opinion
    return replace(
        opinion,
        first=opinion.second,
        second=opinion.first,
        score=None if opinion.score is None else 1 - opinion.score,
        order=TURNED[opinion.order],
        texts=None if opinion.texts is None else (opinion.texts[1], opinion.texts[0]),
    )


def _texts(opinions: Sequence[Opinion]) -> dict[tuple[str, str], str]:
    """(model, item) -> its answer; every row about both shows the same."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for each in opinions:
        for name, text in zip((each.first, each.second), each.texts or (), strict=False):
            place, first = found.setdefault((name, each.item.key), (each.place, text))
            if first != text:
                said = f"{name!r} answers item {each.item.key!r} otherwise than at {place}"
                raise UsageError(f"{each.place}: {said}; expected one answer of each model to an item")
    return {pair: text for pair, (_, text) in found.items()}


def _said(opinions: Sequence[Opinion]) -> tuple[Judgment, ...]:
    return tuple(Judgment(score=each.score, reason=each.reason, judge=each.judge, order=each.order) for each in opinions)


def _sample(item: Asked, judgments: tuple[Judgment, ...], text: str | None, **scores: float) -> Sample:
    """An item as one model answered it; without any readable verdict an error, as in a suite of our own."""
    win = win_of(judgments)
    found = dict(scores) if win is None else {**scores, WIN: win}
    about: dict[str, Any] = {
        "key": item.key,
        "task": item.task,
        "prompt": item.prompt,
        "outputs": () if text is None else (text,),
        "cluster": item.cluster,
        "slices": dict(item.slices),
        "judgments": judgments,
        "flags": flags_of(judgments),
    }
    return Sample(**about, scores=found) if found else Sample(**about, error=UNPARSABLE)


def _all(samples: Sequence[Sample], name: str, baseline: str, texts: Mapping[tuple[str, str], str]) -> tuple[Sample, ...]:
    both = {
        each.key: (texts[name, each.key], texts[baseline, each.key])
        for each in samples
        if (name, each.key) in texts and (baseline, each.key) in texts
    }
    return tuple(with_controlled(samples, both))


# ------------------------------------------------------------------------------------------------------------- grades


def _graded(
    read: Read, baseline: str, items: Mapping[str, Asked], metrics: Mapping[str, Metric], judges: tuple[str, ...]
) -> Arranged:
    """Grades as they are, and who has the better one of the same judge as ``win``."""
    by_model: dict[str, dict[str, list[Graded]]] = {}
    for each in read.grades:
        by_model.setdefault(each.model, {}).setdefault(each.item.key, []).append(each)
    theirs = {(each.item.key, each.judge): each.grade for each in read.grades if each.model == baseline}
    samples = {
        name: tuple(
            with_controlled([_of_grades(items[key], grades, theirs, own=name == baseline) for key, grades in by_key.items()], {})
        )
        for name, by_key in by_model.items()
    }
    others = {name: found for name, found in samples.items() if name != baseline}
    return Arranged(baseline=samples[baseline], candidates=others, metrics=metrics, judges=judges)


def _of_grades(item: Asked, grades: Sequence[Graded], theirs: Mapping[tuple[str, str], float | None], *, own: bool) -> Sample:
    known = [each.grade for each in grades if each.grade is not None]
    judgments = [
        _compared(each, theirs.get((each.item.key, each.judge))) for each in grades if (each.item.key, each.judge) in theirs
    ]
    return _sample(item, (OWN,) if own else tuple(judgments), None, **({GRADE: sum(known) / len(known)} if known else {}))


def _compared(mine: Graded, other: float | None) -> Judgment:
    """Two grades of one judge as its verdict on the two answers; none where either could not be read."""
    score = None if mine.grade is None or other is None else EVEN + EVEN * ((mine.grade > other) - (mine.grade < other))
    raw = " to ".join("none" if grade is None else f"{grade:g}" for grade in (mine.grade, other))
    return Judgment(score=score, reason=mine.reason, raw=raw, judge=mine.judge)


# --------------------------------------------------------------------------------------------------------------- runs


def to_run(
    samples: Sequence[Sample],
    name: str,
    suite: str,
    found: Arranged,
    *,
    contents: tuple[str | None, str | None] = (None, None),
    created: str = "",
    environment: Mapping[str, Any] | None = None,
) -> Measured:
    """Samples as a run, named by its content: importing the same again, in any order of lines, gives the same run. ``contents``:
    hashes of the weights and the adapter that answered, where they are at hand."""
    content = digest(sorted((_content(sample) for sample in samples), key=_first))
    version = digest({"use": IMPORTED, "judgments": VERSION})
    scored = {metric for sample in samples for metric in sample.scores or {}}
    run = Run(
        candidate=Candidate(name=name, engine="none"),
        suite=suite,
        use=IMPORTED,
        fingerprints=Fingerprints(asked=content, weights=contents[0], adapter=contents[1]),
        graded=digest({"version": version, "suite": suite, "metrics": found.metrics, "contents": contents, "scores": content}),
        items_hash=digest(sorted([sample.key, sample.task, sample.cluster, sample.slices] for sample in samples)),
        suite_hash=version,
        judge_hash=digest(sorted(found.judges)),
        engine={"name": "imported"},
        metrics={metric: how for metric, how in found.metrics.items() if metric in scored or metric == WIN},
        primary=next(iter(found.metrics)),
        planned=len(samples),
        asked=len(samples),
        failed=sum(sample.error is not None for sample in samples),
        flags=dict(Counter(flag for sample in samples for flag in sample.flags)),
        created=created,
        environment=dict(environment or {}),
    )
    return Measured(run=run, samples=tuple(samples))


def _content(sample: Sample) -> list[Any]:
    """What the file says; what is made of it follows."""
    judgments = sorted(sample.judgments, key=lambda each: (each.judge, each.order))
    grade = (sample.scores or {}).get(GRADE)
    return [sample.key, sample.task, sample.cluster, sample.slices, judgments, grade, sample.outputs]


def _first(row: list[Any]) -> str:
    return str(row[0])
