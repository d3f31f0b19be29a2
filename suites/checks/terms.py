"""What the checks share: the struct that a constraint is, the relations in which they count, and how words are found."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

from harness.records import Completion

Relation = Literal["less than", "at least"]
"""The two relations that IFEval has."""

Bound = Literal["less than", "at most", "exactly", "at least"]
Count = Annotated[int, msgspec.Meta(ge=0)]
Text = Annotated[str, msgspec.Meta(min_length=1, pattern=r"\S")]
Texts = Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]

CJK = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
"""Ideographs, as the inside of a character class."""

HAN = f"\u3007{CJK}\U00031350-\U000323af"
"""All Chinese characters, the zero and the newest ideographs included, likewise."""

KANA = "\u3040-\u30ff\u31f0-\u31ff"
"""Characters that only Japanese has, likewise."""

_UNSPACED = re.compile(f"[{HAN}\u3040-\u30ff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")


class Constraint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of one constraint, named as rows name them (IFEval's as IFEval does)."""

    def follows(self, text: str) -> bool:
        """Whether a text that is not blank keeps the constraint."""
        raise NotImplementedError


class Measured(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A constraint on what the engine says about an answer, not on its text: a loose reading changes nothing about it."""

    def measures(self, completion: Completion) -> bool:
        """Whether the answer keeps the constraint. EvaluationError where the engine did not say what is needed."""
        raise NotImplementedError


Check = Constraint | Measured
"""One constraint with its arguments."""


def holds(found: int, relation: Bound, threshold: int) -> bool:
    """Whether ``found`` stands in this relation to ``threshold``."""
    if relation == "less than":
        return found < threshold
    if relation == "at most":
        return found <= threshold
    return found == threshold if relation == "exactly" else found >= threshold


def as_a_word(text: str) -> re.Pattern[str]:
    """The literal text, in either case, not as a part of a longer word.

    Where it begins or ends in a mark, or in a script that puts no space between words (Chinese, Japanese, Thai), there is no
    boundary to look for.
    """
    left, right = (r"\b" if re.match(r"\w", edge) and not _UNSPACED.match(edge) else "" for edge in (text[:1], text[-1:]))
    return re.compile(f"{left}{re.escape(text)}{right}", re.IGNORECASE)
