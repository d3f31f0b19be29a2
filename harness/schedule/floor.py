"""Live conversations and their requests: looked up in the journal, sent, collected, written down, handed out."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from harness.errors import EngineError
from harness.fingerprint import journal_key, replicate_seed
from harness.journal import Journal
from harness.protocols import Answered, Asked, Conversation
from harness.records import Completion, Frame, Request
from harness.schedule.desk import Desk
from harness.schedule.talks import Done, Door, Talk

_UNOPENED = 512
"""Requests to gather before an engine opens: so many are looked up in the journal, and ready to fill it."""

_LIVE = 10_000
"""Conversations at once where engines of very different speed share them, so that the slow one's queue cannot take all memory."""

_PATIENCE_SECONDS = 1.0
_SLICE_SECONDS = 0.001
"""For each of several busy engines in its turn: those in this process work at least one step of theirs while they are polled."""

_INSTANT_SECONDS = 0.0003
_PAUSE_SECONDS = 0.02
"""In less than an instant nobody has worked or waited; pauses grow to this, so that no engine can keep us spinning for nothing."""


class _Seat:
    """One live conversation, and what it has been answered of the requests it waits for."""

    __slots__ = (
        "answers", "begun", "missing", "own", "remembered", "requests", "reused", "seen", "sent", "since", "talk", "tokens_in",
        "tokens_out",
    )  # fmt: skip

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.requests: tuple[Request, ...] = ()
        self.answers: list[Completion | None] = []
        self.own: list[bool] = []  # of each of these requests, whether it is the candidate's to answer
        self.missing = 0
        self.begun = False
        self.since: float | None = None  # when an engine was given what it waits for
        self.sent = self.reused = self.remembered = self.tokens_in = self.tokens_out = 0
        self.seen: tuple[Request, Frame] | None = None

    def see(self) -> None:
        """Remember what the candidate saw first, and how that conversation went on."""
        for request, answer, own in zip(self.requests, self.answers, self.own, strict=True):
            if not own or answer is None or answer.frame is None:
                continue
            before = () if self.seen is None else self.seen[0].messages
            further = len(request.messages) > len(before) > 0 and request.messages[: len(before)] == before
            if self.seen is None or further:
                self.seen = request, answer.frame


_Place = tuple[_Seat, int]
"""Who waits for an answer: a conversation, and the position among its requests."""


class _Want(msgspec.Struct, gc=False):
    """A request that somebody waits for. ``key``: its journal key, or a number of its own where there is no journal."""

    key: Hashable
    destination: str
    request: Request
    place: _Place


