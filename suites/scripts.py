"""Writing systems: which one a text is in, and, where letters enough are there to tell, which language; and letters that are alike
but for how they are written."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from suites.checks.language import detect, east_asian
from suites.checks.terms import CJK, KANA

SPACELESS = CJK + KANA
"""For a character class: scripts that part no words, so that every character stands for one."""

FEWEST = 40
"""Letters below which languages of one script are not told apart: of 20 to 30 English letters the detector takes one text in 16 for
another language, of 40 and more one in 300."""
BOUND = 20_000
"""Characters that are looked at most."""

_LETTER = re.compile(r"[^\W\d_]")


def folded(text: str) -> str:
    """One width and one case."""
    return unicodedata.normalize("NFKC", text).casefold()


class Tongue(NamedTuple):
    """The script that most letters are of, and the language's code, where it can be told (``zh`` for either form of Chinese)."""

    script: str
    code: str | None


def tongue(text: str) -> Tongue | None:
    """None for a text without letters. Three letters in ten that are Han are Chinese, with kana Japanese, whatever the length."""
    letters = _LETTER.findall(text[:BOUND])
    if not letters:
        return None
    if (code := east_asian(text[:BOUND])) is not None:
        return Tongue("cjk", code)
    script = Counter(_script(letter) for letter in letters).most_common(1)[0][0]
    found = detect(text[:BOUND]) if len(letters) >= FEWEST else None
    return Tongue(script, found)


def _script(letter: str) -> str:
    return unicodedata.name(letter, "unknown").split()[0].lower()


def written(texts: Iterable[str]) -> bool:
    """Whether any of the texts has letters, so that it is in some language."""
    return any(_LETTER.search(text[:BOUND]) is not None for text in texts)


def spoken_as(answer: str, references: Iterable[str]) -> float | None:
    """1 where the answer is in the language of one of the references, or, where either is too short, in its script.

    An answer without letters is in no language: 0. None where no reference has letters, so that nothing is expected.
    """
    wanted = [found for found in map(tongue, references) if found is not None]
    if not wanted:
        return None
    own = tongue(answer)
    return float(own is not None and any(_alike(own, other) for other in wanted))


def _alike(one: Tongue, other: Tongue) -> bool:
    if one.code is None or other.code is None:
        return one.script == other.script
    return one.code == other.code
