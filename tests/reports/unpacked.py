"""The items of a report read back without its script: what a page holds, by row."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

from lxml import html as lxml_html


def blocks(text: str) -> list[bytes]:
    """The compressed blocks of a page: the index, then the chunks of texts."""
    tree = lxml_html.document_fromstring(text.encode(), parser=lxml_html.HTMLParser(encoding="utf-8", huge_tree=True))
    return [base64.b64decode(block.text) for block in tree.xpath("//script[@class='packed']")]


def index_of(index: bytes) -> dict[str, Any]:
    return json.loads(gzip.decompress(index))


def texts_of(index: bytes, chunks: tuple[bytes, ...] | list[bytes]) -> list[list[str | None] | None]:
    """Of every row all texts in order, None for those that are not there; None for a row without."""
    opened = [gzip.decompress(chunk).decode().encode("utf-16-le") for chunk in chunks]
    return [taken(place[2], opened[place[0]], place[1]) if place else None for place in index_of(index)["places"]]


def beside_of(content: bytes) -> tuple[dict[str, Any], dict[int, list[str | None]]]:
    """The first line of the file beside a page, and the texts that it holds by row."""
    head, *lines = [json.loads(line) for line in gzip.decompress(content).splitlines()]
    return head, {row: taken(shape, text.encode("utf-16-le"), 0) for row, shape, text in lines}


def taken(shape: list[Any], text: bytes, start: int) -> list[str | None]:
    """Cut ``text`` (UTF-16, so that two bytes are one of JavaScript's units) by the lengths of ``shape``."""
    found: list[str | None] = []
    at = start
    for length in lengths(shape):
        found.append(None if length < 0 else text[at * 2 : (at + length) * 2].decode("utf-16-le"))
        at += max(length, 0)
    return found


def lengths(shape: list[Any]) -> list[int]:
    found = shape[:2]
    for side in shape[2:]:
        if isinstance(side, int):
            found += [side] if side >= 0 else []
        else:
            outputs, thinking, extracted, error, judgments, prompt, contents = side
            found += [*outputs, *thinking, *extracted, error, *(each[5] for each in judgments), prompt]
            found += [each for each in contents if isinstance(each, int)] if isinstance(contents, list) else []
    return found
