"""The texts of an item, one after the other, and the lengths by which the page takes them apart again.

An item's texts are one string: prompt, target, and for each side what it wrote, thought, what was graded of it, why it failed and
what judges said. Lengths are counted as JavaScript counts them. Nothing in a text can be taken for anything but text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from harness.records import Judgment, Sample
from reports.items.explorer import Pairing, compact
from reports.items.prompts import Prompts

LONGEST_TEXT = 16_000
"""Of a longer one the page keeps the beginning and the end."""


class Written:
    """An item's texts and their shape: ``[prompt, target, side, side …]``.

    A side is −1 where nobody was asked, the length of its only output where there is nothing else, and else ``[outputs, thinking,
    extracted, error, judgments, prompt, contents]``: lengths, −1 for None, of a judgment ``[judge, criterion, draw, order, score,
    length]``; the prompt is −1 where it is the one above. ``contents``: what stands in the frame of the prompt as this side saw it,
    0 where the prompt is all of it (or nothing is known), −1 where it is the same as of the side before that has any; each is a
    length, or where it stands in the prompt (from, to). ``cut``: how many texts were too long.
    """

    def __init__(self, pairing: Pairing, names: Sequence[str], prompts: Prompts, *, longest: int | None = LONGEST_TEXT) -> None:
        self.parts: list[str] = []
        self.longest, self.cut = longest, 0
        self.before: tuple[str, ...] | None = None
        shown = pairing.any_sample
        self.asked = shown.prompt
        self.shape: list[Any] = [self._add(shown.prompt), self._add(target_text(shown.target))]
        for name in names:
            sample = pairing.samples.get(name)
            self.shape.append(-1 if sample is None else self._side(sample, prompts.contents(pairing, name)))

    @property
    def text(self) -> str:
        return "".join(self.parts)

    def _side(self, sample: Sample, contents: tuple[str, ...] | None) -> Any:
        outputs = [self._add(text) for text in sample.outputs]
        alike = sample.prompt in ("", self.asked)
        prompt = self.asked if alike else sample.prompt
        plain = contents in (None, (prompt,))
        if len(outputs) == 1 and alike and plain and not (sample.thinking or sample.extracted or sample.judgments or sample.error):
            return outputs[0]
        return [
            outputs,
            [self._add(text) for text in sample.thinking],
            [-1 if text is None else self._add(text) for text in sample.extracted],
            -1 if sample.error is None else self._add(sample.error),
            [self._judgment(each) for each in sample.judgments],
            -1 if alike else self._add(sample.prompt),
            0 if plain else self._contents(contents or (), prompt),
        ]

    def _contents(self, contents: tuple[str, ...], prompt: str) -> Any:
        if contents == self.before:
            return -1
        self.before = contents
        whole = self.longest is None or len(prompt) <= self.longest
        found: list[Any] = []
        at = 0
        for text in contents:
            start = prompt.find(text, at) if text and whole else -1
            if start < 0:
                found.append(self._add(text))
            else:
                at = start + len(text)
                found.append([units(prompt[:start]), units(prompt[:at])])
        return found

    def _judgment(self, said: Judgment) -> list[Any]:
        score = None if said.score is None else compact(said.score)
        return [said.judge, said.criterion, said.draw, said.order, score, self._add(said.reason or said.raw)]

    def _add(self, text: str) -> int:
        text = encodable(text)
        if self.longest is not None and len(text) > self.longest:
            self.cut += 1
            left, right = self.longest * 3 // 4, self.longest // 4
            text = f"{text[:left]}\n… {len(text) - left - right:,} characters left out …\n{text[-right:]}"
        self.parts.append(text)
        return units(text)


def units(text: str) -> int:
    """The length of ``text`` in JavaScript: characters outside the basic plane count twice."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def encodable(text: str) -> str:
    """``text`` with a question mark for every half of a broken surrogate pair, which no JSON can hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def target_text(target: Any) -> str:
    """The right answer, to be read."""
    if target is None:
        return ""
    return target if isinstance(target, str) else msgspec.json.encode(target).decode()
