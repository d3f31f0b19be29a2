"""Conversations that are too long, cut so that every answer stays whole and every row is rendered as the model would be asked.

Earlier turns are left out first, the oldest before the others, but for the system message; each answer is trained in the row that
leaves it the most of what came before. Where the last question alone is too long, its longest message loses its middle. An answer
that does not fit even so is left out, and counted.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from trainers.data.conversations import Conversation
from trainers.data.formats import Message
from trainers.data.masks import Template, Tokens, tokenize

GAP = "\n…\n"
_LEAST = 32
"""Characters that must be left of a message that loses its middle."""


class Cut(NamedTuple):
    """The rows of what fits, and how many answers do not."""

    rows: list[Tokens]
    lost: int


def cut(template: Template, conversation: Conversation, max_length: int) -> Cut:
    """A conversation as rows of at most ``max_length`` tokens, which together train every answer once, but for those lost."""
    messages = conversation.messages
    head = next((index for index, message in enumerate(messages) if message["role"] not in ("system", "developer")), 0)
    questions = [index for index, message in enumerate(messages) if message["role"] == "user" and index > head]
    left = sorted(conversation.trained)
    rows: list[Tokens] = []
    lost = 0

    def fitting(begin: int, turns: Iterable[int]) -> Tokens | None:
        """The one row that trains ``turns``, of the messages from ``begin`` on; None where it is too long, or not one."""
        shorter = [*messages[:head], *messages[begin:]]
        return _one(
            template, conversation, shorter, {turn - begin + head: conversation.trained[turn] for turn in turns}, max_length
        )

    while left:
        turn, taken = left[0], 1
        begins = [head, *(index for index in questions if index < turn)]
        first = bisect.bisect_left(begins, True, key=lambda begin: fitting(begin, [turn]) is not None)
        if first < len(begins):
            row = fitting(begins[first], [turn])
            while taken < len(left) and (longer := fitting(begins[first], left[: taken + 1])):
                row, taken = longer, taken + 1
        else:
            row = _shortened(template, conversation, [*messages[:head], *messages[begins[-1] : turn + 1]], turn, max_length)
        if row is None:
            lost += 1
        else:
            rows.append(row)
        left = left[taken:]
    return Cut(rows, lost)


def _one(
    template: Template, conversation: Conversation, messages: Sequence[Message], trained: dict[int, float], max_length: int
) -> Tokens | None:
    rows = tokenize(template, template.rows(messages, trained, tools=conversation.tools))
    return rows[0] if len(rows) == 1 and len(rows[0].ids) <= max_length else None


def _shortened(
    template: Template, conversation: Conversation, messages: list[Message], turn: int, max_length: int
) -> Tokens | None:
    """The row of the last message's answer, with as much of the longest message before it as fits: its beginning and its end."""
    longest = max(range(len(messages) - 1), key=lambda index: len(messages[index]["content"]), default=None)
    if longest is None:
        return None
    content = messages[longest]["content"]

    def row(kept: int) -> Tokens | None:
        shorter = f"{content[: kept - kept // 2]}{GAP}{content[len(content) - kept // 2 :]}"
        changed = [*messages[:longest], {**messages[longest], "content": shorter}, *messages[longest + 1 :]]
        return _one(template, conversation, changed, {len(messages) - 1: conversation.trained[turn]}, max_length)

    fits, too_many = _LEAST, len(content)
    best = row(fits) if fits < too_many else None
    while best and too_many - fits > 1:
        middle = (fits + too_many) // 2
        if found := row(middle):
            best, fits = found, middle
        else:
            too_many = middle
    return best
