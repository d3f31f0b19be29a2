"""Playing the scheduler to a judge: its requests are answered by a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.protocols import Conversation
from harness.records import Completion, Request


def hold(conversation: Conversation[Any], reply: Callable[[Request], Completion]) -> tuple[Any, list[Request]]:
    """Play the scheduler: answer every request with ``reply``; the result and all requests."""
    seen: list[Request] = []
    try:
        requests = next(conversation)
        while True:
            seen += requests
            requests = conversation.send([reply(request) for request in requests])
    except StopIteration as finished:
        return finished.value, seen


def says(*texts: str) -> Callable[[Request], Completion]:
    queue = list(texts)
    return lambda request: Completion(text=queue.pop(0))
