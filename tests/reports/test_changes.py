"""What changed between two runs: every kind of change is named, counted, and shown where it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from harness.cli import main
from harness.errors import ComparabilityError
from harness.records import Fingerprints, Measured
from harness.store import Store
from reports.apart import apart, plain
from reports.changes import RESCORED, SCORED, changes
from tests.harness.runs import measured, right, samples

PROMPTS = [f"Answer briefly. How much is {n} plus {n}?" for n in range(10)]


def made(name: str = "w1", **fields: Any) -> Measured:
    return measured(name, samples(right(6, 4), prompt=PROMPTS), graded=f"{name}0" * 8, **fields)


def counts(old: Measured, new: Measured) -> dict[str, int]:
    return {each.what.partition(" (")[0]: each.count for each in changes(old, new).items if each.count}


def touched(run: Measured, place: int, **fields: Any) -> Measured:
    rows = list(run.samples)
    rows[place] = replace(rows[place], **fields)
    return replace(run, samples=tuple(rows))


def test_the_same_run_has_no_changes() -> None:
    found = changes(made(), made())
    assert (found.differences, [each for each in found.items if each.count], found.same_weights) == ((), [], True)


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"prompt": "Answer at length. How much is 3 plus 3?"}, "other prompt"),
        ({"prompt_hash": "otherwise"}, "same prompt, asked otherwise"),
        ({"target": "7"}, "other expected answer"),
        ({"slices": {"language": "zh"}}, "other slices, cluster or weight"),
        ({"scores": {"acc": 0.25}}, "same answer, scored otherwise"),
        ({"outputs": ("another",)}, "other answer"),
    ],
)
def test_each_kind_of_change_of_an_item_is_counted_alone(fields: dict[str, Any], what: str) -> None:
    assert counts(made(), touched(made(), 3, **fields)) == {what: 1}


def test_items_come_and_go_by_name() -> None:
    whole = made()
    found = changes(replace(whole, samples=whole.samples[:8]), replace(whole, samples=whole.samples[1:]))
    told = {each.what: each for each in found.items if each.count}
    assert found.shared == 7
    assert [each.key for each in told["items only the old run has"].examples] == ["k0"]
    assert [each.key for each in told["items only the new run has"].examples] == ["k8", "k9"]


def test_template_version_suite_and_packages_are_named_with_both_values() -> None:
    other = made(
        "w2",
        fingerprints=Fingerprints(asked="x", weights="new weights", template="another template"),
        suite_hash="suite 2",
        engine={"name": "fake", "version": "2", "dtype": "float32"},
        environment={"packages": {"vllm": "0.33"}},
    )
    found = {each.what: each for each in changes(made(environment={"packages": {"vllm": "0.32"}}), other).differences}
    assert (found["template"].about, found["template"].new, found["template"].forbids) == ("engine", "another template", True)
    assert (found["version"].old, found["version"].new) == ("1", "2")
    assert found["suite"].forbids
    assert (found["weights"].about, found["weights"].forbids) == ("who", False)
    assert (found["package vllm"].old, found["package vllm"].new) == ("0.32", "0.33")


def marked(pieces: tuple[tuple[str, bool], ...]) -> str:
    return "".join(f"[{text}]" if differs else text for text, differs in pieces)


def test_texts_are_cut_to_where_they_differ_and_what_differs_is_marked() -> None:
    old, new = apart("one two three four five six seven eight", "one two three four five SIX seven eight nine")
    assert (marked(old), marked(new)) == (
        "one two three four five [six] seven eight",
        "one two three four five [SIX] seven eight[ nine]",
    )
    long = "so it goes " * 3000
    old, new = apart(f"{long}the cat sat. {long}", f"{long}the dog sat. {long}")
    assert marked(old).startswith("…")
    assert " the [cat] sat" in marked(old)
    assert " the [dog] sat" in marked(new)
    assert marked(new).endswith("…")
    assert len(plain(new)) < 250, "however far behind the difference is"
    old, new = apart("北京是中国的首都", "上海是中国的首都")
    assert (marked(old), marked(new)) == ("[北京]是中国的首都", "[上海]是中国的首都")
    assert apart("same", "same") == ((("same", False),), (("same", False),))
    assert (marked(apart("", "x")[0]), marked(apart("", "x")[1])) == ("", "[x]")


def test_the_words_that_both_have_between_two_differences_are_cut_as_well() -> None:
    middle = " ".join(f"word{n}" for n in range(60))
    old, _ = apart(f"a {middle} b", f"c {middle} d")
    start, end = (" ".join(f"word{n}" for n in numbers) for numbers in (range(8), range(52, 60)))
    assert marked(old) == f"[a] {start} … {end} [b]"


def test_texts_of_any_length_and_kind_are_told_apart_in_linear_time() -> None:
    for a, b in (
        ("a" * 10**6, "b" * 10**6),
        ("same " * 200_000 + "x", "same " * 200_000 + "y"),
        ("\x00\u202e" * 10**5, ""),
        (" " * 10**6, ""),
    ):
        old, new = apart(a, b)
        assert len(plain(old)) < 20_000
        assert any(differs for _, differs in (*old, *new))


def test_what_forbids_comparing_says_whether_a_policy_may_allow_it() -> None:
    other = made("w2", fingerprints=Fingerprints(asked="x", weights="new", template="other"), suite_hash="suite 2")
    found = changes(made(), touched(other, 3, prompt_hash="p2"))
    told = {each.what: each for each in found.differences}
    assert (told["template"].forbids, told["template"].allowable) == (True, True)
    assert (told["suite"].forbids, told["suite"].allowable) == (True, False)
    assert (told["prompts"].old, told["prompts"].new) == ("–", "1 of 10 items asked otherwise")
    assert set(found.forbids) == {"template", "suite", "prompts"}
    assert next(each.what for each in found.about("questions")) in {"suite", "prompts"}
    assert not found.same_weights


def test_a_score_that_differs_names_another_version_only_where_there_is_one() -> None:
    rescored = touched(made("w2", suite_hash="suite 2"), 3, scores={"acc": 0.25})
    assert [each.what for each in changes(made(), rescored).items if each.count] == [RESCORED]
    assert [each.what for each in changes(made(), touched(made(), 3, scores={"acc": 0.25})).items if each.count] == [SCORED]


def test_the_second_of_several_answers_and_an_error_are_shown_where_they_differ() -> None:
    two = touched(made(), 3, outputs=("one", "two"))
    found = changes(two, touched(made(), 3, outputs=("one", "three")))
    shown = next(each for each in found.items if each.what == "other answer").examples[0]
    assert (plain(shown.old), plain(shown.new)) == ("two", "three")
    failed = touched(made(), 3, outputs=(), scores=None, error="the engine gave up")
    shown = next(each for each in changes(made(), failed).items if each.what == "other answer").examples[0]
    assert plain(shown.new) == "error: the engine gave up"


def test_the_command_explains_what_compare_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path / "runs")
    old, new = made(), touched(made("w2", items_hash="others"), 2, prompt="Answer at length.\x1b[31m", prompt_hash="p2")
    places = [str(store.write_run(each.run, each.samples)) for each in (old, new)]
    assert main(["changed", *places]) == 0
    said = capsys.readouterr().out
    assert "other prompt: 1" in said
    assert "forbids it" in said
    assert "\x1b[31m" not in said
    assert main(["changed", places[0], places[0]]) == 2
    assert main(["changed", places[0], str(tmp_path)]) == 2


def test_two_suites_have_nothing_to_change() -> None:
    with pytest.raises(ComparabilityError, match="different suites"):
        changes(made(), made(suite="sums"))
