"""The files of a blind package: a page that works offline, a spreadsheet, and what to do with them."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"
COLUMNS = ("package", "review_id", "question", "answer_1", "answer_2", "choice", "comment", "rater")
CHOICES = ("left", "right", "tie", "both_bad")

# Full-width signs start formulas too.
_FORMULA = re.compile(r"^[\s\x00-\x1f]*[=+\-@＝＋－＠]|^[\t\r\n]")

INSTRUCTIONS = """# Blind review, package {package}

{count}. Each holds one question and two answers. Which side an answer stands on was drawn at random; who wrote it is hidden.

## In the browser
1. Open `review.html`. It works offline and sends nothing anywhere.
2. Enter your name or initials, then vote: `1` answer 1 is better · `2` answer 2 is better · `3` tie · `4` both bad.
   `←` `→` move, `C` writes a comment, `?` shows all keys. Votes are kept in the browser; you may close the page and come back.
3. At the end (or with `S` at any time) save your votes as a file, and send it back.

## In a spreadsheet, instead
Fill in the column `choice` of `items.csv` with `1`, `2`, `tie` or `both_bad`, and the column `rater` with your name. Leave
`choice` empty where you have no opinion. Save as CSV, and send it back. (A `'` before a text keeps the spreadsheet from running
it as a formula.)

## How to judge
{guidance}
Vote alone: do not compare notes until everybody has handed in.
"""


def page(package: str, commitment: str, items: Sequence[dict[str, str]], *, guidance: str) -> str:
    """The review page. ``items``: id, question, left, right. Model text stays in a JSON block and is shown as textContent."""
    style, script = (_source(f"review.{kind}") for kind in ("css", "js"))
    policy = "; ".join(
        (
            "default-src 'none'",
            f"style-src 'sha256-{_hash(style)}'",
            f"script-src 'sha256-{_hash(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    data = {"package": package, "commitment": commitment, "guidance": guidance, "items": items}
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    template = environment.from_string(_source("review.html"))
    return template.render(policy=policy, style=Markup(style), script=Markup(script), data=Markup(inert_json(data)))


def inert_json(value: Any) -> str:
    """JSON that cannot end the script block it stands in, nor open a comment there."""
    text = msgspec.json.encode(value).decode("utf-8", "replace")
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def spreadsheet(package: str, items: Sequence[dict[str, str]]) -> str:
    """``items.csv`` with an empty ``choice`` column; no cell can be run as a formula. It begins with a BOM, for Excel."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for item in items:
        writer.writerow([package, item["id"], *(inert_cell(item[name]) for name in ("question", "left", "right")), "", "", ""])
    return "\ufeff" + out.getvalue()


def inert_cell(text: str) -> str:
    """Text that a spreadsheet shows and does not run. NUL, which CSV readers refuse, is dropped."""
    text = text.replace("\x00", "")
    return f"'{text}" if _FORMULA.search(text) else text


def instructions(package: str, count: int, guidance: str) -> str:
    """``INSTRUCTIONS.md``."""
    return INSTRUCTIONS.format(
        package=package,
        count="One item" if count == 1 else f"{count} items",
        guidance=guidance or "What the answer does for the person who asked: correct first, then complete, then clear.",
    )


def _source(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
