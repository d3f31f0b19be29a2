"""Votes of several packages about the same answers are votes on the same thing: they count together, each item by its chance of
having been voted on at all.

What counts is taken anew from the keys and the files of votes beside the one that was named, so nothing of an earlier import can
stay where it counts no longer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path

from harness.errors import UsageError
from harness.records import People, Record, Run
from reports.blind.key import Key, KeyEntry, read_key
from reports.people import what_people_said
from reports.people.winning import chance, voted_on
from reports.votes.ledger import ledger_path, read_ledger
from reports.votes.sorting import sort_votes
from reports.votes.vote import Vote


class Poll(Record, frozen=True, kw_only=True):
    """A package with the votes that count."""

    key: Key
    votes: tuple[Vote, ...]
    people: People


class Beside(Record, frozen=True, kw_only=True):
    """Packages with votes beside another: of the same two sides, of the same baseline and another candidate, and those that show
    other answers to the same items, because the sides were asked again since."""

    same: tuple[Poll, ...] = ()
    rivals: tuple[Poll, ...] = ()
    outdated: tuple[Key, ...] = ()


def beside(key_file: Path, key: Key) -> Beside:
    """UsageError where one of the keys, or its votes, cannot be read."""
    same: list[Poll] = []
    rivals: list[Poll] = []
    outdated: list[Key] = []
    for path in sorted(key_file.parent.glob("key-*.json")):
        if not (path.parent / f"votes-{path.stem.removeprefix('key-')}.jsonl").is_file():
            continue
        other = read_key(path)
        if other.package == key.package or not _one_side(other.baseline, key.baseline):
            continue  # votes about other answers say nothing here
        found = sort_votes(read_ledger(ledger_path(path, other)), other)
        if not found.votes:
            continue
        poll = Poll(key=other, votes=found.votes, people=what_people_said(found.votes, other, found.kept))
        if not _one_side(other.candidate, key.candidate):
            if other.candidate.candidate.name != key.candidate.candidate.name and _alike(key, other, baseline_only=True):
                rivals.append(poll)
        elif _alike(key, other):
            same.append(poll)
        else:
            outdated.append(other)
    return Beside(same=tuple(same), rivals=tuple(rivals), outdated=tuple(outdated))


def counting(polls: Sequence[Poll]) -> tuple[Poll, ...]:
    """The packages whose votes are ``human/win``: those whose items were drawn, where there are any. What is said of items that
    somebody picked stands for no others."""
    drawn = tuple(poll for poll in polls if not poll.key.picked)
    return drawn or tuple(polls)


def human_key(poll: Poll, entry: KeyEntry) -> str:
    """Of an item's sample. It names the suite too: two reviewed suites may use the same keys."""
    return f"{poll.key.suite}/{entry.item}"


def stands_for_all(polls: Sequence[Poll]) -> dict[str, float]:
    """Item -> how much it counts among the items of all packages: its weight over its chance of having been voted on in any.

    A package gives an item the chance to be drawn times the share of its stratum that has votes; several, 1 − Π (1 − chance).
    """
    by_suite: dict[str, list[Poll]] = defaultdict(list)
    for poll in polls:
        by_suite[poll.key.suite].append(poll)
    found = {}
    for members in by_suite.values():
        chances = [_chances(poll) for poll in members]
        for poll in members:
            for entry in poll.key.items:
                own = [each.get(entry.item, 0.0) for each in chances]
                seen = own[0] if len(own) == 1 else 1 - prod(1 - one for one in own)
                if seen > 0:
                    found[human_key(poll, entry)] = entry.weight / seen
    return found


def _chances(poll: Poll) -> dict[str, float]:
    """Of all that a package might have drawn: how likely each was to be drawn and voted on."""
    voted = {vote.review_id for vote in poll.votes}
    drawn = Counter(entry.stratum for entry in poll.key.items)
    shares = voted_on(drawn, [entry for entry in poll.key.items if entry.review_id in voted])
    found = {entry.item: chance(entry, shares) for entry in poll.key.items}
    for name, stratum in poll.key.strata.items():
        found |= dict.fromkeys(poll.key.frame.get(name, ()), stratum.drawn / stratum.size * shares.get(name, 0.0))
    return found


def require_all(earlier: Mapping[str, str], polls: Sequence[Poll], outdated: Sequence[Key], key_file: Path) -> None:
    """UsageError where votes that count now (``earlier``: package -> the folder that holds them) would be lost, because their key
    is not beside this one."""
    here = {poll.key.package for poll in polls} | {key.package for key in outdated}
    for package, folder in earlier.items():
        if package not in here:
            beside_it = key_file.parent / f"key-{package}.json"
            raise UsageError(
                f"people voted on these answers in package {package}, too, and its key is not beside this one. Copy its key and "
                f"its votes there ({beside_it} and votes-{package}.jsonl): then the votes of both count together. To count "
                f"without them, delete {folder} first"
            )


def _one_side(one: Run, other: Run) -> bool:
    return one.candidate.name == other.candidate.name and one.fingerprints == other.fingerprints


def _alike(one: Key, other: Key, *, baseline_only: bool = False) -> bool:
    """Whether both show the same answers where they show the same items. Of the very same runs they do, though one package may have
    masked the names in them."""
    sides = [(one.baseline, other.baseline)] + ([] if baseline_only else [(one.candidate, other.candidate)])
    if one.suite != other.suite or all(own.samples_hash and own.samples_hash == its.samples_hash for own, its in sides):
        return True
    rows = {entry.item: entry for entry in one.items}
    return all(
        entry.baseline_text == rows[entry.item].baseline_text
        and (baseline_only or entry.candidate_text == rows[entry.item].candidate_text)
        for entry in other.items
        if entry.item in rows
    )
