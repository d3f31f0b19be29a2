"""What lost items have in common, as the page shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.records import Record
from reports.failures.reading import FEWEST, Found, Looks, Reading
from reports.figures import Figure, count_figure, pointer, score_figure
from reports.items.explorer import Pairing

SHORT = 120


class Example(Record, frozen=True, kw_only=True):
    row: int
    key: str
    text: str


class GroupLine(Record, frozen=True, kw_only=True):
    found: Found
    items: Figure
    lost: Figure
    elsewhere: Figure
    share: Figure
    excess: Figure
    examples: tuple[Example, ...]


class LooksLine(Record, frozen=True, kw_only=True):
    looks: Looks
    suites: tuple[tuple[str, Figure], ...]
    count: Figure
    share: Figure
    examples: tuple[Example, ...]


class FailureCard(Record, frozen=True, kw_only=True):
    """One candidate. ``few``: too little was lost to be grouped."""

    candidate: str
    lost: Figure
    looked: Figure
    few: bool
    groups: tuple[GroupLine, ...]
    answers: tuple[LooksLine, ...]


def failure_cards(found: Mapping[str, Reading], pairings: Sequence[Pairing]) -> tuple[FailureCard, ...]:
    """One card per candidate that lost something."""
    return tuple(_card(name, reading, pairings) for name, reading in found.items() if reading.lost)


def _card(name: str, reading: Reading, pairings: Sequence[Pairing]) -> FailureCard:
    at = pointer("failures", name)
    return FailureCard(
        candidate=name,
        lost=count_figure(reading.lost, f"{at}/lost"),
        looked=count_figure(reading.looked, f"{at}/looked"),
        few=reading.lost < FEWEST,
        groups=tuple(_group(each, f"{at}/groups/{place}", pairings) for place, each in enumerate(reading.groups)),
        answers=tuple(_looks(each, f"{at}/answers/{place}", name, pairings) for place, each in enumerate(reading.answers)),
    )


def _group(found: Found, at: str, pairings: Sequence[Pairing]) -> GroupLine:
    return GroupLine(
        found=found,
        items=count_figure(found.items, f"{at}/items"),
        lost=count_figure(found.lost, f"{at}/lost"),
        elsewhere=score_figure(found.elsewhere, f"{at}/elsewhere", "bounded"),
        share=score_figure(found.share, f"{at}/share", "bounded"),
        excess=score_figure(found.excess, f"{at}/excess", "bounded"),
        examples=tuple(_example(row, pairings[row].any_sample.prompt, pairings[row].key) for row in found.rows),
    )


def _looks(looks: Looks, at: str, name: str, pairings: Sequence[Pairing]) -> LooksLine:
    return LooksLine(
        looks=looks,
        suites=tuple((suite, count_figure(count, at + pointer("suites", suite))) for suite, count in looks.suites.items()),
        count=count_figure(looks.count, f"{at}/count"),
        share=score_figure(looks.share, f"{at}/share", "bounded"),
        examples=tuple(_example(row, next(iter(pairings[row].samples[name].outputs), ""), pairings[row].key) for row in looks.rows),
    )


def _example(row: int, text: str, key: str) -> Example:
    """The end of a long text: there the question stands, and where an answer went."""
    line = " ".join(text[-4 * SHORT :].split())
    return Example(row=row, key=key, text=line if len(line) <= SHORT else f"…{line[-SHORT:]}")
