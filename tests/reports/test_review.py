"""Blind review: nothing in the package tells the sides apart, and every vote comes back to the right answer."""

from __future__ import annotations

import csv
import io
import itertools
import json
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.errors import ComparabilityError, UsageError
from harness.records import Candidate, Fingerprints, Measured, Run, Sample
from reports.review import Key, Vote, export, key_path, package_path, read_key, read_votes, tally, to_measured
from reports.review_page import TEMPLATES, inert_cell, inert_json


def measured(name: str, texts: Sequence[str | None], *, suite: str = "pref", prompt_hash: str = "h", **sample: Any) -> Measured:
    run = Run(
        candidate=Candidate(name=name, model=f"models/{name}"),
        suite=suite,
        use="preference",
        fingerprints=Fingerprints(asked=f"asked-{name}", weights=f"weights-{name}"),
        graded=f"graded-{name}",
        items_hash="i",
        suite_hash="s",
        engine={"name": "fake"},
    )
    samples = tuple(
        Sample(
            key=f"item{index}",
            task="pref",
            prompt=f"Question {index}?",
            outputs=() if text is None else (text,),
            scores=None if text is None else {"win": 0.5},
            error="the engine died" if text is None else None,
            prompt_hash=prompt_hash,
            **sample,
        )
        for index, text in enumerate(texts)
    )
    return Measured(run=run, samples=samples)


def pair(count: int = 12) -> tuple[Measured, Measured]:
    return measured("prod", [f"old {n}" for n in range(count)]), measured("week47", [f"new {n}" for n in range(count)])


def packed(folder: Path, count: int = 12, **options: Any) -> tuple[Path, Key]:
    package = export(*pair(count), folder=folder, **options)
    return package, read_key(key_path(package))


def rows_of(package: Path) -> list[dict[str, str]]:
    text = (package / "items.csv").read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def votes_file(path: Path, key: Key, choices: dict[str, str], *, rater: str = "ana", **change: Any) -> Path:
    content = {
        "format": 1,
        "kind": "sftgate-votes",
        "package": key.package,
        "commitment": key.commitment,
        "rater": rater,
        "votes": [{"review_id": name, "choice": choice, "comment": "", "seconds": 2.5} for name, choice in choices.items()],
    }
    path.write_text(json.dumps({**content, **change}), encoding="utf-8")
    return path


def prefer(key: Key, arm: str) -> dict[str, str]:
    """The choice on every item that prefers one arm."""
    other = {"left": "right", "right": "left"}
    return {entry.review_id: entry.candidate_side if arm == "candidate" else other[entry.candidate_side] for entry in key.entries}


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


def test_sides_are_balanced_drawn_by_the_seed_and_unknown_without_the_runs(tmp_path: Path) -> None:
    _, first = packed(tmp_path / "a", seed=1, count=40)
    _, again = packed(tmp_path / "b", seed=1, count=40)
    _, other = packed(tmp_path / "c", seed=2, count=40)
    sides = [entry.candidate_side for entry in first.entries]
    assert sides.count("left") == 20
    assert first == again
    assert [entry.item for entry in first.entries] != [entry.item for entry in other.entries]
    renamed = pair(40)[1]
    retrained = msgspec.structs.replace(renamed, run=msgspec.structs.replace(renamed.run, graded="other weights"))
    third = read_key(key_path(export(pair(40)[0], retrained, folder=tmp_path / "d", seed=1)))
    assert [entry.candidate_side for entry in third.entries] != sides


def test_neither_position_nor_white_space_predicts_the_arm(tmp_path: Path) -> None:
    """A rater who looks at ids, order and white space only guesses at chance."""
    count = 400
    old = measured("prod", [f"word {n}\r\n\n  " for n in range(count)])
    new = measured("week47", [f"text {n}" for n in range(count)])
    package = export(old, new, folder=tmp_path, seed=3)
    sides = {entry.review_id: entry.candidate_side for entry in read_key(key_path(package)).entries}
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
    key = read_key(key_path(export(old, new, folder=tmp_path, items=2)))
    assert (len(key.entries), key.identical, key.unanswered) == (2, 2, 1)
    assert {entry.item for entry in key.entries} <= {"item2", "item3", "item5"}


