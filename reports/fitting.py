"""Markdown that fits where it goes: what has no room is left out from the end, and named."""

from __future__ import annotations

from collections.abc import Sequence

from harness.records import Record
from reports.hostile import escaped

_NOTE = 700
"""Characters that are kept free for saying what was left out."""
_NAMED, _LONGEST = 8, 60


class Block(Record, frozen=True, kw_only=True):
    """Lines that belong together, and what they are about."""

    about: str
    lines: tuple[str, ...]


def fitted(head: Sequence[str], blocks: Sequence[Block], foot: Sequence[str], budget: int) -> str:
    """Head, blocks and foot in at most ``budget`` characters: blocks that do not fit are cut short, and those after them left out
    where they do not fit either."""
    room = budget - len("\n".join([*head, *foot])) - _NOTE
    kept: list[str] = []
    cut: list[str] = []
    for block in blocks:
        lines = list(block.lines) if len("\n".join(block.lines)) < room else _shortened(block.lines, room)
        if len(lines) < len(block.lines):
            cut.append(block.about)
        kept += lines
        room -= len("\n".join(lines)) + 1
    text = "\n".join([*head, *kept, *(["", _note(cut)] if cut else []), *foot]) + "\n"
    if len(text) <= budget:
        return text
    note = _note(["candidates", *cut])
    return "\n".join(text[: max(0, budget - len(note) - 3)].split("\n")[:-1]) + f"\n\n{note}\n"


def _note(cut: Sequence[str]) -> str:
    named = [escaped(about if len(about) <= _LONGEST else f"{about[:_LONGEST]}…") for about in cut[:_NAMED]]
    more = f" and {len(cut) - _NAMED} more" if len(cut) > _NAMED else ""
    return f"_Too long for this place. Cut short or left out here: {', '.join(named)}{more}. All of it is in report.html._"


def _shortened(block: Sequence[str], room: int) -> list[str]:
    """As many lines of a block as fit, with every fold closed again; nothing where only a title would be left."""
    kept: list[str] = []
    folds, used = 0, 0
    for line in block:
        if used + len(line) + 40 > room:
            break
        folds += line.startswith("<details>") - line.startswith("</details>")
        used += len(line) + 1
        kept.append(line)
    if not any(line.startswith(("- ", "| ")) for line in kept):
        return []
    return kept + ["", "</details>"] * max(0, folds)
