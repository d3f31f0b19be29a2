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
from reports.changes import changes, where
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
    assert changes(made(), made()).lines == ()


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
    assert [key for key, *_ in told["items only the old run has"].examples] == ["k0"]
    assert [key for key, *_ in told["items only the new run has"].examples] == ["k8", "k9"]


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


def test_texts_are_cut_to_where_they_differ_in_linear_time() -> None:
    old, new = where("one two three four five six seven eight nine ten", "one two three four five SIX seven eight nine ten")
    assert (old.strip("…").split()[-5], "SIX" in new, "six" in old) == ("six", True, True)
    assert where("a" * 10**6, "b" * 10**6)[0].startswith("a")
    assert where("same " * 9000 + "x", "same " * 9000 + "y")[0].startswith("…")


def test_the_command_explains_what_compare_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path / "runs")
    old, new = made(), touched(made("w2", items_hash="others"), 2, prompt="Answer at length.\x1b[31m", prompt_hash="p2")
    places = [str(store.write_run(each.run, each.samples)) for each in (old, new)]
    assert main(["changed", *places]) == 0
    said = capsys.readouterr().out
    assert "other prompt: 1" in said
    assert "forbids comparing" in said
    assert "\x1b[31m" not in said
    assert main(["changed", places[0], places[0]]) == 2
    assert main(["changed", places[0], str(tmp_path)]) == 2


def test_two_suites_have_nothing_to_change() -> None:
    with pytest.raises(ComparabilityError, match="different suites"):
        changes(made(), made(suite="sums"))