def test_more_items_than_there_are_is_all_of_them(tmp_path: Path) -> None:
    assert len(packed(tmp_path, items=1000)[1].entries) == 12


def test_nothing_to_review_is_said_and_why(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="of 2 items, 1 were answered in the same words by 'prod' and 'week47', and 1 have no answer"
    ):
        export(measured("prod", ["a", None]), measured("week47", ["a", "b"]), folder=tmp_path)
    with pytest.raises(UsageError, match="at least one item"):
        export(*pair(), folder=tmp_path, items=0)
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
    key = read_key(key_path(export(*twice, folder=tmp_path)))
    assert sorted(entry.item for entry in key.entries) == ["other/item0", "pref/item0"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "\r=1", "＝1", "\n=cmd|' /C calc'!A0", "\x00=1"])
def test_no_cell_of_the_spreadsheet_is_a_formula(text: str, tmp_path: Path) -> None:
    package = export(measured("prod", [text]), measured("week47", ["plain"]), folder=tmp_path)
    (row,) = rows_of(package)
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


# ------------------------------------------------------------------------------------------------------------ import


@pytest.mark.parametrize(("arm", "win"), [("candidate", 1.0), ("baseline", 0.0)])
def test_votes_come_back_to_the_answers_they_were_cast_for(tmp_path: Path, arm: str, win: float) -> None:
    _, key = packed(tmp_path)
    votes = read_votes([votes_file(tmp_path / "v.json", key, prefer(key, arm))], key)
    baseline, candidate = to_measured(votes, key, created="2026-11-20T00:00:00+00:00")
    assert {sample.key: sample.scores for sample in candidate.samples} == {f"pref/item{n}": {"win": win} for n in range(12)}
    assert {sample.key: sample.scores for sample in baseline.samples} == {f"pref/item{n}": {"win": 0.5} for n in range(12)}
    assert {sample.outputs[0][:3] for sample in candidate.samples} == {"new"}
    assert {sample.outputs[0][:3] for sample in baseline.samples} == {"old"}


def test_planted_preferences_are_recovered_in_full(tmp_path: Path) -> None:
    _, key = packed(tmp_path, count=200, seed=9)
    generator = random.Random(4)
    planted = {entry.review_id: generator.choice(["candidate", "baseline", "tie", "both_bad"]) for entry in key.entries}
    choices = {name: prefer(key, arm)[name] if arm in ("candidate", "baseline") else arm for name, arm in planted.items()}
    _, candidate = to_measured(read_votes([votes_file(tmp_path / "v.json", key, choices)], key), key)
    scores = {sample.key: (sample.scores or {})["win"] for sample in candidate.samples}
    worth = {"candidate": 1.0, "baseline": 0.0, "tie": 0.5, "both_bad": 0.5}
    assert scores == {f"pref/{entry.item}": worth[planted[entry.review_id]] for entry in key.entries}


def test_the_runs_are_ordinary_runs_of_the_suite_human(tmp_path: Path) -> None:
    _, key = packed(tmp_path)
    votes = read_votes([votes_file(tmp_path / "v.json", key, dict(list(prefer(key, "candidate").items())[:5]))], key)
    baseline, candidate = to_measured(votes, key, created="now", environment={"python": "3"})
    for side, name in ((baseline, "prod"), (candidate, "week47")):
        assert (side.run.suite, side.run.use, side.run.primary, side.run.candidate.name) == ("human", "human", "win", name)
        assert side.run.metrics["win"].kind == "bounded"
        assert (side.run.planned, side.run.asked, side.run.failed) == (12, 5, 0)
        assert {sample.task for sample in side.samples} == {""}
        assert side.run.fingerprints.asked == f"asked-{name}"
        assert (side.run.created, side.run.environment) == ("now", {"python": "3"})
    assert (baseline.run.suite_hash, baseline.run.items_hash, baseline.run.judge_hash) == (
        candidate.run.suite_hash,
        candidate.run.items_hash,
        candidate.run.judge_hash,
    )
    assert baseline.run.graded != candidate.run.graded


