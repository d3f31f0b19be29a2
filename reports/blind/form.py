"""What raters of a blind review are asked about each pair of answers."""

from __future__ import annotations

from typing import Literal

from harness.errors import UsageError
from harness.records import Record

Choice = Literal["left_much", "left", "tie", "right", "right_much", "both_bad"]
Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")

PLAIN: tuple[Choice, ...] = ("left", "right", "tie", "both_bad")
GRADED: tuple[Choice, ...] = ("left_much", "left", "tie", "right", "right_much", "both_bad")
SCALE = 5
"""Criteria are rated from 1 to this."""

MOST_NAMES = 12
NAME_LENGTH = 60


class Form(Record, frozen=True, kw_only=True):
    """``strength``: raters say "much better" or "better". ``reasons``: words to tick, of which several may be. ``criteria``: each
    answer is rated 1 to 5 on every one. ``language`` of the interface. ``guidance``: what raters should go by; empty: the shipped
    sentence."""

    strength: bool = False
    reasons: tuple[str, ...] = ()
    criteria: tuple[str, ...] = ()
    language: Language = "en"
    guidance: str = ""

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The words a vote may have, in the order of their keys."""
        return GRADED if self.strength else PLAIN


def check_form(form: Form) -> None:
    """Raises UsageError for reasons or criteria that cannot stand on a page or in a column's name."""
    for what, names in (("reasons", form.reasons), ("criteria", form.criteria)):
        if len(names) > MOST_NAMES:
            raise UsageError(f"a review has at most {MOST_NAMES} {what}, found {len(names)}: raters skip long lists")
        for name in names:
            if not name.strip() or len(name) > NAME_LENGTH or any(sign in name for sign in "|;\r\n\t"):
                raise UsageError(f"{what}: expected 1 to {NAME_LENGTH} characters without '|', ';' or line ends, found {name!r}")
        if len({name.casefold() for name in names}) < len(names):
            raise UsageError(f"{what}: two have one name: {', '.join(names)}")
