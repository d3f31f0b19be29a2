"""vLLM with a diary: what it was asked and what it answered, by journal key, written so that it outlives the process.

One line an event: ``SECONDS EVENT [POLL KEY]``, appended to the file that SFTGATE_TEST_DIARY names. The clock is the machine's, so
that lines of different processes can be compared.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from harness.engines.vllm import Vllm
from harness.errors import EngineError
from harness.fingerprint import candidate_fingerprints, journal_key
from harness.protocols import Answered, Asked
from harness.records import Candidate

DIARY = "SFTGATE_TEST_DIARY"


class CountingVllm(Vllm):
    """vLLM as it is; every line is with the operating system before the engine goes on."""

    def __init__(self, candidates: Sequence[Candidate], *, seed: int = 0) -> None:
        super().__init__(candidates, seed=seed)
        self._diary = os.open(os.environ[DIARY], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._prints = {
            candidate.name: candidate_fingerprints(candidate, self.describe(candidate), nonce="").asked for candidate in candidates
        }
        self._keys: dict[int, str] = {}
        self._round = 0

    def _note(self, *lines: str) -> None:
        os.write(self._diary, "".join(f"{time.monotonic()} {line}\n" for line in lines).encode())

    def __enter__(self) -> Self:
        self._note("starting")
        super().__enter__()
        self._note("ready")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._note("closing")
        super().__exit__(kind, error, trace)

    def submit(self, asked: Sequence[Asked]) -> None:
        own = {
            one.ticket: journal_key(one.request, self._prints[one.candidate]) for one in asked if one.ticket >= 0
        }  # else a probe
        self._keys |= own
        self._note(*(f"sent 0 {key}" for key in own.values()))
        super().submit(asked)

    def poll(self, timeout: float) -> Sequence[Answered]:
        answered = super().poll(timeout)
        self._round += 1
        lines = []
        for one in answered:
            if one.ticket in self._keys:
                event = "failed" if isinstance(one.result, EngineError) else "answered"
                lines.append(f"{event} {self._round} {self._keys.pop(one.ticket)}")
        self._note(*lines)
        return answered
