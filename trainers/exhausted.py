"""Memory or a disk that does not suffice: said with what to change, instead of a traceback of somebody else's library."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

from harness.errors import EvaluationError
from trainers.config import TrainConfig
from trainers.watching.memory import remedies

_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
_ROOM = ("no space left on device", "os error 28", "disk quota exceeded", "file too large")


@contextlib.contextmanager
def explained(config: TrainConfig, *, longest: int) -> Iterator[None]:
    """EvaluationError for memory or disk that is used up inside. ``longest``: tokens of the longest row."""
    try:
        yield
    except Exception as error:
        if (said := _said(error, config, longest)) is None:
            raise
        raise EvaluationError(said) from error


def _said(error: Exception, config: TrainConfig, longest: int) -> str | None:
    text = str(error).lower()
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(words in text for words in _MEMORY)):
        smaller = " Or ".join(f"{words}." for words, _ in list(remedies(config, longest))[:3])
        return (
            f"training {config.name!r} ran out of memory with data.tokens_per_batch = {config.data.tokens_per_batch}. "
            f"Set {smaller or 'nothing more: take a smaller base, or a larger device.'}"
        )
    for each in _chain(error):
        if not _is_full(each):
            continue
        where = f" ({each.filename})" if isinstance(each, OSError) and each.filename else ""
        return (
            f"{config.folder}: there is no room to write{where}. What was saved before is whole: free some space, and start the "
            "same command again; it goes on from there."
        )
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it was raised over: where a file cannot be closed, torch hides why it could not be written."""
    yield error
    if within := error.__cause__ or error.__context__:
        yield from _chain(within)


def _is_full(error: BaseException) -> bool:
    said = str(error).lower()
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return full or any(words in said for words in _ROOM)
