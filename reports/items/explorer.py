"""Items of all candidates side by side: which were lost and which gained, which nobody gets right, which of them are in doubt."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from harness.records import SHARES, Frame, Measured, Metric, Record, Run, Sample
from reports.blind.reviewable import disputed
from reports.standing import TIMED

REAL_CHANGE = 0.10
HALF = 0.5
ROUNDING = 1e-12
"""Of a score's size: what the order of an addition may do to a mean."""
SAME, LOST, GAINED, ERROR, ABSENT, UNCOMPARED = 0, 1, 2, 3, 4, 5


class Pairing(Record, frozen=True, kw_only=True):
    """One item as everybody answered it. ``statuses`` and ``gains`` are against the baseline, on the suite's primary metric;
    an item with a real-valued score counts as lost or gained from a tenth of the baseline's score on (where that is 0, of the
    baseline's mean). What has no size to be held against, and what only measures speed, is not compared and has no gain."""

    suite: str
    task: str
    key: str
    metric: str
    samples: dict[str, Sample]
    statuses: dict[str, int]
    gains: dict[str, float]
    retained: bool = False
    share: bool = True
    lower: bool = False
    frames: dict[str, tuple[Frame, ...]] = {}

    @property
    def any_sample(self) -> Sample:
        """Somebody's, the baseline's first; one with an error may not say what was asked."""
        return next((each for each in self.samples.values() if each.prompt), next(iter(self.samples.values())))

    @property
    def worst_gain(self) -> float:
        return min(self.gains.values(), default=0.0)

    def seen(self, name: str) -> tuple[Frame, tuple[str, ...]] | None:
        """The prompt as ``name`` saw it: its frame, and what stands in it; None where that is not known."""
        return self.samples[name].seen(self.frames.get(name, ()))

    def failing(self, name: str) -> bool:
        """``name`` got less than half of it right; a score that is no share is neither right nor wrong."""
        score = (self.samples[name].scores or {}).get(self.metric) if name in self.samples else None
        return self.share and score is not None and (score > HALF if self.lower else score < HALF)

    def unstable(self, name: str) -> bool:
        """The same question, drawn again, was scored otherwise."""
        return name in self.samples and len(set(self.samples[name].draws.get(self.metric, ()))) > 1

    def disputed(self, name: str) -> bool:
        """Judges disagree about this answer, or one of them with itself."""
        return name in self.samples and bool(disputed(self.samples[name]))


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
        sizes = _sizes(byname.get(baseline, {}).values())
        frames = {name: side.run.frames for name, side in sides.items()}
        pairings += [_pairing(suite, key, byname, runs, baseline, sizes, frames) for key in keys] if runs else []
    return pairings


def _sizes(samples: Iterable[Sample]) -> dict[tuple[str, str], float]:
    """Task and metric -> how large a score is, whatever its sign, in the mean."""
    found: dict[tuple[str, str], list[float]] = {}
    for each in samples:
        for metric, score in (each.scores or {}).items():
            found.setdefault((each.task, metric), []).append(abs(score))
    return {name: math.fsum(sizes) / len(sizes) for name, sizes in found.items()}


def _pairing(
    suite: str,
    key: tuple[str, str],
    tables: Mapping[str, Mapping[tuple[str, str], Sample]],
    runs: Sequence[Run],
    baseline: str,
    sizes: Mapping[tuple[str, str], float],
    frames: dict[str, tuple[Frame, ...]],
) -> Pairing:
    samples = {name: table[key] for name, table in tables.items() if key in table}
    scored = next((each for each in samples.values() if each.scores), next(iter(samples.values())))
    metric = primary_metric(runs[0], scored)
    declared = oriented(runs[0], key[0], metric)
    sign = -1.0 if declared.direction == "lower" else 1.0
    statuses: dict[str, int] = {}
    gains: dict[str, float] = {}
    base = (samples[baseline].scores or {}).get(metric) if baseline in samples else None
    least = 0.0 if declared.kind in SHARES or base is None else REAL_CHANGE * (abs(base) or sizes[key[0], metric])
    mute = TIMED in runs[0].use or (declared.kind not in SHARES and least == 0)
    for name, sample in samples.items():
        mine = (sample.scores or {}).get(metric)
        if sample.error is not None:
            statuses[name] = ERROR
        elif name == baseline:
            statuses[name] = SAME
        elif base is None or mine is None or mute:
            statuses[name] = UNCOMPARED
        else:
            gains[name] = sign * (mine - base)
            unchanged = abs(gains[name]) <= ROUNDING * max(1.0, abs(base)) or abs(gains[name]) < least
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
        lower=declared.direction == "lower",
        frames=frames,
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


def compact(value: float) -> int | float:
    """Six significant digits, whole numbers as such: enough to be read, short enough for ten thousand items."""
    rounded = float(f"{value:.6g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded
