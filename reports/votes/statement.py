"""One thing that one rater said of one item, as some file holds it: blind, and not yet held against the key."""

from __future__ import annotations

import json
import re
from typing import Any, Literal

from harness.records import Record
from reports.blind.form import Choice

Source = Literal["page", "sheet", "label_studio", "argilla", "potato"]
State = Literal["given", "skipped", "draft"]


class Statement(Record, frozen=True, kw_only=True):
    """``place``: where in the file it stands. ``said``: the choice in the file's own words; ``choice``: what that means, None
    where it is no choice.

    ``state``: ``given``, ``skipped`` by the rater, or a ``draft`` that nobody handed in. ``package`` and ``commitment`` are empty
    where the file does not say. ``seconds``: time with the item in view, 0 where unknown. ``when``: as the file writes it.
    ``sitting``: what tells two people of one name apart, empty where the file knows no such thing. ``identity``: what the tool
    itself calls this vote, under whatever name an export gives its rater. ``shown``: the two answers, left
    and right, as the file holds them, where it does. ``raw``: the piece of the file itself.
    """

    source: str
    place: str
    form: Source
    rater: str
    review_id: str
    said: str = ""
    choice: Choice | None = None
    state: State = "given"
    reasons: tuple[str, ...] = ()
    ratings: dict[str, Any] = {}
    comment: str = ""
    seconds: float = 0.0
    when: str = ""
    sitting: str = ""
    identity: str = ""
    package: str = ""
    commitment: str = ""
    shown: tuple[str, str] | None = None
    raw: Any = None


_SPOKEN: dict[str, Choice] = {
    "left": "left", "1": "left", "1+": "left", "answer 1": "left", "1 better": "left", "a": "left",
    "left much": "left_much", "1!": "left_much", "1++": "left_much", "1 much better": "left_much",
    "right": "right", "2": "right", "2+": "right", "answer 2": "right", "2 better": "right", "b": "right",
    "right much": "right_much", "2!": "right_much", "2++": "right_much", "2 much better": "right_much",
    "tie": "tie", "3": "tie", "=": "tie", "平": "tie", "平局": "tie",
    "both bad": "both_bad", "4": "both_bad", "都差": "both_bad", "都不好": "both_bad",
}  # fmt: skip
_JOINS = re.compile(r"[\s_\-]+")
_WHOLE = re.compile(r"(\d+)\.0+")


def understood(said: str) -> Choice | None:
    """The choice in the words of any of the forms; None where they are none."""
    words = _JOINS.sub(" ", said.strip().lstrip("'").casefold()).strip()
    whole = _WHOLE.fullmatch(words)
    return _SPOKEN.get(whole.group(1) if whole else words)


def seconds_of(value: object) -> float:
    """A time as files hold it: a number, or text with one; 0 where it is neither, or no time that can have passed."""
    try:
        seconds = float(str(value)) if value is not None else 0.0
    except ValueError:
        return 0.0
    return seconds if 0 < seconds < 1e7 else 0.0


def identity_of(number: object, created: object) -> str:
    """Of an annotation, by its number and when it was made; empty where either is not known."""
    return f"{text_of(number)} {text_of(created)}" if text_of(number) and text_of(created) else ""


def text_of(value: object) -> str:
    """A cell or field as text without white space at its ends; empty for what is not there."""
    return "" if value is None else str(value).strip()


def unpacked(value: object) -> Any:
    """What a cell holds: sheets that Label Studio writes have lists and objects in them, as JSON."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def listed(value: object) -> tuple[str, ...]:
    """``{"choices": ["a"]}``, ``["a"]`` or ``"a"``: Label Studio writes all of them."""
    if isinstance(value, dict):
        value = value.get("choices", value.get("text"))
    if isinstance(value, list):
        return tuple(text for each in value if (text := text_of(each)))
    return (text_of(value),) if text_of(value) else ()
