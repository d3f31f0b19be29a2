"""Judgments of MT-bench (FastChat's ``llm_judge``): pairs in both orders, or single grades from 1 to 10.

Of a pair ``g1_winner`` is what the judge said with ``model_1`` first, ``g2_winner`` with ``model_2`` first; both name a model,
"tie" or "error". A grade of −1 could not be read. The two turns of a question are two items of one cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import UsageError
from suites.elsewhere.opinion import Asked, Graded, Opinion, judge_of, name_of, number_of, text_of

PAIR = ("question_id", "model_1", "model_2", "g1_winner", "g2_winner")
SINGLE = ("question_id", "model", "score")
RANGE = (1.0, 10.0)
UNREAD = -1
WORTH = {"model_1": 1.0, "model_2": 0.0, "tie": 0.5, "error": None}


def opinions(fields: Mapping[str, Any], place: str) -> list[Opinion]:
    """Both of a row: about the first model, against the second."""
    item, judge = _item(fields, place), judge_of(fields, "judge", place)
    first, second = name_of(fields, "model_1", place), name_of(fields, "model_2", place)
    return [
        Opinion(
            place=place, item=item, first=first, second=second, score=_worth(fields, f"{game}_winner", place),
            order="left" if game == "g1" else "right", judge=judge, reason=text_of(fields, f"{game}_judgment", place, ""),
        )
        for game in ("g1", "g2")
    ]  # fmt: skip


def _worth(fields: Mapping[str, Any], name: str, place: str) -> float | None:
    said = text_of(fields, name, place)
    if said not in WORTH:
        raise UsageError(f"{place}: {name} is {said[:80]!r}; expected {', '.join(WORTH)}")
    return WORTH[said]


def grades(fields: Mapping[str, Any], place: str) -> list[Graded]:
    """The one grade of a row."""
    score = fields["score"]
    unread = score == UNREAD and not isinstance(score, bool)
    return [
        Graded(
            place=place,
            item=_item(fields, place),
            model=name_of(fields, "model", place),
            grade=None if unread else number_of(score, "score", place, *RANGE, f", or {UNREAD} where it could not be read"),
            judge=judge_of(fields, "judge", place),
            reason=text_of(fields, "judgment", place, ""),
        )
    ]


def _item(fields: Mapping[str, Any], place: str) -> Asked:
    question, turn = name_of(fields, "question_id", place), name_of(fields, "turn", place, "1")
    return Asked(key=f"{question}/{turn}", cluster=question, slices={"turn": turn})
