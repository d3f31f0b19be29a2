"""Ask an engine a list of requests and wait for the answers, in order."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import EngineError
from harness.protocols import Asked, Engine
from harness.records import Completion, Request


def ask(engine: Engine, asked: Sequence[tuple[str, Request]]) -> list[Completion | EngineError]:
    """Answers to ``(candidate, request)`` pairs, all submitted at once."""
    engine.submit([Asked(ticket=ticket, candidate=name, request=request) for ticket, (name, request) in enumerate(asked)])
    found: dict[int, Completion | EngineError] = {}
    for _ in range(10_000):
        if len(found) == len(asked):
            break
        for answered in engine.poll(5.0):
            assert answered.ticket not in found, "a ticket was answered twice"
            found[answered.ticket] = answered.result
    return [found[ticket] for ticket in range(len(asked))]


def answers(engine: Engine, asked: Sequence[tuple[str, Request]]) -> list[Completion]:
    """The same, where no answer may be an error."""
    results = ask(engine, asked)
    errors = [result for result in results if isinstance(result, EngineError)]
    assert not errors, errors
    return [result for result in results if isinstance(result, Completion)]
