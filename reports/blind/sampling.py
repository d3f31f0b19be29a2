"""Which items people see: drawn at random inside strata, so that it is known how likely each one was to be drawn.

A stratum is a slice's value, and disputed items are a stratum of their own beside the others of their slice. Inside a stratum
every item is as likely as the next: drawn / size. What people say of items drawn with unlike probabilities is weighted by their
inverses. Items that were picked by hand are a stratum that stands for nothing but itself.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

from harness.errors import UsageError
from harness.plugins import did_you_mean
from harness.records import Record
from reports.blind.key import PICKED, Stratum
from reports.blind.reviewable import Pair

Allocation = Literal["proportional", "equal"]
WHOLE = "all"
DISPUTED = " (disputed)"
Place = tuple[str, str]
"""Task and key."""


class Sampling(Record, frozen=True, kw_only=True):
    """``items``: how many to draw; None for all. ``by``: the slice whose values are strata; None for one stratum. ``allocation``:
    strata get items by their size, or all the same number. ``disputed``: how many times as likely a disputed item is drawn.
    ``picked``: nothing is drawn, these items were picked by hand."""

    items: int | None = None
    by: str | None = None
    allocation: Allocation = "proportional"
    disputed: float = 1.0
    picked: tuple[Place, ...] = ()


class Drawn(Record, frozen=True, kw_only=True):
    """A pair, the stratum it was drawn from, and its probability of being drawn."""

    pair: Pair
    stratum: str
    probability: float


def check_sampling(sampling: Sampling) -> None:
    """Raises UsageError for what cannot be drawn, and for settings without effect."""
    if sampling.picked and sampling != Sampling(picked=sampling.picked):
        raise UsageError("items that were picked by hand are not drawn: leave out how to draw")
    if sampling.items is not None and sampling.items < 1:
        raise UsageError(f"a review needs at least one item, found {sampling.items}")
    if not 1 <= sampling.disputed <= 1000:
        raise UsageError(f"disputed items are drawn 1 to 1000 times as often as others, found {sampling.disputed:g}")
    if sampling.allocation == "equal" and sampling.by is None:
        raise UsageError("items are allocated equally to strata: name the slice whose values are the strata")


def draw_pairs(pairs: Sequence[Pair], sampling: Sampling, draw: random.Random) -> tuple[list[Drawn], dict[str, Stratum]]:
    """The drawn pairs in random order, and every stratum with its size and how many were drawn of it."""
    strata = strata_of(pairs, sampling)
    sizes = {name: len(members) for name, members in strata.items()}
    numbers = sizes if sampling.items is None else _numbers(sizes, sampling)
    drawn = [
        Drawn(pair=pair, stratum=name, probability=numbers[name] / sizes[name])
        for name, members in strata.items()
        for pair in draw.sample(members, numbers[name])
    ]
    draw.shuffle(drawn)
    return drawn, {name: Stratum(size=sizes[name], drawn=numbers[name]) for name in strata}


def strata_of(pairs: Sequence[Pair], sampling: Sampling) -> dict[str, list[Pair]]:
    """By name, in alphabetical order."""
    by = sampling.by
    if by is not None and not any(by in pair.baseline.slices for pair in pairs):
        known = sorted({name for pair in pairs for name in pair.baseline.slices})
        raise UsageError(f"no item has a slice {by!r} to draw by. {did_you_mean(by, known)}")
    strata: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        name = (PICKED if sampling.picked else WHOLE) if by is None else f"{by}={pair.baseline.slices.get(by, '')}"
        strata[name + (DISPUTED if pair.disputed and sampling.disputed > 1 else "")].append(pair)
    return {name: strata[name] for name in sorted(strata)}


def _numbers(sizes: Mapping[str, int], sampling: Sampling) -> dict[str, int]:
    """How many to draw of each stratum: at least one, at most all, and otherwise by their shares; together ``items``, or all."""
    items = min(sampling.items or 0, sum(sizes.values()))
    if items < len(sizes):
        raise UsageError(
            f"{items} items cannot be drawn from {len(sizes)} strata: each needs at least one, or nothing is known of what "
            "is not drawn. Draw more items, or by a slice of fewer values"
        )
    shares = {
        name: (size if sampling.allocation == "proportional" else 1.0) * (sampling.disputed if name.endswith(DISPUTED) else 1.0)
        for name, size in sizes.items()
    }
    numbers = dict.fromkeys(sizes, 1)
    while sum(numbers.values()) < items:
        total = sum(share for name, share in shares.items() if numbers[name] < sizes[name])
        behind = {name: shares[name] / total * items - number for name, number in numbers.items() if number < sizes[name]}
        numbers[max(behind, key=lambda name: (behind[name], name))] += 1
    return numbers