def test_two_packages_against_one_baseline_stay_comparable_and_other_votes_are_another_run(tmp_path: Path) -> None:
    old, new = pair(4)
    third = measured("week48", [f"newer {n}" for n in range(4)])
    sides = []
    for candidate in (new, third):
        key = read_key(key_path(export(old, candidate, folder=tmp_path)))
        votes = read_votes([votes_file(tmp_path / f"{key.package}.json", key, prefer(key, "candidate"))], key)
        sides.append(to_measured(votes, key))
        assert to_measured(votes[:2], key)[0].run.graded != sides[-1][0].run.graded
    (first, _), (_, second) = sides
    assert (first.run.suite_hash, first.run.items_hash, first.run.judge_hash) == (
        second.run.suite_hash,
        second.run.items_hash,
        second.run.judge_hash,
    )


def test_several_raters_are_averaged_inside_the_item_and_their_disagreement_is_flagged(tmp_path: Path) -> None:
    _, key = packed(tmp_path, count=1)
    for_it, against = prefer(key, "candidate"), prefer(key, "baseline")
    files = [
        votes_file(tmp_path / f"{rater}.json", key, choices, rater=rater)
        for rater, choices in (("ana", for_it), ("bo", for_it), ("cy", against), ("di", {"r001": "tie"}))
    ]
    votes = read_votes(files, key)
    _, candidate = to_measured(votes, key)
    (sample,) = candidate.samples
    assert sample.scores == {"win": 2.5 / 4}
    assert sample.draws == {"win": [1.0, 1.0, 0.0, 0.5]}
    assert sample.flags == ("conflict",)
    assert [judgment.judge for judgment in sample.judgments] == ["human:ana", "human:bo", "human:cy", "human:di"]
    seen = tally(votes, key)
    assert (seen.votes, seen.candidate, seen.baseline, seen.tie, seen.both_bad) == (4, 2, 1, 1, 0)
    assert seen.agreement == pytest.approx(1 / 6)
    assert seen.raters == ("ana", "bo", "cy", "di")


def test_the_tally_sees_a_rater_who_always_takes_the_first_answer(tmp_path: Path) -> None:
    _, key = packed(tmp_path)
    seen = tally([Vote(review_id=entry.review_id, rater="ana", choice="left") for entry in key.entries], key)
    assert (seen.left_votes, seen.sided_votes) == (12, 12)
    assert seen.side_p == pytest.approx(2 * 0.5**12)
    assert seen.agreement is None
    assert (seen.candidate, seen.baseline) == (6, 6)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_filled_in_spreadsheet_counts_like_the_page(tmp_path: Path, delimiter: str) -> None:
    package, key = packed(tmp_path)
    number = {"left": "1", "right": "2"}
    rows = rows_of(package)
    for row in rows[:10]:
        row["choice"] = f" {number[prefer(key, 'candidate')[row['review_id']]]} "
    rows[10]["choice"] = "Tie"
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    path = tmp_path / "ana.csv"
    path.write_text("\ufeff" + out.getvalue(), encoding="utf-8", newline="")
    votes = read_votes([path], key)
    assert len(votes) == 11
    assert {vote.rater for vote in votes} == {"ana"}
    _, candidate = to_measured(votes, key)
    assert sorted((sample.scores or {})["win"] for sample in candidate.samples) == [0.5] + [1.0] * 10


def test_long_answers_survive_the_spreadsheet(tmp_path: Path) -> None:
    package = export(measured("prod", ["x" * 300_000]), measured("week47", ["y"]), folder=tmp_path)
    key = read_key(key_path(package))
    path = tmp_path / "v.csv"
    path.write_bytes((package / "items.csv").read_bytes().replace(b",,,\r\n", b",2,,bo\r\n"))
    assert [(vote.rater, vote.choice) for vote in read_votes([path], key)] == [("bo", "right")]


# --------------------------------------------------------------------------------------------------------- bad input


