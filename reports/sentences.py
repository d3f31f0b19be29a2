"""The gate's sentences in another language, read by the shapes that the gate makes them of (``templates/sentences.*.toml``).

A verdict says everything in English, once. Here a sentence is taken apart by those shapes, part by part, and put together again;
numbers and names are carried over as they stand. What has no shape, or would come out with other numbers, has no other language:
the English stands, and says so. Model text may be in a sentence (the first error of a run), so that work is bounded.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from unicodedata import bidirectional

from harness.gate.policy import titled, which_items
from harness.records import Conclusion
from reports.language import HERE, Lang

MOST_SIGNS, MOST_STEPS, MOST_NESTED, MOST_WORDS = 4_000, 20_000, 60, 4
"""Longer sentences, and such as cannot be read in so many steps or are nested deeper, stay English."""

_HOLE = re.compile(r"\{(\d)\}")
_LEFTWARD = ("R", "AL", "AN", "RLO", "RLE", "RLI")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_PER_CENT = re.compile(r"(?<=[\d}]) %")
_FIRST, _LAST = 0xE000, 0xF8FF
_NAME = "[\ue000-\uf8ff]"
"""Signs that no font has: each stands for a name while a sentence is read."""
_TITLE = re.compile(rf"({_NAME}): (.+)", re.S)
_WHY = re.compile(rf"([^\uE000-\uF8FF]+?)\. ({_NAME}: .+)", re.S)
_BETWEEN = re.compile(r"$|[ ;:()]|[,.](?!\d)")
_MEETING = re.compile(rf"(?:[A-Za-z0-9%]|{_NAME})[\u4e00-\u9fff]|[\u4e00-\u9fff](?:[A-Za-z0-9]|{_NAME})")
_AS_IT_IS = re.compile(
    rf"[−+]?\d+(?:[.,]\d+)*(?:e[-−+]\d+)?%?(?: {_NAME})?"  # a number, and what it is in
    r"|(?:p )?[=<>] \S+"
    r"|'[^']*'|\"[^\"]*\""  # what a user wrote
    rf"|[^\s(){{}};,]*[A-Z/_=@#\d\uE000-\uF8FF][^\s(){{}};,]*"  # no word of English
    r"|[^A-Za-z\s]+"
)


@dataclass(frozen=True)
class Shape:
    """``pieces``: what stands around the holes; one more than there are holes. ``other``: the same in the other language."""

    pieces: tuple[str, ...]
    other: str

    @property
    def weight(self) -> int:
        """How much of a sentence it explains."""
        return sum(map(len, self.pieces))


@cache
def written(lang: Lang) -> dict[str, str]:
    """English shape -> the other; empty for English."""
    if lang == "en":
        return {}
    texts: dict[str, str] = tomllib.loads((HERE / f"sentences.{lang}.toml").read_text(encoding="utf-8"))
    return texts


def _shifted(text: str) -> str:
    """Every hole one further on."""
    return re.sub(r"\{(\d)", lambda match: f"{{{int(match[1]) + 1}", text)


def _bare(text: str) -> str:
    """A sentence without its full stop, which stands at the end of the whole only, and with no space before per cent."""
    return _PER_CENT.sub("%", text.removesuffix("."))


@cache
def _whole(lang: Lang) -> dict[str, str]:
    return {_bare(text): other.removesuffix("。") for text, other in written(lang).items() if not _HOLE.search(text)}


@cache
def _shapes(lang: Lang) -> tuple[Shape, ...]:
    """The longest first. What begins like the middle of a sentence may follow anything."""
    found = []
    for text, other in written(lang).items():
        forms = [(text, other)]
        if not text[0].isalnum() and text[0] != "{":
            forms.append(("{0}" + _shifted(text), "{0}" + _shifted(other)))
        found += [Shape(tuple(_HOLE.split(_bare(each))[::2]), said.removesuffix("。")) for each, said in forms if "{" in each]
    return tuple(sorted(found, key=lambda shape: -shape.weight))


@cache
def _ours(lang: Lang) -> frozenset[str]:
    """Every word of the shapes: a candidate that is called like one is not to be taken for it."""
    return frozenset(word for text in written(lang) for word in re.findall(r"[A-Za-z]+", text))


def names_of(conclusion: Conclusion) -> frozenset[str]:
    """What users called something that a sentence of these verdicts may speak of."""
    found = {conclusion.baseline, *conclusion.reference, *conclusion.reference.values(), *conclusion.runs}
    for verdict in conclusion.verdicts:
        found.add(verdict.candidate)
        for finding in verdict.findings:
            rule, comparison = finding.rule, finding.comparison
            found |= {titled(rule, finding.metric), finding.metric + which_items(rule), finding.metric, rule.metric}
            found |= {rule.name or "", rule.slice or "", rule.against}
            found |= (
                set() if comparison is None else {comparison.metric, comparison.unit, comparison.candidate, comparison.baseline}
            )
    return frozenset(found | {name for members in conclusion.runs.values() for name in members})


class Teller:
    """Says sentences of the gate in one language. ``names``: of candidates, metrics, rules and the like, left as they are."""

    def __init__(self, lang: Lang, names: Collection[str] = ()) -> None:
        self.lang: Lang = lang
        self.names = sorted((name for name in set(names) if name), key=len, reverse=True)
        self.leftward = [name for name in self.names if any(bidirectional(sign) in _LEFTWARD for sign in name)]
        self._known: dict[str, str | None] = {}

    def told(self, text: str) -> str | None:
        """The same in that language, or None where it has no other."""
        if text not in self._known:
            fits = self.lang != "en" and text.strip() and len(text) <= MOST_SIGNS and not re.search(_NAME, text)
            self._known[text] = self._told(text) if fits else None
        return self._known[text]

    def _told(self, text: str) -> str | None:
        present = [name for name in self.names if name in text][: _LAST - _FIRST]
        words = [name for name in present if name in _ours(self.lang)]
        for apart in dict.fromkeys([(), *((word,) for word in words[:MOST_WORDS]), tuple(words)]):
            names = [name for name in present if name not in apart]
            masked = _bare(_masked(text, names))
            for start in dict.fromkeys((masked, masked[:1].lower() + masked[1:])):
                shapes = [shape for shape in _shapes(self.lang) if all(piece in start for piece in shape.pieces)]
                found = _Reader(self.lang, shapes).read(start)
                if found is not None:
                    return _finished(found, names, text)
        return None


def _finished(found: str, names: Sequence[str], text: str) -> str | None:
    """What was read, with its names and its full stop; nothing where it does not hold the numbers of ``text``."""
    found += "。" if text.endswith(".") else ""
    shown = re.sub(_NAME, lambda match: names[ord(match[0]) - _FIRST], found)
    return shown if sorted(_NUMBER.findall(shown)) == sorted(_NUMBER.findall(text)) else None


def _masked(text: str, names: list[str]) -> str:
    """Names, each as one sign that no shape contains."""
    if not names:
        return text
    place = {name: chr(_FIRST + index) for index, name in enumerate(names)}
    whole = "|".join(re.escape(name) for name in names)
    return re.sub(rf"(?<![\w/-])(?:{whole})(?![\w/-])", lambda match: place[match[0]], text)


@dataclass
class _Reader:
    """One sentence; what was read once is known. ``shapes``: those that it can hold at all."""

    lang: Lang
    shapes: Sequence[Shape]
    known: dict[str, str | None] = field(default_factory=dict)
    steps: int = 0
    nested: int = 0

    def read(self, text: str) -> str | None:
        if text not in self.known:
            self.steps += 1
            self.nested += 1
            hopeless = self.steps > MOST_STEPS or self.nested > MOST_NESTED or text.count("(") != text.count(")")
            self.known[text] = None if hopeless else self._read(text)
            self.nested -= 1
        return self.known[text]

    def _read(self, text: str) -> str | None:
        exact = _whole(self.lang).get(text)
        if exact is not None or _AS_IT_IS.fullmatch(text):
            return text if exact is None else exact
        title, why = _TITLE.fullmatch(text), _WHY.fullmatch(text)
        if title is not None and (rest := self.read(title[2])) is not None:
            return f"{title[1]}：{rest}"
        if why is not None and (first := self.read(why[1])) is not None and (rest := self.read(why[2])) is not None:
            return f"{first}。{rest}"
        for shape in self.shapes:
            if (
                text.startswith(shape.pieces[0])
                and text.endswith(shape.pieces[-1])
                and all(piece in text for piece in shape.pieces)
            ):
                for parts in self._parts(text, shape, 0, len(shape.pieces[0])):
                    return _filled(shape.other, parts)
        return None

    def _parts(self, text: str, shape: Shape, hole: int, start: int) -> Iterator[tuple[str, ...]]:
        """Every way to fill the holes from ``hole`` on, so that each part can be read."""
        last, piece = hole == len(shape.pieces) - 2, shape.pieces[hole + 1]
        for end in [len(text) - len(piece)] if last else _places(text, piece, start):
            self.steps += 1
            if end < start or self.steps > MOST_STEPS:
                return
            part = text[start:end]
            said = part if f"{{{hole}*}}" in shape.other else self._part(part, text, not start or shape.pieces[hole].endswith(" "))
            if said is None:
                continue
            if last:
                yield (said,)
            else:
                yield from ((said, *rest) for rest in self._parts(text, shape, hole + 1, end + len(piece)))

    def _part(self, part: str, text: str, needed: bool) -> str | None:
        """What fills a hole. It may be empty where no space and no beginning waits for it."""
        if not part:
            return None if needed else ""
        return None if part == text else self.read(part)


def _filled(other: str, parts: tuple[str, ...]) -> str:
    """A shape with its holes filled, and a space where Latin letters or digits meet Chinese."""
    made = ""
    for piece in re.split(r"(\{\d\*?\})", other):
        added = parts[int(piece[1])] if re.fullmatch(r"\{\d\*?\}", piece) else piece
        made += " " + added if _MEETING.search(made[-1:] + added[:1]) else added
    return made


def _places(text: str, piece: str, start: int) -> Iterator[int]:
    """Where a piece stands; one of no length, wherever another part of a sentence may begin."""
    if not piece:
        yield from (place for place in range(start, len(text) + 1) if _BETWEEN.match(text, place))
        return
    found = text.find(piece, start)
    while found >= 0:
        yield found
        found = text.find(piece, found + 1)
