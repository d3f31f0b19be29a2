"""Weights that are made once and kept in the cache, in folders named by content; what nobody used for a month goes again."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from harness.engines import serving
from harness.environment import cache_root
from harness.errors import EngineError

KEPT_DAYS = 30
"""So long after their last use weights are deleted, when others of their kind are made."""

_ABANDONED_DAYS = 1
"""What was begun so long ago and never finished (its process was killed) never will be."""


def kept(
    kind: str, key: str, write: Callable[[Path], None], *, failed: Callable[[str], str], whole: Callable[[Path], bool] = Path.is_dir
) -> Path:
    """The folder ``key`` among the weights of a kind (``merged``, ``noised``), found or made now by ``write`` in an empty folder.

    ``whole``: whether a folder that is there can be used; ``failed``: reason -> what to tell the user where ``write`` raised.
    Raises EngineError where the weights cannot be made, or the cache cannot be written.
    """
    folder = cache_root() / kind / key
    if whole(folder):
        with suppress(OSError):  # a cache that may only be read
            os.utime(folder)
        return folder
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=folder.parent))
    except OSError as error:
        raise EngineError(_unwritable(kind, folder.parent, error)) from error
    try:
        write(temporary)
        os.rename(temporary, folder)
    except serving.load_failures() as error:
        if whole(folder):  # another process was faster
            return folder
        if isinstance(error, OSError) and error.errno is not None:
            raise EngineError(_unwritable(kind, folder.parent, error)) from error
        raise EngineError(failed(" ".join(str(error).split()) or type(error).__name__)) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _forget(folder.parent)
    return folder


def _unwritable(kind: str, folder: Path, error: OSError) -> str:
    return f"{kind} weights cannot be written to {str(folder)!r}: {error.strerror}. Set SFTGATE_CACHE to a folder with room."


def _forget(folder: Path) -> None:
    """Delete what nobody used for long. What cannot be deleted stays: nothing depends on it."""
    for each in folder.iterdir():
        days = _ABANDONED_DAYS if each.name.startswith(".") else KEPT_DAYS
        with suppress(OSError):
            if time.time() - each.stat().st_mtime > days * 86_400:
                shutil.rmtree(each, ignore_errors=True)
