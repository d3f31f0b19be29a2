"""No engine: the candidate is known by scores that were imported, and cannot be asked anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import msgspec

from harness.engines import serving
from harness.engines.instant import Instant
from harness.errors import EngineError
from harness.records import Candidate, Completion, Request


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """There are no options."""


class Absent(Instant):
    """The engine ``none``."""

    capacity = 1

    @classmethod
    def check(cls, candidate: Candidate, *, where: str) -> None:
        """ConfigError where an option is given."""
        serving.read_options(candidate, Options, where=where)

    @classmethod
    def describe(cls, candidate: Candidate) -> Mapping[str, Any]:  # noqa: ARG003
        """Only its name."""
        return {"name": "none"}

    def __init__(self, candidates: Sequence[Candidate], *, seed: int = 0) -> None:  # noqa: ARG002
        super().__init__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """There is nothing to free."""

    def _answer(self, name: str, request: Request) -> Completion:  # noqa: ARG002
        raise EngineError(f"{name!r} has engine = 'none' and answers nothing; only scores can be imported for it")
