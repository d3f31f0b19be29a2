"""Two texts cut to where they differ, with what differs marked; linear in their length."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence

Piece = tuple[str, bool]
"""A part of a text, and whether the other one does not have it."""

WORDS = 160
"""Words from the first difference on that are compared word by word."""
AROUND = 8
"""Words that are left of what both have, on either side of a difference."""

_WORD = re.compile(r"\s{1,40}|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{1,40}|.", re.S)
"""A sign of Chinese, Japanese or Korean is a word."""
_FEWEST = 3
"""Words below which what both have between two differences is not cut: the mark would take as much room."""


def apart(old: str, new: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Both texts around the places where they differ; whole where they do not."""
    if old == new:
        return _merged([(old, False)]), _merged([(new, False)])
    shared = next((place for place, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    before = [each for each in _WORD.findall(old[max(0, shared - 400) : shared]) if each]
    whole = shared if not before or not before[-1].strip() else shared - len(before.pop())
    head = before[-2 * AROUND :]
    left, right = (_words(text, whole) for text in (old, new))
    codes = difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes()
    cut = whole > sum(map(len, head))
    sides = []
    for words, text, start, end in ((left, old, 1, 2), (right, new, 3, 4)):
        rest = whole + sum(map(len, words)) < len(text)
        pieces = [("…" if cut else "", False), ("".join(head), False)]
        for number, code in enumerate(codes):
            part = words[int(code[start]) : int(code[end])]
            last = number == len(codes) - 1
            pieces += _kept(part, last=last) if code[0] == "equal" else [("".join(part), True)]
        sides.append(_merged([*pieces, ("…" if rest and not pieces[-1][0].endswith("…") else "", False)]))
    return sides[0], sides[1]


def plain(pieces: Sequence[Piece]) -> str:
    """The text without its marks."""
    return "".join(text for text, _ in pieces)


def _words(text: str, start: int) -> list[str]:
    found = _WORD.finditer(text, start)
    return [each.group() for each, _ in zip(found, range(2 * WORDS), strict=False)]


def _kept(part: Sequence[str], *, last: bool) -> Iterator[Piece]:
    """What both have: all where it is short, else its ends."""
    room = 2 * AROUND
    if last:
        whole = len(part) <= room + 2 * _FEWEST
        yield "".join(part if whole else part[:room]) + ("" if whole else "…"), False
    elif len(part) <= 2 * room + _FEWEST:
        yield "".join(part), False
    else:
        yield f"{''.join(part[:room])} … {''.join(part[-room:])}", False


def _merged(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    found: list[Piece] = []
    for text, differs in pieces:
        if text and found and found[-1][1] == differs:
            found[-1] = found[-1][0] + text, differs
        elif text:
            found.append((text, differs))
    return tuple(found)
