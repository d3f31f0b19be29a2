"""Files of votes in every form that people hand in: what each of them says, and one sentence for what is none."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from harness.errors import UsageError
from reports.votes.reading import content_of, files_of, read_file
from reports.votes.sorting import rated
from reports.votes.statement import Statement, understood
from reports.votes.vote import Rated
from tests.reports.votes.ballots import annotation, key_of, page, task


def read(path: Path) -> list[Statement]:
    return read_file(path, content_of(path))


def written(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_the_page(tmp_path: Path) -> None:
    key = key_of()
    ballot = {"review_id": "r002", "choice": "left_much", "reasons": ["clear"], "ratings": {"tone": {"left": 4, "right": 2}}}
    (said,) = read(page(tmp_path / "v.json", key, {}, votes=[{**ballot, "comment": "why", "seconds": 3}]))
    assert (said.rater, said.review_id, said.choice, said.reasons, said.comment) == ("ana", "r002", "left_much", ("clear",), "why")
    assert (said.ratings, said.seconds, said.package, said.commitment) == (
        {"tone": {"left": 4, "right": 2}},
        3.0,
        key.package,
        key.commitment,
    )
    assert said.raw["choice"] == "left_much"


@pytest.mark.parametrize(
    ("counted", "seconds"), [(0, 0.05), (0.0, 0.05), (0.1, 0.1), (None, 0.0), (False, 0.0), ("", 0.0), (-1, 0.0)]
)
def test_a_vote_of_no_time_at_all_is_a_hurried_one_and_not_one_without_a_time(
    tmp_path: Path, counted: object, seconds: float
) -> None:
    """The page rounds to tenths: of 37 votes that came at once, 32 were not among those that came too soon."""
    ballot = {"review_id": "r002", "choice": "left", "seconds": counted}
    (said,) = read(page(tmp_path / "v.json", key_of(), {}, votes=[ballot]))
    assert said.seconds == seconds


@pytest.mark.parametrize(
    ("said", "choice"),
    [
        ("1", "left"), (" Answer 2 ", "right"), ("1!", "left_much"), ("2_much_better", "right_much"), ("1_better", "left"),
        ("both_bad", "both_bad"), ("Both bad", "both_bad"), ("TIE", "tie"), ("2.0", "right"), ("'1", "left"), ("A", "left"),
        ("平局", "tie"), ("5", None), ("maybe", None), ("", None), ("left right", None), ("12", None),
    ],
)  # fmt: skip
def test_the_words_of_a_choice(said: str, choice: str | None) -> None:
    assert understood(said) == choice


ROWS = [
    ["package", "review_id", "question", "answer_1", "answer_2", "choice", "comment", "rater", "seconds"],
    ["P", "r001", "q", "a", "b", "1", "fine", "bo", "4"],
    ["P", "r002", "q", "a", "b", "", "", "bo", ""],
    ["P", "r003", "q", "a", "b", "2!", "", "", ""],
]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_sheet(tmp_path: Path, delimiter: str) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(ROWS)
    path = tmp_path / "dora.csv"
    path.write_text("\ufeff" + out.getvalue(), encoding="utf-8", newline="")
    first, empty, last = read(path)
    assert (first.rater, first.choice, first.comment, first.shown, first.seconds) == ("bo", "left", "fine", ("a", "b"), 4.0)
    assert (empty.said, empty.choice, empty.place) == ("", None, "row 3")
    assert (last.rater, last.choice) == ("dora", "right_much")


def test_an_xlsx_sheet_behind_another_with_numbers_for_choices(tmp_path: Path) -> None:
    book = Workbook()
    book.active.append(["read me first"])
    sheet = book.create_sheet("votes")
    for row in ROWS:
        sheet.append(row)
    sheet["F2"], sheet["F3"] = 1, 2.0
    book.save(tmp_path / "bo.xlsx")
    assert [(said.review_id, said.choice, said.rater) for said in read(tmp_path / "bo.xlsx")] == [
        ("r001", "left", "bo"),
        ("r002", "right", "bo"),
        ("r003", "right_much", "bo"),
    ]


def test_label_studio_tasks_with_what_was_skipped_and_what_was_never_handed_in(tmp_path: Path) -> None:
    key = key_of()
    draft = {"id": 9, "user": "c@x", "result": annotation("tie")["result"], "lead_time": 3}
    tasks = [
        task(key, 1, annotation("1_much_better", comment="good"), annotation(None, by=2, was_cancelled=True)),
        task(key, 2, annotation("both_bad", by={"id": 5, "email": "b@x"}), drafts=[draft]),
        task(key, 3),
    ]
    said = read(written(tmp_path / "export.json", tasks))
    assert [(each.review_id, each.rater, each.choice, each.state) for each in said] == [
        ("r001", "1", "left_much", "given"),
        ("r001", "2", None, "skipped"),
        ("r002", "b@x", "both_bad", "given"),
        ("r002", "c@x", "tie", "draft"),
    ]
    assert (said[0].comment, said[0].seconds, said[0].shown, said[0].package) == ("good", 12.5, ("old 1", "new 1"), key.package)


def test_label_studio_json_min_and_csv(tmp_path: Path) -> None:
    row = {"id": 12, "review_id": "r004", "package": "P", "answer1": "a", "answer2": "b", "annotator": 3, "annotation_id": 40,
           "preference": "2_better", "comment": "x", "lead_time": 8.0, "updated_at": "2026-11-20T10:00:00Z",
           "reasons": {"choices": ["clear", "short"]}, "rate1_1": [{"rating": 2}]}  # fmt: skip
    (said,) = read(written(tmp_path / "min.json", [row]))
    out = io.StringIO()
    writer = csv.DictWriter(out, list(row))
    writer.writeheader()
    writer.writerow({name: json.dumps(cell) if isinstance(cell, dict | list) else cell for name, cell in row.items()})
    (tmp_path / "export.csv").write_text(out.getvalue(), encoding="utf-8")
    (again,) = read(tmp_path / "export.csv")
    assert (said.review_id, said.choice, said.rater, said.seconds) == ("r004", "right", "3", 8.0)
    assert (again.review_id, again.choice, again.rater, again.seconds) == ("r004", "right", "3", 8.0)
    for each in (said, again):
        assert each.reasons == ("clear", "short")
        assert rated(each.ratings, ["tone"]) == {"tone": Rated(left=2)}


NESTED = {
    "id": "r001",
    "fields": {"prompt": "q", "response_1": "a", "response_2": "b"},
    "metadata": {"package": "P"},
    "suggestions": {},
    "vectors": {},
    "responses": {"preference": [{"value": "1_better", "user_id": "u1"}, {"value": "tie", "user_id": "u2"}]},
    "_server_id": None,
}
FLAT = {
    "id": "r001", "prompt": "q", "response_1": "a", "response_2": "b", "package": "P", "_server_id": None, "status": "completed",
    "preference.responses": ["1_better", "tie", "both_bad"], "preference.responses.users": ["u1", "u2", "u3"],
    "preference.responses.status": ["submitted", "discarded", "draft"], "comment.responses": ["why"],
    "comment.responses.users": ["u1"], "comment.responses.status": ["submitted"],
}  # fmt: skip


def test_argilla_records(tmp_path: Path) -> None:
    untouched = {**FLAT, "id": "r002", "preference.responses": None, "preference.responses.users": None, "comment.responses": None}
    nested = read(written(tmp_path / "set" / "records.json", [NESTED]))
    flat = read(written(tmp_path / "flat.json", [FLAT, untouched]))
    assert [(each.rater, each.choice, each.state, each.shown, each.package) for each in nested] == [
        ("u1", "left", "given", ("a", "b"), "P"),
        ("u2", "tie", "given", ("a", "b"), "P"),
    ]
    assert [(each.review_id, each.rater, each.choice, each.state, each.comment) for each in flat] == [
        ("r001", "u1", "left", "given", "why"),
        ("r001", "u2", "tie", "skipped", ""),
        ("r001", "u3", "both_bad", "draft", ""),
    ]
    assert files_of([tmp_path / "set"]) == [tmp_path / "set" / "records.json"]


def test_potato_states_and_lines(tmp_path: Path) -> None:
    pairs = [[{"schema": "preference", "name": "2_better"}, "true"], [{"schema": "comment", "name": "text_box"}, "so"]]
    chosen = {"preference": {"selection": "tie", "justification": '{"reasons": ["clear"], "rationale": "both fine"}'}}
    state = {
        "user_id": "kim",
        "instance_id_to_label_to_value": {"r001": pairs, "r002": chosen, "r003": []},
        "instance_id_to_behavioral_data": {"r001": {"total_time_ms": 4500}},
    }
    line = {"id": "r003", "displayed_text": "x", "label_annotations": {"preference": {"both_bad": "6"}}, "behavioral_data": {}}
    written(tmp_path / "out" / "kim" / "user_state.json", state)
    written(tmp_path / "old" / "lee" / "annotated_instances.jsonl", line)
    (one, two), (three,) = ([*read(file)] for folder in ("out", "old") for file in files_of([tmp_path / folder]))
    assert (one.rater, one.review_id, one.choice, one.comment, one.seconds) == ("kim", "r001", "right", "so", 4.5)
    assert (two.choice, two.reasons, two.comment) == ("tie", ("clear",), "both fine")
    assert (three.rater, three.review_id, three.choice) == ("lee", "r003", "both_bad")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("v.json", b"", "not a file of votes"),
        ("v.json", b"{", "not a file of votes"),
        ("v.json", b"[1, 2]", "expected what the review page saves"),
        ("v.json", b"[]", "expected what the review page saves"),
        ("v.json", b'{"kind": "sftgate-votes", "format": 1}', "format 1"),
        ("v.json", b'{"kind": "sftgate-votes", "format": 2, "rater": " "}', "name no rater"),
        ("v.json", b'{"kind": "sftgate-votes", "format": 2, "rater": "a", "votes": 3}', "no list of objects"),
        ("v.json", b"[" * 100_000, "not a file of votes"),
        ("v.csv", b"review_id,chioce\nr1,1\n", "the column 'choice'"),
        ("v.csv", b"", "no rows"),
        ("v.csv", b"review_id,choice\nr1,\xe9\n", "CSV UTF-8"),
        ("v.xlsx", b"PK not really", "not an XLSX file"),
        ("v.xls", b"", "before 2007"),
        ("v.json", None, "cannot be read"),
    ],
)
def test_what_is_no_file_of_votes_is_said_in_one_sentence(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read(path)
    assert says in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"without records\.json"):
        files_of([tmp_path])
