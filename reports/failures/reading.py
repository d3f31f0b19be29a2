"""Where a candidate lost more than elsewhere, and what its lost answers look like.

Items are grouped without a look at who lost them (by suite, task, slice, and by what is asked), so that how many of them were lost
says something; groups that lost no more than chance would have it are left out (hypergeometric test, one item of a cluster at a
time; Holm over all groups that were looked at). Lost answers are grouped among themselves: that says what they look like, and no
more.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from msgspec.structs import replace

from harness.records import Record
from harness.stats import holm
from reports.failures.alike import alike
from reports.failures.chance import chances
from reports.failures.words import shared
from reports.items.explorer import LOST, Pairing

FEWEST = 5
"""Lost items below which nothing is grouped; also the smallest group."""
MOST_GROUPS = 8
EXAMPLES = 3
ALPHA = 0.05

By = Literal["suite", "task", "slice", "question"]


class Found(Record, frozen=True, kw_only=True):
    """A group of items that lost more than the others of its suite (of a whole suite: than all others).

    ``excess``: the share of all that was lost which would not have been, had this group lost as few as the others do.
    ``rows``: lost examples, the most typical first.
    """

    by: By
    suite: str
    name: str
    items: int
    lost: int
    elsewhere: float
    share: float
    excess: float
    rows: tuple[int, ...]


class Looks(Record, frozen=True, kw_only=True):
    """Lost answers that are alike, or all ``empty``; ``words``: what they have in common and the baseline’s answers to the same
    have not; ``suites``: how many are of which, the most first."""

    suites: dict[str, int]
    words: str
    empty: bool
    count: int
    share: float
    rows: tuple[int, ...]


class Reading(Record, frozen=True, kw_only=True):
    """What one candidate's losses have in common. ``looked``: groups that were tested."""

    lost: int
    looked: int = 0
    groups: tuple[Found, ...] = ()
    answers: tuple[Looks, ...] = ()


class _Group(Record, frozen=True, kw_only=True):
    """``name``: of questions that are alike it is empty until it is known that the group will be shown (``_named``)."""

    by: By
    suite: str
    name: str
    members: tuple[int, ...]

    @property
    def whole(self) -> str:
        """What it is held against: the other items of its suite; a whole suite, those of all suites."""
        return "" if self.by == "suite" else self.suite


def readings(pairings: Sequence[Pairing], candidates: Sequence[str]) -> dict[str, Reading]:
    """By candidate."""
    lost = {name: [row for row, each in enumerate(pairings) if each.statuses.get(name) == LOST] for name in candidates}
    many = {name: rows for name, rows in lost.items() if len(rows) >= FEWEST}
    with ThreadPoolExecutor(2) as pool:  # numpy and scipy work side by side
        answers = {name: pool.submit(_answers, pairings, name, rows) for name, rows in many.items()}
        groups = list(_groups(pairings)) if many else []
    suites: Mapping[str, list[int]] = defaultdict(list)
    for row, each in enumerate(pairings):
        suites[each.suite].append(row)
    told = {name: _reading(pairings, name, rows, groups, suites, answers[name].result()) for name, rows in many.items()}
    return {name: told.get(name, Reading(lost=len(rows))) for name, rows in lost.items()}


def _reading(
    pairings: Sequence[Pairing],
    name: str,
    lost: Sequence[int],
    groups: Sequence[_Group],
    suites: Mapping[str, Sequence[int]],
    answers: Sequence[Looks],
) -> Reading:
    gone = set(lost)
    tested: list[tuple[Found, _Group, list[int]]] = []
    wholes = {suite: [row for row in rows if name in pairings[row].gains] for suite, rows in suites.items()}
    wholes[""] = [row for rows in wholes.values() for row in rows]
    losses = {whole: sum(row in gone for row in rows) for whole, rows in wholes.items()}
    for group in groups:
        every, all_lost = wholes[group.whole], losses[group.whole]
        inside = [row for row in group.members if name in pairings[row].gains]
        if not FEWEST <= len(inside) < len(every):
            continue
        here = sum(row in gone for row in inside)
        elsewhere = (all_lost - here) / (len(every) - len(inside))
        found = Found(
            by=group.by,
            suite=group.suite,
            name=group.name,
            items=len(inside),
            lost=here,
            elsewhere=elsewhere,
            share=here / len(lost),
            excess=max(0.0, here - len(inside) * elsewhere) / len(lost),
            rows=tuple([row for row in inside if row in gone][:EXAMPLES]),
        )
        tested.append((found, group, inside))
    parts = [(group.whole, inside) for _, group, inside in tested]
    p = holm(chances(parts, wholes, [row in gone for row in range(len(pairings))], [_cluster(each) for each in pairings]))
    shown = _few([each for each, chance in zip(tested, p, strict=True) if chance <= ALPHA and each[0].lost >= FEWEST])
    named = [
        found if group.name else replace(found, name=_named(pairings, group, suites[group.suite])) for found, group, _ in shown
    ]
    return Reading(lost=len(lost), looked=len(tested), groups=tuple(named), answers=tuple(answers))


