"""What texts that are alike have in common, in a few words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

LOOKED_AT = 150
"""Texts of either side that are counted."""
OFTEN = 0.5
MOST = 5
_LONGEST = 600
_WIDE = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[^\W\d_{_WIDE}]{{2,30}}|[{_WIDE}]{{1,60}}")
_CHINESE = re.compile(rf"[{_WIDE}]")


def shared(inside: Sequence[str], outside: Sequence[str]) -> str:
    """The words that most of ``inside`` and few of ``outside`` have, those that tell most first; empty where there are none."""
    here, there = _held(inside), _held(outside)
    told = [(share - there.get(word, 0.0), share, word) for word, share in here.items() if share >= OFTEN]
    ranked = sorted((each for each in told if each[0] > 0), key=lambda each: (-round(each[0], 9), -len(each[2]), each[2]))
    words: list[str] = []
    for _, _, word in ranked:
        if not any(word in known for known in words):
            words.append(word)
    return " · ".join(words[:MOST])


def _held(texts: Sequence[str]) -> dict[str, float]:
    """Word -> the share of texts that have it."""
    step = max(1, len(texts) // LOOKED_AT)
    some = texts[::step][:LOOKED_AT]
    counts = Counter(word for text in some for word in set(_words(text[-_LONGEST:].casefold())))
    return {word: count / len(some) for word, count in counts.items()}


def _words(text: str) -> Iterable[str]:
    """Words as they are parted by anything else; of Chinese, which does not part them, two and three signs in a row."""
    for found in _WORD.findall(text):
        if not _CHINESE.match(found):
            yield found
            continue
        for length in (2, 3):
            yield from (found[start : start + length] for start in range(len(found) - length + 1))