def test_a_second_vote_of_one_rater_is_refused(tmp_path: Path) -> None:
    _, key = packed(tmp_path)
    one = votes_file(tmp_path / "one.json", key, {"r001": "tie"})
    two = votes_file(tmp_path / "two.json", key, {"r001": "left"})
    with pytest.raises(UsageError, match=r"rater 'ana' voted on 'r001' in .*one\.json and again in .*two\.json"):
        read_votes([one, two], key)
    twice = [{"review_id": "r001", "choice": "tie"}] * 2
    with pytest.raises(UsageError, match="twice in"):
        read_votes([votes_file(tmp_path / "three.json", key, {}, votes=twice)], key)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"package": "000000000000"}, "belong to package '000000000000'"),
        ({"commitment": "0" * 64}, "cast under another key"),
        ({"rater": " "}, "name no rater"),
        ({"format": 2}, "format 2"),
        ({"kind": "shopping"}, "not a file of votes"),
        ({"votes": [{"review_id": "r999", "choice": "tie"}]}, "'r999', an item that package"),
        ({"votes": [{"review_id": "r001", "choice": "maybe"}]}, "not a file of votes"),
        ({"votes": [{"choice": "tie"}]}, "review_id"),
    ],
)
def test_a_wrong_votes_file_is_refused_in_one_sentence(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    _, key = packed(tmp_path)
    path = votes_file(tmp_path / "v.json", key, {"r001": "tie"}, **change)
    with pytest.raises(UsageError) as caught:
        read_votes([path], key)
    assert says in str(caught.value)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("package,review_id\nP,r001\n", "the column 'choice'"),
        ("", "has no rows"),
        ("package,review_id,choice\nP,r001,5\n", "expected 1, 2, tie or both_bad"),
        ("package,review_id,choice\nother,r001,1\n", "belong to package 'other'"),
        ("package,review_id,choice\nP,r777,1\n", "'r777'"),
    ],
)
def test_a_wrong_spreadsheet_is_refused_in_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    _, key = packed(tmp_path)
    path = tmp_path / "v.csv"
    path.write_text(text.replace("P,", f"{key.package},"), encoding="utf-8")
    with pytest.raises(UsageError, match=r"v\.csv") as caught:
        read_votes([path], key)
    assert says in str(caught.value)


def test_a_missing_or_unreadable_file_is_refused(tmp_path: Path) -> None:
    _, key = packed(tmp_path)
    (tmp_path / "latin.csv").write_bytes(b"package,review_id,choice,comment\nP,r001,1,\xe9t\xe9\n")
    with pytest.raises(UsageError, match="CSV UTF-8"):
        read_votes([tmp_path / "latin.csv"], key)
    with pytest.raises(UsageError, match="cannot be read"):
        read_votes([tmp_path / "absent.json"], key)
    with pytest.raises(UsageError, match="cannot be read"):
        read_key(tmp_path / "absent.json")
    with pytest.raises(UsageError, match="not a key"):
        read_key(votes_file(tmp_path / "v.json", key, {}))


def test_a_key_that_was_changed_after_the_votes_is_refused(tmp_path: Path) -> None:
    package, key = packed(tmp_path)
    path = key_path(package)
    honest = path.read_text()
    swapped = (
        honest.replace('"candidate_side": "left"', '"candidate_side": "side"')
        .replace('"right"', '"left"')
        .replace('"side"', '"right"')
    )
    path.write_text(swapped)
    with pytest.raises(UsageError, match="changed after the package was made"):
        read_key(path)
    forged = msgspec.json.decode(swapped.encode(), type=Key)
    forged = msgspec.structs.replace(forged, package=forged.commitment[:12])
    other = tmp_path / "forged.json"
    other.write_bytes(msgspec.json.encode(forged))
    votes = votes_file(tmp_path / "v.json", key, {"r001": "left"})
    with pytest.raises(UsageError, match="belong to package"):
        read_votes([votes], read_key(other))
    path.write_text(honest)
    manifest = json.loads((package / "manifest.json").read_text())
    (package / "manifest.json").write_text(json.dumps({**manifest, "commitment": "f" * 64}))
    with pytest.raises(UsageError, match="commits to another key"):
        read_key(path)


def test_no_votes_at_all_is_refused(tmp_path: Path) -> None:
    package, key = packed(tmp_path)
    votes = read_votes([package / "items.csv"], key)
    assert votes == []
    with pytest.raises(UsageError, match="no votes to import"):
        to_measured(votes, key)
