"""Votes of people as Chatbot Arena and MT-bench's human judgments have them: one row per vote, ``model_a`` on the left.

``winner`` is "model_a", "model_b", "tie" or "tie (bothbad)"; both bad is a tie. Of a conversation of several turns a vote is about
the first ``turn`` of them; what is said of one question is one cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import UsageError
from suites.elsewhere.opinion import Asked, Opinion, judge_of, name_of, text_of

FIELDS = ("question_id", "model_a", "model_b", "winner")
WORTH = {"model_a": 1.0, "model_b": 0.0, "tie": 0.5, "tie (bothbad)": 0.5}
MESSAGES = 2
"""Of one turn: the question and the answer."""


def opinions(fields: Mapping[str, Any], place: str) -> list[Opinion]:
    """The one vote of a row: about the first model, against the second."""
    question, turn = name_of(fields, "question_id", place), name_of(fields, "turn", place, "1")
    if not turn.isdecimal() or len(turn) > 6 or int(turn) < 1:
        raise UsageError(f"{place}: turn is {turn[:80]!r}; expected a whole number from 1 on")
    won = text_of(fields, "winner", place)
    if won not in WORTH:
        raise UsageError(f"{place}: winner is {won[:80]!r}; expected {', '.join(WORTH)}")
    sides = [_said(fields, name, int(turn), place) for name in ("conversation_a", "conversation_b")]
    texts = (sides[0][1], sides[1][1]) if all(name in fields for name in ("conversation_a", "conversation_b")) else None
    return [
        Opinion(
            place=place,
            item=Asked(
                key=f"{question}/{turn}",
                prompt=sides[0][0],
                cluster=question,
                slices={
                    "turn": turn,
                    **({"language": name_of(fields, "language", place)} if fields.get("language") is not None else {}),
                },
            ),
            first=name_of(fields, "model_a", place),
            second=name_of(fields, "model_b", place),
            score=WORTH[won],
            order="left",
            judge=judge_of(fields, "judge", place),
            texts=texts,
        )
    ]


def _said(fields: Mapping[str, Any], name: str, turns: int, place: str) -> tuple[str, str]:
    """What was asked in the first so many turns, and what was answered; nothing where there is no conversation."""
    messages = fields.get(name, [])
    if not isinstance(messages, list) or not all(
        isinstance(each, dict) and all(isinstance(each.get(part), str) for part in ("role", "content")) for each in messages
    ):
        raise UsageError(f"{place}: {name} is no list of messages, each with a role and a content")
    said: dict[str, list[str]] = {"user": [], "assistant": []}
    for each in messages[: MESSAGES * turns]:
        said.setdefault(each["role"], []).append(each["content"])
    return "\n\n".join(said["user"]), "\n\n".join(said["assistant"])
