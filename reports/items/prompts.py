"""Prompts as the models saw them, for the page: what the prompts of several items have in common stands once in its index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.records import Frame
from reports.items.explorer import Pairing


class Prompts:
    """Of every item and side which of ``frames`` its prompt stands in, and what stands in it.

    A frame of one item only (its own tools, a text that a template changed) would make the index as large as the texts: of such
    a prompt the whole text is taken for a content."""

    def __init__(self, pairings: Sequence[Pairing]) -> None:
        seen = {(id(each), name): found for each in pairings for name in each.samples if (found := each.seen(name))}
        rows = Counter(frame for _, frame in {(item, found[0]) for (item, _), found in seen.items()})
        common = {frame for frame, count in rows.items() if count > 1 and not frame.left_out}
        self._told = {place: found if found[0] in common else _apart(*found) for place, found in seen.items()}
        self._numbers: dict[Frame, int] = {}
        for frame, _ in self._told.values():
            self._numbers.setdefault(frame, len(self._numbers))

    @property
    def frames(self) -> list[tuple[tuple[str | int, ...], tuple[str, ...]]]:
        """Parts and special tokens of each, in the order of their numbers."""
        return [(frame.parts, frame.special) for frame in self._numbers]

    def number(self, pairing: Pairing, name: str) -> int:
        """That of the frame; −1 where the prompt is not known."""
        found = self._told.get((id(pairing), name))
        return -1 if found is None else self._numbers[found[0]]

    def contents(self, pairing: Pairing, name: str) -> tuple[str, ...] | None:
        """What stands in the frame; None where the prompt is not known."""
        found = self._told.get((id(pairing), name))
        return None if found is None else found[1]


def _apart(frame: Frame, contents: Sequence[str]) -> tuple[Frame, tuple[str, ...]]:
    return Frame(parts=(0,), special=frame.special), (whole(frame, contents),)


def whole(frame: Frame, contents: Sequence[str]) -> str:
    """The text, with how much of it is missing where that is so."""
    if not frame.left_out:
        return frame.text(contents)
    first, last = frame.pieces(contents)
    return f"{first[0]}\n… {frame.left_out:,} characters left out …\n{last[0]}"
