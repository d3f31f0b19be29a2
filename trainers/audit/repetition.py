"""Rows that are there twice, nearly twice, or twice with another answer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from harness.records import Check, Spot
from trainers.audit.duplicates import Neighbours, alike, grouped
from trainers.audit.entries import Entry, Progress
from trainers.audit.found import check
from trainers.audit.words import numbers, plain

_LABEL = 5
"""Words of an answer that is a label, a name or a number: two different ones cannot both be right."""

_YES, _NO = frozenset({"yes", "true", "correct", "是", "对"}), frozenset({"no", "false", "incorrect", "wrong", "否", "不", "错"})
_SAME_WORDS = 0.8
_SHARED = 0.01
_SHARED_ROWS = 5


def checks(entries: Sequence[Entry], *, near: float, progress: Progress) -> Iterator[Check]:
    """Exact and near duplicates, contradictions, answers that many questions share."""
    asked = [f"{plain(entry.system)}\n{plain(entry.question)}" for entry in entries]
    answers = [plain(entry.answer) for entry in entries]
    total = len(entries)
    twice = grouped((f"{one}\n{two}", number) for number, (one, two) in enumerate(zip(asked, answers, strict=True)))
    spots = [
        entries[number].spot(_shown(entries[number]), entries[group[0]].place) for group in twice.values() for number in group[1:]
    ]
    yield check("repetition", "exact duplicates", "warning", spots, total, "the same question and answer again: they count twice")
    again = {number for group in twice.values() for number in group[1:]}
    yield from _near(entries, answers, again, near, progress)
    yield from _contradictions(entries, asked, answers)
    yield _shared(entries, answers)


def _shown(entry: Entry) -> str:
    return entry.question or entry.answer


def _near(entries: Sequence[Entry], answers: Sequence[str], again: set[int], near: float, progress: Progress) -> Iterator[Check]:
    neighbours = Neighbours(near)
    leaders: dict[str, int] = {}
    same: list[Spot] = []
    other: list[Spot] = []
    for number, entry in enumerate(entries):
        text = plain(_shown(entry))
        if number % 256 == 0 or number + 1 == len(entries):
            progress("look for near duplicates", number + 1, len(entries))
        if number in again or not text:
            continue
        if text in leaders:  # the same words: an exact duplicate, or another answer
            continue
        sketch = neighbours.sketch(text)
        found = neighbours.nearest(text, sketch)
        leaders[text] = number
        if found is None:
            neighbours.add(str(number), text, sketch)
            continue
        leader = int(found.key)
        close = not entry.question or alike(answers[number], answers[leader], near)
        spot = entry.spot(_shown(entry), entries[leader].place)
        (same if close else other).append(spot)
    said = f"edit similarity of at least {near:g} in question and answer, the numbers alike"
    yield check("repetition", "near duplicates", "warning", same, len(entries), said)
    said = "almost the same question with another answer: right where the difference matters, else one of them is wrong"
    yield check("repetition", "near questions, other answers", "note", other, len(entries), said)


def _contradictions(entries: Sequence[Entry], asked: Sequence[str], answers: Sequence[str]) -> Iterator[Check]:
    opposed: list[Spot] = []
    several: list[Spot] = []
    asking = [(key, number) for number, key in enumerate(asked) if entries[number].question.strip()]
    for group in grouped(asking).values():
        first: dict[str, int] = {}
        for number in group:
            first.setdefault(answers[number], number)
        ways = list(first.values())
        for number in ways[1:]:
            against = next((each for each in ways if each < number and opposite(answers[each], answers[number])), None)
            spot = entries[number].spot(
                f"{_shown(entries[number])} → {entries[number].answer}", entries[ways[0] if against is None else against].place
            )
            (several if against is None else opposed).append(spot)
    said = "the same question, and answers that cannot both be right: yes and no, other numbers, another label"
    yield check("repetition", "contradictions", "warning", opposed, len(entries), said)
    said = "the same question, answered in other words: fine where several answers are meant"
    yield check("repetition", "several answers to one question", "note", several, len(entries), said)


def opposite(one: str, other: str) -> bool:
    """Whether two plain answers to one question cannot both be right."""
    if one == other:
        return False
    first, second = one.split(" "), other.split(" ")
    if (first[0] in _YES and second[0] in _NO) or (first[0] in _NO and second[0] in _YES):
        return True
    if len(first) <= _LABEL and len(second) <= _LABEL:
        return not set(first) < set(second) and not set(second) < set(first)
    digits = re.compile(r"\d+")
    return numbers(one) != numbers(other) and alike(digits.sub("0", one), digits.sub("0", other)) >= _SAME_WORDS


def _shared(entries: Sequence[Entry], answers: Sequence[str]) -> Check:
    counts = Counter(answers)
    asked: dict[str, set[str]] = {}
    least = max(_SHARED_ROWS, _SHARED * len(entries))
    frequent = {answer for answer, count in counts.items() if answer and count >= least and len(answer.split(" ")) > _LABEL}
    spots: dict[str, Spot] = {}
    for entry, answer in zip(entries, answers, strict=True):
        if answer in frequent and entry.question.strip():
            asked.setdefault(answer, set()).add(plain(entry.question))
            spots.setdefault(answer, entry.spot(f"{counts[answer]} times: {entry.answer}"))
    found = [answer for answer in sorted(asked, key=lambda each: -counts[each]) if len(asked[answer]) > 1]
    said = "one answer in a hundred rows or more is word for word the same, to different questions"
    return check(
        "repetition", "answers shared by many questions", "note", [spots[answer] for answer in found], len(entries), said,
        count=sum(counts[answer] for answer in found),
    )  # fmt: skip
