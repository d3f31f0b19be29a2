"""What every format of judgments comes down to: one opinion about two answers to an item, or one grade of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from harness.errors import UsageError
from harness.plugins import did_you_mean

Order = Literal["left", "right", "alone"]
MOST = 10_000
"""Characters of a key, or a name."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The item: its key, and what is known of it."""

    key: str
    prompt: str = ""
    cluster: str | None = None
    task: str = ""
    slices: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """``score``: of ``first`` against ``second``: 1 better, ½ a tie, 0 worse, or between; None where the verdict could not be read.
    ``order``: where ``first`` stood when the judge looked. ``texts``: both answers, where they are known."""

    place: str
    item: Asked
    first: str
    second: str
    score: float | None
    order: Order
    judge: str
    reason: str = ""
    texts: tuple[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Graded:
    """A grade of one answer by itself; None where it could not be read."""

    place: str
    item: Asked
    model: str
    grade: float | None
    judge: str
    reason: str = ""
    text: str | None = None


@dataclass(frozen=True, kw_only=True)
class Read:
    """All of a file: opinions, or grades with their ``range``."""

    format: str
    opinions: tuple[Opinion, ...] = ()
    grades: tuple[Graded, ...] = ()
    range: tuple[float, float] | None = None


def text_of(fields: Mapping[str, Any], name: str, place: str, default: str | None = None) -> str:
    """A field that is a text (or a whole number, of keys). UsageError where it is neither, nor a default."""
    value = fields.get(name)
    if value is None:
        if default is not None:
            return default
        raise UsageError(f"{place}: {name!r} is missing. {did_you_mean(name, fields)}")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise UsageError(f"{place}: {name} is {_shown(value)}; expected text")
    return str(value)


def name_of(fields: Mapping[str, Any], name: str, place: str, default: str | None = None) -> str:
    """A key, or who answered, or who judged: short, and nothing that controls a terminal."""
    text = text_of(fields, name, place, default)
    if not text.strip() or not text.isprintable() or len(text) > MOST:
        raise UsageError(
            f"{place}: {name} is {_shown(text)}; expected at most {MOST:,} characters that can be printed, and not none"
        )
    return text


def judge_of(fields: Mapping[str, Any], name: str, place: str) -> str:
    """Who judged: a name, or (MT-bench) a list of the model and its prompt."""
    value = fields.get(name)
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        return name_of({name: "/".join(value)}, name, place)
    return name_of(fields, name, place, "judge")


def number_of(value: Any, what: str, place: str, low: float, high: float, more: str = "") -> float:
    """A number in a range; UsageError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise UsageError(f"{place}: {what} is {_shown(value)}; expected a number from {low:g} to {high:g}{more}")
    return float(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]} …"
