"""Items of all candidates side by side, packed for the page.

Texts are kept once each in one table and referred to by number. When everything would not fit the budget, unchanged items keep
their scores and an excerpt of the prompt only; if that is not enough, the least changed of the others follow. The pack says what it
left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from harness.records import SHARES, Judgment, Measured, Metric, Record, Run, Sample
from reports.standing import TIMED

TEXT_BUDGET = 12_000_000
LONGEST_TEXT = 6_000
EXCERPT = 72
REAL_CHANGE = 0.10
SAME, LOST, GAINED, ERROR, ABSENT = 0, 1, 2, 3, 4


class Pairing(Record, frozen=True, kw_only=True):
    """One item as everybody answered it. ``statuses`` and ``gains`` are against the baseline, on the suite's primary metric;
    an item with a real-valued score counts as lost or gained from a tenth of the baseline's score on, one that only measures speed
    never."""

    suite: str
    task: str
    key: str
    metric: str
    samples: dict[str, Sample]
    statuses: dict[str, int]
    gains: dict[str, float]
    retained: bool = False
    share: bool = True

    @property
    def any_sample(self) -> Sample:
        return next(iter(self.samples.values()))

    @property
    def changed(self) -> bool:
        return any(status in (LOST, GAINED, ERROR) for status in self.statuses.values())

    @property
    def worst_gain(self) -> float:
        return min(self.gains.values(), default=0.0)


class Pack(Record, frozen=True, kw_only=True):
    """What the page embeds. A row is [suite, task, key, metric, prompt, target, excerpt, slices, cells]; a cell is
    [status, gain, scores, outputs, flags, error, judgments] or null; texts are numbers into ``texts``, −1 for text left out;
    ``real`` lists the metrics whose gains cannot be held against shares."""

    candidates: tuple[str, ...]
    baseline: str
    suites: tuple[str, ...]
    tasks: tuple[str, ...]
    metrics: tuple[str, ...]
    texts: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    real: tuple[int, ...] = ()
    omitted: int = 0
    cut: int = 0


def primary_metric(run: Run, sample: Sample) -> str:
    """The metric by which this sample is called lost or gained: the suite's primary one, else the first that it has."""
    scores = sample.scores or {}
    name = run.primary.rpartition("/")[2]
    if name in scores or not scores:
        return name
    return next((each for each in run.metrics if each.rpartition("/")[2] in scores), next(iter(scores))).rpartition("/")[2]


def oriented(run: Run, task: str, metric: str) -> Metric:
    for key in (metric, f"{task}/{metric}", f"{run.suite}/{task}/{metric}"):
        if key in run.metrics:
            return run.metrics[key]
    return Metric(kind="real")


def pair(measured: Mapping[tuple[str, str], Measured], baseline: str, candidates: Sequence[str]) -> list[Pairing]:
    """All items of all suites; the baseline first, then ``candidates`` in the order given."""
    pairings: list[Pairing] = []
    for suite in dict.fromkeys(suite for suite, _ in measured):
        sides = {name: measured[suite, name] for name in (baseline, *candidates) if (suite, name) in measured}
        byname = {name: {(each.task, each.key): each for each in side.samples} for name, side in sides.items()}
        keys = dict.fromkeys(key for table in byname.values() for key in table)
        runs = [side.run for side in sides.values()]
        pairings += [_pairing(suite, key, byname, runs, baseline) for key in keys] if runs else []
    return pairings


def _pairing(
    suite: str, key: tuple[str, str], tables: Mapping[str, Mapping[tuple[str, str], Sample]], runs: Sequence[Run], baseline: str
) -> Pairing:
    samples = {name: table[key] for name, table in tables.items() if key in table}
    scored = next((each for each in samples.values() if each.scores), next(iter(samples.values())))
    metric = primary_metric(runs[0], scored)
    declared = oriented(runs[0], key[0], metric)
    sign = -1.0 if declared.direction == "lower" else 1.0
    statuses: dict[str, int] = {}
    gains: dict[str, float] = {}
    base = (samples[baseline].scores or {}).get(metric) if baseline in samples else None
    for name, sample in samples.items():
        mine = (sample.scores or {}).get(metric)
        if sample.error is not None:
            statuses[name] = ERROR
        elif name == baseline or base is None or mine is None:
            statuses[name] = SAME
        else:
            gains[name] = sign * (mine - base)
            small = declared.kind not in SHARES and abs(gains[name]) < REAL_CHANGE * abs(base)
            unchanged = small or TIMED in runs[0].use or gains[name] == 0
            statuses[name] = SAME if unchanged else GAINED if gains[name] > 0 else LOST
    return Pairing(
        suite=suite,
        task=key[0],
        key=key[1],
        metric=metric,
        samples=samples,
        statuses=statuses,
        gains=gains,
        retained=runs[0].retained,
        share=declared.kind in SHARES,
    )


def worst_lost(pairings: Iterable[Pairing], candidate: str, most: int = 10) -> list[Pairing]:
    """The items that ``candidate`` lost hardest: retained suites first, larger losses first, then what more candidates lost too;
    tasks take turns, so that one bad task does not hide the others."""
    lost = [each for each in pairings if each.statuses.get(candidate) == LOST]
    lost.sort(key=lambda each: (not each.share, not each.retained, each.gains[candidate], -_losers(each), each.key))
    turns: dict[tuple[str, str], int] = {}
    ranked: list[tuple[bool, bool, float, int, int, Pairing]] = []
    for position, each in enumerate(lost):
        turn = turns[each.suite, each.task] = turns.get((each.suite, each.task), -1) + 1
        ranked.append((not each.share, not each.retained, each.gains[candidate], turn, position, each))
    ranked.sort(key=lambda entry: entry[:5])
    return [entry[-1] for entry in ranked[:most]]


