"""What engines have in common that answer at once, without a model: the answers wait for the next poll."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import Self

from harness.errors import EngineError
from harness.protocols import Answered, Asked
from harness.records import Completion, Request


class Instant(ABC):
    """A subclass says in ``_answer`` what a candidate answers to a request, or raises EngineError."""

    def __init__(self) -> None:
        self._ready: deque[Answered] = deque()

    def __enter__(self) -> Self:
        return self

    def submit(self, asked: Sequence[Asked]) -> None:
        """Answer at once; what cannot be answered is answered with its EngineError."""
        for entry in asked:
            result: Completion | EngineError
            try:
                result = self._answer(entry.candidate, entry.request)
            except EngineError as error:
                result = error
            self._ready.append(Answered(ticket=entry.ticket, result=result))

    def poll(self, timeout: float) -> Sequence[Answered]:  # noqa: ARG002
        """All that was submitted since the last poll."""
        ready = list(self._ready)
        self._ready.clear()
        return ready

    @abstractmethod
    def _answer(self, name: str, request: Request) -> Completion: ...
