"""Files of votes, whatever made them: which of the forms a file is in, its content says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import UsageError
from reports.votes import argilla, label_studio, page_file, potato, sheets
from reports.votes.sheets import MOST_BYTES
from reports.votes.statement import Statement

_EXPECTED = (
    "expected what the review page saves, the package's sheet (CSV or XLSX), Label Studio's export (JSON, JSON-MIN or CSV), "
    "Argilla's records (to_json, to_disk, or to_list as JSON) or Potato's output (user_state.json, annotated_instances.jsonl, "
    "annotations.jsonl)"
)
_POTATO = ("user_state.json", "annotated_instances.jsonl", "annotations.jsonl")


def files_of(paths: Sequence[Path]) -> list[Path]:
    """The paths, folders replaced by the files of votes in them: Argilla's ``records.json``, or Potato's output of every rater."""
    found: list[Path] = []
    for path in paths:
        found += _inside(path) if path.is_dir() else [path]
    return found


def _inside(folder: Path) -> list[Path]:
    if (folder / "records.json").is_file():
        return [folder / "records.json"]
    for name in _POTATO:
        if files := sorted(folder.rglob(name)):
            return files
    raise UsageError(f"{folder}: a folder without {', '.join(('records.json', *_POTATO))}; name the files of votes in it")


def content_of(path: Path) -> bytes:
    """UsageError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error


def digest_of(content: bytes) -> str:
    """By which a file that was imported before is known again, whatever it is called."""
    return hashlib.sha256(content).hexdigest()


def read_file(path: Path, content: bytes) -> list[Statement]:
    """All that a file says. A sheet whose rows name no rater is its file's: the rater is called like it.

    Raises UsageError, with the file's name, for what no form can be seen in.
    """
    suffix, source = path.suffix.lower(), str(path)
    if len(content) > MOST_BYTES:
        raise UsageError(f"{path}: {len(content):,} bytes, more than any file of votes has")
    if suffix in (".csv", ".tsv"):
        return [_named(statement, path) for statement in sheets.read_csv(source, content)]
    if suffix == ".xlsx":
        return [_named(statement, path) for statement in sheets.read_xlsx(source, content)]
    if suffix == ".xls":
        raise UsageError(f"{path}: the format of Excel before 2007; save it as XLSX or as CSV UTF-8")
    return _of_json(path, _decoded(path, content))


def _named(statement: Statement, path: Path) -> Statement:
    return statement if statement.rater else msgspec.structs.replace(statement, rater=path.stem)


def _decoded(path: Path, content: bytes) -> Any:
    """One JSON value, or a list of those on the lines of the file."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UsageError(f"{path}: UTF-16, as some programs of Windows save text; save it as UTF-8")
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError) as whole:
        try:
            return [*_lines(content)]
        except (msgspec.DecodeError, RecursionError):
            raise UsageError(f"{path}: not a file of votes: {whole}; {_EXPECTED}") from whole


def _lines(content: bytes) -> Iterator[Any]:
    found = False
    for line in content.splitlines():
        if line.strip():
            found = True
            yield msgspec.json.decode(line)
    if not found:
        raise msgspec.DecodeError("the file is empty")


def _of_json(path: Path, content: Any) -> list[Statement]:
    source = str(path)
    if isinstance(content, dict) and content.get("kind") == page_file.KIND:
        return page_file.read_page(source, content)
    if potato.is_state(content):
        return potato.read_state(source, content)
    content = [content] if isinstance(content, dict) else content  # one line of many, or one record
    if not isinstance(content, list) or not content:
        raise UsageError(f"{path}: not a file of votes; {_EXPECTED}")
    if label_studio.is_tasks(content):
        return label_studio.read_tasks(source, content)
    if label_studio.is_flat(content):
        return label_studio.read_flat(source, content)
    if potato.is_lines(content):
        return potato.read_lines(source, content, path.parent.name)
    if argilla.is_records(content):
        return argilla.read_records(source, content)
    raise UsageError(f"{path}: not a file of votes; {_EXPECTED}")
