"""Disturbances of how a question is written: typing errors, case, spacing, punctuation. Each changes only what ``Question.free``
lets it, and gives None where nothing is left to change."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import TypeVar

from suites.checks.terms import CJK
from suites.robustness.protected import Question

Found = TypeVar("Found")
Span = tuple[int, int, str]
"""From where to where, and what stands there instead."""

NEIGHBOURS = {
    "q": "wa", "w": "qes", "e": "wrd", "r": "etf", "t": "ryg", "y": "tuh", "u": "yij", "i": "uok", "o": "ipl", "p": "ol",
    "a": "qsz", "s": "adwx", "d": "sfec", "f": "dgrv", "g": "fhtb", "h": "gjyn", "j": "hkum", "k": "jlim", "l": "kop",
    "z": "asx", "x": "zcs", "c": "xvd", "v": "cbf", "b": "vng", "n": "bmh", "m": "njk",
}  # fmt: skip
"""Keys beside each key of a QWERTY keyboard."""

CONFUSED = {
    "的": "地得", "地": "的得", "得": "的地", "在": "再", "再": "在", "做": "作", "作": "做", "己": "已", "已": "己", "未": "末",
    "候": "侯", "请": "清", "情": "请", "他": "她", "她": "他", "像": "象", "象": "像", "账": "帐", "回": "会", "答": "达",
    "案": "按", "问": "间", "题": "提", "选": "远", "哪": "那", "是": "事", "什": "甚", "么": "吗", "时": "是", "句": "居",
    "话": "活", "面": "而", "列": "例", "根": "跟", "据": "剧", "写": "与", "出": "初", "给": "绐", "名": "明", "字": "子",
    "今": "令", "天": "夭", "语": "雨", "段": "断", "内": "肉", "容": "溶", "用": "甩", "和": "合", "为": "位", "有": "友",
}  # fmt: skip
"""Characters that are typed one for the other: of the same sound (在, 再) or of similar shape (己, 已)."""

RUDE = re.compile("cunt|fuck|shit|cock|dick|slut|whore|rape|nazi|nigg|fag|tit|arse|bitch|piss|crap")
"""What no error may make of a word."""

_WORD = re.compile(r"(?<![\w'’-])[a-z]{4,30}(?![\w'’-])")
_GAP = re.compile(r"(?<=[^\s]) (?=[^\s])")
_BETWEEN = re.compile(f"(?<=[{CJK}])(?=[{CJK}])")
_MARK = re.compile(r"(?<=\w)[?.!,;](?=\s|$)")
_WIDE = {"，": ",", "。": ".", "？": "?", "！": "!", "；": ";", "：": ":"}

SHARE = 0.15
"""Of the words (Chinese: of the characters that can be mistaken) that have a typing error; one at least."""
SPACED = 0.3
"""Of the gaps that are widened; between Chinese characters, half as many are opened."""


def typos(question: Question, chance: random.Random) -> str | None:
    """English: a key beside, two letters swapped, one left out or doubled, never the first one. Chinese: ``CONFUSED``."""
    known = {found.casefold() for found in re.findall(r"\w+", question.text)}
    spans = [_mistaken(match, known, chance) for match in _some(list(_free(question, _WORD)), SHARE, chance)]
    if question.chinese:
        places = [place for place, letter in enumerate(question.text) if letter in CONFUSED and question.free[place]]
        spans = [(place, place + 1, chance.choice(CONFUSED[question.text[place]])) for place in _some(places, SHARE, chance)]
    return _changed(question, spans)


def _mistaken(match: re.Match[str], known: set[str], chance: random.Random) -> Span:
    """A word with one error, which is none of the ``known`` ones, those of the question; the word itself where there is none."""
    word = match.group()
    kinds = [_swapped, _beside, _dropped, _doubled]
    chance.shuffle(kinds)
    for kind in kinds:
        made = kind(word, chance)
        if made not in known and not RUDE.search(made):
            return (match.start(), match.end(), made)
    return (match.start(), match.end(), word)


def _swapped(word: str, chance: random.Random) -> str:
    place = chance.randrange(1, len(word) - 1)
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def _beside(word: str, chance: random.Random) -> str:
    place = chance.randrange(1, len(word))
    return word[:place] + chance.choice(NEIGHBOURS[word[place]]) + word[place + 1 :]


def _dropped(word: str, chance: random.Random) -> str:
    place = chance.randrange(1, len(word))
    return word[:place] + word[place + 1 :]


def _doubled(word: str, chance: random.Random) -> str:
    place = chance.randrange(1, len(word))
    return word[:place] + word[place] + word[place:]


def case(question: Question, chance: random.Random) -> str | None:
    """All in capitals, or all in small letters, as chance has it; the other one where that changes nothing."""
    ways: list[Callable[[str], str]] = [str.upper, str.lower]
    chance.shuffle(ways)
    for way in ways:
        letters = zip(question.text, question.free, strict=True)
        made = "".join(way(letter) if free and len(way(letter)) == 1 else letter for letter, free in letters)
        if made != question.text:
            return made
    return None


def spacing(question: Question, chance: random.Random) -> str | None:
    """One to three spaces more between words; in Chinese, spaces between characters."""
    if question.chinese:
        inner = [
            place.start() for place in _BETWEEN.finditer(question.text) if question.movable(place.start() - 1, place.end() + 1)
        ]
        return _changed(question, [(place, place, " ") for place in _some(inner, SPACED / 2, chance)])
    gaps = [match.start() for match in _free(question, _GAP)]
    return _changed(question, [(place, place + 1, " " * chance.randint(2, 4)) for place in _some(gaps, SPACED, chance)])


def punctuation(question: Question, chance: random.Random) -> str | None:
    """Marks after words are left out (question marks, also doubled); in Chinese, all of them in half width. Commas stay: they tell
    the parts of a list."""
    if question.chinese:
        wide = [place for place, mark in enumerate(question.text) if mark in _WIDE and question.free[place]]
        return _changed(question, [(place, place + 1, _WIDE[question.text[place]]) for place in wide])
    marks = [match for match in _free(question, _MARK) if match.group() in "?.!"]
    return _changed(
        question, [(mark.start(), mark.end(), chance.choice(["", "??"]) if mark.group() == "?" else "") for mark in marks]
    )


def _free(question: Question, pattern: re.Pattern[str]) -> list[re.Match[str]]:
    return [match for match in pattern.finditer(question.text) if question.movable(*match.span())]


def _some(found: list[Found], share: float, chance: random.Random) -> list[Found]:
    """Some of them in their order, one at least where there is one."""
    if not found:
        return []
    chosen = set(chance.sample(range(len(found)), max(1, round(share * len(found)))))
    return [one for place, one in enumerate(found) if place in chosen]


def _changed(question: Question, spans: list[Span]) -> str | None:
    pieces, place = [], 0
    for start, end, made in spans:
        pieces += [question.text[place:start], made]
        place = end
    text = "".join([*pieces, question.text[place:]])
    return None if text == question.text else text
