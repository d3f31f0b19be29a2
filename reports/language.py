"""The page in another language, out of one catalogue: English text of a template -> the same in that language.

Templates are written in English. For another language their text is exchanged before they are compiled, so that no template knows
of languages; ``{0}``, ``{1}`` in the catalogue stand for what the template fills in there, and may change places. What comes from
the gate (sentences, reasons) and what comes from users, models and data is never touched.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from html import unescape
from pathlib import Path
from typing import Literal

from markupsafe import Markup, escape

Lang = Literal["en", "zh"]
HERE = Path(__file__).parent / "templates"

_PART = re.compile(r"\{%.*?%\}|\{#.*?#\}|\{\{.*?\}\}|<(?:[^<>{}]|\{\{.*?\}\}|\{%.*?%\})*>", re.S)
_ATTRIBUTE = re.compile(r'\b(aria-label|placeholder|title|data-label|data-open|data-close)="([^"{}]+)"')
_LITERAL = re.compile(r"'([^'\n]+)'")
_QUOTED = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
_DRAWN = re.compile(r'(<text [^>]*class="(?:quiet|axis|onbar|label train|label series-\d)"[^>]*>)([^<]+)(</text>)')
_LETTERS = re.compile(r"[A-Za-z]{2}")


@cache
def catalogue(lang: Lang) -> dict[str, str]:
    """English -> that language; empty for English."""
    if lang == "en":
        return {}
    texts: dict[str, str] = tomllib.loads((HERE / f"words.{lang}.toml").read_text(encoding="utf-8"))
    return texts


def translated(source: str, lang: Lang) -> str:
    """The source of a template with its own text in that language."""
    texts = catalogue(lang)
    if not texts:
        return source
    return "".join(_exchange(source, texts.get))


def phrases(source: str) -> list[str]:
    """Every text of a template that a reader sees, as the catalogue names it."""
    seen: list[str] = []

    def note(text: str) -> None:
        if _LETTERS.search(re.sub(r"\{\d+\}", "", text)):
            seen.append(text)

    for _ in _exchange(source, note):
        pass
    return seen


def _exchange(source: str, ask: Callable[[str], str | None]) -> Iterator[str]:
    """The source part by part; ``ask`` gives another text, or None to keep it."""
    run: list[str] = []
    place = 0
    for found in [*_PART.finditer(source), None]:
        run.append(source[place : found.start() if found else None])
        part = found.group() if found else ""
        place = found.end() if found else place
        if part.startswith("{{"):
            run.append(_literals(part, ask))
            continue
        yield _run("".join(run), ask)
        run = []
        if part.startswith("<"):
            part = _ATTRIBUTE.sub(lambda match: f'{match[1]}="{ask(match[2]) or match[2]}"', part)
            yield re.sub(r"\{\{.*?\}\}", lambda match: _literals(match.group(), ask), part, flags=re.S)
        elif part:
            yield _literals(part, ask)


def _run(text: str, ask: Callable[[str], str | None]) -> str:
    """A run of text and of what is filled into it."""
    filled = re.findall(r"\{\{.*?\}\}", text, re.S)
    numbers = iter(range(len(filled)))
    key = re.sub(r"\{\{.*?\}\}", lambda _: f"{{{next(numbers)}}}", text, flags=re.S)
    stripped = key.strip()
    other = ask(stripped) if stripped else None
    if other is None:
        return text
    start = key[: len(key) - len(key.lstrip())]
    written = re.sub(r"\{(\d+)\}", lambda match: filled[int(match[1])], other)
    return f"{start}{written}{key[len(key.rstrip()) :]}"


def _literals(part: str, ask: Callable[[str], str | None]) -> str:
    """A tag of the template language with the sentences in it exchanged: only what reads like one, no word of its logic."""

    def other(match: re.Match[str]) -> str:
        text = match[1]
        sentence = text[:1].isupper() or (" " in text.strip() and (text[:1].islower() or not text[:1].isascii()))
        found = ask(text) if sentence and _LETTERS.search(text) else None
        return match.group() if found is None else f"'{found}'"

    return _LITERAL.sub(other, part)


def script(text: str, lang: Lang) -> str:
    """The words of a script, each a quoted string, in that language."""
    texts = catalogue(lang)

    def other(match: re.Match[str]) -> str:
        found = texts.get(json.loads(match.group()))
        return match.group() if found is None else json.dumps(found, ensure_ascii=False)

    return _QUOTED.sub(other, text) if texts else text


def said(text: str, lang: Lang) -> str:
    """Words of ours that are no template's own: an outcome, a flag, what a rule asks for."""
    texts = catalogue(lang)
    if text in texts or not texts:
        return texts.get(text, text)
    for shape, other in _filled_in(lang):
        if found := shape.fullmatch(text):
            return other.replace("{0}", found[1])
    return text


@cache
def _filled_in(lang: Lang) -> list[tuple[re.Pattern[str], str]]:
    """Texts of one part, as what is to be recognised."""
    single = [(text, other) for text, other in catalogue(lang).items() if "{0}" in text and "{1}" not in text]
    return [(re.compile(re.escape(text).replace(r"\{0\}", "(.+)")), other) for text, other in single]


def number(text: str, lang: Lang) -> str:
    """A number as it is written there: Chinese has percentage points in words."""
    if lang == "zh":
        return text.replace(" pp", " 个百分点")
    return text


def pictured(picture: Markup, lang: Lang) -> Markup:
    """A picture with our words in it exchanged; names of candidates and metrics stay."""
    texts = catalogue(lang)
    if not texts:
        return picture

    def other(match: re.Match[str]) -> str:
        text = unescape(match[2])
        found = said(text, lang)
        return match.group() if found == text else f"{match[1]}{escape(found)}{match[3]}"

    return Markup(_DRAWN.sub(other, str(picture)))
