"""What raters do whatever the answers are: which side, which length, how fast, how steady, how awake."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import msgspec
import numpy as np

from harness.records import Rater, Share
from harness.stats import Leaning, attention, length_bias, paces, self_agreement, side_bias
from reports.blind.key import Key, KeyEntry
from reports.people.agreeing import share_of
from reports.people.arms import NAMED, label, leftward
from reports.votes.vote import SIDED, Vote

TOLERATED = 0.1
"""A rater may fail one attention check in ten by accident."""
READ_PER_SECOND = 100.0
"""Characters: 1,200 words a minute. Nobody reads faster; who votes sooner has not read."""
WIDE = 4.0
"""A Chinese, Japanese or Korean character says as much as so many others."""


def raters_of(votes: Sequence[Vote], key: Key, level: float) -> tuple[Rater, ...]:
    """One by one, in the order of the key, then of the alphabet."""
    by_name: dict[str, list[Vote]] = {name: [] for name in (*key.raters, *sorted({vote.rater for vote in votes}))}
    for vote in votes:
        by_name[vote.rater].append(vote)
    middle = _median(votes)
    return tuple(_habits(name, own, key, level, middle) for name, own in by_name.items())


def panel_habits(votes: Sequence[Vote], key: Key, level: float, given: int) -> Rater:
    """All of them together, who were ``given`` so many rows."""
    return msgspec.structs.replace(_habits("", votes, key, level, _median(votes)), given=given)


def dozing(raters: Sequence[Rater], level: float) -> tuple[str, ...]:
    """Who failed more attention checks than one in ten can explain."""
    return tuple(rater.name for rater in raters if rater.checks_p is not None and rater.checks_p <= 1 - level)


def _habits(name: str, votes: Sequence[Vote], key: Key, level: float, middle: float | None) -> Rater:
    rows = {entry.review_id: entry for entry in key.entries}
    shown = [(vote, rows[vote.review_id]) for vote in votes]
    compared = [(vote, entry) for vote, entry in shown if entry.kind != "attention"]
    checks = [(vote, entry) for vote, entry in shown if entry.kind == "attention"]
    place = {each: number for number, each in enumerate(dict.fromkeys(entry.item for _, entry in compared))}
    items = np.asarray([place[entry.item] for _, entry in compared], dtype=np.intp)
    scores = np.asarray([leftward(vote) for vote, _ in compared])
    longer = np.asarray([len(entry.left) - len(entry.right) for _, entry in compared], dtype=float)
    failed = sum(SIDED.get(vote.choice) != entry.expected for vote, entry in checks)
    again, kappa = _steadiness(compared, level)
    pace = _pace(shown)
    return Rater(
        name=name,
        given=sum(not entry.raters or name in entry.raters for entry in key.entries),
        voted=len(votes),
        left=_leaning(side_bias(scores, items, level)),
        longer=_leaning(length_bias(scores, longer, items, level)),
        seconds=pace[0],
        pace=None if pace[0] is None or not middle else pace[0] / middle,
        hurried=pace[1],
        again=again,
        again_kappa=kappa,
        failed=failed,
        checks=len(checks),
        checks_p=attention(failed, len(checks), TOLERATED, level).p,
    )


def _leaning(found: Leaning) -> Share:
    ends = found.interval
    return Share(
        value=found.share, low=ends.low, high=ends.high, p=found.p, count=found.decided, method=found.method, note=ends.note
    )


def _steadiness(compared: Sequence[tuple[Vote, KeyEntry]], level: float) -> tuple[Share, Share]:
    """Of planted duplicates, what was said of the same answers the first and the second time."""
    said = {(vote.rater, vote.review_id): label(vote, entry) for vote, entry in compared}
    twice = [
        (said[vote.rater, entry.twin], label(vote, entry))
        for vote, entry in compared
        if entry.kind == "duplicate" and entry.twin is not None and (vote.rater, entry.twin) in said
    ]
    if not twice:
        none = Share(note="no duplicate was voted on twice")
        return none, none
    first, second = (np.asarray([NAMED.index(pair[side]) for pair in twice], dtype=np.intp) for side in (0, 1))
    raw, kappa = self_agreement(first, second, len(NAMED), level=level)
    return share_of(raw), share_of(kappa)


def _pace(shown: Sequence[tuple[Vote, KeyEntry]]) -> tuple[float | None, int]:
    """Median seconds, and how many votes came sooner than their texts can be read."""
    seconds = np.asarray([vote.seconds for vote, _ in shown])
    floors = np.asarray([_shortest(entry) for _, entry in shown])
    found = paces(seconds, np.zeros(len(shown), dtype=np.intp), floors) if len(shown) else [None]
    return (None, 0) if found[0] is None else (found[0].median, found[0].hurried)


def _shortest(entry: KeyEntry) -> float:
    """Seconds that reading the question and both answers takes at the very least."""
    text = entry.question + entry.left + entry.right
    wide = sum(unicodedata.east_asian_width(sign) in "WF" for sign in text)
    return (len(text) + (WIDE - 1) * wide) / READ_PER_SECOND


def _median(votes: Sequence[Vote]) -> float | None:
    known = [vote.seconds for vote in votes if vote.seconds > 0]
    return float(np.median(known)) if known else None
