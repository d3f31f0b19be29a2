"""Files that the tools themselves wrote (``tests/data/reviews/README.md`` says how): each planted vote comes back, once."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.errors import UsageError
from reports.blind.form import Form
from reports.blind.key import Key
from reports.votes.ledger import gather
from reports.votes.vote import Kept, Sorted
from tests.reports.votes.ballots import entry, key_of

DATA = Path(__file__).parents[2] / "data" / "reviews"
FORM = Form(strength=True, reasons=("clear", "简洁"), criteria=("tone", "正确 性"))
ANN, BO = "1", "3"


def key() -> Key:
    """Of the package that the tools were given."""
    tasks = {task["data"]["review_id"]: task["data"] for task in json.loads((DATA / "label_studio.json").read_text())}
    rows = (
        entry(number, question=data["prompt"], left=True) for number, data in enumerate((tasks[name] for name in sorted(tasks)), 1)
    )
    shown = (
        msgspec.structs.replace(row, left=tasks[row.review_id]["answer1"], right=tasks[row.review_id]["answer2"]) for row in rows
    )
    return msgspec.structs.replace(key_of(*shown, form=FORM), package=next(iter(tasks.values()))["package"])


KEY = key()


def read(*files: str | Path, before: tuple[Kept, ...] = (), now: str = "", **names: str) -> Sorted:
    return gather([DATA / file for file in files], KEY, before, names=names, now=now)[0]


def fates(found: Sorted) -> dict[str, int]:
    return dict(Counter(line.fate for line in found.kept))


def compared(found: Sorted) -> dict[str, list[Any]]:
    """As ``planted.json`` has it."""
    return {
        f"{vote.rater}|{vote.review_id}": [
            vote.choice,
            sorted(vote.reasons),
            vote.comment,
            {
                f"rate{answer}_{place}": side
                for place, name in enumerate(FORM.criteria, start=1)
                if name in vote.ratings
                for answer, side in ((1, vote.ratings[name].left), (2, vote.ratings[name].right))
            },
        ]
        for vote in found.votes
    }


def planted(tool: str) -> dict[str, list[Any]]:
    found = json.loads((DATA / "planted.json").read_text())[tool]
    return {name: [choice, sorted(reasons), comment, rates] for name, (choice, reasons, comment, rates) in found.items()}


def test_label_studio_with_a_skip_a_draft_and_a_second_thought() -> None:
    found = read("label_studio.json")
    assert compared(found) == planted("label_studio")
    assert fates(found) == {"counted": 12, "replaced": 1, "skipped": 1, "draft": 1}
    assert {line.rater for line in found.kept} == {ANN, BO}, "a draft is of the annotator, too, whom it calls by another name"
    assert all(vote.seconds > 3 for vote in found.votes if (vote.rater, vote.review_id) != (BO, "r003"))
    for other in ("label_studio_min.json", "label_studio.csv"):
        again = read(other)
        assert compared(again) == planted("label_studio")
        assert fates(again) == {"counted": 12, "replaced": 1}, "of what one annotator said twice the last counts"


def test_all_exports_of_one_project_count_once() -> None:
    found = read("label_studio.json", "label_studio_min.json", "label_studio.csv")
    assert compared(found) == planted("label_studio")
    assert fates(found)["counted"] == 12
    assert "contradicted" not in fates(found)


def test_an_export_that_calls_annotators_by_address_is_of_the_same_people(tmp_path: Path) -> None:
    tasks = json.loads((DATA / "label_studio.json").read_text())
    for annotation in (each for task in tasks for each in task["annotations"]):
        annotation["completed_by"] = {"id": annotation["completed_by"], "email": f"{annotation['completed_by']}@example.org"}
    (tmp_path / "snapshot.json").write_text(json.dumps(tasks))
    found = read("label_studio.json", tmp_path / "snapshot.json")
    assert {vote.rater for vote in found.votes} == {ANN, BO}
    assert len(found.votes) == 12


def test_a_later_export_holds_everything_again_and_what_was_changed_since(tmp_path: Path) -> None:
    """Three exports, a week each: in the second, one vote is another; in the third, it is skipped."""
    first = read("label_studio.json")
    tasks = json.loads((DATA / "label_studio.json").read_text())
    (task,) = (task for task in tasks if task["data"]["review_id"] == "r006")
    (own,) = (each for each in task["annotations"] if each["completed_by"] == 1)
    own["result"][0]["value"]["choices"] = ["tie"]
    own["updated_at"] = "2026-12-01T00:00:00.000000Z"
    (tmp_path / "second.json").write_text(json.dumps(tasks))
    second = read(tmp_path / "second.json", before=first.kept)
    was = planted("label_studio")
    assert compared(second) == was | {f"{ANN}|r006": ["tie", *was[f"{ANN}|r006"][1:]]}
    own |= {"was_cancelled": True, "updated_at": "2026-12-02T00:00:00.000000Z"}
    (tmp_path / "third.json").write_text(json.dumps(tasks))
    third = read(tmp_path / "third.json", before=second.kept)
    assert compared(third) == {name: said for name, said in was.items() if name != f"{ANN}|r006"}
    assert any("which skips it" in line.because for line in third.kept)


def test_potato_s_folder_and_its_own_export() -> None:
    found = read("potato")
    assert compared(found) == planted("potato")
    assert fates(found) == {"counted": 13}, "of both raters, one of whom did not finish"
    lagging = read("potato/annotations.jsonl")
    assert compared(lagging).items() <= planted("potato").items()


def test_a_second_thought_of_a_potato_account_counts_when_its_folder_is_imported_again(tmp_path: Path) -> None:
    """Its files say no times: what came later is later. In one import, nothing says it."""
    first = read("potato", now="2026-12-01T00:00:00+00:00")
    shutil.copytree(DATA / "potato", tmp_path / "potato")
    state = tmp_path / "potato" / "lee" / "user_state.json"
    content = json.loads(state.read_text())
    content["instance_id_to_label_to_value"]["r001"][0] = [{"schema": "preference", "name": "tie"}, "tie"]
    state.write_text(json.dumps(content))
    later = read(tmp_path / "potato", before=first.kept, now="2026-12-08T00:00:00+00:00")
    was = planted("potato")
    assert compared(later) == was | {"lee|r001": ["tie", *was["lee|r001"][1:]]}
    at_once = read("potato", tmp_path / "potato", now="2026-12-01T00:00:00+00:00")
    assert fates(at_once)["contradicted"] == 2


def test_argilla_s_flat_records_tell_what_was_submitted() -> None:
    found = read("argilla_flat.json")
    assert compared(found) == planted("argilla")
    assert fates(found) == {"counted": 12, "skipped": 1, "draft": 1}


def test_one_name_is_not_given_to_several_people(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--rater label_studio\.csv=kim: the file holds votes of 2 raters \('1', '3'\)"):
        read("label_studio.csv", **{"label_studio.csv": "kim"})
    before = read("label_studio.csv").kept
    with pytest.raises(UsageError, match="holds votes of 2 raters"):
        read("label_studio.csv", before=before, **{"label_studio.csv": "kim"})
    with pytest.raises(UsageError, match=r"several files are called so \(.*kim/user_state\.json.*name one by its whole path"):
        read("potato", **{"user_state.json": "kim"})
    lee = DATA / "potato" / "lee" / "user_state.json"
    assert {vote.rater for vote in read("potato", **{str(lee): "Lea"}).votes} == {"kim", "Lea"}
