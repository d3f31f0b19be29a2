"""What counts of all that was handed in, and what became of the rest: nothing is lost, and nothing counts twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.errors import UsageError
from reports.blind.form import Form
from reports.votes.ledger import gather, ledger_path, read_ledger, write_ledger
from reports.votes.sorting import rated
from reports.votes.vote import Rated, Sorted
from tests.reports.votes.ballots import annotation, entry, key_of, page, task
from tests.reports.votes.test_reading import written

KEY = key_of()


def sort(*paths: Path, before: Any = (), names: Any = None, key: Any = KEY) -> Sorted:
    return gather(paths, key, before, names=names or {}, now="2026-11-21T00:00:00+00:00")[0]


def fates(found: Sorted) -> dict[str, int]:
    return dict(Counter(line.fate for line in found.kept))


def test_the_same_vote_in_two_files_counts_once(tmp_path: Path) -> None:
    half = page(tmp_path / "half.json", KEY, {"r001": "left"})
    whole = page(tmp_path / "whole.json", KEY, {"r001": "left", "r002": "tie"})
    found = sort(half, whole)
    assert [(vote.review_id, vote.choice) for vote in found.votes] == [("r001", "left"), ("r002", "tie")]
    assert fates(found) == {"counted": 2, "repeated": 1}
    assert f"as in {half}, vote 1" in [line.because for line in found.kept]


def test_two_different_votes_of_one_name_count_neither_way_until_somebody_says_who_is_who(tmp_path: Path) -> None:
    one = page(tmp_path / "one.json", KEY, {"r001": "left", "r002": "left"})
    two = page(tmp_path / "two.json", KEY, {"r001": "right", "r003": "tie"}, rater="Ana ")
    found = sort(one, two)
    assert {vote.review_id for vote in found.votes if vote.rater == "ana"} == {"r002", "r003"}
    assert fates(found) == {"contradicted": 2, "counted": 2}
    assert all(".json, vote 1" in line.because for line in found.kept if line.fate == "contradicted")
    told = sort(one, two, names={"two.json": "ana b."})
    assert [(vote.review_id, vote.rater, vote.choice) for vote in told.votes] == [
        ("r001", "ana", "left"),
        ("r001", "ana b.", "right"),
        ("r002", "ana", "left"),
        ("r003", "ana b.", "tie"),
    ]
    later = sort(two, before=found.kept, names={"two.json": "ana b."})
    assert later.votes == told.votes


def test_votes_saved_twice_before_they_change_do_not_cancel_the_change(tmp_path: Path) -> None:
    early, late = ({"sitting": "s1", "saved": f"2026-11-20T1{hour}:00:00Z"} for hour in (0, 1))
    files = [page(tmp_path / f"{number}.json", KEY, {"r001": "left"}, **early) for number in (1, 2)]
    files.append(page(tmp_path / "3.json", KEY, {"r001": "right"}, **late))
    for order in (files, files[::-1]):
        assert [vote.choice for vote in sort(*order).votes] == ["right"]
    at_once = page(tmp_path / "4.json", KEY, {"r001": "tie"}, **late)
    assert sort(*files, at_once).votes == (), "two choices of one moment: nothing says which came last"


def test_who_changes_a_vote_in_the_same_sitting_has_the_last_word(tmp_path: Path) -> None:
    early = {"sitting": "s1", "saved": "2026-11-20T10:00:00Z"}
    late = {"sitting": "s1", "saved": "2026-11-20T12:00:00+01:00"}
    last = {"sitting": "s1", "saved": "2026-11-20T11:30:00Z"}
    files = [page(tmp_path / f"{n}.json", KEY, {"r001": choice}, **when)
             for n, (choice, when) in enumerate([("left", early), ("both_bad", last), ("right", late)])]  # fmt: skip
    found = sort(*files)
    assert [vote.choice for vote in found.votes] == ["both_bad"]
    assert fates(found) == {"replaced": 2, "counted": 1}
    same = page(tmp_path / "same.json", KEY, {"r001": "both_bad"}, sitting="s1", saved="2026-11-20T12:30:00Z")
    assert fates(sort(*files, same)) == {"replaced": 2, "repeated": 1, "counted": 1}
    assert [line.fate for line in sort(*files, same).kept][-1] == "counted", "with the comments and ratings of the last time"
    elsewhere = page(tmp_path / "phone.json", KEY, {"r001": "tie"}, sitting="s2", saved="2026-11-20T13:00:00Z")
    assert fates(sort(*files, elsewhere)) == {"contradicted": 4}
    undated = page(tmp_path / "undated.json", KEY, {"r001": "tie"}, sitting="s1")
    assert fates(sort(*files, undated)) == {"contradicted": 4}


def test_a_second_annotation_replaces_the_first_of_the_same_annotator(tmp_path: Path) -> None:
    first = annotation("1_better")
    second = annotation("tie", id=8, updated_at="2026-11-20T11:00:00.000000Z")
    found = sort(written(tmp_path / "export.json", [task(KEY, 1, second, first, annotation("2_better", by=2, id=9))]))
    assert [(vote.rater, vote.choice) for vote in found.votes] == [("1", "tie"), ("2", "right")]
    assert fates(found) == {"counted": 2, "replaced": 1}


def test_everything_that_does_not_count_is_named(tmp_path: Path) -> None:
    other = task(KEY, 2, annotation("tie"))
    other["data"] = {**other["data"], "package": "000000000000"}
    turned = task(KEY, 3, annotation("1_better"))
    turned["data"] = {**turned["data"], "answer1": turned["data"]["answer2"], "answer2": turned["data"]["answer1"]}
    unknown = task(KEY, 4, annotation("1_better"))
    unknown["data"] = {**unknown["data"], "review_id": "r999"}
    tasks = [
        task(KEY, 1, annotation("1_better"), annotation(None, by=2, was_cancelled=True), annotation(None, by=3)),
        task(KEY, 6, annotation("five", by=4)),
        other, turned, unknown, task(KEY, 5, drafts=[{"user": 1, "result": annotation("tie")["result"]}]),
    ]  # fmt: skip
    found = sort(written(tmp_path / "export.json", tasks))
    assert [(vote.review_id, vote.rater) for vote in found.votes] == [("r001", "1")]
    assert fates(found) == {
        "counted": 1, "skipped": 1, "empty": 1, "unreadable": 1, "foreign": 1, "exchanged": 1, "unknown_item": 1, "draft": 1,
    }  # fmt: skip
    said = {line.fate: line.because for line in found.kept}
    assert said["foreign"] == "it belongs to package '000000000000'"
    assert said["unknown_item"] == "there is no 'r999'"
    assert said["unreadable"] == "'five' is none of left, right, tie, both_bad"


def test_texts_that_a_spreadsheet_changed_a_little_are_still_the_same(tmp_path: Path) -> None:
    key = key_of(entry(1, left=True))
    path = tmp_path / "bo.csv"
    path.write_text("review_id,answer_1,answer_2,choice\nr001,'new  1,01 Jan,1\n", encoding="utf-8")
    assert fates(sort(path, key=key)) == {"counted": 1}
    path.write_text("review_id,answer_1,answer_2,choice\nr001,old 1,'new 1,1\n", encoding="utf-8")
    assert fates(sort(path, key=key)) == {"exchanged": 1}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"package": "000000000000"}, "belong to package 000000000000, and the key to"),
        ({"commitment": "0" * 64}, "cast under another key"),
        ({"votes": [{"review_id": "r777", "choice": "tie"}]}, "holds none of its items ('r777'"),
    ],
)
def test_a_file_of_another_export_is_refused_whole(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    path = page(tmp_path / "v.json", KEY, {"r001": "left"}, **change)
    with pytest.raises(UsageError) as caught:
        sort(page(tmp_path / "mine.json", KEY, {"r001": "left"}), path)
    assert says in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_names_that_are_beyond_all_numbers_are_not_one_name(tmp_path: Path) -> None:
    """A name of digits and one e is a number to a spreadsheet; two of them may both be infinite."""
    key = msgspec.structs.replace(KEY, package="12e345678900")
    mine, foreign = (page(tmp_path / f"{name}.json", key, {"r001": "left"}, package=name) for name in (key.package, "99e999999999"))
    assert fates(sort(mine, key=key)) == {"counted": 1}
    with pytest.raises(UsageError, match="belong to package 99e999999999"):
        sort(foreign, key=key)


def test_votes_without_a_rater_are_refused_with_the_way_out(tmp_path: Path) -> None:
    line = {"id": "r001", "label_annotations": {"preference": {"selection": "A"}}, "user_id": ""}
    path = written(tmp_path / "x.json", [{"id": "r001", "_server_id": None, "responses": {"preference": [{"value": "tie"}]}}])
    with pytest.raises(UsageError, match=r"record r001 names no rater.*--rater x\.json=NAME"):
        sort(path)
    assert [vote.rater for vote in sort(path, names={"x.json": "kim"}).votes] == ["kim"]
    assert [vote.rater for vote in sort(written(tmp_path / "lee" / "a.jsonl", line)).votes] == ["lee"]


def test_only_those_who_were_asked_count_where_the_key_names_them(tmp_path: Path) -> None:
    key = key_of(raters=("Ana", "Bo"))
    found = sort(page(tmp_path / "a.json", key, {"r001": "tie"}, rater=" ana"),
                 page(tmp_path / "z.json", key, {"r001": "tie"}, rater="Zoe"), key=key)  # fmt: skip
    assert [(vote.rater, vote.choice) for vote in found.votes] == [("Ana", "tie")]
    assert [line.because for line in found.kept if line.fate == "unknown_rater"] == [
        "'Zoe' was not asked; the package is for Ana, Bo"
    ]


def test_the_ledger_keeps_everything_and_knows_a_file_again(tmp_path: Path) -> None:
    first = page(tmp_path / "one.json", KEY, {"r001": "left", "r002": "nonsense"})
    place = ledger_path(tmp_path / "key.json", KEY)
    assert (place.name, read_ledger(place)) == (f"votes-{KEY.package}.jsonl", ())
    write_ledger(place, sort(first).kept)
    first.rename(tmp_path / "renamed.json")
    found, known = gather([tmp_path / "renamed.json", page(tmp_path / "two.json", KEY, {"r001": "left"}, rater="bo")], KEY,
                          read_ledger(place), names={}, now="later")  # fmt: skip
    assert known == [tmp_path / "renamed.json"]
    assert [(vote.review_id, vote.rater) for vote in found.votes] == [("r001", "ana"), ("r001", "bo")]
    write_ledger(place, found.kept)
    kept = read_ledger(place)
    assert kept == found.kept
    assert [(line.imported, line.fate, line.statement.raw["choice"]) for line in kept] == [
        ("2026-11-21T00:00:00+00:00", "counted", "left"),
        ("2026-11-21T00:00:00+00:00", "unreadable", "nonsense"),
        ("later", "counted", "left"),
    ]
    place.write_text(place.read_text() + "{}\n")
    with pytest.raises(UsageError, match="line 4: not a line of votes"):
        read_ledger(place)


def test_words_of_strength_in_a_plain_form_mean_their_side(tmp_path: Path) -> None:
    path = page(tmp_path / "v.json", KEY, {"r001": "left_much"})
    assert sort(path).votes[0].choice == "left"
    key = key_of(form=Form(strength=True, reasons=("Clear", "short"), criteria=("tone",)))
    ballot = {
        "review_id": "r001",
        "choice": "left_much",
        "reasons": ["clear", "clear", "x"],
        "ratings": {"tone": {"left": 5, "right": 9}},
    }
    (vote,) = sort(page(tmp_path / "w.json", key, {}, votes=[ballot]), key=key).votes
    assert (vote.choice, vote.reasons, vote.ratings) == ("left_much", ("Clear",), {"tone": Rated(left=5)})


def test_ratings_under_the_names_of_every_form() -> None:
    criteria = ("clear", "polite tone")
    given = {"rate1_1": "4", "RATE2_1": 2.0, "rate 1: Polite tone": 5, "rate 2: polite tone": "scale_3", "rate1_9": 2, "other": 2}
    assert rated(given, criteria) == {"clear": Rated(left=4, right=2), "polite tone": Rated(left=5, right=3)}
    assert rated({"clear": {"left": 4, "right": None}, "Polite tone": {"right": 1}}, criteria) == {
        "clear": Rated(left=4),
        "polite tone": Rated(right=1),
    }
    assert rated({"clear": {"left": 0, "right": 6}, "rate1_1": "4.5", "rate2_1": "x", "rate2_2": True}, criteria) == {}
