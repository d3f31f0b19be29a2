"""Blind review: nothing in the package tells the sides apart, and every vote comes back to the right answer."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from pathlib import Path

import msgspec
import pytest

from harness.errors import ComparabilityError, UsageError
from harness.fingerprint import digest
from reports.blind.key import Key, key_path, package_path, package_paths, read_key
from reports.blind.package import Plan, export
from reports.blind.page import TEMPLATES, inert_json
from reports.blind.sampling import Sampling
from reports.blind.sheets import inert_cell
from tests.reports.blind.sides import measured, packed, pair
from tests.reports.votes.ballots import page as votes_page
from tests.reports.votes.ballots import votes_in


def rows_of(package: Path) -> list[dict[str, str]]:
    text = (package / "items.csv").read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


# ------------------------------------------------------------------------------------------------------------ export


def test_a_package_holds_what_raters_need_and_the_key_lies_outside(tmp_path: Path) -> None:
    package, key = packed(tmp_path)
    assert sorted(path.name for path in package.iterdir()) == ["INSTRUCTIONS.md", "items.csv", "manifest.json", "review.html"]
    assert key_path(package).parent == package.parent
    assert package_path(key_path(package), key.package) == package
    manifest = json.loads((package / "manifest.json").read_text())
    assert (manifest["package"], manifest["items"], manifest["commitment"]) == (key.package, 12, key.commitment)
    assert sorted(manifest["files"]) == ["INSTRUCTIONS.md", "items.csv", "review.html"]


def test_nothing_in_the_package_names_an_arm(tmp_path: Path) -> None:
    package, _ = packed(tmp_path)
    for path in package.iterdir():
        text = path.read_text(encoding="utf-8")
        for name in ("prod", "week47", "graded-", "asked-", "weights-", "item0", "baseline", "candidate"):
            assert name not in text, f"{path.name} says {name!r}"


def test_a_key_that_was_written_before_runs_had_frames_is_still_what_was_committed_to(tmp_path: Path) -> None:
    package, key = packed(tmp_path)
    written = json.loads(key_path(package).read_text())
    for side in ("baseline", "candidate"):
        assert written[side].pop("frames") == [], "no part of a review"
    assert digest({**written, "package": ""}) == key.commitment
    key_path(package).write_text(json.dumps(written))
    assert read_key(key_path(package)) == key


def test_sides_are_balanced_drawn_by_the_seed_and_unknown_without_the_runs(tmp_path: Path) -> None:
    _, first = packed(tmp_path / "a", pair(40), seed=1)
    _, again = packed(tmp_path / "b", pair(40), seed=1)
    _, other = packed(tmp_path / "c", pair(40), seed=2)
    sides = [entry.candidate_side for entry in first.entries]
    assert sides.count("left") == 20
    assert first == again
    assert [entry.item for entry in first.entries] != [entry.item for entry in other.entries]
    renamed = pair(40)[1]
    retrained = msgspec.structs.replace(renamed, run=msgspec.structs.replace(renamed.run, graded="other weights"))
    third = read_key(export(pair(40)[0], retrained, folder=tmp_path / "d", plan=Plan(seed=1)))
    assert [entry.candidate_side for entry in third.entries] != sides


def test_neither_position_nor_white_space_predicts_the_arm(tmp_path: Path) -> None:
    """A rater who looks at ids, order and white space only guesses at chance."""
    count = 400
    old = measured("prod", [f"word {n}\r\n\n  " for n in range(count)])
    new = measured("week47", [f"text {n}" for n in range(count)])
    key = read_key(path := export(old, new, folder=tmp_path, plan=Plan(seed=3)))
    (package,) = package_paths(path, key)
    sides = {entry.review_id: entry.candidate_side for entry in key.entries}
    left = [sides[row["review_id"]] == "left" for row in rows_of(package)]
    assert all(row[side] == row[side].strip() for row in rows_of(package) for side in ("answer_1", "answer_2"))
    assert abs(sum(left) - count / 2) <= 1
    runs = 1 + sum(one != two for one, two in itertools.pairwise(left))
    assert abs(runs - count / 2) < 60  # six standard deviations of the runs test
    halves = sum(left[: count // 2])
    assert abs(halves - count / 4) < 40


def test_a_sample_is_drawn_and_equal_or_missing_answers_are_counted_out(tmp_path: Path) -> None:
    old = measured("prod", ["same", "same ", "a", "b", None, "c"])
    new = measured("week47", ["same", "same\n", "x", "y", "z", "w"])
    key = read_key(export(old, new, folder=tmp_path, plan=Plan(sampling=Sampling(items=2))))
    assert (len(key.entries), key.identical, key.unanswered) == (2, 2, 1)
    assert {entry.item for entry in key.entries} <= {"item2", "item3", "item5"}


def test_more_items_than_there_are_is_all_of_them(tmp_path: Path) -> None:
    assert len(packed(tmp_path, sampling=Sampling(items=1000))[1].entries) == 12


def test_nothing_to_review_is_said_and_why(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="of 2 items, 1 were answered in the same words by 'prod' and 'week47', and 1 have no answer"
    ):
        export(measured("prod", ["a", None]), measured("week47", ["a", "b"]), folder=tmp_path)
    with pytest.raises(UsageError, match="at least one item"):
        export(*pair(), folder=tmp_path, plan=Plan(sampling=Sampling(items=0)))
    with pytest.raises(UsageError, match="one suite"):
        export(measured("prod", ["a"]), measured("week47", ["b"], suite="other"), folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_sides_that_were_asked_differently_are_not_compared(tmp_path: Path) -> None:
    with pytest.raises(ComparabilityError, match="3 of 3 items were not asked the same"):
        export(measured("prod", ["a", "b", "c"]), measured("week47", ["d", "e", "f"], prompt_hash="other"), folder=tmp_path)


def test_keys_that_repeat_across_tasks_stay_apart(tmp_path: Path) -> None:
    old, new = pair(1)
    twice = [
        msgspec.structs.replace(side, samples=(*side.samples, msgspec.structs.replace(side.samples[0], task="other")))
        for side in (old, new)
    ]
    key = read_key(export(*twice, folder=tmp_path))
    assert sorted(entry.item for entry in key.entries) == ["other/item0", "pref/item0"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "\r=1", "＝1", "\n=cmd|' /C calc'!A0", "\x00=1"])
def test_no_cell_of_the_spreadsheet_is_a_formula(text: str, tmp_path: Path) -> None:
    path = export(measured("prod", [text]), measured("week47", ["plain"]), folder=tmp_path)
    (row,) = rows_of(package_path(path, read_key(path).package))
    for cell in row.values():
        assert not cell.lstrip("\x00").startswith(("=", "+", "-", "@", "＝", "\t", "\r", "\n", " "))
    assert inert_cell(text).startswith("'")
    assert inert_cell("a = b") == "a = b"


def test_the_data_block_cannot_be_left() -> None:
    hostile = {"x": "</script><script>alert(1)</script><!-- & \u2028\u2029"}
    text = inert_json(hostile)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == hostile


def test_the_pages_colours_can_be_read() -> None:
    """WCAG AA: text 4.5 to 1, outlines of controls 3 to 1, in light and in dark."""
    style = (TEMPLATES / "review.css").read_text(encoding="utf-8")
    light = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", style.split("@media")[0]))
    dark = light | dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", style.split("@media")[1]))

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    text = [(ink, paper) for ink in ("ink", "soft") for paper in ("page", "card")]
    text += [("accent-ink", "accent"), ("warn", "warn-soft"), ("ink", "accent-soft"), ("soft", "accent-soft")]
    for theme in (light, dark):
        for pairs, least in ((text, 4.5), ([("line-strong", "card"), ("line-strong", "page"), ("accent", "card")], 3.0)):
            for one, other in pairs:
                bright, dim = sorted((luminance(theme[one]), luminance(theme[other])), reverse=True)
                assert (bright + 0.05) / (dim + 0.05) >= least, (one, other)


# -------------------------------------------------------------------------------------------------------------- the key


def test_a_key_that_was_changed_after_the_votes_is_refused(tmp_path: Path) -> None:
    package, key = packed(tmp_path)
    path = key_path(package)
    honest = path.read_text()
    swapped = (
        honest.replace('"candidate_side": "left"', '"candidate_side": "side"')
        .replace('"candidate_side": "right"', '"candidate_side": "left"')
        .replace('"candidate_side": "side"', '"candidate_side": "right"')
    )
    path.write_text(swapped)
    with pytest.raises(UsageError, match="changed after the package was made"):
        read_key(path)
    forged = msgspec.json.decode(swapped.encode(), type=Key)
    forged = msgspec.structs.replace(forged, package=forged.commitment[:12])
    other = tmp_path / "forged.json"
    other.write_bytes(msgspec.json.encode(forged))
    votes = votes_page(tmp_path / "v.json", key, {"r001": "left"})
    with pytest.raises(UsageError, match="belong to package"):
        votes_in([votes], read_key(other))
    path.write_text(honest)
    manifest = json.loads((package / "manifest.json").read_text())
    (package / "manifest.json").write_text(json.dumps({**manifest, "commitment": "f" * 64}))
    with pytest.raises(UsageError, match="commits to another key"):
        read_key(path)


def test_a_key_of_another_version_is_named_as_such(tmp_path: Path) -> None:
    package, _ = packed(tmp_path)
    path = key_path(package)
    content = json.loads(path.read_text())
    for number, word in ((1, "an older version"), (9, "a newer version")):
        path.write_text(json.dumps({**content, "format": number}))
        with pytest.raises(UsageError, match=rf"a key of {word} of sftgate \(format {number}; this version reads format 2\)"):
            read_key(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_key(tmp_path / "absent.json")
    path.write_text("[]")
    with pytest.raises(UsageError, match="not a key of a blind review"):
        read_key(path)
