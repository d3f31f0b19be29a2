"""Who of a fleet is asked what: requests that share a context stay together while loads allow, and what kills actors is kept apart.

Nothing here knows Ray. A seat is a place in the fleet; the actor on it may die and be replaced.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.errors import EngineError
from harness.protocols import Answered, Asked
from harness.records import Request

DEATHS_TOGETHER = 2
"""A request that was in so many actors when they died is asked alone from then on; if that one dies too, it was the request."""

NEAR = 1.25
NEAR_REQUESTS = 8
"""A context's own seat is taken while it holds at most ``NEAR`` times what the emptiest does, and ``NEAR_REQUESTS`` more."""


@dataclass
class Held:
    """A request on its way: how many actors died while they had it."""

    asked: Asked
    deaths: int = 0


@dataclass
class Seat:
    """A place for one actor. ``held``: the requests given to it; those in ``outbox`` have not been sent yet."""

    number: int
    actor: Any = None
    state: Literal["arriving", "opening", "ready", "closed"] = "arriving"
    node: str = ""
    local_pid: int | None = None
    capacity: int = 0
    restarts: int = 0
    alone: bool = False
    held: dict[int, Held] = field(default_factory=dict)
    outbox: list[Asked] = field(default_factory=list)
    calls: dict[Any, float] = field(default_factory=dict)
    reason: str = ""

    def give(self, held: Held) -> None:
        """One more request."""
        self.held[held.asked.ticket] = held
        self.outbox.append(held.asked)

    def called(self, call: Any) -> None:
        """A call is on its way."""
        self.calls[call] = time.monotonic()

    @property
    def silent_seconds(self) -> float:
        """How long the oldest call has been without an answer."""
        return time.monotonic() - min(self.calls.values()) if self.calls else 0.0


class Waiting:
    """Requests that no actor has yet: in order, and the suspects among them, which are asked one at a time."""

    def __init__(self) -> None:
        self._queue: deque[Held] = deque()
        self._suspects: deque[Held] = deque()

    def __len__(self) -> int:
        return len(self._queue) + len(self._suspects)

    def add(self, asked: Sequence[Asked]) -> None:
        """New requests."""
        self._queue.extend(Held(entry) for entry in asked)

    def clear(self) -> None:
        """Forget them all."""
        self._queue.clear()
        self._suspects.clear()

    def take_back(self, seat: Seat, reason: str) -> list[Answered]:
        """What a dead actor had: first in the queue again, or among the suspects, or (as an error) answered for good."""
        unsent = {asked.ticket for asked in seat.outbox}
        given_up = []
        for ticket, held in reversed(seat.held.items()):
            held.deaths += ticket not in unsent
            if seat.alone and ticket not in unsent:
                message = (
                    f"the request was with {held.deaths} actors when they died, with the last one alone, so it is taken for the "
                    f"cause and given up: {reason}"
                )
                given_up.append(Answered(ticket=ticket, result=EngineError(message)))
            elif held.deaths >= DEATHS_TOGETHER:
                self._suspects.appendleft(held)
            else:
                self._queue.appendleft(held)
        seat.held.clear()
        seat.outbox.clear()
        seat.alone = False
        return given_up

    def spread(self, seats: Sequence[Seat]) -> None:
        """Give requests to the seats that are ready and have room. While there are suspects, the emptiest seat is theirs."""
        ready = [seat for seat in seats if seat.state == "ready"]
        for seat in ready:
            seat.alone = seat.alone and bool(seat.held)
        if self._suspects and ready:
            ward = next((seat for seat in ready if seat.alone), None) or min(ready, key=_load)
            if not ward.held:
                ward.give(self._suspects.popleft())
                ward.alone = True
            ready.remove(ward)
        ready = [seat for seat in ready if not seat.alone]
        while self._queue:
            emptiest = min((seat for seat in ready if len(seat.held) < seat.capacity), key=_load, default=None)
            if emptiest is None:
                break
            held = self._queue.popleft()
            own = seats[context(held.asked) % len(seats)]
            near = len(own.held) <= NEAR * len(emptiest.held) + NEAR_REQUESTS and len(own.held) < own.capacity
            (own if near and own in ready else emptiest).give(held)


def context(asked: Asked) -> int:
    """A number that requests with the same beginning share: the raw prompt, or the chat up to its first question."""
    text = f"{asked.candidate}\0{_beginning(asked.request)}"
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest())


def _beginning(request: Request) -> str:
    if request.prompt is not None:
        return request.prompt
    texts = []
    for message in request.messages:
        texts.append(message.content)
        if message.role == "user":
            break
    return "\0".join(texts)


def _load(seat: Seat) -> tuple[int, int]:
    return len(seat.held), seat.number
