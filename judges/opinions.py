"""Opinions as verdicts, and how verdicts agree with labels.

Every count is over verdicts in slot coordinates: a pair shown in both orders gives two, whose label is turned with the pair; a
judge that grades answers apart (order ``alone``) counts as having said the same in both orders. So it does not matter on which
side the author of the labels put the better answer. An unparsable verdict agrees with nothing: it counts against accuracy,
kappa and consistency.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from harness.records import Judgment
from harness.stats import Interval, Ratings
from harness.stats import cohen_kappa as measured_kappa
from harness.stats.agreement import kappa_of
from judges.labels import LabelledPair, Winner

Verdict = Literal["left", "right", "tie", "none"]
TURNED: dict[Verdict, Verdict] = {"left": "right", "right": "left", "tie": "tie", "none": "none"}
CODES: dict[Verdict, int] = {word: code for code, word in enumerate(TURNED)}

Table = Counter[tuple[Verdict, Verdict]]
"""(label, verdict) -> how often."""


def verdict(judgment: Judgment) -> Verdict:
    """Which answer a judgment prefers (left = the answer asked about); a fractional score goes to the nearest of 1, ½, 0."""
    return judgment.prefers


def yes(score: float | None) -> bool | None:
    """What a score says of one answer, where the question is whether; None where it cannot be read."""
    return None if score is None else score >= 0.5


def by_judge(judgments: Sequence[Judgment]) -> dict[str, list[Judgment]]:
    """The opinions of each judge, in order."""
    found: dict[str, list[Judgment]] = {}
    for judgment in judgments:
        found.setdefault(judgment.judge, []).append(judgment)
    return found


def slots(winner: Winner, opinions: Sequence[Judgment]) -> Iterator[tuple[Verdict, Verdict]]:
    """(label, verdict) by slot, once per order."""
    for opinion in opinions:
        said = verdict(opinion)
        if opinion.order in ("left", "alone"):
            yield winner, said
        if opinion.order in ("right", "alone"):
            yield TURNED[winner], TURNED[said]


def table_of(pairs: Sequence[LabelledPair], opinions: Sequence[Sequence[Judgment]]) -> Table:
    """All verdicts against their labels."""
    return Counter(view for pair, said in zip(pairs, opinions, strict=True) for view in slots(pair.winner, said))


def conflicts(judgments: Sequence[Sequence[Judgment]]) -> tuple[int, int]:
    """Pairs whose two orders name opposite winners: how many by choosing the first slot twice, how many the second."""
    first = second = 0
    for opinions in judgments:
        said = {opinion.order: verdict(opinion) for opinion in opinions}
        first += said.get("left") == "left" and said.get("right") == "right"
        second += said.get("left") == "right" and said.get("right") == "left"
    return first, second


def accuracy(table: Table) -> float:
    """Share of verdicts that equal their label; 0 where there are none."""
    return sum(count for (label, said), count in table.items() if label == said) / max(table.total(), 1)


def accuracy_where(table: Table, label: Verdict) -> float | None:
    """The same of those with this label: ``left`` is the better answer in the first slot. None without any."""
    rows = {pair: count for pair, count in table.items() if pair[0] == label}
    return rows.get((label, label), 0) / sum(rows.values()) if rows else None


def consistency(opinions: Sequence[Sequence[Judgment]]) -> float:
    """Share of pairs with one and the same readable verdict in every order."""
    said = [{verdict(judgment) for judgment in each} for each in opinions]
    return sum(len(words) == 1 and "none" not in words for words in said) / max(len(said), 1)


def unparsable(opinions: Sequence[Sequence[Judgment]]) -> float:
    """Share of verdicts that cannot be read."""
    said = [judgment for each in opinions for judgment in each]
    return sum(judgment.score is None for judgment in said) / max(len(said), 1)


def cohen_kappa(table: Table) -> float:
    """Cohen's κ with the labels; 0 where chance alone agrees always, and where there are no verdicts."""
    counts = np.array([[table[label, said] for said in TURNED] for label in TURNED], dtype=float)
    return kappa_of(counts) or 0.0


def kappa_interval(pairs: Sequence[LabelledPair], opinions: Sequence[Sequence[Judgment]]) -> Interval:
    """Of κ, by resampling pairs: the two orders of a pair are not two items."""
    views = [(index, *view) for index, pair in enumerate(pairs) for view in slots(pair.winner, opinions[index])]
    codes = np.array([[CODES[label], CODES[said]] for _, label, said in views], dtype=np.intp).reshape(-1, 2)
    clusters = np.array([index for index, _, _ in views], dtype=np.intp)
    return measured_kappa(Ratings(codes, len(CODES), clusters=clusters)).interval
