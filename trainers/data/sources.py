"""Where rows lie: files of several kinds, folders of them, and data sets on the hub -> (number, row), one after another.

JSONL (``.jsonl``, ``.ndjson``), JSON (``.json``: an array, or one object per line), Parquet, CSV and TSV with a header, ``.txt``
(one document, a row of ``text``). A folder stands for all such files below it, in the order of their names. ``hub:OWNER/NAME``,
with ``/CONFIG`` and ``@SPLIT`` (else ``train``), is loaded by ``datasets``: from the hub, or from what it has stored of it.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import ConfigError
from harness.fingerprint import digest as digest_of
from harness.fingerprint import file_digest
from trainers.config.data import HUB

_HUB_NAME = re.compile(r"hub:(?P<name>[\w.-]+/[\w.-]+)(/(?P<config>[\w.-]+))?(@(?P<split>[\w.\[\]:%+-]+))?")

Numbered = Iterator[tuple[int, Any]]


def files_of(path: str) -> list[str]:
    """The files that a path stands for: itself, or those of a folder. ConfigError for a folder without any."""
    place = Path(path)
    if path.startswith(HUB) or not place.is_dir():
        return [path]
    below = (file for file in place.rglob("*") if file.suffix in _READERS and file.is_file())
    found = sorted(str(file) for file in below if not any(part.startswith(".") for part in file.relative_to(place).parts))
    if not found:
        raise ConfigError(f"the folder holds no rows: expected files that end with {_known()}", file=path)
    return found


def place_of(path: str, number: int) -> str:
    """How an error names one row: ``FILE:LINE``, or ``FILE, row N`` where rows are no lines."""
    return f"{path}:{number}" if Path(path).suffix in (".jsonl", ".ndjson") else f"{path}, row {number}"


def content_digest(path: str) -> str:
    """Hash of the rows that a path stands for. A file's: of its bytes."""
    if path.startswith(HUB):
        return _hub_digest(path)
    files = files_of(path)
    if files == [path]:
        return file_digest(path)
    return digest_of([[str(Path(file).relative_to(path)), file_digest(file)] for file in files])


@functools.lru_cache
def _hub_digest(path: str) -> str:
    whole = hashlib.sha256()
    for _, row in rows_of(path):
        whole.update(msgspec.json.encode(row, enc_hook=str) + b"\n")
    return whole.hexdigest()


def rows_of(path: str) -> Numbered:
    """(number from 1, row) of one file (``files_of``) or hub data set; a number is a line in JSONL. ConfigError where it cannot be
    read."""
    if path.startswith(HUB):
        yield from _hub(path)
        return
    suffix = Path(path).suffix
    if suffix not in _READERS:
        raise ConfigError(f"rows are read from files that end with {_known()}, not with {suffix or 'no suffix'!r}", file=path)
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=path) from error
    yield from _READERS[suffix](content, path)


def _lines(content: bytes, path: str) -> Numbered:
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if line.strip():
            yield number, _json(line, place_of(path, number))


def _json(content: bytes, place: str) -> Any:
    try:
        return parsed(content)
    except ValueError as error:
        raise ConfigError(str(error), file=place) from error


def parsed(content: bytes) -> Any:
    """The value of a text of JSON. ValueError that says what is wrong."""
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(_not_unicode(content) or f"is not JSON: {error}") from error


def _not_unicode(content: bytes) -> str:
    """What a file in another encoding is; empty for one in UTF-8."""
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line, start = content.count(b"\n", 0, error.start) + 1, content.rfind(b"\n", 0, error.start) + 1
        return (
            f"is not UTF-8: the byte 0x{content[error.start]:02x} is number {error.start - start + 1} of "
            f"{f'line {line}' if line > 1 else 'the line'}. Save the file as UTF-8."
        )
    return ""


def _array_or_lines(content: bytes, path: str) -> Numbered:
    start = content.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start.startswith(b"["):
        yield from _lines(content, path)
        return
    yield from enumerate(_json(start, path), start=1)


def _table(separator: str) -> Callable[[bytes, str], Numbered]:
    def read(content: bytes, path: str) -> Numbered:
        csv.field_size_limit(2**31 - 1)
        try:
            table = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=separator, strict=True)
            for number, row in enumerate(table, start=1):
                if None in row or None in row.values():
                    raise ConfigError(
                        f"expected {len(table.fieldnames or ())} cells, as in the header", file=place_of(path, number)
                    )
                yield number, dict(row)
        except (csv.Error, UnicodeDecodeError) as error:
            raise ConfigError(_not_unicode(content) or f"is no table: {error}", file=path) from error

    return read


def _parquet(content: bytes, path: str) -> Numbered:
    try:
        import pyarrow  # type: ignore[import-untyped]
        import pyarrow.parquet as parquet  # type: ignore[import-untyped]
    except ImportError as error:
        raise ConfigError("Parquet is read by pyarrow, which is not installed: pip install pyarrow", file=path) from error
    try:
        table = parquet.read_table(io.BytesIO(content))
    except (pyarrow.ArrowException, OSError) as error:
        raise ConfigError(f"is no Parquet file: {error}", file=path) from error
    number = 0
    for batch in table.to_batches():
        for row in batch.to_pylist():
            number += 1
            yield number, _without_empty(row)


def _without_empty(row: Any) -> Any:
    """Columns give every row, and every message, all keys; those that are None were not there."""
    if isinstance(row, dict):
        return {key: _without_empty(value) for key, value in row.items() if value is not None}
    return [_without_empty(each) for each in row] if isinstance(row, list) else row


def _text(content: bytes, path: str) -> Numbered:
    try:
        yield 1, {"text": content.decode("utf-8-sig")}
    except UnicodeDecodeError as error:
        raise ConfigError(_not_unicode(content), file=path) from error


def _hub(path: str) -> Numbered:
    if not (named := _HUB_NAME.fullmatch(path)):
        raise ConfigError(f"{path!r} names no data set. Expected hub:OWNER/NAME, hub:OWNER/NAME/CONFIG or hub:OWNER/NAME@SPLIT.")
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise ConfigError("the hub is read by datasets, which is not installed: pip install datasets", file=path) from error
    try:
        rows = load_dataset(named["name"], named["config"], split=named["split"] or "train")
    except Exception as error:  # it raises whatever its parts do
        said = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ConfigError(
            f"the data set cannot be loaded: {said}. Is its name right, and the network there? Otherwise name files.", file=path
        ) from error
    for number, row in enumerate(rows, start=1):
        yield number, _without_empty(row)


def _known() -> str:
    return ", ".join(_READERS)


_READERS: dict[str, Callable[[bytes, str], Numbered]] = {
    ".jsonl": _lines,
    ".ndjson": _lines,
    ".json": _array_or_lines,
    ".parquet": _parquet,
    ".csv": _table(","),
    ".tsv": _table("\t"),
    ".txt": _text,
}
