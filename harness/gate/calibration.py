"""A judge beside people, on the same answers: where they agree, what people reach among themselves, and the win rate that a few
human labels and many verdicts give together. For reading: rules are about the judge's metric, or about ``human/win``.

Only answers that differ count: equal ones tie without anybody being asked. Votes on answers that were asked for otherwise (another
system prompt, another decoding) are votes on other answers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from harness import stats
from harness.compare import LEVEL
from harness.compare.winning import EVEN, WIN
from harness.gate.measurements import Measurements
from harness.gate.policy import HUMAN_WIN
from harness.gate.win_rates import Duel, duels
from harness.records import Calibrated, Run, Sample, only_picked

Array = NDArray[np.float64]
Codes = NDArray[np.intp]

HUMAN = HUMAN_WIN.split("/", 1)[0]
ROUNDING = 1e-9
WON, TIED, LOST = 0, 1, 2
"""Codes of what a judge, or a person, says."""


def calibrated(measurements: Measurements) -> list[Calibrated]:
    """Every judge's ``win`` of every candidate that people voted on, in the order measured."""
    found = []
    for duel in duels(measurements):
        suite = duel.metric.split("/", 1)[0]
        people = measurements.measured.get((HUMAN, duel.candidate))
        if suite == HUMAN or people is None:
            continue
        votes = {sample.key: sample for sample in people.samples if sample.scores is not None and WIN in sample.scores}
        shown = {sample.key: (votes.get(f"{suite}/{sample.key}"), sample.prompt_hash) for sample in duel.own}
        said = {key: vote for key, (vote, asked) in shown.items() if vote is not None and vote.prompt_hash == asked}
        if said:
            judges = dict.fromkeys(each.judge for sample in duel.own for each in sample.judgments if each.judge)
            found.append(structs.replace(_calibrated(duel, said, people.run, measurements.policy.seed), judge=", ".join(judges)))
    return found


@dataclass(frozen=True)
class Beside:
    """Of the items whose answers differ: ``judge``, its scores; ``seen``, whether people saw them; ``votes``, their samples.
    ``probabilities``: with which those had been drawn; empty where all had the same."""

    judge: Array
    clusters: Codes
    seen: NDArray[np.bool_]
    votes: tuple[Sample, ...]
    probabilities: Array

    @property
    def people(self) -> Array:
        """What people say of the items that they saw: the mean of their votes."""
        return np.asarray([(sample.scores or {})[WIN] for sample in self.votes], dtype=float)


def _calibrated(duel: Duel, said: Mapping[str, Sample], run: Run, seed: int) -> Calibrated:
    differ = np.asarray([_text(mine) != _text(theirs) for mine, theirs in zip(duel.own, duel.other, strict=True)], dtype=bool)
    meant = duel.cut(differ)
    keys = meant.pair.baseline.keys
    votes = tuple(said[key] for key in keys if key in said)
    found = Calibrated(
        metric=duel.metric,
        candidate=duel.candidate,
        baseline=duel.baseline,
        items=len(keys),
        labelled=len(votes),
        raters=len({each.judge for sample in votes for each in sample.judgments}),
        level=LEVEL,
    )
    if not votes:
        return structs.replace(found, note="the answers that people saw are equal now")
    if packages := only_picked(run.people):
        why = f"the items that people saw were picked by hand (package {', '.join(packages)}), and no sample"
        return structs.replace(found, note=f"{why}: people and judge are not put together")
    if float(np.ptp(meant.pair.baseline.weights)) > 0:
        return structs.replace(found, note="items weigh differently, so that people and judge are not put together")
    seen = np.asarray([key in said for key in keys], dtype=bool)
    chances = meant.pair.baseline.weights[seen] / np.asarray([sample.weight for sample in votes], dtype=float)
    if float(chances.max()) > 1 + ROUNDING:
        return structs.replace(found, note="votes weigh less than the items do now, so that nobody knows how these were drawn")
    unlike = float(np.ptp(chances)) > ROUNDING
    beside = Beside(meant.scores, meant.pair.baseline.clusters, seen, votes, np.minimum(chances, 1.0) if unlike else np.zeros(0))
    return _corrected(beside, _powered(beside, _agreement(beside, found, seed), seed))


def _text(sample: Sample) -> str | None:
    return sample.outputs[0].strip() if sample.outputs else sample.key


# ---------------------------------------------------------------------------------------------------------- agreement


