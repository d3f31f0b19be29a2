"""HTTP to one server: patience with what passes, an error for what does not."""

from __future__ import annotations

import contextlib
import email.utils
import json
import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import httpx
import msgspec

from harness.errors import EngineError

T = TypeVar("T")

SHORT = 3.0
"""Seconds of trying again that nobody needs to hear of."""

SILENCE = 30.0
"""Seconds between two sentences about the same server."""


class Patience(NamedTuple):
    """How long to wait for one answer, how often to try again, and how long to pause in between (doubling, in seconds)."""

    timeout: float
    retries: int
    pause: float
    longest_pause: float = 60.0


class Reply(NamedTuple):
    """A server's JSON object, and how long it took: the whole, and to the first token where the answer was streamed."""

    data: dict[str, Any]
    seconds: float
    first_token_seconds: float | None = None


class Refusal(EngineError):
    """The server will not do what was asked, however often (400, 404, 422 …)."""


class _Passing(Exception):
    """What went wrong may go right the next time. ``pause``: what the server asked for, in seconds."""

    def __init__(self, why: str, pause: float | None = None) -> None:
        super().__init__(why)
        self.pause = pause


class Endpoint:
    """One server. Safe to use from many threads; ``close`` ends their waiting. ``tell`` hears now and then why it takes long."""

    def __init__(
        self, url: str, key: str | None, patience: Patience, connections: int, *, tell: Callable[[str], None] | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self._tell = tell
        self._telling = threading.Lock()
        self._told = -math.inf
        self._key = key
        self._patience = patience
        self._closed = threading.Event()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._client = httpx.Client(headers=headers, timeout=httpx.Timeout(patience.timeout, connect=10.0), limits=limits)

    def close(self) -> None:
        """Stop waiting, drop all connections."""
        self._closed.set()
        self._client.close()

    def reach(self) -> None:
        """EngineError where nobody answers, or the key is refused. Any other status will do: not every server lists its models."""

        def look() -> None:
            response = self._client.get(f"{self.url}/models", timeout=min(self._patience.timeout, 10.0))
            if response.status_code in {401, 403}:
                raise EngineError(f"{self.url} refuses the API key ({response.status_code}). Set options.api_key_env.")

        self._patiently(look, retries=min(self._patience.retries, 2))

    def post(self, path: str, body: dict[str, Any]) -> Reply:
        """The server's answer to ``body``; ``path`` is relative to the base URL, or absolute with a scheme."""

        def once() -> Reply:
            started = time.monotonic()
            response = self._client.post(self._at(path), json=body)
            self._check(response)
            return Reply(_object(response.content), time.monotonic() - started)

        return self._patiently(once)

    def stream(self, path: str, body: dict[str, Any], join: Callable[[list[dict[str, Any]]], dict[str, Any]]) -> Reply:
        """The same, streamed: ``join`` makes one answer of the chunks. A stream that breaks off is tried again from the start."""

        def once() -> Reply:
            started, first, events = time.monotonic(), None, []
            sent = {**body, "stream": True, "stream_options": {"include_usage": True}}
            with self._client.stream("POST", self._at(path), json=sent) as response:
                if response.status_code != 200:
                    response.read()
                self._check(response)
                for event in _events(response.iter_lines()):
                    if first is None and _has_text(event):
                        first = time.monotonic() - started
                    events.append(event)
            return Reply(join(events), time.monotonic() - started, first)

        return self._patiently(once)

    def _at(self, path: str) -> str:
        return path if "://" in path else f"{self.url}/{path}"

    def _check(self, response: httpx.Response) -> None:
        status = response.status_code
        if status == 200:
            return
        said = self._said(response)
        if status in {408, 429} or status >= 500:
            raise _Passing(f"status {status}: {said}", _retry_after(response.headers.get("Retry-After")))
        raise Refusal(f"{self.url} refused the request ({status}): {said}")

    def _said(self, response: httpx.Response) -> str:
        """The server's own words, shortened, without our key in case it repeats it."""
        text = " ".join(response.text.split())[:500]
        return text.replace(self._key, "…") if self._key else text

    def _patiently(self, once: Callable[[], T], *, retries: int | None = None) -> T:
        attempts = 1 + (self._patience.retries if retries is None else retries)
        why, started = "", time.monotonic()
        for attempt in range(attempts):
            if self._closed.is_set():
                raise EngineError("the engine was closed before the server answered")
            asked: float | None = None
            try:
                return once()
            except httpx.TimeoutException:
                why = f"no answer within {self._patience.timeout:g} seconds"
            except httpx.TransportError as error:
                why = f"connection failed: {error or type(error).__name__}"
            except _Passing as passing:
                why, asked = str(passing), passing.pause
            except RuntimeError as error:
                raise EngineError(f"the engine was closed before the server answered: {error}") from error
            if attempt + 1 < attempts:
                pause = self._pause(attempt, asked)
                if pause + time.monotonic() - started > SHORT:
                    self._explain(f"{self.url}: {why}; trying again in {pause:.0f} s (attempt {attempt + 2} of {attempts})")
                self._closed.wait(pause)
        raise EngineError(f"{self.url} gave no answer in {attempts} attempts; the last: {why}")

    def _explain(self, sentence: str) -> None:
        """Say it, unless something was said just now: many threads wait for one server."""
        with self._telling:
            now = time.monotonic()
            if self._tell is None or self._closed.is_set() or now - self._told < SILENCE:
                return
            self._told = now
        self._tell(sentence)

    def _pause(self, attempt: int, asked: float | None) -> float:
        """What the server asked for, else doubling with up to half taken off, so that many threads do not return at once."""
        longest = self._patience.longest_pause
        if asked is not None:
            return min(asked, longest)
        return min(self._patience.pause * 2.0**attempt, longest) * random.Random(time.monotonic_ns()).uniform(0.5, 1.0)


def _object(content: bytes) -> dict[str, Any]:
    """A JSON object; NaN and Infinity, which JSON does not have and some servers write, are left to those who read the numbers."""
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        with contextlib.suppress(ValueError):
            found = json.loads(content)
            if isinstance(found, dict):
                return found
        raise _Passing(f"the answer is no JSON object: {content[:120]!r}") from error


def _events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Server-sent events up to ``[DONE]``. A stream that ends without it broke off."""
    for line in lines:
        if not line.startswith("data:"):
            continue
        content = line[5:].strip()
        if content == "[DONE]":
            return
        event = _object(content.encode())
        if "error" in event:
            raise _Passing(f"the stream reported an error: {str(event['error'])[:300]}")
        yield event
    raise _Passing("the stream broke off before its end")


def _has_text(event: dict[str, Any]) -> bool:
    for choice in event.get("choices") or ():
        delta = choice.get("delta") or {}
        if choice.get("text") or any(delta.get(key) for key in ("content", "reasoning_content", "reasoning", "tool_calls")):
            return True
    return False


def _retry_after(value: str | None) -> float | None:
    """``Retry-After`` in seconds: it may be a number or a date; anything else is ignored."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
