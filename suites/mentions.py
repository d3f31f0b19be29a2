"""What an extraction holds, whatever form its JSON has; and how much of what is wanted was found.

A mention is a type (of an entity; or the name of a slot) and a text (its value). Which mentions there are is a set: saying one
twice is neither better nor worse. Strict: the same type and the same text. Relaxed: the same type, and one text contains the other
as whole words (``Berlin`` and ``in Berlin``; of Chinese, characters: ``北京`` and ``北京市``); each counts once at most.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from suites.matching import most_pairs
from suites.scripts import folded
from suites.squad import tokens

TYPES = ("type", "label", "entity", "slot", "category")
TEXTS = ("text", "value", "word", "mention", "name", "span")
NOTHING = frozenset(
    {"", "none", "null", "n/a", "unknown", "unspecified", "not mentioned", "not given", "not specified", "not provided"}
    | {"无", "没有", "未提及", "未知", "不详", "未指定", "未说明"}
)
"""Texts that say that there is none."""


class Mention(NamedTuple):
    """``type`` and ``text`` in the form in which they are compared."""

    type: str
    text: str


class Found(NamedTuple):
    """How many mentions are the same, strictly and relaxed, of those wanted and those given."""

    strict: int
    relaxed: int
    wanted: int
    given: int


def mentions(value: Any) -> frozenset[Mention] | None:
    """The mentions of ``{"TYPE": text or [texts…]}`` or ``[{"type", "text"}…]``, or either under one name; None for other JSON."""
    if isinstance(value, dict) and len(value) == 1:
        (inner,) = value.values()
        if isinstance(inner, dict) or (isinstance(inner, list) and inner and all(isinstance(entry, dict) for entry in inner)):
            value = inner
    if isinstance(value, dict):
        pairs = [(kind, text) for kind, texts in value.items() for text in (texts if isinstance(texts, list) else [texts])]
    elif isinstance(value, list) and all(isinstance(entry, dict) for entry in value):
        pairs = [(_first(entry, TYPES), _first(entry, TEXTS)) for entry in value]
    else:
        return None
    if not all(isinstance(kind, str) and isinstance(text, (str, int, float, type(None))) for kind, text in pairs):
        return None
    found = ((plain(kind), plain(_written(text))) for kind, text in pairs)
    return frozenset(Mention(kind, text) for kind, text in found if text not in NOTHING)


def _first(entry: dict[str, Any], names: Iterable[str]) -> Any:
    """The value under the first of these names; a list, which fits nowhere, where there is none."""
    return next((entry[name] for name in names if name in entry), [])


def _written(text: Any) -> str:
    if isinstance(text, bool):
        return "true" if text else "false"
    if isinstance(text, float) and text.is_integer() and abs(text) < 1e15:
        return str(int(text))
    return "" if text is None else str(text)


def plain(text: str) -> str:
    """Width and case folded, white space run together."""
    return " ".join(folded(text).split())


def compare(wanted: frozenset[Mention], given: frozenset[Mention]) -> Found:
    """Strict matches first; of the rest, as many relaxed pairs as there can be."""
    same = wanted & given
    pairs = _pairs(sorted(wanted - same), sorted(given - same))
    return Found(strict=len(same), relaxed=len(same) + pairs, wanted=len(wanted), given=len(given))


def _pairs(wanted: list[Mention], given: list[Mention]) -> int:
    """The size of a largest matching of mentions of one type that contain one another."""
    spaced = [(mention.type, _spaced(mention.text)) for mention in given]
    near = []
    for mention in wanted:
        own = _spaced(mention.text)
        near.append([place for place, (kind, text) in enumerate(spaced) if kind == mention.type and _contain(own, text)])
    return most_pairs(near, len(given))


def _spaced(text: str) -> str:
    words = tokens(text)
    return f" {' '.join(words)} " if words else ""


def _contain(one: str, other: str) -> bool:
    return bool(one and other) and (one in other or other in one)
