"""Prompts as the model saw them, kept beside samples at little cost: what several have in common stands once in the run."""

from __future__ import annotations

from collections.abc import Sequence

from harness.records import Frame, Rendered, Request

LONGEST = 16_000
"""Characters that a sample keeps beside its ``prompt`` and the run's frames; of a longer text the beginning and the end."""


class Frames:
    """The frames of one run. One that comes a second time is numbered from then on; the first sample holds it itself."""

    def __init__(self) -> None:
        self._met: set[Frame] = set()
        self._numbers: dict[Frame, int] = {}

    @property
    def shared(self) -> tuple[Frame, ...]:
        """In the order of their numbers."""
        return tuple(self._numbers)

    def rendered(self, prompt: str, request: Request, frame: Frame) -> Rendered:
        """What a sample keeps of the request's text: where its contents stand in ``prompt``, and those that do not."""
        used = {part if part >= 0 else -1 - part for part in frame.parts if isinstance(part, int)}
        if not used:
            return Rendered(frame=self._kept(frame))
        contents = _placed(prompt, [content if number in used else "" for number, content in enumerate(request.contents)])
        if sum(len(content) for content in contents if isinstance(content, str)) > LONGEST:
            text = frame.text(request.contents)
            parts = (text[: LONGEST * 3 // 4], text[-(LONGEST // 4) :])
            return Rendered(frame=Frame(parts=parts, special=frame.special, left_out=len(text) - LONGEST))
        return Rendered(frame=self._kept(frame), contents=contents)

    def _kept(self, frame: Frame) -> int | Frame:
        if frame in self._met:
            return self._numbers.setdefault(frame, len(self._numbers))
        self._met.add(frame)
        return frame


def _placed(prompt: str, contents: Sequence[str]) -> tuple[str | tuple[int, int], ...]:
    if len(contents) == 1 and contents[0] == prompt:
        return ()
    found: list[str | tuple[int, int]] = []
    at = 0
    for content in contents:
        start = prompt.find(content, at) if content else -1
        if start < 0:
            found.append(content)
        else:
            at = start + len(content)
            found.append((start, at))
    return tuple(found)
