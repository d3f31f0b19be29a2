"""What stands in rows that cannot be read as training data: their bare texts, so that suites are still looked for in them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

_QUOTE = re.compile(r'(?<!\\)"')
_CODE = re.compile(r"\\u([0-9a-fA-F]{4})")
_ESCAPE = re.compile(r'\\[nrtbf"/\\]')


def pieces_of(line: bytes) -> Iterator[str]:
    """A line that is no JSON, between its quotation marks."""
    for piece in _QUOTE.split(line.decode("utf-8", "replace")):
        yield _ESCAPE.sub(" ", _CODE.sub(lambda code: chr(int(code[1], 16)), piece))


def cells_of(path: str) -> Iterator[tuple[int, Iterator[str]]]:
    """(number, cells) of all records of a broken table, read as well as it can be; the header is record 0."""
    text = Path(path).read_bytes().decode("utf-8-sig", "replace")
    table = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if path.endswith(".tsv") else ",")
    for number, cells in enumerate(table):
        yield number, iter(cells)
