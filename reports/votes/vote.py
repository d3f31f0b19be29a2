"""A vote that counts, still blind; and what became of everything that was said."""

from __future__ import annotations

from typing import Literal

from harness.records import Record
from reports.blind.form import Choice
from reports.blind.key import Side
from reports.votes.statement import Statement

SIDED: dict[Choice, Side] = {"left_much": "left", "left": "left", "right": "right", "right_much": "right"}
PLAINLY: dict[Choice, Choice] = {"left_much": "left", "right_much": "right"}

Fate = Literal[
    "counted", "skipped", "draft", "empty", "unreadable", "foreign", "unknown_item", "unknown_rater", "exchanged", "misplaced",
    "repeated", "replaced", "contradicted",
]  # fmt: skip
FATES: dict[Fate, str] = {
    "counted": "counted",
    "skipped": "skipped by the rater",
    "draft": "never handed in",
    "empty": "without a choice",
    "unreadable": "a choice that is not on the menu",
    "foreign": "of another package",
    "unknown_item": "about an item that the package does not hold",
    "unknown_rater": "of somebody who was not asked",
    "exchanged": "the two answers stood on each other's side",
    "misplaced": "beside the answers of another row",
    "repeated": "said before, in the same words",
    "replaced": "changed later by the same rater",
    "contradicted": "two different votes of one name, and nothing says which counts",
}


class Rated(Record, frozen=True, kw_only=True):
    """One criterion, rated from 1 to 5 for each answer; None where the rater left it out."""

    left: int | None = None
    right: int | None = None


class Vote(Record, frozen=True, kw_only=True):
    """One rater's opinion about one row of the package, still blind. ``seconds``: time with it in view, 0 where unknown."""

    review_id: str
    rater: str
    choice: Choice
    reasons: tuple[str, ...] = ()
    ratings: dict[str, Rated] = {}
    comment: str = ""
    seconds: float = 0.0


class Kept(Record, frozen=True, kw_only=True):
    """One line of ``votes-<package>.jsonl``: a statement, the digest of the file it came in, when that was imported, under whose
    name it was taken, and what became of it. ``because`` is empty where ``fate`` says it all."""

    file: str
    imported: str
    rater: str
    fate: Fate = "counted"
    because: str = ""
    statement: Statement


class Sorted(Record, frozen=True, kw_only=True):
    """``votes`` count, in the order of the package; ``kept`` is everything, in the order in which it came."""

    votes: tuple[Vote, ...]
    kept: tuple[Kept, ...]
