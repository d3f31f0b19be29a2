"""A review as a spreadsheet, CSV or XLSX: no cell can be run as a formula."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from reports.blind.form import SCALE, Choice, Form
from reports.blind.parcel import Parcel, Shown

_SPOKEN: dict[Choice, str] = {"left_much": "1!", "left": "1", "right": "2", "right_much": "2!"}
CELL = 32767
"""Excel's cells hold no more characters."""
CUT = " […]"

# Full-width signs start formulas too.
_FORMULA = re.compile(r"^[\s\x00-\x1f]*[=+\-@＝＋－＠]|^[\t\r\n]")


def spoken(choice: Choice) -> str:
    """A choice as it is written into a cell."""
    return _SPOKEN.get(choice, choice)


def columns(form: Form) -> list[str]:
    """The names of the columns; raters fill in those after the answers."""
    rates = [f"rate {number}: {criterion}" for criterion in form.criteria for number in (1, 2)]
    reasons = ["reasons"] if form.reasons else []
    return ["package", "review_id", "question", "answer_1", "answer_2", "choice", *reasons, *rates, "comment", "rater"]


def spreadsheet(parcel: Parcel) -> str:
    """``items.csv``. It begins with a BOM, for Excel."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    names = columns(parcel.form)
    writer.writerow([inert_cell(name) for name in names])
    writer.writerows(_cells(parcel, names))
    return "\ufeff" + out.getvalue()


def workbook(parcel: Parcel) -> bytes:
    """``items.xlsx``: the same, with a menu in the cells of ``choice``. Says nothing of when or by whom it was made."""
    from openpyxl import Workbook
    from openpyxl.styles import Alignment, Font
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    book = Workbook()
    sheet = book.active
    sheet.title = "review"
    names = columns(parcel.form)
    for number, row in enumerate([names, *_cells(parcel, names)], start=1):
        for place, text in enumerate(row, start=1):
            cell = sheet.cell(number, place)
            cell.value = inert_cell(text if len(text) < CELL else text[: CELL - len(CUT) - 1] + CUT)
            cell.data_type = "s"
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            cell.font = Font(bold=number == 1)
    widths = {"question": 40, "answer_1": 60, "answer_2": 60, "comment": 30}
    for place, name in enumerate(names, start=1):
        sheet.column_dimensions[get_column_letter(place)].width = widths.get(name, 14)
    sheet.freeze_panes = "A2"
    menu = DataValidation(type="list", formula1=f'"{",".join(spoken(choice) for choice in parcel.form.choices)}"', allow_blank=True)
    rates = DataValidation(type="whole", operator="between", formula1="1", formula2=str(SCALE), allow_blank=True)
    for place, name in enumerate(names, start=1):
        kind = menu if name == "choice" else rates if name.startswith("rate ") else None
        if kind is not None:
            kind.add(f"{get_column_letter(place)}2:{get_column_letter(place)}{max(sheet.max_row, 2)}")
    for kind in (menu, rates) if parcel.form.criteria else (menu,):
        sheet.add_data_validation(kind)
    out = io.BytesIO()
    book.save(out)
    return timeless(out.getvalue())


def timeless(archive: bytes) -> bytes:
    """A workbook without the moment and the program that made it: the same content gives the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(old.namelist()):
            content = old.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"<(dcterms:\w+|dc:creator)\b[^>]*>[^<]*</\1>", b"", content)
            new.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def inert_cell(text: str) -> str:
    """Text that a spreadsheet shows and does not run. NUL, which CSV readers refuse, is dropped."""
    text = text.replace("\x00", "")
    return f"'{text}" if _FORMULA.search(text) else text


def _cells(parcel: Parcel, names: list[str]) -> Iterator[list[str]]:
    """One line per row, or per rater and row where they see different ones."""
    if not parcel.raters:
        yield from (_line(parcel, row, parcel.rater, names) for row in parcel.rows)
    for rater, ids in parcel.raters.items():
        yield from (_line(parcel, row, rater, names) for row in parcel.rows if row.id in set(ids))


def _line(parcel: Parcel, row: Shown, rater: str, names: list[str]) -> list[str]:
    known: dict[str, Any] = {"package": parcel.package, "review_id": row.id, "rater": rater}
    known |= {"question": row.question, "answer_1": row.left, "answer_2": row.right}
    return [inert_cell(known.get(name, "")) for name in names]