def _cluster(pairing: Pairing) -> tuple[str, ...]:
    """What the items of a document have in common, inside of a suite."""
    own = pairing.any_sample.cluster
    return (pairing.suite, own) if own else (pairing.suite, pairing.task, pairing.key)


def _few(found: Sequence[tuple[Found, _Group, list[int]]]) -> list[tuple[Found, _Group, list[int]]]:
    """What explains most first; a group with the very same items as another is said once, in the plainest words."""
    order = {"suite": 0, "task": 1, "slice": 2, "question": 3}
    ranked = sorted(found, key=lambda each: (-round(each[0].excess, 9), order[each[1].by], each[1].suite, each[1].name, each[2]))
    said: dict[frozenset[int], tuple[Found, _Group, list[int]]] = {}
    for each in ranked:
        said.setdefault(frozenset(each[2]), each)
    return list(said.values())[:MOST_GROUPS]


def _groups(pairings: Sequence[Pairing]) -> Iterator[_Group]:
    """All groups of five items or more, by what the items say of themselves and by what is asked."""
    found: dict[tuple[By, str, str], list[int]] = defaultdict(list)
    for row, each in enumerate(pairings):
        found["suite", each.suite, each.suite].append(row)
        if each.task:
            found["task", each.suite, each.task].append(row)
        for field, value in each.any_sample.slices.items():
            found["slice", each.suite, f"{field}={value}"].append(row)
    for (by, suite, name), members in found.items():
        if len(members) >= FEWEST:
            yield _Group(by=by, suite=suite, name=name, members=tuple(members))
    for (by, suite, _), members in found.items():
        if by == "suite":
            yield from _questions(pairings, suite, members)


def _questions(pairings: Sequence[Pairing], suite: str, members: Sequence[int]) -> Iterator[_Group]:
    texts = [pairings[row].any_sample.prompt for row in members]
    for group in alike(texts):
        if FEWEST <= len(group.members) < len(members):
            yield _Group(by="question", suite=suite, name="", members=tuple(members[place] for place in group.members))


def _named(pairings: Sequence[Pairing], group: _Group, around: Sequence[int]) -> str:
    """The words that these questions have and others of the suite have not. Counting them takes longer than all else here, so only
    what is shown is named."""
    inside = set(group.members)
    rest = [pairings[row].any_sample.prompt for row in around if row not in inside]
    return shared([pairings[row].any_sample.prompt for row in group.members], rest)


def _answers(pairings: Sequence[Pairing], name: str, lost: Sequence[int]) -> list[Looks]:
    """Groups of lost answers, the largest first; empty answers are one. What the baseline said to the same is grouped with them, so
    that what everybody says tells nothing."""
    total = len(lost)
    lost = [row for row in lost if pairings[row].samples[name].outputs]  # where text is only scored, nobody answered
    texts = [pairings[row].samples[name].outputs[0] for row in lost]
    before = [output for row in lost for output in _baselines(pairings[row], name)]
    empty = tuple(place for place, text in enumerate(texts) if not text.strip())
    groups = [empty] + [tuple(place for place in group.members if place < len(texts)) for group in alike([*texts, *before])]
    kept = sorted(
        (members for members in groups if len(members) >= FEWEST),
        key=lambda members: (-len(members), [lost[place] for place in members[:EXAMPLES]]),
    )
    return [
        Looks(
            suites=dict(Counter(pairings[lost[place]].suite for place in members).most_common()),
            words="" if members is empty else shared([texts[place] for place in members], before),
            empty=members is empty,
            count=len(members),
            share=len(members) / total,
            rows=tuple(lost[place] for place in members[:EXAMPLES]),
        )
        for members in kept[:MOST_GROUPS]
    ]


def _baselines(pairing: Pairing, name: str) -> tuple[str, ...]:
    """What the baseline, who is the first of all, answered first."""
    first = next(iter(pairing.samples))
    return () if first == name else pairing.samples[first].outputs[:1]
