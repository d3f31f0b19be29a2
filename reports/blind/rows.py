"""The rows of a review, in the order in which raters see them: drawn items, and what is planted among them.

Sides are balanced and drawn at random. A duplicate repeats an item of the first half in the second, with its
sides exchanged; a check stands anywhere. Ids are counters given at the end, so they say nothing.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec

from harness.errors import UsageError
from reports.blind.checks import Check
from reports.blind.cleaning import tidy
from reports.blind.key import OTHER, KeyEntry, Side
from reports.blind.sampling import Drawn


def rows(drawn: Sequence[Drawn], checks: Sequence[Check], duplicates: int, draw: random.Random) -> list[KeyEntry]:
    """All rows with their ids; ``duplicates`` of them repeat others. Raises UsageError where there are not so many items."""
    if not 0 <= duplicates <= len(drawn):
        raise UsageError(f"{duplicates} duplicates cannot be planted among {len(drawn)} items: each repeats another one")
    whole = [_entry(one, side) for one, side in zip(drawn, sides(len(drawn), draw), strict=True)]
    repeated = sorted(draw.sample(range(len(whole)), duplicates))
    # Repeated items come first, in random order as all others: behind them there is room to keep their duplicates apart.
    ahead = [whole[place] for place in repeated]
    rest = [row for place, row in enumerate(whole) if place not in set(repeated)]
    half = max(len(whole) // 2, duplicates)
    early, late = [*ahead, *rest[: half - duplicates]], rest[half - duplicates :]
    draw.shuffle(early)
    again = [msgspec.structs.replace(_exchanged(row), kind="duplicate", twin=row.review_id) for row in early if row in ahead]
    late = [*late, *again]
    draw.shuffle(late)
    ordered = [*early, *late]
    for check, side in zip(checks, sides(len(checks), draw), strict=True):
        ordered.insert(draw.randint(0, len(ordered)), _planted(check, side))
    return _numbered(ordered)


def sides(count: int, draw: random.Random) -> list[Side]:
    """As many left as right, or one more of either, in random order."""
    balanced: list[Side] = ["left" if index % 2 else "right" for index in range(count)]
    if draw.random() < 0.5:
        balanced = [OTHER[side] for side in balanced]
    draw.shuffle(balanced)
    return balanced


def _entry(one: Drawn, side: Side) -> KeyEntry:
    own, other = one.pair.baseline, one.pair.candidate
    left, right = reversed(one.pair.texts) if side == "left" else one.pair.texts
    return KeyEntry(
        review_id=one.pair.item,
        item=one.pair.item,
        question=tidy(own.prompt),
        left=left,
        right=right,
        candidate_side=side,
        cluster=own.cluster,
        slices=own.slices,
        weight=own.weight,
        stratum=one.stratum,
        probability=one.probability,
        disputed=one.pair.disputed,
        leaks=one.pair.leaks,
        baseline_prompt_hash=own.prompt_hash,
        candidate_prompt_hash=other.prompt_hash,
    )


def _exchanged(row: KeyEntry) -> KeyEntry:
    side = None if row.candidate_side is None else OTHER[row.candidate_side]
    return msgspec.structs.replace(row, left=row.right, right=row.left, candidate_side=side)


def _planted(check: Check, side: Side) -> KeyEntry:
    better, worse = tidy(check.better), tidy(check.worse)
    left, right = (better, worse) if side == "left" else (worse, better)
    return KeyEntry(
        review_id=check.name,
        kind="attention",
        item=check.name,
        question=tidy(check.question),
        left=left,
        right=right,
        expected=side,
    )


def _numbered(ordered: Sequence[KeyEntry]) -> list[KeyEntry]:
    """With counters for ids; until here an item's is its key, by which its duplicate knows it."""
    width = max(3, len(str(len(ordered))))
    names = [f"r{number:0{width}d}" for number in range(1, len(ordered) + 1)]
    of_item = {row.review_id: name for row, name in zip(ordered, names, strict=True) if row.kind == "item"}
    return [
        msgspec.structs.replace(row, review_id=name, twin=None if row.twin is None else of_item[row.twin])
        for row, name in zip(ordered, names, strict=True)
    ]
