"""All that was said is held against the key: what counts, what does not, and why. Nothing is dropped, nothing counts twice."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from reports.blind.assigning import same_name
from reports.blind.form import SCALE
from reports.blind.key import Key, KeyEntry
from reports.votes.statement import Statement, text_of, unpacked
from reports.votes.vote import PLAINLY, Fate, Kept, Rated, Sorted, Vote

SIDES = {"1": "left", "2": "right"}
_SPACES = re.compile(r"\s+")
_RATE = re.compile(r"rate ?([12])(?:_(\d+)|: ?(.+))", re.IGNORECASE)
_GRADE = re.compile(r"(?:[a-z]+[_ ])?([1-9])(?:\.0+)?")


def sort_votes(kept: Iterable[Kept], key: Key) -> Sorted:
    """Each statement with its fate; earlier fates are forgotten, since a statement that came in later may change them."""
    rows = {entry.review_id: entry for entry in key.entries}
    spelt = {same_name(name): name for name in key.raters}
    owners: dict[str, str] = {}
    held = {(_plain(row.left), _plain(row.right)) for row in key.entries}
    fresh = [_judged(line, key, rows, spelt, owners, held) for line in kept]
    by_vote: dict[tuple[str, str], list[int]] = defaultdict(list)
    skipped: dict[tuple[str, str], list[Kept]] = defaultdict(list)
    for number, line in enumerate(fresh):
        if line.fate == "counted":
            by_vote[line.rater, line.statement.review_id].append(number)
        elif line.fate == "skipped":
            skipped[line.rater, line.statement.review_id].append(line)
    for vote, numbers in by_vote.items():
        for number, line in zip(numbers, _one_of([fresh[number] for number in numbers]), strict=True):
            fresh[number] = _unless_withdrawn(line, skipped[vote])
    place = {name: number for number, name in enumerate(rows)}
    counted = sorted(
        (line for line in fresh if line.fate == "counted"), key=lambda line: (place[line.statement.review_id], line.rater)
    )
    return Sorted(votes=tuple(_vote(line, key) for line in counted), kept=tuple(fresh))


def _judged(
    line: Kept, key: Key, rows: Mapping[str, KeyEntry], spelt: dict[str, str], owners: dict[str, str], held: set[tuple[str, str]]
) -> Kept:
    """By itself, without the other statements; the rater by the name that the key has for them, or else as it was first spelt. What
    a tool calls one vote is of one rater, though one of its exports gives them a number and another one an address."""
    rater = spelt.setdefault(same_name(line.rater), _SPACES.sub(" ", line.rater).strip())
    if line.statement.identity:
        rater = owners.setdefault(f"{line.statement.review_id} {line.statement.identity}", rater)
    line = msgspec.structs.replace(line, rater=rater, fate="counted", because="")
    fate, because = _fate(line.statement, key, rows.get(line.statement.review_id), held)
    if fate == "counted" and key.raters and rater not in key.raters:
        fate, because = "unknown_rater", f"{line.rater!r} was not asked; the package is for {', '.join(key.raters)}"
    return msgspec.structs.replace(line, fate=fate, because=because)


def _fate(said: Statement, key: Key, entry: KeyEntry | None, held: set[tuple[str, str]]) -> tuple[Fate, str]:
    if said.package and not _same_package(said.package, key.package):
        return "foreign", f"it belongs to package {said.package!r}"
    if said.commitment and said.commitment != key.commitment:
        return "foreign", "it was cast under another key: the digest of its package differs"
    if said.state == "skipped":
        return "skipped", ""
    if said.state == "draft":
        return "draft", ""
    if not said.said:
        return "empty", ""
    if entry is None:
        return "unknown_item", f"there is no {said.review_id!r}"
    if said.choice is None:
        return "unreadable", f"{said.said[:80]!r} is none of {', '.join(key.form.choices)}"
    if said.shown is not None and _exchanged(said.shown, entry):
        return "exchanged", "the file shows the left answer on the right and the right one on the left, so its sides mean others"
    if said.shown is not None and _misplaced(said.shown, entry, held):
        return "misplaced", "the file shows the answers of another row there: were some of its columns sorted, and others not?"
    return "counted", ""


def _same_package(said: str, package: str) -> bool:
    """A name of digits, or of digits and one e, is a number to a spreadsheet, which writes 123456789012 as 1.23457E+11, or with a
    comma."""
    if said == package:
        return True
    try:
        found, expected = float(said.replace(",", ".")), float(package)
    except ValueError:
        return False
    return math.isfinite(expected) and math.isclose(found, expected, rel_tol=1e-5)


def _misplaced(shown: tuple[str, str], entry: KeyEntry, held: set[tuple[str, str]]) -> bool:
    left, right = (_plain(text) for text in shown)
    return (left, right) != (_plain(entry.left), _plain(entry.right)) and (left, right) in held


def _exchanged(shown: tuple[str, str], entry: KeyEntry) -> bool:
    """Spreadsheets change texts a little (line ends, a leading apostrophe); an exchange is still seen."""
    left, right = (_plain(text) for text in shown)
    return (left, right) == (_plain(entry.right), _plain(entry.left)) and left != right


def _plain(text: str) -> str:
    return _SPACES.sub(" ", text.lstrip("'").replace("\x00", "")).strip()


def _one_of(lines: Sequence[Kept]) -> list[Kept]:
    """Of all votes of one name on one row one counts at most: the last, where one and the same person is known to have given them
    all; else the first of equal ones; and none of unequal ones."""
    best = _last(lines)
    if best is None and len({line.statement.choice for line in lines}) == 1:
        best = 0
    if best is None:
        others = [next(other for other in lines if _differ(line, other)) for line in lines]
        return [
            _set(line, "contradicted", f"another choice stands in {_where(other)}")
            for line, other in zip(lines, others, strict=True)
        ]
    why = _where(lines[best])
    return [
        line
        if number == best
        else _set(line, "replaced", f"by {why}")
        if _differ(line, lines[best])
        else _set(line, "repeated", f"as in {why}")
        for number, line in enumerate(lines)
    ]


def _last(lines: Sequence[Kept]) -> int | None:
    """The latest of one sitting; None where sittings differ or are not known, or no order in time is. The same vote may have come
    in several files: every export of a tool holds all of them again."""
    times = _times(lines)
    if times is None:
        return None
    latest = [number for number, time in enumerate(times) if time == max(times)]
    return latest[0] if len({lines[number].statement.choice for number in latest}) == 1 else None


def _times(lines: Sequence[Kept]) -> list[datetime] | None:
    """When the votes of one sitting were cast, or, where no file says it, imported."""
    sittings = {line.statement.sitting for line in lines}
    if len(sittings) > 1 or "" in sittings:
        return None
    said = [line.statement.when for line in lines]
    found = [_time(when) for when in (said if any(said) else [line.imported for line in lines])]
    known = [time for time in found if time is not None]
    return known if len(known) == len(lines) else None


def _unless_withdrawn(line: Kept, skipped: Sequence[Kept]) -> Kept:
    """A vote counts no more where the same sitting skipped the row later."""
    for other in skipped if line.fate == "counted" else ():
        times = _times([line, other])
        if times is not None and times[1] > times[0]:
            return _set(line, "replaced", f"by {_where(other)}, which skips it")
    return line


def _differ(one: Kept, other: Kept) -> bool:
    return one.statement.choice != other.statement.choice


def _set(line: Kept, fate: Fate, because: str) -> Kept:
    return msgspec.structs.replace(line, fate=fate, because=because)


def _where(line: Kept) -> str:
    return f"{line.statement.source}, {line.statement.place}"


def _time(when: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(when)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _vote(line: Kept, key: Key) -> Vote:
    said = line.statement
    assert said.choice is not None
    ticked = {reason.casefold(): reason for reason in key.form.reasons}
    return Vote(
        review_id=said.review_id,
        rater=line.rater,
        choice=said.choice if said.choice in key.form.choices else PLAINLY.get(said.choice, said.choice),
        reasons=tuple(dict.fromkeys(ticked[reason.casefold()] for reason in said.reasons if reason.casefold() in ticked)),
        ratings=rated(said.ratings, key.form.criteria),
        comment=said.comment,
        seconds=said.seconds,
    )


def rated(given: Mapping[str, Any], criteria: Sequence[str]) -> dict[str, Rated]:
    """Ratings as the page writes them (criterion -> left and right), or one by one for each answer: ``rate1_3`` is the first answer
    on the third criterion, ``rate 2: tone`` the second on that of this name. What is no whole number from 1 to 5 is left out."""
    names = {name.casefold(): name for name in criteria} | {str(number): name for number, name in enumerate(criteria, start=1)}
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for title, value in given.items():
        match = _RATE.fullmatch(title.strip())
        name = names.get((match.group(2) or match.group(3).strip()).casefold() if match else title.casefold())
        if name is None or (match is None and not isinstance(value, Mapping)):
            continue
        sides = value if match is None else {SIDES[match.group(1)]: value}
        for side in ("left", "right"):
            grade = _grade(sides.get(side))
            if grade is not None:
                found[name][side] = grade
    return {name: Rated(**found[name]) for name in criteria if found.get(name)}


def _grade(value: object) -> int | None:
    """A number, or the label of a scale that ends in one (``scale_4``), or what Label Studio makes of it: ``[{"rating": 4}]``."""
    value = unpacked(value)
    while isinstance(value, list) and value:
        value = value[-1]
    value = value.get("rating") if isinstance(value, Mapping) else value
    match = None if isinstance(value, bool) else _GRADE.fullmatch(text_of(value))
    grade = int(match.group(1)) if match else 0
    return grade if 1 <= grade <= SCALE else None
