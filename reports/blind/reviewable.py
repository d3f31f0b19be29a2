"""Which items can be reviewed: answered by both sides, asked the same of both, and not answered alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

import msgspec

from harness.errors import ComparabilityError, UsageError
from harness.plugins import did_you_mean
from harness.records import Measured, Record, Sample
from reports.blind.cleaning import Leaks, leaks, masked, names_of, tidy

APART = 0.5
"""Judges whose opinions of an item are at least this far apart (1 the candidate's answer, 0 the baseline's) disagree."""


class Pair(Record, frozen=True, kw_only=True):
    """One item's answers. ``item``: its name in keys of packages, the same in every package of these runs. ``disputed``: why people
    should look at it; ``leaks``: what in the answers may name an arm. ``texts``: the baseline's and the candidate's answer as they
    are shown."""

    item: str
    baseline: Sample
    candidate: Sample
    texts: tuple[str, str]
    disputed: tuple[str, ...] = ()
    leaks: tuple[str, ...] = ()

    @property
    def place(self) -> tuple[str, str]:
        """By which it is sorted and found."""
        return self.baseline.task, self.baseline.key


class Reviewable(Record, frozen=True, kw_only=True):
    """Pairs in a fixed order; how many items were answered alike, how many lack an answer, how many were left out for leaks."""

    pairs: tuple[Pair, ...]
    identical: int = 0
    unanswered: int = 0
    leaking: int = 0


def reviewable(
    baseline: Measured,
    candidate: Measured,
    *,
    metric: str | None = None,
    on_leaks: Leaks = "show",
    picked: Collection[tuple[str, str]] = (),
) -> Reviewable:
    """The pairs of two runs. ``metric``: one of the suite's, which is above 0 where an item is disputed. ``on_leaks``: what becomes
    of answers that may name a model; where masks are not enough, or nothing else differs, the item is left out, too. ``picked``:
    task and key of the only items that are meant; empty: all.

    Raises ComparabilityError where the sides were not asked the same, UsageError for a metric that no item has.
    """
    others = {(sample.task, sample.key): sample for sample in candidate.samples}
    shared = [(own, others[place]) for own in baseline.samples if (place := (own.task, own.key)) in others]
    plain = len({own.key for own, _ in shared}) == len(shared)
    if picked:
        shared = [(own, other) for own, other in shared if (own.task, own.key) in picked]
    answered = [pair for pair in shared if all(sample.error is None and sample.outputs for sample in pair)]
    _require_asked_alike(baseline, candidate, answered)
    if metric is not None:
        _require_metric(candidate, metric)
    unlike = [(own, other) for own, other in answered if tidy(own.outputs[0]) != tidy(other.outputs[0])]
    names = names_of(baseline.run.candidate, candidate.run.candidate)
    pairs = [
        Pair(
            item=own.key if plain else f"{own.task}/{own.key}",
            baseline=own,
            candidate=other,
            disputed=disputed(other, metric),
            texts=(tidy(own.outputs[0]), tidy(other.outputs[0])),
            leaks=leaks(own.prompt, own.outputs[0], other.outputs[0], names=names),
        )
        for own, other in unlike
    ]
    kept = [pair for pair in (_guarded(pair, on_leaks, names) for pair in pairs) if pair is not None]
    total = len(picked) or len({(sample.task, sample.key) for sample in (*baseline.samples, *candidate.samples)})
    return Reviewable(
        pairs=tuple(sorted(kept, key=lambda pair: pair.place)),
        identical=len(answered) - len(unlike),
        unanswered=total - len(answered),
        leaking=len(pairs) - len(kept),
    )


def _guarded(pair: Pair, on_leaks: Leaks, names: Collection[str]) -> Pair | None:
    """The pair as it may be shown; None where it must not be."""
    if not pair.leaks or on_leaks == "show":
        return pair
    one, other = (masked(text, pair.leaks) for text in pair.texts)
    if on_leaks == "omit" or one == other or leaks(pair.baseline.prompt, one, other, names=names):
        return None
    return msgspec.structs.replace(pair, texts=(one, other))


def disputed(sample: Sample, metric: str | None = None) -> tuple[str, ...]:
    """Why the judges' opinions of an item are in doubt: flags that say so, judges that disagree, the declared metric."""
    flags: Collection[str] = sample.flags
    why = [flag for flag in ("conflict", "disputed") if flag in flags]
    by_judge: dict[str, list[float]] = defaultdict(list)
    for judgment in sample.judgments:
        if judgment.score is not None:
            by_judge[judgment.judge].append(judgment.score)
    means = [sum(scores) / len(scores) for scores in by_judge.values()]
    if means and max(means) - min(means) >= APART:
        why.append("judges disagree")
    if metric is not None and (sample.scores or {}).get(metric, 0.0) > 0:
        why.append(metric)
    return tuple(why)


def _require_asked_alike(baseline: Measured, candidate: Measured, answered: Sequence[tuple[Sample, Sample]]) -> None:
    unlike = sum(own.prompt_hash != other.prompt_hash for own, other in answered)
    if unlike:
        raise ComparabilityError(
            f"{unlike} of {len(answered)} items were not asked the same of {baseline.run.candidate.name!r} and "
            f"{candidate.run.candidate.name!r} (messages or decoding differ), so their answers cannot be compared; measure both "
            "again"
        )


def _require_metric(candidate: Measured, metric: str) -> None:
    known = sorted({name for sample in candidate.samples for name in sample.scores or {}})
    if metric not in known:
        raise UsageError(
            f"suite {candidate.run.suite!r} has no metric {metric!r} by which items could be disputed. "
            f"{did_you_mean(metric, known)}"
        )
