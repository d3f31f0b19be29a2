"""Which languages a data set is in, and answers in another script than their question."""

from __future__ import annotations

import random
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from harness.records import Check, Tally
from trainers.audit.consistency import tally
from trainers.audit.entries import Entry, Progress
from trainers.audit.found import check

SAMPLE = 300
_SHORTEST = 20
_MAIN = 0.7
_CODE = re.compile(r"```.*?```", re.DOTALL)


@cache
def _script_of(letter: str) -> str:
    """The script of a letter by its Unicode name: LATIN, CJK, CYRILLIC …; kana and hangul stand for their languages."""
    return unicodedata.name(letter, "").partition(" ")[0]


def script(text: str) -> str:
    """The script that seven letters in ten are written in; empty for a text with few letters, or of several."""
    letters = [letter for letter in _CODE.sub("", text)[:2000] if letter.isalpha()]
    if len(letters) < _SHORTEST // 2:
        return ""
    (name, count) = Counter(map(_script_of, letters)).most_common(1)[0]
    return name if count >= _MAIN * len(letters) else ""


def checks(entries: Sequence[Entry]) -> Iterator[Check]:
    """Answers in another script than their question."""
    spots = []
    for entry in entries:
        if entry.asked:
            asked, answered = script(entry.asked[-1]), script(entry.answer)
            if asked and answered and asked != answered:
                spots.append(entry.spot(f"{entry.asked[-1][:90]} → {entry.answer}"))
    said = "fine for translations; else the model learns to answer in the wrong language"
    yield check("languages", "answers in another script than the question", "note", spots, len(entries), said)


def tallies(entries: Sequence[Entry], *, progress: Progress) -> Iterator[Tally]:
    """Languages of the answers (langdetect), on a fixed sample of at most three hundred with enough letters to tell."""
    long = [entry.answer for entry in entries if sum(map(str.isalpha, entry.answer[:400])) >= _SHORTEST]
    sample = random.Random(0).sample(long, min(SAMPLE, len(long)))
    found = []
    for number, text in enumerate(sample, start=1):
        found.append(_language(text))
        if number % 50 == 0 or number == len(sample):
            progress("recognise languages", number, len(sample))
    if found:
        yield tally("language of the answer", found)


@cache
def _factory() -> Any:
    """A factory of our own with a fixed seed, so that the same text always gets the same language."""
    from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory

    factory = DetectorFactory()
    factory.load_profile(PROFILES_DIRECTORY)
    factory.seed = 0
    return factory


def _language(text: str) -> str:
    from langdetect.lang_detect_exception import LangDetectException

    detector = _factory().create()
    detector.append(text[:500])
    try:
        return str(detector.detect())
    except LangDetectException:
        return "unknown"
