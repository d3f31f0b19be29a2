"""What the checks share: the struct that a constraint is, and the two relations in which IFEval counts."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Relation = Literal["less than", "at least"]
Count = Annotated[int, msgspec.Meta(ge=0)]
Text = Annotated[str, msgspec.Meta(min_length=1)]
Texts = Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]


class Constraint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of one constraint, exactly as IFEval names them."""


def holds(found: int, relation: Relation, threshold: int) -> bool:
    """``found`` is less than, or at least, ``threshold``."""
    return found < threshold if relation == "less than" else found >= threshold
