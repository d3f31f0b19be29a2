"""``annotations.json`` of AlpacaEval: one row per comparison.

``preference`` is 1 where ``output_1`` (the reference's) is better, 2 where ``output_2`` is, 1.5 or 0 for a draw, anything between
for weighed verdicts, and null where the annotator could not be read. The rows are written after sides were exchanged back;
``is_switched_outputs`` only says that the annotator saw ``output_2`` first. An item is known by its instruction.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from harness.errors import UsageError
from harness.fingerprint import digest
from suites.elsewhere.opinion import Asked, Opinion, judge_of, name_of, number_of, text_of

FIELDS = ("instruction", "output_1", "generator_1", "output_2", "generator_2", "preference")
KEY_DIGITS = 16


def opinions(fields: Mapping[str, Any], place: str) -> list[Opinion]:
    """The one opinion of a row: about the second model, against the first."""
    instruction = text_of(fields, "instruction", place)
    given = fields.get("input")
    if isinstance(given, str) and given.strip():
        instruction = f"{instruction}\n\n{given}"
    source = fields.get("dataset")
    return [
        Opinion(
            place=place,
            item=Asked(
                key=name_of(fields, "key", place, digest(instruction)[:KEY_DIGITS]),
                prompt=instruction,
                slices={"dataset": source} if isinstance(source, str) and source else {},
            ),
            first=name_of(fields, "generator_2", place),
            second=name_of(fields, "generator_1", place),
            score=_score(fields, place),
            order=_order(fields, place),
            judge=judge_of(fields, "annotator", place),
            texts=(text_of(fields, "output_2", place), text_of(fields, "output_1", place)),
        )
    ]


def _score(fields: Mapping[str, Any], place: str) -> float | None:
    value = fields["preference"]
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if value == 0 and not isinstance(value, bool):
        return 0.5
    return (
        number_of(value, "preference", place, 1.0, 2.0, ": 1 where output_1 is better, 2 where output_2 is, 1.5 or 0 for a draw")
        - 1
    )


def _order(fields: Mapping[str, Any], place: str) -> Any:
    switched = fields.get("is_switched_outputs", False)
    if not isinstance(switched, bool):
        raise UsageError(f"{place}: is_switched_outputs is {switched!r}; expected true or false")
    return "left" if switched else "right"
