"""Who is given what: some items to all raters, the others to a few each, so that agreement can be measured and work is shared."""

from __future__ import annotations

import random
from collections.abc import Sequence
from unicodedata import normalize

import msgspec

from harness.errors import UsageError
from harness.records import Record
from reports.blind.key import KeyEntry

MOST_RATERS = 100
NAME_LENGTH = 60


class Panel(Record, frozen=True, kw_only=True):
    """``raters`` by name; none: whoever opens the package gives a name and sees everything. ``each``: how many raters see an item.
    ``shared``: how many items all of them see. ``separate``: every rater gets a package, which holds nothing else."""

    raters: tuple[str, ...] = ()
    each: int = 1
    shared: int = 0
    separate: bool = False


def same_name(name: str) -> str:
    """Names that a person may write one time so and another time so."""
    return " ".join(normalize("NFKC", name).split()).casefold()


def check_panel(panel: Panel) -> None:
    """Raises UsageError for raters that cannot be told apart, and for settings without effect."""
    names = [name.strip() for name in panel.raters]
    if not names:
        if panel.each != 1 or panel.shared or panel.separate:
            raise UsageError("work is split over raters who are named beforehand: name them")
        return
    if len(names) > MOST_RATERS or any(not 1 <= len(name) <= NAME_LENGTH or not name.isprintable() for name in names):
        raise UsageError(f"a review has 1 to {MOST_RATERS} raters, with names of 1 to {NAME_LENGTH} characters that can be printed")
    twice = sorted({name for name in names if [same_name(other) for other in names].count(same_name(name)) > 1})
    if twice:
        raise UsageError(f"two raters have one name, so their votes could not be told apart: {', '.join(twice)}")
    if not 1 <= panel.each <= len(names):
        raise UsageError(f"an item is seen by 1 to {len(names)} of the {len(names)} raters, found {panel.each}")
    if panel.shared < 0:
        raise UsageError(f"all raters share 0 items or more, found {panel.shared}")
    if panel.shared and panel.each == len(names):
        raise UsageError(f"every item is seen by all {len(names)} raters already; leave out how many they share")


def assigned(entries: Sequence[KeyEntry], panel: Panel, draw: random.Random) -> list[KeyEntry]:
    """The entries with who was given them: an item to the raters with the least to do, chance deciding between equals, a duplicate
    to those who have its twin, a check to all. Raises UsageError where a rater would be left without items."""
    names = tuple(name.strip() for name in panel.raters)
    if not names:
        return list(entries)
    items = [entry.review_id for entry in entries if entry.kind == "item"]
    draw.shuffle(items)
    given: dict[str, tuple[str, ...]] = dict.fromkeys(items[: panel.shared], names)
    load = dict.fromkeys(names, 0)
    for item in items[panel.shared :]:
        chosen = sorted(names, key=lambda name: (load[name], draw.random()))[: panel.each]
        given[item] = tuple(sorted(chosen, key=names.index))
        for name in chosen:
            load[name] += 1
    if any(all(name not in raters for raters in given.values()) for name in names):
        raise UsageError(f"{len(items)} items are too few for {len(names)} raters with {panel.each} each: some would have none")
    return [
        msgspec.structs.replace(entry, raters=names if entry.kind == "attention" else given[entry.twin or entry.review_id])
        for entry in entries
    ]
