"""Drives thousands of conversations over engines: the only loop in the project that talks to a model.

A conversation is a generator that yields requests and receives their completions. ``drive`` keeps the engines full with requests of
many conversations at once, answers from the journal what it can before any engine is opened, sends identical requests once, and
journals every batch of completions before a conversation sees it.

Order and fairness: with each engine, conversations start in the order of ``talks``, a window at a time, and requests leave in the
order in which they were asked. So who shares a batch follows from the order of ``talks`` alone: a caller that lists item 1 for
every candidate, then item 2 for every candidate, gets batches in which all candidates are mixed evenly; one that lists candidate
after candidate serves them one after another. Engines do not wait for one another: where the queue of one is full, talks with
another are taken from further down the list.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any

from harness.errors import EngineError
from harness.journal import Journal
from harness.records import Request
from harness.schedule.desk import Desk
from harness.schedule.floor import Floor
from harness.schedule.talks import Done, Door, Talk

__all__ = ["Desk", "Done", "Talk", "drive"]


def drive(
    talks: Iterable[Talk],
    desk: Desk,
    *,
    journal: Journal | None,
    asked: Mapping[str, str],
    replicate: int = 0,
    concurrency: int | None = None,
    first_requests: Callable[[Any, Sequence[Request]], None] | None = None,
) -> Generator[Done, None, None]:
    """Drive conversations to their end and yield each as it ends, in any order.

    ``asked`` gives the *asked* fingerprint of every destination. ``replicate`` above 0 is a repetition of the same questions (A/A):
    it is kept apart in the journal, and what is sampled has other seeds, of which ``first_requests`` is not told. Without a journal
    every request is sent, identical or not. ``concurrency``: at most so many conversations at once; None: as many as keep
    ``Engine.capacity`` requests in flight. ``first_requests`` is told what each conversation asked first.

    A request that fails, or that an engine answers with ``finish="error"``, ends its conversation with ``Done.error``; so does an
    exception inside the conversation. An engine that cannot start, or that breaks in ``submit`` or ``poll``, raises EngineError
    here. In both cases, on Ctrl-C, and when the caller stops listening, answers that are already there are journalled first.
    """
    floor = Floor(Door(talks, desk), desk, journal, asked, replicate, concurrency, first_requests)
    try:
        yield from floor.run()
    except (KeyboardInterrupt, GeneratorExit, EngineError):
        floor.rescue()
        raise
    finally:
        floor.close()
