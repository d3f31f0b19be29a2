"""Conversations before they begin and after they have ended; and the door where they wait until their engine has room."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from harness.protocols import Conversation
from harness.records import Frame, Record, Request
from harness.schedule.desk import Desk

_AHEAD = 10_000
"""Talks to keep for engines that are full, while others are looked for."""


class Talk(Record, frozen=True, kw_only=True):
    """A conversation to drive, and the candidate that it talks to. ``id`` is the caller's, handed back in ``Done``.

    ``timeout_seconds``: it ends with an error where what it asked was not answered so long after the engine was given it; the clock
    starts anew with each turn.
    """

    id: Any
    candidate: str
    conversation: Conversation[Any]
    timeout_seconds: float | None = None


class Done(Record, frozen=True, kw_only=True):
    """How a conversation ended: with its value, or with an error.

    ``sent`` counts requests that an engine was asked for this conversation; ``reused`` those answered by the journal, or by an
    identical request in flight, and ``remembered`` the former alone. Tokens count all completions of its candidate, wherever they
    came from, and not those of a helper. ``seen``: the first request to the candidate whose frame its engine told, with that, or
    the last one that went on with the same conversation.
    """

    id: Any
    value: Any | None = None
    error: str | None = None
    sent: int = 0
    reused: int = 0
    remembered: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    seen: tuple[Request, Frame] | None = None


class Door:
    """Talks that have not begun, in the caller's order; those with a full engine stand aside for those with another."""

    def __init__(self, talks: Iterable[Talk], desk: Desk) -> None:
        self._talks = iter(talks)
        self._desk = desk
        self._lines = desk.lines()
        self._aside: dict[int, deque[Talk]] = {}
        self._more = True

    @property
    def empty(self) -> bool:
        """Has everybody been let in?"""
        return not self._more and not any(self._aside.values())

    def let_in(self, rooms: dict[int, int], most: int) -> list[Talk]:
        """The next talks, at most ``most``, and with each engine at most as many as ``rooms`` has for it, which is used up."""
        found: list[Talk] = []
        for line, aside in self._aside.items():
            while aside and rooms[line] and len(found) < most:
                found.append(aside.popleft())
                rooms[line] -= 1
        waiting = sum(map(len, self._aside.values()))
        while self._more and len(found) < most and waiting < _AHEAD and any(rooms.values()):
            talk = next(self._talks, None)
            if talk is None:
                self._more = False
                break
            line = self._desk.line(talk.candidate)
            if rooms[line]:
                rooms[line] -= 1
                found.append(talk)
            else:
                waiting += 1
                self._aside.setdefault(line, deque()).append(talk)
        return found
