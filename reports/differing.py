"""What changed between sides of a gate that may not be compared, and between two of the same weights that answered otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from harness.compare import broken
from harness.records import Conclusion, Measured, Record, Sample
from reports.changes import ANSWERED, SCORED, Changes, ItemDifference, changes, same_weights
from reports.figures import Figure, count_figure, pointer

MOST = 6
"""Pairs of sides that are told about."""


class Differing(Record, frozen=True, kw_only=True):
    """What a page embeds. ``left``: pairs that are not told about."""

    pairs: tuple[Changes, ...] = ()
    left: int = 0


class ChangedCard(Record, frozen=True, kw_only=True):
    changes: Changes
    lines: tuple[tuple[ItemDifference, Figure], ...]


def differing(conclusion: Conclusion, measured: Mapping[tuple[str, str], Measured]) -> Differing:
    """Of every suite that a candidate and the baseline have: with one example of a kind. That other weights answer otherwise, or
    win against the baseline, is no change in what was asked."""
    refused = {(line.suite, line.candidate) for line in conclusion.parity if broken(line)}
    pairs = []
    for (suite, name), new in measured.items():
        old = measured.get((suite, conclusion.baseline))
        if old is not None and name != conclusion.baseline and ((suite, name) in refused or _unsteady(old, new)):
            pairs.append((old, new))
    pairs.sort(key=lambda pair: (pair[1].run.suite, pair[1].run.candidate.name) not in refused)
    told = [each for each in (_short(changes(*pair)) for pair in pairs) if each.items]
    return Differing(pairs=tuple(told[:MOST]), left=max(0, len(told) - MOST))


def changed_cards(found: Differing) -> tuple[ChangedCard, ...]:
    """Kinds of differences with the counts that the page's data has."""
    return tuple(
        ChangedCard(
            changes=each,
            lines=tuple(
                (item, count_figure(item.count, pointer("differing", "pairs", place, "items", number, "count")))
                for number, item in enumerate(each.items)
            ),
        )
        for place, each in enumerate(found.pairs)
    )


def _unsteady(old: Measured, new: Measured) -> bool:
    """Whether the same weights answered otherwise."""
    return same_weights(old.run, new.run) and not new.run.people and _answers(old.samples) != _answers(new.samples)


def _answers(samples: Sequence[Sample]) -> dict[tuple[str, str], tuple[str, ...]]:
    return {(each.task, each.key): each.outputs for each in samples}


def _short(found: Changes) -> Changes:
    expected = () if found.same_weights else (ANSWERED, SCORED)
    kept = [each for each in found.items if each.count and each.what not in expected]
    return replace(found, differences=(), items=tuple(replace(each, examples=each.examples[:1]) for each in kept))
