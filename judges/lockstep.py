"""Many conversations as one: what one generator must do when the scheduler gives it a single seat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from harness.protocols import Conversation
from harness.records import Request

T = TypeVar("T")


def together(conversations: Sequence[Conversation[T]]) -> Conversation[list[T]]:
    """Drive all conversations side by side; each round yields the requests of all that are still talking. Results in order."""
    results: dict[int, T] = {}
    waiting: dict[int, tuple[Conversation[T], Sequence[Request]]] = {}
    for index, conversation in enumerate(conversations):
        try:
            waiting[index] = (conversation, next(conversation))
        except StopIteration as finished:
            results[index] = finished.value
    while waiting:
        completions = yield [request for _, requests in waiting.values() for request in requests]
        offset = 0
        for index, (conversation, requests) in list(waiting.items()):
            share = completions[offset : offset + len(requests)]
            offset += len(requests)
            try:
                waiting[index] = (conversation, conversation.send(share))
            except StopIteration as finished:
                results[index] = finished.value
                del waiting[index]
    return [results[index] for index in range(len(conversations))]
