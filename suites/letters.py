"""The letter that a free-text answer settles on: declared, alone on a line, or the only one in brackets; English and Chinese.

Read in this order, and the first kind that is there decides: ``\\boxed{B}`` · a declaration (``the answer is (B)``,
``B is correct``, ``I choose B``, ``答案是B``, ``故选B``; the last one counts) · lines that are a letter alone (``B``, ``(B)``) ·
lines that begin with one (``B. Paris``) · capital letters in brackets. Of the last three all must agree. A letter inside prose
(``vitamin C``, ``A dog``) is none. None: no letter, or several that are not told apart (``B or C``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from suites.checks.terms import CJK
from suites.extraction import BOUND, last_boxed

_MARKUP = str.maketrans(dict.fromkeys("*`$\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e", None))
_LETTER = (
    r"(?:(?:option|choice|letter|选项)\s{0,3})?[(\[\"'‘“]?"
    r"(?P<letter>[A-Z]|(?<=\()[a-z](?=\))|[a-z](?=[.)]?\s{0,3}(?:\n|$)))(?![A-Za-z0-9_-]|['’][A-Za-z])[)\]\"'’”]?"
)
_BEFORE = "|".join(
    (
        r"\b(?i:answer|choice|option)[^\n.:]{0,60}?\s(?i:is|be|was)\b(?:\s(?i:therefore|thus|hence|clearly|probably|most\slikely))?\s{0,3}:?\s{0,3}",
        r"\b(?i:answer|choice)\s{0,3}[:=]?\s{0,3}",
        r"\b(?i:choose|chose|pick|select|go\swith|going\swith)\s{1,3}",
        r"答案\s{0,3}(?:应该|应当|应|显然|就|只能)?(?:是|为|选|选择)?\s{0,3}[:=]?\s{0,3}",
        r"正确的?(?:选项|答案)\s{0,3}(?:应该|应)?(?:是|为)?\s{0,3}:?\s{0,3}",
        r"(?:故|因此|所以|应|应该|我)?选(?:择)?\s{0,3}:?\s{0,3}",
        r"而是\s{0,3}",
    )
)
_AHEAD = re.compile(f"(?:{_BEFORE}){_LETTER}")
_BEHIND = re.compile(
    r"(?<![A-Za-z0-9_])(?P<letter>[A-Z])\)?(?:"
    r"\s{1,3}(?:is|would\sbe|must\sbe)\s{1,3}(?:the\s{1,3})?(?:only\s{1,3})?(?:correct|right(?!\s{1,3}(?:in|of|at|on|behind|after|before|next|to|beside|above|below)\b)|best|answer)\b"
    r"|\s{0,3}(?:选?项)?\s{0,3}(?:是|为)?(?:正确|对的))"
)
_DENIED = re.compile(
    r"(?:\bnot|n't|n’t|\bnever|\bcannot|\bwrong|\bincorrect|\bwithout|不|别|没|勿|非|错误)\s{0,3}\Z", re.IGNORECASE
)
_ANOTHER = re.compile(
    r"\s{0,3}(?:,|/|&|、|\bor\b|\band\b|和|或者?|与|及)\s{0,3}(?:(?:option|choice)\s{0,3})?\(?([A-Z])\)?(?![A-Za-z0-9])(?!\s{1,3}(?:is|are|was|would)\b)",
    re.IGNORECASE,
)
_GOES_ON = re.compile(r"\s{1,3}(?!(?:because|since|as|for|which|based|due|given|with|is|and|or)\b)[a-z]")
_REFUTED = re.compile(
    r"\s{0,3}(?:(?:is|was)(?:\s{1,3}not|n't|n’t)?|cannot|can't|can’t|是)?\s{0,3}(?:wrong|incorrect|false|not\b|n't|n’t|错|不)",
    re.IGNORECASE,
)
_NOUN = re.compile(rf"(?![项选因为是的和或与及而但所故由正对更最吧])[{CJK}]")
_ALONE = re.compile(r"(?:(?i:option|choice)\s{1,3}|选项\s{0,3})?[(\[]?([A-Za-z])[)\]]?[.。]?")
_FIRST = re.compile(
    rf"(?:(?i:option|choice)\s{{1,3}}|选项\s{{0,3}})?[(\[]?([A-Z])(?:[)\]][.:、]?(?=\s*\S)|\s?[.:、。](?=\s*\S)|(?=\s{{1,3}}[{CJK}]))"
)
_BRACKETED = re.compile(r"[(\[]([A-Z])[)\]]")
_TEXT = re.compile(r"\\(?:text|textbf|mathrm|mathbf)\s{0,3}\{([^{}]{0,20})\}")


def last_choice(text: str, letters: str) -> str | None:
    """The letter, a capital, one of ``letters``."""
    plain = _TEXT.sub(r"\1", unicodedata.normalize("NFKC", text[-BOUND:]))
    boxed = last_boxed(plain)
    if boxed is not None and (inside := _ALONE.fullmatch(boxed)):
        return _known(inside.group(1), letters)
    plain = plain.translate(_MARKUP)
    said = [match for pattern in (_AHEAD, _BEHIND) for match in pattern.finditer(plain) if _meant(match, plain)]
    if said:
        last = max(said, key=lambda match: match.start("letter"))
        return None if _ANOTHER.match(plain, last.end()) else _known(last["letter"], letters)
    lines = [line.strip() for line in plain.splitlines()]
    begun = [(line, match) for line in lines if (match := _FIRST.match(line))]
    for found in (
        [match.group(1) for line in lines if (match := _ALONE.fullmatch(line))],
        [letter for line, match in begun for letter in (match.group(1), *_others(line, match.end(), letters))],
        _BRACKETED.findall(plain),
    ):
        if found:
            return _agreed(found, letters)
    return None


def _others(line: str, place: int, letters: str) -> list[str]:
    another = _ANOTHER.match(line, place)
    return [] if another is None or another.group(1).upper() not in letters else [another.group(1)]


def _meant(match: re.Match[str], text: str) -> bool:
    """Not denied just before, and no article or pronoun (``Answer: A dog``, ``the answer is I think``), nor part of a
    Chinese word (``选择：E市``)."""
    start, after = match.start(), match.end()
    if _DENIED.search(text, max(0, start - 16), start):
        return False
    if match.re is _BEHIND:
        return True
    if _REFUTED.match(text, after) or _NOUN.match(text, after):
        return False
    return match["letter"].upper() not in "AI" or not _GOES_ON.match(text, after)


def _agreed(found: Iterable[str], letters: str) -> str | None:
    different = {letter.upper() for letter in found}
    return _known(different.pop(), letters) if len(different) == 1 else None


def _known(letter: str, letters: str) -> str | None:
    return letter.upper() if letter.upper() in letters else None
