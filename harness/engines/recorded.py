"""Answers made elsewhere, read from JSON lines: ``key`` or ``prompt``, ``response``, and whatever else is known of the completion.

A row with ``key`` answers the item with that key; a row with ``prompt`` answers whoever asks exactly that (the last user message,
or the raw prompt). ``draw`` (default 0) tells several answers to one item apart. Nothing is guessed: a request that no row answers
is an error, and rows that answered nothing are listed in ``unused`` when the engine closes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import msgspec

from harness.checkpoints import recorded_file
from harness.engines import serving
from harness.engines.instant import Instant
from harness.errors import ConfigError, EngineError
from harness.fingerprint import file_digest
from harness.records import Candidate, Completion, Request


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One recorded answer. ``key`` and ``prompt`` may both be given; then the key decides."""

    response: str
    key: str | int | None = None
    prompt: str | None = None
    draw: int = 0
    finish: Literal["stop", "length"] = "stop"
    reasoning: str | None = None
    reasoning_tokens: int = 0
    tool_calls: tuple[dict[str, Any], ...] = ()
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    first_token_seconds: float | None = None


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Recorded answers have no options: what was recorded is what there is."""


Address = tuple[Literal["key", "prompt"], str, int]


class Recorded(Instant):
    """The engine ``recorded``. The candidate's ``model`` is the path of the JSONL file; every candidate has its own."""

    capacity = 4096

    @classmethod
    def check(cls, candidate: Candidate, *, where: str) -> None:
        """ConfigError where the file cannot be read, or holds a malformed or doubled row."""
        serving.read_options(candidate, Options, where=where)
        read_rows(recorded_file(candidate, where=f"{where}.model"), where=f"{where}.model")

    @classmethod
    def describe(cls, candidate: Candidate) -> Mapping[str, Any]:
        """Name, and the hash of the file's content."""
        return {"name": "recorded", "content": file_digest(recorded_file(candidate, where=f"candidates.{candidate.name}.model"))}

    def __init__(self, candidates: Sequence[Candidate], *, seed: int = 0) -> None:  # noqa: ARG002
        super().__init__()
        self.rows: dict[str, dict[Address, tuple[int, Row]]] = {}
        for candidate in candidates:
            place = f"candidates.{candidate.name}.model"
            self.rows[candidate.name] = read_rows(recorded_file(candidate, where=place), where=place)
        self.unused: list[str] = []
        self._used: dict[str, set[int]] = {name: set() for name in self.rows}

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.unused = [
            f"{name}: line {line} ({address[0]} {address[1]!r})"
            for name, rows in self.rows.items()
            for address, (line, _) in rows.items()
            if line not in self._used[name]
        ]

    def _answer(self, name: str, request: Request) -> Completion:
        if request.kind != "generate":
            raise EngineError(f"recorded answers hold texts, not log-probabilities: a {request.kind!r} request cannot be answered")
        if name not in self.rows:
            raise EngineError(f"this engine does not serve {name!r}; it serves {', '.join(self.rows)}")
        prompt = asked_text(request)
        addresses: list[Address] = [("key", request.item, request.draw)] if request.item is not None else []
        addresses.append(("prompt", prompt, request.draw))
        for address in addresses:
            found = self.rows[name].get(address)
            if found is not None:
                line, row = found
                self._used[name].add(line)
                return _completion(row)
        wanted = f"key {request.item!r}" if request.item is not None else f"prompt {_short(prompt)!r}"
        draw = f", draw {request.draw}" if request.draw else ""
        raise EngineError(f"no recorded answer of {name!r} for {wanted}{draw}. Add a row with this key, or with the exact prompt.")


def asked_text(request: Request) -> str:
    """What a row's ``prompt`` is compared with: the last user message, or the raw prompt."""
    return next((message.content for message in reversed(request.messages) if message.role == "user"), request.prompt or "")


def read_rows(path: Path, *, where: str) -> dict[Address, tuple[int, Row]]:
    """All rows by what they answer, with their line numbers. ConfigError names the line, or both lines of a doubled row."""
    rows: dict[Address, tuple[int, Row]] = {}
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = msgspec.json.decode(line, type=Row)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"line {number} is not a recorded answer: {error}", where=where, file=str(path)) from error
        address = _address(row)
        if address is None:
            raise ConfigError(f"line {number} has neither 'key' nor 'prompt', so it answers nothing", where=where, file=str(path))
        if address in rows:
            what = f"{address[0]} {_short(address[1])!r}" + (f", draw {row.draw}" if row.draw else "")
            raise ConfigError(
                f"lines {rows[address][0]} and {number} both answer {what}. Keep one, or number them with 'draw'.",
                where=where,
                file=str(path),
            )
        rows[address] = (number, row)
    if not rows:
        raise ConfigError("holds no recorded answer", where=where, file=str(path))
    return rows


def _address(row: Row) -> Address | None:
    if row.key is not None:
        return ("key", str(row.key), row.draw)
    return None if row.prompt is None else ("prompt", row.prompt, row.draw)


def _completion(row: Row) -> Completion:
    return Completion(
        text=row.response,
        reasoning=row.reasoning,
        reasoning_tokens=row.reasoning_tokens,
        tool_calls=row.tool_calls,
        finish=row.finish,
        tokens_in=row.tokens_in,
        tokens_out=row.tokens_out,
        seconds=row.seconds,
        first_token_seconds=row.first_token_seconds,
    )


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:80] + "…"
