"""Checks and duplicates among the items, and who is given what."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from harness.errors import UsageError
from reports.blind.assigning import Panel, check_panel
from reports.blind.checks import AUTHORED, read_checks
from reports.blind.form import LANGUAGES, Form
from reports.blind.key import package_paths, read_key
from reports.blind.package import Plan, export
from reports.blind.reviewable import reviewable
from reports.blind.rows import rows, sides
from reports.blind.sampling import Sampling, draw_pairs
from tests.reports.blind.sides import packed, pair


def test_a_duplicate_repeats_an_item_later_with_its_sides_exchanged(tmp_path: Path) -> None:
    _, key = packed(tmp_path, pair(30), duplicates=6, checks=3)
    known = {entry.review_id: entry for entry in key.entries}
    place = {name: number for number, name in enumerate(known)}
    twins = [entry for entry in key.entries if entry.kind == "duplicate"]
    assert len(twins) == 6
    assert len({entry.twin for entry in twins}) == 6
    for entry in twins:
        first = known[entry.twin or ""]
        assert first.kind == "item"
        assert (entry.left, entry.right, entry.question) == (first.right, first.left, first.question)
        assert (entry.item, entry.cluster, entry.probability) == (first.item, first.cluster, first.probability)
        assert {entry.candidate_side, first.candidate_side} == {"left", "right"}
        assert entry.candidate_text == first.candidate_text
        assert place[entry.review_id] > place[first.review_id]
    assert [entry.review_id for entry in key.entries] == [f"r{number:03d}" for number in range(1, 40)]
    assert len(key.items) == 30


def test_duplicates_stand_far_behind_what_they_repeat() -> None:
    """Over many packages: half of the review lies between the two, on average."""
    gaps = []
    for seed in range(30):
        draw = random.Random(seed)
        drawn, _ = draw_pairs(reviewable(*pair(20)).pairs, Sampling(), draw)
        entries = rows(drawn, (), 5, draw)
        place = {entry.review_id: number for number, entry in enumerate(entries)}
        gaps += [place[entry.review_id] - place[entry.twin] for entry in entries if entry.twin]
    assert min(gaps) >= 1
    assert sum(gaps) / len(gaps) > 25 * 0.4


def test_a_check_belongs_to_no_arm_and_says_what_is_expected(tmp_path: Path) -> None:
    _, key = packed(tmp_path, checks=8)
    checks = [entry for entry in key.entries if entry.kind == "attention"]
    known = {check.name: check for check in read_checks(AUTHORED, language="en")}
    assert len(checks) == 8
    for entry in checks:
        assert entry.candidate_side is None
        assert entry.candidate_text == known[entry.item].better
        assert entry.baseline_text == known[entry.item].worse
    assert Counter(entry.expected for entry in checks) == {"left": 4, "right": 4}
    assert all(entry.expected is None for entry in key.items)


def test_the_authored_checks_are_as_many_in_every_language_and_say_so() -> None:
    for language in LANGUAGES:
        checks = read_checks(AUTHORED, language=language)
        assert len(checks) == 8
        assert {check.language for check in checks} == {language}
        # neither answer is given away by its length
        assert all(0.5 < len(check.better) / len(check.worse) < 2 for check in checks)


def test_own_checks_are_read_and_wrong_ones_named(tmp_path: Path) -> None:
    path = tmp_path / "checks.jsonl"
    good = {"name": "a", "question": "2+2?", "better": "4", "worse": "5"}
    path.write_text(json.dumps(good) + "\n\n" + json.dumps({**good, "name": "b", "language": "zh"}) + "\n")
    _, key = packed(tmp_path / "out", checks=1, check_file=path)
    assert [entry.item for entry in key.entries if entry.kind == "attention"] == ["a"]
    with pytest.raises(UsageError, match=r"2 attention checks are wanted, and .*checks\.jsonl has 1 for raters who read 'en'"):
        packed(tmp_path / "out", checks=2, check_file=path)
    with pytest.raises(UsageError, match="say how many"):
        packed(tmp_path / "out", check_file=path)
    for line, says in (
        ("{}", "line 2: not an attention check"),
        (json.dumps({**good, "worse": " 4"}), "line 2: a check has a name, and a worse answer"),
        (json.dumps(good), "two checks are named 'a'"),
        (json.dumps({**good, "extra": 1}), "unknown field `extra`"),
    ):
        path.write_text(json.dumps(good) + "\n" + line + "\n")
        with pytest.raises(UsageError, match=says):
            read_checks(path, language="en")
    with pytest.raises(UsageError, match="cannot be read"):
        read_checks(tmp_path / "absent", language="en")


def test_more_duplicates_than_items_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="13 duplicates cannot be planted among 12 items"):
        packed(tmp_path, duplicates=13)
    with pytest.raises(UsageError, match="0 attention checks or more"):
        packed(tmp_path, checks=-1)
    _, key = packed(tmp_path, duplicates=12)
    assert Counter(entry.kind for entry in key.entries) == {"item": 12, "duplicate": 12}


def test_sides_are_balanced_to_one() -> None:
    for count in (1, 2, 7, 40):
        drawn = sides(count, random.Random(count))
        assert abs(drawn.count("left") - drawn.count("right")) == count % 2


# --------------------------------------------------------------------------------------------------------- who gets what


def test_work_is_split_evenly_and_overlaps_where_it_should(tmp_path: Path) -> None:
    panel = Panel(raters=("ana", "bo", "cy"), each=2, shared=6)
    _, key = packed(tmp_path, pair(30), panel=panel, checks=2, duplicates=4)
    given = {entry.review_id: entry.raters for entry in key.entries}
    items = [entry.raters for entry in key.items]
    assert sum(raters == panel.raters for raters in items) == 6
    assert Counter(len(raters) for raters in items) == {3: 6, 2: 24}
    load = Counter(name for raters in items for name in raters)
    assert load == {"ana": 22, "bo": 22, "cy": 22}
    assert len(set(items)) == 4, "every pair of raters shares items, so that all can be compared"
    for entry in key.entries:
        if entry.kind == "duplicate":
            assert entry.raters == given[entry.twin or ""]
        if entry.kind == "attention":
            assert entry.raters == panel.raters


def test_every_rater_gets_a_package_of_their_own_and_nothing_else(tmp_path: Path) -> None:
    panel = Panel(raters=("ana", "bo"), shared=2, separate=True)
    path = export(*pair(10), folder=tmp_path, plan=Plan(panel=panel, checks=1))
    key = read_key(path)
    packages = package_paths(path, key)
    assert [package.name for package in packages] == [f"package-{key.package}-1", f"package-{key.package}-2"]
    for name, other, package in zip(panel.raters, reversed(panel.raters), packages, strict=True):
        manifest = json.loads((package / "manifest.json").read_text())
        own = [entry for entry in key.entries if name in entry.raters]
        assert (manifest["rater"], manifest["items"]) == (name, len(own)) == (name, 7)
        html = (package / "review.html").read_text(encoding="utf-8")
        assert all(f'"id":"{entry.review_id}"' in html for entry in own)
        assert not any(f'"id":"{entry.review_id}"' in html for entry in key.entries if name not in entry.raters)
        assert f">{other}</option>" not in html


def test_one_package_for_all_knows_who_gets_what(tmp_path: Path) -> None:
    package, key = packed(tmp_path, pair(10), panel=Panel(raters=("ana", "bo"), shared=2))
    lines = (package / "items.csv").read_text(encoding="utf-8-sig").splitlines()[1:]
    said = Counter((line.split(",")[1], line.split(",")[-1]) for line in lines)
    assert said == {(entry.review_id, name): 1 for entry in key.entries for name in entry.raters}
    with pytest.raises(UsageError, match="argilla shows every row to everybody"):
        packed(tmp_path, panel=Panel(raters=("ana", "bo")), formats=("argilla",))


@pytest.mark.parametrize(
    ("panel", "says"),
    [
        (Panel(separate=True), "name them"),
        (Panel(each=2), "name them"),
        (Panel(raters=("Ana", "ana ")), "two raters have one name"),
        (Panel(raters=("ana b", "Ana  \uff22")), "two raters have one name"),
        (Panel(raters=("ana", " ")), "with names of 1 to 60"),
        (Panel(raters=("ana", "b\no")), "characters that can be printed"),
        (Panel(raters=("ana", "bo"), each=3), "seen by 1 to 2 of the 2 raters, found 3"),
        (Panel(raters=("ana", "bo"), each=0), "found 0"),
        (Panel(raters=("ana", "bo"), shared=-1), "0 items or more"),
        (Panel(raters=("ana", "bo"), each=2, shared=3), "seen by all 2 raters already"),
    ],
)
def test_a_panel_that_makes_no_sense_is_refused(panel: Panel, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        check_panel(panel)


def test_raters_without_items_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="2 items are too few for 3 raters"):
        packed(tmp_path, pair(2), panel=Panel(raters=("a", "b", "c")))


@pytest.mark.parametrize(
    ("form", "says"),
    [
        (Form(reasons=tuple("abcdefghijklm")), "at most 12 reasons, found 13"),
        (Form(criteria=("a;b",)), "criteria: expected 1 to 60 characters"),
        (Form(reasons=("",)), "reasons: expected"),
        (Form(criteria=("Style", "style")), "two have one name"),
    ],
)
def test_a_form_that_cannot_stand_on_a_page_is_refused(form: Form, says: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=says):
        packed(tmp_path, form=form)
