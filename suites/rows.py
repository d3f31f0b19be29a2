"""Files of the user: found beside the config, read line by line, and every complaint names file, line and what to do."""

from __future__ import annotations

import difflib
import gzip
import json
import os
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from harness.errors import ConfigError


class Row(NamedTuple):
    """One JSON object of a JSONL file and the line (from 1) that it stands on."""

    line: int
    fields: dict[str, Any]


SHIPPED = Path(__file__).parent / "data"
"""The items that come with sftgate; ``suites:NAME`` in a config means the file NAME there."""


def locate(name: str, *, folder: Path, where: str) -> Path:
    """The file ``name``: shipped with sftgate (``suites:NAME``), absolute, or looked up in ``folder``.

    ConfigError with the nearest sibling where there is none.
    """
    if not name:
        raise ConfigError("no file is named; give a path, relative to the config's folder", where=where)
    path = place(name, folder)
    if path.is_file():
        return path
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; a file is needed", where=where)
    raise ConfigError(f"there is no file {path}. {_siblings(path)}", where=where)


def place(name: str, folder: Path) -> Path:
    """Where the file ``name`` is, whether or not there is one."""
    return SHIPPED / name.removeprefix("suites:") if name.startswith("suites:") else folder / os.path.expanduser(name)


def _siblings(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"Its folder {folder} does not exist either; paths are relative to the config's folder."
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.5)
    if near:
        return f"Did you mean {' or '.join(repr(name) for name in near)}?"
    return f"{folder} holds no file of a similar name; paths are relative to the config's folder."


def stem(path: Path) -> str:
    """The file's name without ``.jsonl`` and ``.gz``: the default task."""
    return path.name.removesuffix(".gz").rsplit(".", 1)[0] or path.name


def read_text(path: Path, *, where: str) -> str:
    """The file's text (UTF-8, BOM dropped, ``.gz`` unpacked). ConfigError where it cannot be read as that."""
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8", where=where) from error
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(f"{path} cannot be read: {error}", where=where) from error


def read_rows(path: Path, *, where: str) -> list[Row]:
    """All objects of a JSONL file, blank lines skipped. ConfigError for a line that is not a JSON object, and for no lines."""
    rows = []
    for number, line in enumerate(read_text(path, where=where).split("\n"), start=1):
        if line.strip():
            rows.append(Row(number, _parse(line, place=f"{path}, line {number}", where=where)))
    if not rows:
        raise ConfigError(f"{path} holds no items: a suite must ask at least one question", where=where)
    return rows


class _RepeatedError(Exception):
    """A field that one object has twice."""


def _unrepeated(pairs: list[tuple[str, Any]]) -> None:
    """The last value would win without a word."""
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise _RepeatedError(next(name for index, name in enumerate(names) if name in names[:index]))


def _parse(line: str, *, place: str, where: str) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(line)
        json.loads(line, object_pairs_hook=_unrepeated, parse_int=str, parse_float=str)
    except _RepeatedError as error:
        raise ConfigError(f"{place}: the field {str(error)[:80]!r} occurs twice; expected every field once", where=where) from error
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise ConfigError(f"{place}: not JSON ({error}); one JSON object per line is expected", where=where) from error
    if not isinstance(value, dict):
        raise ConfigError(f"{place}: found {type(value).__name__}, expected a JSON object", where=where)
    return value
