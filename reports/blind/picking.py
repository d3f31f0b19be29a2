"""Items that somebody picked by hand, as the report's item explorer saves them: one line of JSON each.

They are no sample. What people say of them is worth reading, and says nothing of the items that nobody picked: the key keeps that
(``Key.picked``), and no release is held up or let pass by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.errors import UsageError
from harness.plugins import did_you_mean
from harness.records import Measured, Record


class Picked(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line: an item, and whose answers to it people should compare."""

    suite: str
    task: str
    key: str
    candidate: str
    baseline: str


class Line(Record, frozen=True, kw_only=True):
    """``place``: the file and the line."""

    place: str
    picked: Picked


def read_picked(path: Path, *, baseline: str, candidates: Sequence[str], suites: Sequence[str]) -> list[Line]:
    """Raises UsageError for a file that cannot be read or holds nothing, and for a line that is no item of this evaluation."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    found = []
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        try:
            picked = msgspec.json.decode(line, type=Picked)
        except msgspec.DecodeError as error:
            raise UsageError(f"{place}: not an item as the report saves them (review-items.jsonl): {error}") from error
        for what, name, known in (
            ("baseline", picked.baseline, [baseline]),
            ("candidate", picked.candidate, candidates),
            ("suite", picked.suite, suites),
        ):
            if name not in known:
                raise UsageError(f"{place}: {name!r} is no {what} of this config. {did_you_mean(name, known)}")
        found.append(Line(place=place, picked=picked))
    if not found:
        raise UsageError(f"{path}: no item stands in it")
    return found


def places_of(lines: Sequence[Line], baseline: Measured, candidate: Measured) -> tuple[tuple[str, str], ...]:
    """Task and key of the items that are meant for these two runs, each once; UsageError for one that neither of them knows."""
    known = {(sample.task, sample.key) for side in (baseline, candidate) for sample in side.samples}
    suite, name = candidate.run.suite, candidate.run.candidate.name
    found = {}
    for line in lines:
        if (line.picked.suite, line.picked.candidate) != (suite, name):
            continue
        place = line.picked.task, line.picked.key
        if place not in known:
            raise UsageError(
                f"{line.place}: {suite!r} has no item {line.picked.key!r} in task {line.picked.task!r} as it was measured last. "
                "Pick items in the report of this evaluation"
            )
        found[place] = True
    return tuple(found)