def _losers(pairing: Pairing) -> int:
    return sum(status == LOST for status in pairing.statuses.values())


class _Texts:
    """A table of texts, each kept once."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.bytes = 0
        self.cut = 0

    def add(self, text: str) -> int:
        text = encodable(text)
        if len(text) > LONGEST_TEXT:
            self.cut += 1
            text = f"{text[:LONGEST_TEXT]}… ({len(text) - LONGEST_TEXT:,} more characters in the run's samples.jsonl)"
        number = self.numbers.get(text)
        if number is None:
            number = self.numbers[text] = len(self.numbers)
            self.bytes += len(text.encode("utf-8", "replace")) + 4
        return number


def pack(pairings: Sequence[Pairing], baseline: str, candidates: Sequence[str], *, budget: int = TEXT_BUDGET) -> Pack:
    """Everything the explorer needs. ``budget`` is bytes of text."""
    names = (baseline, *candidates)
    suites = tuple(dict.fromkeys(each.suite for each in pairings))
    tasks = tuple(dict.fromkeys(each.task for each in pairings))
    metrics = tuple(dict.fromkeys(name for each in pairings for sample in each.samples.values() for name in sample.scores or {}))
    metrics = tuple(dict.fromkeys((*metrics, *(each.metric for each in pairings))))
    numbers = {
        name: {value: index for index, value in enumerate(values)} for name, values in (("s", suites), ("t", tasks), ("m", metrics))
    }
    texts = _Texts()
    whole = _whole_ones(pairings, budget)
    rows: list[tuple[Any, ...]] = []
    for index, each in enumerate(pairings):
        kept = index in whole and texts.bytes < budget * 1.05
        shown = each.any_sample
        rows.append(
            (
                numbers["s"][each.suite],
                numbers["t"][each.task],
                each.key,
                numbers["m"][each.metric],
                texts.add(shown.prompt) if kept else -1,
                texts.add(target_text(shown.target)) if kept else -1,
                encodable(" ".join(shown.prompt[: EXCERPT * 2].split())[:EXCERPT]),
                shown.slices or 0,
                [_cell(each, name, numbers["m"], texts if kept else None) for name in names],
            )
        )
    return Pack(
        candidates=tuple(names),
        baseline=baseline,
        suites=suites,
        tasks=tasks,
        metrics=metrics,
        texts=tuple(texts.numbers),
        rows=tuple(rows),
        real=tuple(sorted({numbers["m"][each.metric] for each in pairings if not each.share})),
        omitted=sum(row[4] < 0 for row in rows),
        cut=texts.cut,
    )


def _whole_ones(pairings: Sequence[Pairing], budget: int) -> set[int]:
    """Which items keep their texts: all if they fit, else changed ones, worst first, as far as the budget goes."""
    sizes = [_size(each) for each in pairings]
    if sum(sizes) <= budget:
        return set(range(len(pairings)))
    order = sorted(
        (index for index, each in enumerate(pairings) if each.changed), key=lambda index: (pairings[index].worst_gain, index)
    )
    kept: set[int] = set()
    spent = 0
    for index in order:
        if spent + sizes[index] > budget:
            break
        spent += sizes[index]
        kept.add(index)
    return kept


def _size(pairing: Pairing) -> int:
    texts = {pairing.any_sample.prompt, *(output for sample in pairing.samples.values() for output in sample.outputs)}
    texts |= {judgment.reason for sample in pairing.samples.values() for judgment in sample.judgments}
    return sum(min(len(text.encode("utf-8", "replace")), LONGEST_TEXT * 4) + 8 for text in texts) + 64


def _cell(pairing: Pairing, name: str, metrics: Mapping[str, int], texts: _Texts | None) -> tuple[Any, ...] | None:
    sample = pairing.samples.get(name)
    if sample is None:
        return None
    scores = [item for metric, value in (sample.scores or {}).items() for item in (metrics[metric], compact(value))]
    cell: list[Any] = [pairing.statuses[name], compact(pairing.gains.get(name, 0.0)), scores]
    if texts is not None:
        cell += [
            [texts.add(output) for output in sample.outputs],
            list(sample.flags) or 0,
            texts.add(sample.error) if sample.error is not None else -1,
            [[_who(each), each.order, each.score, texts.add(each.reason)] for each in sample.judgments] or 0,
        ]
    return tuple(cell)


def _who(said: Judgment) -> str:
    draw = f"draw {said.draw + 1}" if said.draw else ""
    return " ".join(part for part in (said.judge, draw, said.criterion) if part)


def encodable(text: str) -> str:
    """``text`` with a question mark for every half of a broken surrogate pair, which no JSON can hold."""
    return text.encode("utf-8", "replace").decode()


def compact(value: float) -> int | float:
    """Six significant digits, whole numbers as such: enough to be read, short enough for ten thousand items."""
    rounded = float(f"{value:.6g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def target_text(target: Any) -> str:
    if target is None:
        return ""
    return target if isinstance(target, str) else msgspec.json.encode(target).decode()
