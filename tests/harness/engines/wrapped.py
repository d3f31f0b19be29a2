"""Engines for the actors of a fleet to hold: the fake one with a fault of its own. Actors import them by name."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from harness.engines.fake import Fake
from harness.errors import EngineError, ProbeError
from harness.protocols import Answered, Asked
from harness.records import Candidate, Completion, Request

HERE = "tests.harness.engines.wrapped"


class Told(Fake):
    """Answers with the process that it is in, and with what it held at that moment."""

    capacity = 8

    def __init__(self, candidates: Sequence[Candidate], *, seed: int = 0) -> None:
        super().__init__([], seed=seed)
        self.fuse = Path(candidates[0].options.get("fuse", "/nowhere"))
        self.held: list[Asked] = []

    def submit(self, asked: Sequence[Asked]) -> None:
        self.held += asked

    def poll(self, timeout: float) -> Sequence[Answered]:
        """One at a time, slowly."""
        if not self.held:
            return []
        time.sleep(0.02)
        first = self.held.pop(0)
        text = f"{os.getpid()} {len(self.held) + 1} {os.environ.get('VLLM_BATCH_INVARIANT', '')}"
        return [Answered(ticket=first.ticket, result=Completion(text=text))]


class Roomy(Told):
    """Holds many."""

    capacity = 64


class Poisoned(Told):
    """Its process dies of a request that says so."""

    def poll(self, timeout: float) -> Sequence[Answered]:
        if any("poison" in (entry.request.prompt or "") for entry in self.held):
            os._exit(1)
        return super().poll(timeout)


class Breaks(Told):
    """Fails for good after its first answer, and answers everything with that; without its fuse (a file) it works."""

    broken: EngineError | None = None

    def poll(self, timeout: float) -> Sequence[Answered]:
        answered = list(super().poll(timeout))
        if self.held and self.fuse.exists():
            self.fuse.unlink()
            self.broken = EngineError("out of memory, says the engine")
        if self.broken is not None:
            answered += [Answered(ticket=entry.ticket, result=self.broken) for entry in self.held]
            self.held.clear()
        return answered


class Stuck(Told):
    """Never comes back from a request that says so, as long as its fuse (a file) is there."""

    def poll(self, timeout: float) -> Sequence[Answered]:
        if any("stuck" in (entry.request.prompt or "") for entry in self.held) and self.fuse.exists():
            self.fuse.unlink()
            time.sleep(600)
        return super().poll(timeout)


class Raises(Told):
    """Breaks in ``submit``, in a way that nobody foresaw."""

    def submit(self, asked: Sequence[Asked]) -> None:
        raise KeyError("a fault of the engine")


class NotLive(Told):
    """Does not pass its probe."""

    def __enter__(self) -> Self:
        raise ProbeError("the adapter of 'one' is not live")


class DiesAtStart(Told):
    """Takes its process with it while it starts."""

    def __enter__(self) -> Self:
        os._exit(3)


class Judges(Fake):
    """Prefers whatever stands first, in the words of the shipped judge prompt."""

    def _answer(self, name: str, request: Request) -> Completion:
        return Completion(text='{"reason": "first", "verdict": "A"}')
