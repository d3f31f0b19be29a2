"""All of it, from the votes and the key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.records import People
from reports.blind.key import Key
from reports.people.agreeing import agreement
from reports.people.arms import NAMED, panel_of
from reports.people.habits import dozing, panel_habits, raters_of
from reports.people.winning import uneven, win_rate
from reports.votes.vote import Kept, Vote

LEVEL = 0.95


def what_people_said(votes: Sequence[Vote], key: Key, kept: Sequence[Kept] = (), level: float = LEVEL) -> People:
    """``votes`` are those that count; ``kept`` is everything that was handed in."""
    panel = panel_of(votes, key)
    raters = raters_of(votes, key, level)
    asleep = dozing(raters, level)
    said = Counter(panel.labels)
    aside = Counter[str](line.fate for line in kept if line.fate != "counted")
    return People(
        package=key.package,
        suite=key.suite,
        items=len(key.items),
        voted=len(set(panel.items.tolist())),
        votes=len(panel.votes),
        aside=dict(aside),
        picked=key.picked,
        labels={name: said[name] for name in NAMED if said[name]},
        win=win_rate(panel, level),
        plain=win_rate(panel, level, even=True),
        uneven=uneven(panel),
        awake=win_rate(panel, level, without=asleep) if asleep else None,
        dozing=asleep,
        settled=win_rate(panel, level, settled=True),
        agreement=agreement(panel, level),
        raters=raters,
        panel=panel_habits(votes, key, level, sum(rater.given for rater in raters)),
        level=level,
    )
