"""Whatever a file holds: statements, or one sentence. Each statement has one fate, and no row of a rater counts twice."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from harness.errors import UsageError
from reports.votes.reading import read_file
from reports.votes.sorting import sort_votes
from reports.votes.statement import Statement
from reports.votes.vote import Kept
from tests.reports.votes.ballots import entry, key_of

KEY = key_of()
NAMES = st.sampled_from(
    [
        "kind", "format", "rater", "votes", "review_id", "choice", "ratings", "reasons", "seconds", "package", "commitment", "data",
        "annotations", "completed_by", "result", "from_name", "value", "choices", "was_cancelled", "drafts", "annotation_id", "id",
        "fields", "responses", "preference", "preference.responses", "preference.responses.users", "preference.responses.status",
        "user_id", "instance_id_to_label_to_value", "label_annotations", "schema", "name", "selection", "justification",
        "lead_time", "behavioral_data", "instance_id_to_behavioral_data", "metadata", "sitting", "saved", "answer1", "answer2",
        "email", "created_username", "created_at", "labels", "instance_id",
    ]
)  # fmt: skip
WORDS = st.sampled_from(
    ["sftgate-votes", "r001", "left", "tie", "1_better", "ana", "", "x", '{"reasons": 3}', "[1", "2026-11-20T10:00:00Z"]
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-2, 7), st.floats(allow_nan=False), WORDS, st.just(KEY.package))
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6), max_leaves=14)
DICTS = st.dictionaries(NAMES, VALUES, max_size=6)
RESULTS = st.lists(st.fixed_dictionaries({"from_name": WORDS | NAMES, "value": VALUES}), max_size=3)
ANNOTATIONS = st.lists(st.fixed_dictionaries({"completed_by": VALUES, "result": RESULTS | VALUES}), max_size=3)
SHAPES = st.one_of(
    VALUES,
    st.fixed_dictionaries({"kind": st.just("sftgate-votes"), "format": st.just(2), "rater": WORDS, "votes": st.lists(DICTS)}),
    st.lists(st.fixed_dictionaries({"data": DICTS, "annotations": ANNOTATIONS | VALUES, "drafts": ANNOTATIONS | VALUES})),
    st.lists(st.fixed_dictionaries({"annotation_id": VALUES, "preference": VALUES, "reasons": VALUES, "rate1_1": VALUES})),
    st.lists(st.fixed_dictionaries({"id": VALUES, "responses": st.dictionaries(NAMES, st.lists(DICTS) | VALUES)})),
    st.lists(st.fixed_dictionaries({"preference.responses": VALUES, "preference.responses.users": VALUES, "fields": VALUES})),
    st.fixed_dictionaries({"instance_id_to_label_to_value": VALUES, "instance_id_to_behavioral_data": VALUES}),
    st.lists(st.fixed_dictionaries({"label_annotations": st.dictionaries(NAMES, DICTS) | VALUES, "behavioral_data": VALUES})),
)


@given(SHAPES, st.sampled_from([".json", ".jsonl", ".csv"]))
@settings(max_examples=25, deadline=None)
def test_any_file_gives_statements_or_one_sentence(content: object, suffix: str) -> None:
    path = Path("ana/votes").with_suffix(suffix)
    try:
        found = read_file(path, json.dumps(content).encode())
    except UsageError as error:
        said = str(error)
        found = []
    else:
        said = str(path)
    assert said.startswith(str(path))
    assert all(isinstance(each, Statement) for each in found)
    kept = [Kept(file="f", imported="", rater=each.rater, statement=each) for each in found]
    _one_fate_each(kept)


SAID = st.builds(
    Statement,
    source=st.sampled_from(["a.json", "b.json"]),
    place=st.just("vote 1"),
    form=st.just("page"),
    rater=st.sampled_from(["ana", "Ana", " ANA", "bo"]),
    review_id=st.sampled_from(["r001", "r002", "r009"]),
    said=st.just("left"),
    choice=st.sampled_from(["left", "right", "tie", None]),
    state=st.sampled_from(["given", "given", "skipped", "draft"]),
    sitting=st.sampled_from(["", "s1", "s2"]),
    when=st.sampled_from(["", "2026-11-20T10:00:00Z", "2026-11-20T11:00:00+00:00", "2026-11-20T12:00:00", "yesterday"]),
    package=st.sampled_from(["", KEY.package, "other"]),
)


@given(st.lists(SAID, max_size=12))
@settings(max_examples=60, deadline=None)
def test_every_statement_has_one_fate_and_no_row_counts_twice(said: list[Statement]) -> None:
    _one_fate_each([Kept(file="f", imported="", rater=each.rater, statement=each) for each in said])


def _one_fate_each(kept: list[Kept]) -> None:
    found = sort_votes(kept, KEY)
    assert [line.statement for line in found.kept] == [line.statement for line in kept]
    counts = Counter((vote.review_id, vote.rater.casefold().strip()) for vote in found.votes)
    assert not counts or max(counts.values()) == 1
    assert len(found.votes) == sum(line.fate == "counted" for line in found.kept)
    assert sort_votes(found.kept, KEY) == found, "sorting what is sorted changes nothing"


def workbook(*rows: str) -> bytes:
    """An XLSX whose sheet has these rows, written by hand."""
    plain, packed = io.BytesIO(), io.BytesIO()
    Workbook().save(plain)
    sheet = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, sheet.format("".join(rows)) if name.endswith("sheet1.xml") else old.read(name))
    return packed.getvalue()


def cells(row: int, **texts: str) -> str:
    inside = "".join(f'<c r="{column}{row}" t="inlineStr"><is><t>{text}</t></is></c>' for column, text in texts.items())
    return f'<row r="{row}">{inside}</row>'


def test_cells_far_outside_fill_no_memory() -> None:
    """Two hundred rows with a cell in the last of all columns: 16,384 cells each, if they were all read."""
    head = cells(1, A="review_id", B="choice")
    content = workbook(
        head, cells(2, A="r001", B="1"), *(cells(row, XFD="1") for row in range(3, 200)), cells(9000, A="r002", B="2")
    )
    tracemalloc.start()
    found = read_file(Path("v.xlsx"), content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(each.review_id, each.said, each.place) for each in found] == [("r001", "1", "row 2"), ("r002", "2", "row 9000")]
    assert peak < 20e6


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("v.json", "﻿{}".encode("utf-16"), "save it as UTF-8"),
        ("v.csv", "review_id,choice\r\nr001,1\r\n".encode("utf-16"), "CSV UTF-8"),
        ("v.csv", "review_id,选择\r\nr001,平\r\n".encode("gb18030"), "CSV UTF-8"),
        ("v.json", b"[" * 100_000, "not a file of votes"),
        ("v.json", b'{"kind": "sftgate-votes", "format": 2, "rater": "a", "votes": [{"seconds": NaN}]}', "not a file of votes"),
        ("v.xlsx", b"PK\x03\x04 and nothing else", "not an XLSX file"),
        ("v.csv", b"", "column 'review_id'|no rows"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(name: str, content: bytes, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        read_file(Path(name), content)
    assert str(caught.value).startswith(name)
    assert "\n" not in str(caught.value)


def test_byte_order_marks_and_line_ends_of_windows_are_no_matter() -> None:
    page = (
        '{\r\n "kind": "sftgate-votes",\r\n "format": 2, "rater": "ana",\r\n "votes": [{"review_id": "r001", "choice": "tie"}]\r\n}'
    )
    (vote,) = read_file(Path("v.json"), b"\xef\xbb\xbf" + page.encode())
    assert (vote.rater, vote.review_id, vote.choice) == ("ana", "r001", "tie")


def test_a_sheet_that_excel_saved_again() -> None:
    """With semicolons, and a package whose name looks like a number; and another one, whose columns were sorted apart."""
    key = msgspec.structs.replace(key_of(*(entry(n) for n in range(1, 4))), package="123456789012")
    row = "1,23457E+11;{};Question {}?;new {};old {};{};\r\n"
    head = "package;review_id;question;answer_1;answer_2;choice;rater\r\n"
    text = head + "".join(row.format(f"r00{n}", n, n, n, "1!") for n in (1, 2, 3))
    found = sort_votes(
        [Kept(file="f", imported="", rater="ana", statement=each) for each in read_file(Path("ana.csv"), text.encode())], key
    )
    assert [(vote.review_id, vote.choice) for vote in found.votes] == [("r001", "left"), ("r002", "left"), ("r003", "left")]
    apart = head + "".join(row.format(f"r00{n}", n, 4 - n, 4 - n, "1") for n in (1, 2, 3)).replace("1,23457E+11", "")
    found = sort_votes(
        [Kept(file="f", imported="", rater="ana", statement=each) for each in read_file(Path("ana.csv"), apart.encode())], key
    )
    assert [line.fate for line in found.kept] == ["misplaced", "counted", "misplaced"]
    foreign = Statement(source="s", place="p", form="sheet", rater="a", review_id="r001", said="1", choice="left", package="123456")
    assert sort_votes([Kept(file="f", imported="", rater="a", statement=foreign)], key).kept[0].fate == "foreign"
