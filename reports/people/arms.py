"""Votes in terms of the arms: what a choice of a side means, once it is known who stood there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.stats.paired import Array, Codes
from reports.blind.form import Choice
from reports.blind.key import Key, KeyEntry
from reports.votes.vote import SIDED, Vote

NAMED = ("baseline, much", "baseline", "tie", "both bad", "candidate", "candidate, much")
"""What can be said of an item."""
_MUCH: frozenset[Choice] = frozenset(("left_much", "right_much"))
RANKED = {"baseline, much": 0, "baseline": 1, "tie": 2, "both bad": 2, "candidate": 3, "candidate, much": 4}
"""On a scale, two bad answers are as good as each other."""


def label(vote: Vote, entry: KeyEntry) -> str:
    """Of an item or a duplicate."""
    side = SIDED.get(vote.choice)
    if side is None:
        return "both bad" if vote.choice == "both_bad" else "tie"
    return ("candidate" if side == entry.candidate_side else "baseline") + (", much" if vote.choice in _MUCH else "")


def score(vote: Vote, entry: KeyEntry) -> float:
    """1 for the candidate's answer, 0 for the baseline's, ½ for neither."""
    side = SIDED.get(vote.choice)
    return 0.5 if side is None else float(side == entry.candidate_side)


def preference(vote: Vote, entry: KeyEntry) -> float:
    """As ``score``, with "much better" twice as far from the middle as "better": 0, ¼, ½, ¾, 1."""
    return RANKED[label(vote, entry)] / 4


def leftward(vote: Vote) -> float:
    """1 for the left answer, 0 for the right one, ½ for neither."""
    side = SIDED.get(vote.choice)
    return 0.5 if side is None else float(side == "left")


@dataclass(frozen=True)
class Panel:
    """The votes on items, and the numbers by which the statistics know them: one element per vote. ``menu``: what could have
    been said. ``drawn``: how many items of each stratum the package has, voted on or not."""

    votes: tuple[Vote, ...]
    entries: tuple[KeyEntry, ...]
    items: Codes
    raters: Codes
    names: tuple[str, ...]
    menu: tuple[str, ...]
    drawn: Mapping[str, int]

    @property
    def labels(self) -> list[str]:
        return [label(vote, entry) for vote, entry in zip(self.votes, self.entries, strict=True)]

    @property
    def scores(self) -> Array:
        return np.asarray([score(vote, entry) for vote, entry in zip(self.votes, self.entries, strict=True)])


def panel_of(votes: Sequence[Vote], key: Key) -> Panel:
    """Of the items alone, in the order of the package: no checks, and of duplicates the first showing."""
    rows = {entry.review_id: entry for entry in key.items}
    own = tuple(vote for vote in votes if vote.review_id in rows)
    names = tuple(sorted({vote.rater for vote in votes}))
    place = {name: number for number, name in enumerate(dict.fromkeys(vote.review_id for vote in own))}
    return Panel(
        own,
        tuple(rows[vote.review_id] for vote in own),
        np.asarray([place[vote.review_id] for vote in own], dtype=np.intp),
        np.asarray([names.index(vote.rater) for vote in own], dtype=np.intp),
        names,
        NAMED if key.form.strength else tuple(name for name in NAMED if not name.endswith("much")),
        Counter(entry.stratum for entry in key.items),
    )
