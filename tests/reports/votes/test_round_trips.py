"""From the export of every form to its import: each planted vote comes back to its item, with strength, reasons and ratings."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from reports.blind.form import Choice, Form
from reports.blind.key import Key, package_paths, read_key
from reports.blind.label_studio import rate_name
from reports.blind.package import Plan, export
from reports.blind.sheets import spoken
from reports.votes.vote import Rated, Vote
from tests.reports.blind.sides import measured
from tests.reports.votes.ballots import page, votes_in

FORM = Form(strength=True, reasons=("clear", "简洁"), criteria=("tone", "正确 性"))
Filled = Callable[[Path, Path, Key, dict[str, Vote]], Path]


def by_page(_: Path, folder: Path, key: Key, votes: dict[str, Vote]) -> Path:
    ballots = [
        {"review_id": name, "choice": vote.choice, "reasons": list(vote.reasons), "comment": vote.comment, "seconds": 3,
         "ratings": {criterion: {"left": each.left, "right": each.right} for criterion, each in vote.ratings.items()}}
        for name, vote in votes.items()
    ]  # fmt: skip
    return page(folder / "v.json", key, {}, rater="kim", votes=ballots)


def _row(cells: dict[str, Any], vote: Vote) -> dict[str, Any]:
    rates = {
        f"rate {number}: {name}": side for name, each in vote.ratings.items() for number, side in ((1, each.left), (2, each.right))
    }
    said = {"choice": spoken(vote.choice), "reasons": "; ".join(vote.reasons), "comment": vote.comment, "rater": "kim"}
    return {**cells, **said, **rates}


def by_csv(package: Path, folder: Path, _: Key, votes: dict[str, Vote]) -> Path:
    rows = list(csv.DictReader(io.StringIO((package / "items.csv").read_text(encoding="utf-8-sig"), newline="")))
    with (folder / "v.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(_row(row, votes[row["review_id"]]) for row in rows)
    return folder / "v.csv"


def by_xlsx(package: Path, folder: Path, _: Key, votes: dict[str, Vote]) -> Path:
    book = load_workbook(package / "items.xlsx")
    sheet = book.active
    names = [cell.value for cell in sheet[1]]
    for row in sheet.iter_rows(min_row=2):
        filled = _row({}, votes[row[names.index("review_id")].value])
        for name, value in filled.items():
            cell = row[names.index(name)]
            cell.data_type = "n" if isinstance(value, int) else "s"
            cell.value = value
    book.save(folder / "v.xlsx")
    return folder / "v.xlsx"


def by_label_studio(package: Path, folder: Path, _: Key, votes: dict[str, Vote]) -> Path:
    tasks = json.loads((package / "label-studio" / "tasks.json").read_text())
    for number, task in enumerate(tasks, start=1):
        vote = votes[task["data"]["review_id"]]
        given = [("preference", "choices", [vote.choice]), ("reasons", "choices", list(vote.reasons)),
                 ("comment", "textarea", [vote.comment])]  # fmt: skip
        result: list[dict[str, Any]] = [
            {"from_name": name, "to_name": "prompt", "type": kind, "value": {"choices" if kind == "choices" else "text": value}}
            for name, kind, value in given
            if value
        ]
        for place, criterion in enumerate(FORM.criteria, start=1):
            for answer, grade in ((1, vote.ratings[criterion].left), (2, vote.ratings[criterion].right)):
                control = {"from_name": rate_name(answer, place), "to_name": "prompt", "type": "rating"}
                result.append({**control, "value": {"rating": grade}})
        annotation = {
            "id": number,
            "completed_by": {"id": 1, "email": "kim"},
            "was_cancelled": False,
            "lead_time": 3.5,
            "result": result,
        }
        task |= {"id": number, "annotations": [annotation], "predictions": []}
    (folder / "export.json").write_text(json.dumps(tasks))
    return folder / "export.json"


def _by_question(vote: Vote) -> dict[str, Any]:
    answers: dict[str, Any] = {"preference": vote.choice, "reasons": list(vote.reasons), "comment": vote.comment}
    for place, criterion in enumerate(FORM.criteria, start=1):
        answers |= {rate_name(1, place): vote.ratings[criterion].left, rate_name(2, place): vote.ratings[criterion].right}
    return {name: value for name, value in answers.items() if value}


def by_argilla(package: Path, folder: Path, _: Key, votes: dict[str, Vote]) -> Path:
    records = json.loads((package / "argilla" / "records.json").read_text())
    for record in records:
        answers = _by_question(votes[record["id"]])
        record["responses"] = {name: [{"value": value, "user_id": "kim"}] for name, value in answers.items()}
    (folder / "records.json").write_text(json.dumps(records))
    return folder


def by_argilla_flat(package: Path, folder: Path, key: Key, votes: dict[str, Vote]) -> Path:
    records = json.loads((by_argilla(package, folder, key, votes) / "records.json").read_text())
    flat = []
    for record in records:
        row = {"id": record["id"], "status": "completed", "_server_id": "x", **record["fields"], **record["metadata"]}
        for name, given in record["responses"].items():
            row |= {
                f"{name}.responses": [given[0]["value"]],
                f"{name}.responses.users": ["kim"],
                f"{name}.responses.status": ["submitted"],
            }
        flat.append(row)
    (folder / "flat.json").write_text(json.dumps(flat))
    return folder / "flat.json"


def by_potato(package: Path, folder: Path, _: Key, votes: dict[str, Vote]) -> Path:
    labels: dict[str, Any] = {}
    for line in (package / "potato" / "items.jsonl").read_text().splitlines():
        name = json.loads(line)["id"]
        pairs = []
        for scheme, value in _by_question(votes[name]).items():
            if scheme == "comment":
                pairs.append([{"schema": scheme, "name": "text_box"}, value])
            else:
                said = value if isinstance(value, list) else [value]
                pairs += [[{"schema": scheme, "name": str(each)}, "true"] for each in said]
        labels[name] = pairs
    (folder / "kim").mkdir()
    (folder / "kim" / "user_state.json").write_text(json.dumps({"user_id": "kim", "instance_id_to_label_to_value": labels}))
    return folder


WAYS: dict[str, tuple[str, Filled]] = {
    "page": ("html", by_page),
    "csv": ("csv", by_csv),
    "xlsx": ("xlsx", by_xlsx),
    "label-studio": ("label-studio", by_label_studio),
    "argilla": ("argilla", by_argilla),
    "argilla-flat": ("argilla", by_argilla_flat),
    "potato": ("potato", by_potato),
}


@pytest.mark.parametrize("way", list(WAYS))
def test_every_planted_vote_comes_back(tmp_path: Path, way: str) -> None:
    draw = random.Random(7)
    texts = ["=1+1", "'quoted", "  two\nlines ", "长长的回答", "<b>x</b>", "a;b,c\td", "1.50"]
    old = measured("prod", [f"{text} old {n}" for n, text in enumerate(texts * 4)])
    new = measured("week47", [f"{text} new {n}" for n, text in enumerate(texts * 4)])
    form, fill = WAYS[way]
    key_file = export(old, new, folder=tmp_path, plan=Plan(form=FORM, formats=(form,), duplicates=4, checks=3))
    key = read_key(key_file)
    (package,) = package_paths(key_file, key)
    planted = {row.review_id: _planted(row.review_id, draw) for row in key.entries}
    folder = tmp_path / "back"
    folder.mkdir()
    found = votes_in([fill(package, folder, key, planted)], key)
    assert [(vote.review_id, vote.rater, vote.choice) for vote in found] == [
        (row.review_id, "kim", planted[row.review_id].choice) for row in key.entries
    ]
    for vote in found:
        meant = planted[vote.review_id]
        assert (set(vote.reasons), vote.ratings, vote.comment) == (set(meant.reasons), meant.ratings, meant.comment)


def _planted(name: str, draw: random.Random) -> Vote:
    choice: Choice = draw.choice(FORM.choices)
    rates = {criterion: Rated(left=draw.randint(1, 5), right=draw.randint(1, 5)) for criterion in FORM.criteria}
    reasons = tuple(reason for reason in FORM.reasons if draw.random() < 0.5)
    return Vote(
        review_id=name, rater="kim", choice=choice, reasons=reasons, ratings=rates, comment=draw.choice(["", "because; so, 好"])
    )
