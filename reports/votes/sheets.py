"""Filled-in spreadsheets: CSV with any of the usual separators, XLSX, and the CSV that Label Studio exports."""

from __future__ import annotations

import csv
import io
import warnings
import zipfile
from collections.abc import Iterable, Sequence
from typing import Any

from harness.errors import UsageError
from harness.plugins import did_you_mean
from reports.votes.statement import Statement, identity_of, listed, seconds_of, text_of, understood, unpacked

# Our name of a column -> what else it may be called: by Label Studio, or in Chinese.
COLUMNS: dict[str, tuple[str, ...]] = {
    "package": (),
    "review_id": ("id", "编号"),
    "choice": ("preference", "选择"),
    "rater": ("annotator", "completed_by", "评审"),
    "comment": ("备注",),
    "reasons": ("理由",),
    "seconds": ("lead_time",),
    "when": ("updated_at",),
    "annotation_id": (),
    "created_at": (),
    "answer_1": ("answer1", "response_1", "回答1"),
    "answer_2": ("answer2", "response_2", "回答2"),
}
RATE = "rate"
"""How the column of a criterion, and of one answer, begins."""

MOST_BYTES = 512 * 1024 * 1024
"""An XLSX that unpacks to more is no sheet of votes."""
MOST_ROWS, MOST_COLUMNS = 200_000, 200
"""Cells far outside would fill the memory with empty ones."""


def read_csv(source: str, content: bytes) -> list[Statement]:
    """UsageError for what is not UTF-8, no CSV, or lacks a column."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{source}: not UTF-8; save the sheet as 'CSV UTF-8' ({error})") from error
    head = text.split("\n", 1)[0]
    limit = csv.field_size_limit(max(len(text), 1))
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count)))
    except csv.Error as error:
        raise UsageError(f"{source}: not a CSV file: {error}") from error
    finally:
        csv.field_size_limit(limit)
    return _statements(source, rows)


def read_xlsx(source: str, content: bytes) -> list[Statement]:
    """The first sheet that has the columns; UsageError where none does, or where the file is no XLSX."""
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            unpacked = sum(part.file_size for part in packed.infolist())
        if unpacked > MOST_BYTES:
            raise UsageError(f"{source}: unpacks to {unpacked:,} bytes, more than any sheet of votes")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        sheets = [_filled(source, sheet.iter_rows(max_col=MOST_COLUMNS, values_only=True)) for sheet in book.worksheets]
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, OSError, SyntaxError) as error:
        raise UsageError(f"{source}: not an XLSX file: {error}") from error
    for rows in sheets:
        if rows and {"review_id", "choice"} <= _places(rows[0]).keys():
            return _statements(source, rows)
    return _statements(source, sheets[0] if sheets else [])


def _filled(source: str, rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows, those without a cell as empty ones."""
    found: list[tuple[Any, ...]] = []
    filled = 0
    for row in rows:
        found.append(row if any(cell is not None for cell in row) else ())
        filled += bool(found[-1])
        if filled > MOST_ROWS:
            raise UsageError(f"{source}: more than {MOST_ROWS:,} rows, more than any sheet of votes has")
    return found


def _places(head: Iterable[Any]) -> dict[str, int]:
    """Our column names, and those of ratings, with where they stand; another name only where ours is not there."""
    titles = {text_of(cell).lstrip("\ufeff"): place for place, cell in reversed(list(enumerate(head)))}
    folded = {title.casefold(): place for title, place in titles.items()}
    found = {title: place for title, place in titles.items() if title.casefold().startswith(RATE)}
    for name, others in COLUMNS.items():
        place = next((folded[other] for other in (name, *others) if other in folded), None)
        if place is not None:
            found[name] = place
    return found


def _statements(source: str, rows: Sequence[Sequence[Any]]) -> list[Statement]:
    if not rows:
        raise UsageError(f"{source}: the file has no rows; expected the sheet of the package, filled in")
    places = _places(rows[0])
    for column in ("review_id", "choice"):
        if column not in places:
            titles = [text_of(cell) for cell in rows[0] if text_of(cell)]
            raise UsageError(f"{source}: the column {column!r} of the package's sheet is missing. {did_you_mean(column, titles)}")
    return [_statement(source, number, row, places) for number, row in enumerate(rows[1:], start=2) if any(map(text_of, row))]


def _statement(source: str, number: int, row: Sequence[Any], places: dict[str, int]) -> Statement:
    def cell(name: str) -> str:
        place = places.get(name, len(row))
        return text_of(row[place]) if place < len(row) else ""

    said = cell("choice")
    shown = (cell("answer_1"), cell("answer_2")) if {"answer_1", "answer_2"} <= places.keys() else None
    return Statement(
        source=source,
        place=f"row {number}",
        form="label_studio" if cell("annotation_id") else "sheet",
        rater=cell("rater"),
        review_id=cell("review_id"),
        said=said,
        choice=understood(said),
        reasons=_reasons(cell("reasons")),
        ratings={name: cell(name) for name in places if name.casefold().startswith(RATE) and cell(name)},
        comment="\n".join(listed(unpacked(cell("comment")))),
        seconds=seconds_of(cell("seconds")),
        when=cell("when"),
        sitting=cell("rater") if cell("annotation_id") else "",
        identity=identity_of(cell("annotation_id"), cell("created_at")),
        package=cell("package"),
        shown=shown,
        raw={name: cell(name) for name in places if name not in ("answer_1", "answer_2")},
    )


def _reasons(cell: str) -> tuple[str, ...]:
    """Several with semicolons between them, or the JSON that Label Studio writes."""
    packed = unpacked(cell)
    if packed is not cell:
        return listed(packed)
    return tuple(part.strip() for part in cell.replace("；", ";").split(";") if part.strip())
