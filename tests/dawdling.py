"""The fake engine, taking its time, with a diary of what it was asked: SFTGATE_TEST_DIARY names the file."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from harness.engines.fake import Fake
from harness.protocols import Answered, Asked

DIARY = "SFTGATE_TEST_DIARY"


class Dawdling(Fake):
    """Four answers in every hundredth of a second."""

    capacity = 8

    def submit(self, asked: Sequence[Asked]) -> None:
        self._note(*(f"sent {one.candidate} {one.request.item}" for one in asked))
        super().submit(asked)

    def poll(self, timeout: float) -> Sequence[Answered]:
        if timeout > 0:
            time.sleep(0.01)
        done = [self._ready.popleft() for _ in range(min(4, len(self._ready)))]
        self._note(*(f"answered {one.ticket}" for one in done))
        return done

    @staticmethod
    def _note(*lines: str) -> None:
        with open(os.environ[DIARY], "a") as diary:
            diary.write("".join(f"{line}\n" for line in lines))