def _agreement(beside: Beside, found: Calibrated, seed: int) -> Calibrated:
    verdicts, said = _codes(beside.judge[beside.seen]), beside.people
    people = np.where(said > EVEN, WON, np.where(said < EVEN, LOST, TIED)).astype(np.intp)
    table = np.zeros((3, 3), dtype=int)
    np.add.at(table, (verdicts, people), 1)
    clusters = beside.clusters[beside.seen]
    kappa = stats.cohen_kappa(stats.Ratings(np.stack([verdicts, people], axis=1), 3, clusters=clusters), level=LEVEL, seed=seed)
    found = structs.replace(
        found,
        confusion=tuple(tuple(int(count) for count in row) for row in table),
        accuracy=float(np.trace(table)) / len(verdicts),
        kappa=kappa.value,
        kappa_low=kappa.interval.low,
        kappa_high=kappa.interval.high,
        kappa_because=kappa.because,
    )
    ceiling = stats.judge_ceiling(verdicts, _people(beside.votes, clusters), level=LEVEL, seed=seed)
    return structs.replace(
        found,
        shared=ceiling.items,
        judge_kappa=ceiling.judge,
        people_kappa=ceiling.people,
        gap=ceiling.gap,
        gap_low=ceiling.interval.low,
        gap_high=ceiling.interval.high,
        gap_because=ceiling.because or (ceiling.interval.note if ceiling.interval.low is None else ""),
    )


def _codes(scores: Array) -> Codes:
    """The nearest of won, tied, lost; as ``Judgment.prefers``."""
    return np.where(scores >= 0.75, WON, np.where(scores <= 0.25, LOST, TIED)).astype(np.intp)


def _people(votes: tuple[Sample, ...], clusters: Codes) -> stats.Ratings:
    """Who said what of which item; what one person said twice of an item counts once, as its mean."""
    raters = list(dict.fromkeys(each.judge for sample in votes for each in sample.judgments))
    codes = np.full((len(votes), max(len(raters), 1)), stats.MISSING, dtype=np.intp)
    for row, sample in enumerate(votes):
        said: dict[str, list[float]] = defaultdict(list)
        for each in sample.judgments:
            if each.score is not None:
                said[each.judge].append(each.score)
        for rater, scores in said.items():
            codes[row, raters.index(rater)] = _codes(np.asarray([sum(scores) / len(scores)]))[0]
    return stats.Ratings(codes, 3, clusters=clusters)


# ---------------------------------------------------------------------------------------------------------- win rates


def _powered(beside: Beside, found: Calibrated, seed: int) -> Calibrated:
    """The human win rate, by people alone and together with the judge."""
    clusters = (beside.clusters[beside.seen], beside.clusters[~beside.seen])
    powered = stats.PredictionPowered(
        beside.people - EVEN, beside.judge[beside.seen] - EVEN, beside.judge[~beside.seen] - EVEN, *clusters,
        probabilities=beside.probabilities, span=EVEN, seed=seed,
    )  # fmt: skip
    alone, together = powered.alone(LEVEL), powered.interval(LEVEL)
    return structs.replace(
        found,
        human=EVEN + powered.by_hand.gain,
        human_low=_from_even(alone.low),
        human_high=_from_even(alone.high),
        judged=float(beside.judge.mean()),
        powered=EVEN + powered.gain,
        powered_low=_from_even(together.low),
        powered_high=_from_even(together.high),
        lam=0.0 if powered.because else powered.lam,
        saved=None if powered.because else powered.saved,
        because=powered.because,
    )


def _from_even(end: float | None) -> float | None:
    return None if end is None else min(max(EVEN + end, 0.0), 1.0)


def _corrected(beside: Beside, found: Calibrated) -> Calibrated:
    """The share of wins among the items that people did not see, by the judge's errors on those that they did."""
    judge, people, others = beside.judge[beside.seen], beside.people, beside.judge[~beside.seen]
    ties = int(((beside.judge != 0) & (beside.judge != 1)).sum())
    if ties or (people == EVEN).any():
        who = f"the judge is undecided on {ties:,} of {len(beside.judge):,} items" if ties else "people tie on some of the items"
        return structs.replace(found, corrected_because=f"{who}, and this correction knows right and wrong only")
    if len(np.unique(beside.clusters)) < len(beside.clusters):
        return structs.replace(found, corrected_because="items stand in clusters, and this correction takes each for itself")
    if len(beside.probabilities):
        return structs.replace(found, corrected_because="the items that people saw were not drawn alike")
    wrong, right = people < EVEN, people > EVEN
    caught, found_right = float((1 - judge[wrong]).sum()), float(judge[right].sum())
    corrected = stats.rogan_gladen(float(others.sum()), len(others), caught, int(wrong.sum()), found_right, int(right.sum()), LEVEL)
    return structs.replace(
        found,
        corrected=corrected.value,
        corrected_low=corrected.interval.low,
        corrected_high=corrected.interval.high,
        corrected_because=corrected.because or corrected.interval.note,
    )
