"""JSON files of ours say of which format they are, so that what another version of sftgate wrote is refused, and not half
understood: a field that has another meaning there would be a wrong number here."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from harness.records import FORMAT, Record

T = TypeVar("T", bound=Record)


class UnreadableError(ValueError):
    """What is wrong with a file, in words that follow its name; whoever reads it says what to do."""


class _Header(Record, frozen=True, kw_only=True):
    format: int | None = None


def understood(content: bytes, kind: type[T], *, unsaid: int = 0) -> T:
    """What a file holds. ``unsaid``: the format of one that does not say it. Raises UnreadableError."""
    try:
        written = msgspec.json.decode(content, type=_Header).format
        if written == FORMAT or (written is None and unsaid == FORMAT):
            return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnreadableError(f"cannot be read: {error}") from error
    except RecursionError as error:
        raise UnreadableError("cannot be read: it is nested too deeply") from error
    raise UnreadableError(f"has format {unsaid if written is None else written}, and this sftgate reads format {FORMAT}")
