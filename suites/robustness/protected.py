"""What a disturbance may not touch, because the right answer hangs on it: numbers, quotations, code, choices, what the row holds
beside its question (target, keywords …), words that the answer shares with the question, and what the row says to ``keep``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from suites.checks.terms import CJK
from suites.robustness.choices import CHOICE

_CODE = re.compile(
    r"```.{0,20000}?```|`[^`\n]{1,500}`|\$(?=\S)[^$\n]{1,500}(?<=\S)\$(?!\d)|\\[([].{0,2000}?\\[\])]|\{[^{}\n]{0,500}\}|\[[^\[\]\n]{0,500}\]"
    r"|<[^<>\n]{1,200}>|https?://\S+|[\w.%+-]{1,64}@[\w.-]{1,255}|(?<![A-Za-z0-9_./\\-])[A-Za-z0-9.-]*[_\\/][A-Za-z0-9_./\\-]*",
    re.DOTALL,
)
_QUOTED = re.compile(
    r"\"[^\"\n]{1,500}\"|“[^”\n]{1,500}”|(?<!\w)'[^'\n]{1,500}'(?!\w)|‘[^’\n]{1,500}’|「[^」\n]{1,500}」|『[^』\n]{1,500}』|《[^》\n]{1,500}》"
)
_NUMBER = re.compile(f"(?<![^\\s{CJK}])[^\\s{CJK}]*[0-9０-９][^\\s{CJK}]*")
_COUNTED = re.compile(
    r"\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen"
    r"|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|half|dozen|first|second|third"
    r"|not|never|without|except|plus|minus|times|than|before|after|least|most|fewer|fewest)\b"
    "|[零〇一二三四五六七八九十百千万亿两半不没无非]+",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")
_HAN = re.compile(f"[{CJK}]")
_LETTER = re.compile(r"[^\W\d_]")

BOOKKEEPING = (
    "key",
    "task",
    "prompt",
    "messages",
    "turns",
    "replies",
    "cluster",
    "slices",
    "weight",
    "paraphrases",
    "translations",
)
"""Fields of a row whose texts say nothing about the answer."""


@dataclass(frozen=True)
class Question:
    """What a row asks: its own text, without examples before it; and the row itself (empty where it could not be found)."""

    text: str
    target: Any
    fields: Mapping[str, Any]

    @property
    def chinese(self) -> bool:
        """Three letters in ten are Chinese. Anything else is taken for English."""
        return len(_HAN.findall(self.text)) >= 0.3 * max(1, len(_LETTER.findall(self.text)))

    @property
    def answers(self) -> list[str]:
        """The texts of the target."""
        return [text for text in leaves(self.target) if text.strip()]

    @cached_property
    def free(self) -> list[bool]:
        """Per character: may it change?"""
        free = [True] * len(self.text)
        for start, end in self._kept():
            free[start:end] = [False] * (end - start)
        return free

    def movable(self, start: int, end: int) -> bool:
        return all(self.free[start:end])

    def _kept(self) -> Iterator[tuple[int, int]]:
        for pattern in (_CODE, _QUOTED, _NUMBER, _COUNTED, CHOICE):
            yield from (match.span() for match in pattern.finditer(self.text))
        for text in self._texts():
            yield from (match.span() for match in standing(text).finditer(self.text))
        shared = {word.casefold() for answer in self.answers for word in _WORD.findall(answer)}
        yield from (match.span() for match in _WORD.finditer(self.text) if match.group().casefold() in shared)

    def _texts(self) -> set[str]:
        held = {name: value for name, value in self.fields.items() if name not in BOOKKEEPING}
        return {text.strip() for text in (*leaves(held), *self.answers)} - {"", self.text.strip()}


def standing(text: str) -> re.Pattern[str]:
    """Where a text stands by itself: not inside a longer word in Latin letters."""
    before = r"(?<![A-Za-z0-9])" if text[0].isascii() and text[0].isalnum() else ""
    after = r"(?![A-Za-z0-9])" if text[-1].isascii() and text[-1].isalnum() else ""
    return re.compile(before + re.escape(text) + after, re.IGNORECASE)


def leaves(value: Any) -> Iterator[str]:
    """Every text and number inside a JSON value, as text; the keys of objects, too."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield str(name)
            yield from leaves(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from leaves(each)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
