"""What a chat template puts around the contents of messages: told apart from them, so that it is kept once for all items.

A frame is only ever given out when it makes the very text that is tokenised: what is usual for messages of such roles is tried
first, then the contents are looked for in the text, and what is not found stays in the frame as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Sequence

import msgspec

from harness.errors import EngineError
from harness.records import Frame, Request

LONGEST = 16_000
"""Characters of text in a frame; of a longer one the beginning and the end are kept."""

_KEPT = 512
"""Shapes of conversations, and frames, that are remembered."""

_STAND_IN = "sftgate{}content"
_STAND_INS = re.compile(r"sftgate(\d+)content")


class Framing:
    """Frames of one template. ``render`` makes the text of a request, where that costs little; ``special`` are the tokenizer's
    special tokens, where they are known."""

    def __init__(self, render: Callable[[Request], str] | None = None, special: Collection[str] = ()) -> None:
        self._render = render
        longest_first = sorted(filter(None, special), key=lambda token: (-len(token), token))
        self._special = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
        self._usual: dict[Hashable, tuple[Frame, ...]] = {}
        self._made: dict[Frame, Frame] = {}

    def of(self, request: Request, text: str) -> Frame:
        """The frame of ``text``, which the request's messages were rendered to."""
        contents = request.contents
        for frame in self._usual_for(request):
            if frame.text(contents) == text:
                return self._finished(frame.parts, text)
        return self._finished(_found(contents, text), text)

    def raw(self, before: str, prompt: str) -> Frame:
        """The frame of a prompt without a template, ``before`` which the tokenizer puts tokens of its own."""
        return self._finished((before, 0) if before else (0,), before + prompt)

    def _finished(self, parts: tuple[str | int, ...], text: str) -> Frame:
        """With its special tokens, bounded; equal frames are one object."""
        special: tuple[str, ...] = ()
        if self._special is not None:
            special = tuple(sorted(set(self._special.findall(text)), key=lambda token: (-len(token), token)))
        own, left_out = sum([len(part) for part in parts if isinstance(part, str)]), 0
        if own > LONGEST:
            parts, left_out = (text[: LONGEST * 3 // 4], text[-(LONGEST // 4) :]), len(text) - LONGEST
        frame = Frame(parts=parts, special=special, left_out=left_out)
        if len(self._made) >= _KEPT and frame not in self._made:
            self._made.clear()
        return self._made.setdefault(frame, frame)

    def _usual_for(self, request: Request) -> tuple[Frame, ...]:
        """What such messages are rendered to where their contents are words: with the contents as they are, and without the white
        space around them. Nothing for messages that hold more than words."""
        if (
            self._render is None
            or request.tools
            or any(each.name or each.tool_calls or each.tool_call_id for each in request.messages)
        ):
            return ()
        shape = (tuple(each.role for each in request.messages), request.continue_final, request.enable_thinking)
        if shape not in self._usual:
            if len(self._usual) >= _KEPT:
                self._usual.clear()
            self._usual[shape] = _learned(self._render, request)
        return self._usual[shape]


def _learned(render: Callable[[Request], str], request: Request) -> tuple[Frame, ...]:
    messages = tuple(
        msgspec.structs.replace(each, content=_STAND_IN.format(number)) for number, each in enumerate(request.messages)
    )
    try:
        pieces = _STAND_INS.split(render(msgspec.structs.replace(request, messages=messages)))
    except EngineError:  # the template wants other words
        return ()
    numbers = [int(piece) for piece in pieces[1::2]]
    if any(number >= len(messages) for number in numbers):
        return ()
    found = []
    for places in (numbers, [-1 - number for number in numbers]):
        mixed: list[str | int] = [*pieces]
        mixed[1::2] = places
        found.append(Frame(parts=tuple(part for part in mixed if part != "")))
    return tuple(found)


def _found(contents: Sequence[str], text: str) -> tuple[str | int, ...]:
    """The contents where they stand in ``text``, one after the other; what cannot be found is text."""
    parts: list[str | int] = []
    at = 0
    for number, content in enumerate(contents):
        for place, wanted in ((number, content), (-1 - number, content.strip())):
            start = text.find(wanted, at) if wanted else -1
            if start >= 0:
                parts += [text[at:start], place] if start > at else [place]
                at = start + len(wanted)
                break
    return (*parts, text[at:]) if at < len(text) else tuple(parts)