class Floor:
    """The state of one ``drive``."""

    def __init__(
        self,
        door: Door,
        desk: Desk,
        journal: Journal | None,
        asked: Mapping[str, str],
        replicate: int,
        concurrency: int | None,
        first_requests: Callable[[Any, Sequence[Request]], None] | None,
    ) -> None:
        self._door = door
        self._desk = desk
        self._lines = desk.lines()
        self._journal = journal
        self._asked = asked
        self._replicate = replicate
        self._concurrency = concurrency
        self._first_requests = first_requests
        self._tickets = desk.tickets
        self._seats: set[_Seat] = set()
        self._ended: list[Done] = []
        self._wants: list[_Want] = []  # asked just now, not looked up yet
        self._waiting: dict[Hashable, list[_Place]] = {}  # key -> everyone who waits for it
        self._queues: dict[int, deque[_Want]] = {}  # line -> not sent yet
        self._flying: dict[int, dict[int, Hashable]] = {}  # line -> ticket -> key
        self._settled: list[tuple[Hashable, Completion | EngineError]] = []  # answered, not handed out yet
        self._idle = 0  # polls in a row that were over in an instant, with nothing

    def run(self) -> Iterator[Done]:
        """Admit, send, collect, until nobody is left."""
        while True:
            admitted = not self._door.empty and self._admit()
            yield from self._take_ended()
            if admitted:
                continue  # fill the window from the journal before an engine is opened, or waited for
            self._send()
            if any(self._flying.values()):
                self._collect()
                yield from self._take_ended()
            elif self._door.empty and not any(self._queues.values()):
                return

    def rescue(self) -> None:
        """Journal what the engines have finished, without waiting for more."""
        try:
            for line, engine in self._desk.engines().items():
                if self._flying.get(line):
                    with suppress(EngineError):  # a broken engine must not hide why we stop
                        self._settle(line, engine.poll(0.0))
        finally:  # Ctrl-C may come twice
            self._write()

    def close(self) -> None:
        """Close the conversations that did not end."""
        for seat in list(self._seats):
            self._end(seat, error="stopped")

    # ---------------------------------------------------------------------------------------------- conversations

    def _rooms(self) -> tuple[dict[int, int], int]:
        """How many conversations may start now: with each engine, and in all."""
        if self._concurrency is not None:
            room = max(0, self._concurrency - len(self._seats))
            return dict.fromkeys(self._lines, room), room
        rooms, engines, capacity = {}, self._desk.engines(), 0
        for line in self._lines:
            window = _UNOPENED
            if line in engines:
                window = max(1, engines[line].capacity)
                capacity += window
            queued = len(self._queues.get(line, ()))
            rooms[line] = window - queued if 2 * queued < window else 0
        return rooms, max(0, max(_LIVE, 2 * capacity) - len(self._seats))

    def _admit(self) -> bool:
        """Start the conversations that there is room for; False where there was none, or nobody wanted it."""
        talks = self._door.let_in(*self._rooms())
        for talk in talks:
            seat = _Seat(talk)
            self._seats.add(seat)
            self._advance(seat, None)
        self._look_up()
        return bool(talks)

    def _advance(self, seat: _Seat, completions: Sequence[Completion] | None) -> None:
        """Let a conversation go on until it asks for something, or ends."""
        requests: tuple[Request, ...] = ()
        while not requests:
            try:
                # ``send(None)`` starts a conversation; the protocol's type does not know that.
                requests = tuple(seat.talk.conversation.send(completions))  # type: ignore[arg-type]
            except StopIteration as stop:
                return self._end(seat, value=stop.value)
            except Exception as error:  # a fault of the suite is this item's error, and not the end of the run
                return self._end(seat, error=f"{type(error).__name__}: {error}")
            if not seat.begun:
                seat.begun = True
                if self._first_requests is not None:
                    self._first_requests(seat.talk.id, requests)
            completions = ()
        if self._replicate:
            requests = tuple(_reseeded(request, self._replicate) for request in requests)
        seat.requests = requests
        seat.answers = [None] * len(requests)
        seat.own = [request.to in (None, seat.talk.candidate) for request in requests]
        seat.missing, seat.since = len(requests), None
        for index, request in enumerate(requests):
            destination = request.to or seat.talk.candidate
            key = self._key(request, destination)
            self._wants.append(_Want(key=key, destination=destination, request=request, place=(seat, index)))
        return None

    def _key(self, request: Request, destination: str) -> Hashable:
        self._desk.line(destination)
        if self._journal is None:
            return next(self._tickets)
        return journal_key(request, self._asked[destination], replicate=self._replicate)

    def _end(self, seat: _Seat, *, value: Any = None, error: str | None = None) -> None:
        self._seats.discard(seat)
        seat.missing = 0
        if error is not None:
            _close(seat.talk.conversation)
        self._ended.append(
            Done(
                id=seat.talk.id,
                value=value,
                error=error,
                sent=seat.sent,
                reused=seat.reused,
                remembered=seat.remembered,
                tokens_in=seat.tokens_in,
                tokens_out=seat.tokens_out,
                seen=seat.seen,
            )
        )

    def _take_ended(self) -> Iterator[Done]:
        ended, self._ended = self._ended, []
        yield from ended

    # --------------------------------------------------------------------------------------------------- requests

    def _look_up(self) -> None:
        """Answer from the journal what it knows and queue the rest, until no conversation can go on without an engine."""
        while self._wants:
            wants, self._wants = self._wants, []
            known: Mapping[Any, Completion] = {}
            if self._journal is not None:
                known = self._journal.get_many([str(want.key) for want in wants if want.key not in self._waiting])
            for want in wants:
                seat, _ = want.place
                completion = known.get(want.key)
                if completion is not None:
                    seat.reused += 1
                    seat.remembered += 1
                    self._deliver(want.place, completion)
                elif want.key in self._waiting:
                    seat.reused += 1
                    self._waiting[want.key].append(want.place)
                    if any(want.key in flying.values() for flying in self._flying.values()):
                        self._start_clocks(want.key)
                else:
                    self._waiting[want.key] = [want.place]
                    self._queues.setdefault(self._desk.line(want.destination), deque()).append(want)

    def _deliver(self, place: _Place, result: Completion | EngineError) -> None:
        """Give an answer to one who waits for it; the conversation goes on when it was the last one missing."""
        seat, index = place
        if seat not in self._seats:
            return None
        if isinstance(result, EngineError):
            return self._end(seat, error=str(result))
        seat.answers[index] = result
        if seat.own[index]:
            seat.tokens_in += result.tokens_in
            seat.tokens_out += result.tokens_out
        seat.missing -= 1
        if not seat.missing:
            seat.see()
            self._advance(seat, tuple(answer for answer in seat.answers if answer is not None))
        return None

    def _send(self) -> None:
        """Fill every engine that has something to do up to its capacity; open it if it is not."""
        for line, queue in self._queues.items():
            while queue and not self._wanted(queue[0]):
                del self._waiting[queue.popleft().key]
            if not queue:
                continue
            engine = self._desk.engine(queue[0].destination)
            flying = self._flying.setdefault(line, {})
            batch = []
            while queue and len(flying) < max(1, engine.capacity):
                want = queue.popleft()
                if not self._wanted(want):
                    del self._waiting[want.key]
                    continue
                ticket = next(self._tickets)
                flying[ticket] = want.key
                self._start_clocks(want.key)
                want.place[0].sent += 1
                batch.append(Asked(ticket=ticket, candidate=want.destination, request=want.request))
            if batch:
                engine.submit(batch)

    def _wanted(self, want: _Want) -> bool:
        """Does anybody still wait for it? A conversation that failed leaves requests behind."""
        return any(seat in self._seats for seat, _ in self._waiting[want.key])

    def _collect(self) -> None:
        """Wait for answers, journal them, hand them out."""
        self._poll()
        self._write()
        settled, self._settled = self._settled, []
        for key, result in settled:
            for place in self._waiting.pop(key):
                self._deliver(place, result)
        self._give_up()
        self._look_up()

    def _start_clocks(self, key: Hashable) -> None:
        """An engine has the request from now on."""
        for seat, _ in self._waiting[key]:
            if seat.talk.timeout_seconds is not None and seat.since is None:
                seat.since = time.monotonic()

    def _give_up(self) -> None:
        """End the conversations whose time is up, and forget what only they had asked."""
        now, late = time.monotonic(), False
        for seat in list(self._seats):
            limit = seat.talk.timeout_seconds
            if limit is not None and seat.since is not None and now - seat.since > limit:
                self._end(seat, error=f"no answer within {limit:g} seconds (timeout_seconds)")
                late = True
        if not late:
            return
        for flying in self._flying.values():
            unwanted = [ticket for ticket, key in flying.items() if not any(seat in self._seats for seat, _ in self._waiting[key])]
            for ticket in unwanted:
                del self._waiting[flying.pop(ticket)]
            self._desk.abandoned.update(unwanted)

    def _poll(self) -> None:
        """Collect what the busy engines have; wait for it where only one is busy, and hardly where another could work meanwhile."""
        busy = [(line, engine) for line, engine in self._desk.engines().items() if self._flying.get(line)]
        before = time.monotonic()
        for line, engine in busy:
            self._settle(line, engine.poll(_PATIENCE_SECONDS if len(busy) == 1 else _SLICE_SECONDS))
        if self._settled:
            self._idle = 0
        elif time.monotonic() - before < _INSTANT_SECONDS:
            self._idle = min(self._idle + 1, 7)
            time.sleep(min(_PAUSE_SECONDS, _INSTANT_SECONDS * 2**self._idle))

    def _settle(self, line: int, answered: Sequence[Answered]) -> None:
        """Tickets back to keys. An answer that says ``error`` is one."""
        flying = self._flying[line]
        for answer in answered:
            if answer.ticket in self._desk.abandoned:
                self._desk.abandoned.remove(answer.ticket)
                continue
            if answer.ticket not in flying:
                raise EngineError(
                    f"the engine answered ticket {answer.ticket}, which it does not hold; this is a fault of the engine."
                )
            self._settled.append((flying.pop(answer.ticket), _checked(answer.result)))

    def _write(self) -> None:
        """Journal what was answered; errors are never journalled."""
        if self._journal is not None:
            self._journal.put_many((str(key), result) for key, result in self._settled if isinstance(result, Completion))


def _reseeded(request: Request, replicate: int) -> Request:
    """The same question with other dice; a greedy answer has none."""
    if not request.temperature:
        return request
    return msgspec.structs.replace(request, seed=replicate_seed(request.seed, replicate))


def _checked(result: Completion | EngineError) -> Completion | EngineError:
    """An error for a completion that says it is one; and text that UTF-8 cannot hold (lone surrogates) made writable."""
    if isinstance(result, EngineError):
        return result
    if result.finish == "error":
        return EngineError(result.text or "the engine reported an error without saying which")
    for name, text in (("text", result.text), ("reasoning", result.reasoning)):
        if text and not text.isascii() and (clean := text.encode("utf-8", "replace").decode()) != text:
            result = msgspec.structs.replace(result, **{name: clean})
    return result


def _close(conversation: Conversation[Any]) -> None:
    """Let a conversation that ends early clean up; what goes wrong in that adds nothing to its error."""
    try:
        conversation.close()
    except Exception:
        return
