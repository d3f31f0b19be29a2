"""Weights exchanged in a living engine, where that was proved to work: a start of the engine is spared from the third model on.

vLLM's ``reload_weights`` may mix old and new weights without an error (its CPU build does: packed copies stay). So it is trusted
only after proof. The first two models each get a fresh engine, which says how it scores the probe prompts. Then the second one's
engine takes the first's weights, and must score as the first did; then its own again, and must score as before. If either fails,
the engine is started afresh, and so is every later one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

from harness.engines.probes import FLOOR
from harness.errors import EngineError
from harness.protocols import Engine
from harness.records import Candidate

NOISE = 1e-3
"""Nats by which a probe's score may move between two times that the same weights are asked, where it was not seen to move more."""

CLEAR = 10.0
"""Two models must be so many times further apart than what counts as equal: else a swap that did nothing would pass for one."""


@runtime_checkable
class Swappable(Protocol):
    """What an engine must offer to have its weights exchanged."""

    candidates: tuple[Candidate, ...]

    @property
    def swaps(self) -> bool:
        """Does its config ask for it?"""
        ...

    def fits(self, other: Any) -> bool:
        """Is ``other``, an engine that may not be entered, the same in everything but the values of its weights?"""
        ...

    def exchange(self, candidates: Sequence[Candidate]) -> None:
        """Serve these candidates from now on, with their weights. Raises EngineError where that cannot be done."""
        ...

    def testify(self) -> Sequence[float]:
        """How the weights that are in it now score the probe prompts, in nats."""
        ...


class Swaps:
    """The engine that stays open between families, and whether it is trusted with an exchange; closes it on exit."""

    def __init__(self) -> None:
        self.trusted: bool | None = None
        self.notes: list[str] = []
        self._living: Any = None
        self._candidates: Sequence[Candidate] = ()
        self._scores: Sequence[float] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Free the device."""
        living, self._living = self._living, None
        if living is not None:
            living.__exit__(None, None, None)

    def lend(self, fresh: Engine) -> Engine:
        """``fresh``, which is not entered yet; or what, once entered, serves its candidates by an exchange."""
        if isinstance(fresh, Swappable) and fresh.swaps:
            return _Lent(self, fresh)  # type: ignore[return-value]
        self.close()
        return fresh

    def open(self, fresh: Any) -> Any:
        """An engine with the weights of ``fresh``: the living one where that is trusted, else ``fresh``, entered."""
        if self._living is not None and not (fresh.fits(self._living) and self.trusted is not False):
            self._forget()
        if self._living is None:
            return self._start(fresh)
        if self.trusted:
            return self._exchange(fresh)
        before, scores = self._candidates, self._scores
        self.close()
        self._start(fresh)
        self._prove(before, scores, fresh)
        return self._living

    def _start(self, fresh: Any) -> Any:
        self._candidates = fresh.candidates
        self._living = fresh.__enter__()
        self._scores = fresh.testify()
        return fresh

    def _forget(self) -> None:
        """Close; what was proved holds for one architecture and its settings only, what was refuted for all."""
        self.close()
        self.trusted = False if self.trusted is False else None

    def _prove(self, before: Sequence[Candidate], scores: Sequence[float], fresh: Any) -> None:
        limit = max(NOISE, 2 * distance(self._scores, fresh.testify()))
        if not distance(scores, self._scores) > CLEAR * limit:
            return  # these two cannot tell; the next two may
        try:
            fresh.exchange(before)
            there = distance(scores, fresh.testify())
            fresh.exchange(self._candidates)
            back = distance(self._scores, fresh.testify())
        except EngineError as error:
            self._refuse(fresh, str(error))
            return
        if there <= limit and back <= limit:
            self.trusted = True
            return
        self._refuse(fresh, f"after an exchange it scored the probe prompts up to {max(there, back):.3g} nats off")

    def _refuse(self, fresh: Any, reason: str) -> None:
        """Never again; the engine starts afresh with its own weights."""
        self.trusted = False
        self.notes.append(f"resources.hot_swap is not used: {reason}. Every model gets an engine of its own.")
        self.close()
        self._start(fresh)

    def _exchange(self, fresh: Any) -> Any:
        """Exchange in trust; but scores that do not move at all are those of the old weights, whatever was proved before."""
        try:
            self._living.exchange(fresh.candidates)
            scores = self._living.testify()
        except EngineError as error:
            self._refuse(fresh, str(error))
            return self._living
        if not distance(scores, self._scores) > FLOOR:
            self._refuse(fresh, "an exchange left the scores of the probe prompts as they were")
            return self._living
        self._candidates, self._scores = fresh.candidates, scores
        return self._living


class _Lent:
    """What a family enters and leaves; the engine behind it stays open unless something went wrong."""

    def __init__(self, swaps: Swaps, fresh: Any) -> None:
        self._swaps = swaps
        self._fresh = fresh

    @property
    def notes(self) -> tuple[str, ...]:
        """What the engine noted, and what came of exchanging."""
        found, self._swaps.notes = self._swaps.notes, []
        return (*self._fresh.notes, *found)

    def __enter__(self) -> Any:
        return self._swaps.open(self._fresh)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            self._swaps.close()


def distance(left: Sequence[float], right: Sequence[float]) -> float:
    """The largest difference in nats; infinite where any is not a number, so that nothing is proved by it."""
    differences = [abs(a - b) for a, b in zip(left, right, strict=True)]
    return max(differences) if all(map(math.isfinite, differences)) else math.inf
