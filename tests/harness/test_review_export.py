"""``sftgate review export``: every flag reaches the package, and what was drawn, planted and left out is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli import main
from reports import page
from reports.blind.key import package_paths, read_key

Does = Callable[..., str]


@pytest.fixture
def does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Does:
    """Run ``review export`` on a small measured suite; the words that it prints."""
    items = [
        {"key": f"q{index}", "prompt": f"question {index}", "target": "x", "slices": {"topic": "a" if index < 12 else "b"}}
        for index in range(16)
    ]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    said = {item["prompt"]: "I am Qwen." if item["key"] == "q3" else f"{item['prompt']}?" for item in items}
    config = {
        "baseline": "old",
        "candidates": [{"name": "old", "engine": "fake"}, {"name": "new", "engine": "fake", "options": {"answers": said}}],
        "suites": [{"name": "qa", "use": "prompted", "options": {"items": "items.jsonl"}}],
    }
    gate = tmp_path / "gate.yaml"
    gate.write_text(json.dumps(config))
    assert main(["measure", str(gate)]) == 0
    capsys.readouterr()

    def run(*flags: str, code: int = 0) -> str:
        assert main(["review", "export", str(gate), "--folder", str(tmp_path / "review"), *flags]) == code
        captured = capsys.readouterr()
        return " ".join((captured.out + captured.err).split())

    return run


def test_every_flag_reaches_the_package(does: Does, tmp_path: Path) -> None:
    said = does(
        *("--items", "12", "--by", "topic", "--checks", "2", "--duplicates", "3", "--raters", "ana", "bo", "--separate"),
        *("--shared", "2", "--strength", "--reasons", "correct", "clear", "--criteria", "style", "--language", "zh"),
        *("--guidance", "Be fair.", "--formats", "html", "xlsx", "argilla", "--leaks", "omit", "--seed", "5"),
    )
    (path,) = (tmp_path / "review").glob("key-*.json")
    key = read_key(path)
    assert key.form.reasons == ("correct", "clear")
    assert (key.form.strength, key.form.criteria, key.form.language, key.form.guidance) == (True, ("style",), "zh", "Be fair.")
    assert (key.raters, key.separate, key.seed, key.leaking) == (("ana", "bo"), True, 5, 1)
    assert {name: (each.size, each.drawn) for name, each in key.strata.items()} == {"topic=a": (11, 9), "topic=b": (4, 3)}
    for name, package in zip(key.raters, package_paths(path, key), strict=True):
        assert f"for {name}: {package}" in said
        assert {file.name for file in package.iterdir()} == {
            "INSTRUCTIONS.md", "argilla", "items.xlsx", "manifest.json", "review.html",
        }  # fmt: skip
    assert f"for nobody but you: {path}" in said
    assert "9 of 11 items of 'topic=a'" in said
    assert "planted: 2 attention checks, 3 duplicates" in said
    assert "left out: 1 may name a model" in said


def test_answers_that_may_name_a_model_are_told_of(does: Does) -> None:
    assert "items that may name a model: 1 (qwen); shown as they are; --leaks mask" in does()
    assert "items that may name a model: 1 (qwen); masked" in does("--leaks", "mask")
    assert "may name a model: 1 (" not in does("--leaks", "omit")


SETTINGS = {
    "suite": "qa", "items": 10, "seed": 5, "by": "topic", "allocation": "equal", "leaks": "mask", "checks": 1,
    "check_file": "checks.jsonl", "duplicates": 1, "raters": ["ana", "bo"], "shared": 2, "strength": True,
    "reasons": ["correct"], "criteria": ["style"], "language": "zh", "guidance": "Be fair.", "formats": ["csv"],
}  # fmt: skip


def with_settings(tmp_path: Path, **settings: object) -> None:
    gate = tmp_path / "gate.yaml"
    gate.write_text(json.dumps({**json.loads(gate.read_text()), "review": settings}))


def test_the_config_says_how_people_are_asked_and_flags_say_otherwise(
    does: Does, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = {"name": "own", "question": "2+2?", "better": "4", "worse": "5"}
    (tmp_path / "checks.jsonl").write_text(json.dumps(check))
    with_settings(tmp_path, **SETTINGS)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    does()
    (first,) = (tmp_path / "review").glob("key-*.json")
    key = read_key(first)
    assert (key.raters, key.separate, key.seed) == (("ana", "bo"), False, 5)
    assert (key.form.strength, key.form.language, key.form.guidance) == (True, "zh", "Be fair.")
    assert (key.form.reasons, key.form.criteria) == (("correct",), ("style",))
    assert {name: each.drawn for name, each in key.strata.items()} == {"topic=a": 6, "topic=b": 4}
    assert sorted(entry.kind for entry in key.entries) == ["attention", "duplicate"] + ["item"] * 10
    assert [entry.item for entry in key.entries if entry.kind == "attention"] == ["own"], "the file lies beside the config"
    assert sum(entry.raters == key.raters for entry in key.items) == 2
    does("--language", "en", "--no-strength", "--items", "4", "--raters", "cy", "di", "--separate", "--set", "review.shared=0")
    (second,) = set((tmp_path / "review").glob("key-*.json")) - {first}
    key = read_key(second)
    assert (key.form.language, key.form.strength, key.raters, key.separate) == ("en", False, ("cy", "di"), True)
    assert len(key.items) == 4
    assert key.form.guidance == "Be fair."


WRONG = {
    "suite": ("qaa", "review.suite: no suite is named 'qaa'. Did you mean 'qa'"),
    "item": (3, "review.item"),
    "leaks": ("hide", "review.leaks"),
    "raters": ("ana", "review.raters"),
    "items": (-3, "review.items: expected 1 or more, found -3"),
}


def test_settings_that_make_no_sense_are_refused_where_they_stand(does: Does, tmp_path: Path) -> None:
    for name, (value, says) in WRONG.items():
        with_settings(tmp_path, **{name: value})
        assert says in does(code=2)


@pytest.mark.parametrize(
    ("action", "flags"), [("import", ["--items", "5"]), ("export", ["--votes", "a.json"]), ("export", ["--strengh"])]
)
def test_a_flag_of_the_other_action_is_refused(action: str, flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["review", action, "gate.toml", *flags])
    assert stopped.value.code == 2
    assert f"unrecognized arguments: {flags[0]}" in capsys.readouterr().err


SENSELESS = {
    ("--formats", "pdf"): "there is no format 'pdf'",
    ("--by", "tpic"): "Did you mean 'topic'",
    ("--each", "2"): "who are named beforehand",
    ("--duplicates", "99"): "99 duplicates cannot be planted among 16 items",
    ("--allocation", "equal"): "name the slice",
    ("--disputed-metric", "exact"): "say how many times as often",
}


def test_flags_that_make_no_sense_are_refused_in_one_sentence(does: Does, tmp_path: Path) -> None:
    for flags, says in SENSELESS.items():
        assert says in does(*flags, code=2)
    assert not (tmp_path / "review").exists()


def picked(*keys: str, **more: object) -> str:
    """Lines as the report's item explorer saves them."""
    line = {"suite": "qa", "task": "items", "candidate": "new", "baseline": "old", **more}
    return "".join(json.dumps({**line, "key": key}) + "\n" for key in keys)


def test_items_picked_in_the_report_are_shown_all_of_them_and_the_key_says_that_nobody_drew_them(
    does: Does, tmp_path: Path
) -> None:
    gate = tmp_path / "gate.yaml"
    config = json.loads(gate.read_text())
    config["candidates"].append({**config["candidates"][1], "name": "newer"})
    gate.write_text(json.dumps({**config, "review": {"items": 5, "by": "topic", "duplicates": 4}}))
    assert main(["measure", str(gate)]) == 0
    file = tmp_path / "review-items.jsonl"
    file.write_text(picked("q13", "q3", "q13", "q1") + "\n" + picked("q0", candidate="newer"))
    assert "there are several to choose from; name one with --of: new, newer" in does("--items-file", str(file), code=2)
    said = does("--items-file", str(file), "--of", "new")
    assert "planted: 0 attention checks, 3 duplicates" in said, "no more than there are items"
    (path,) = (tmp_path / "review").glob("key-*.json")
    key = read_key(path)
    assert {entry.item for entry in key.items} == {"q1", "q3", "q13"}
    assert key.picked, "the config's way to draw does not count"
    assert {name: (each.size, each.drawn) for name, each in key.strata.items()} == {"picked by hand": (3, 3)}
    assert {entry.probability for entry in key.items} == {1.0}
    assert "picked by hand, and no sample: votes on them inform, and never gate" in said
    assert "not in this review: 1 of the file's items, with --suite qa --of newer" in said
    shown = "".join(file.read_text() for package in package_paths(path, key) for file in package.iterdir())
    assert "picked" not in shown, "raters do not know why they see an item"
    named = [{"CONFIG": str(gate), file.name: str(file)}.get(word, word) for word in page.REVIEW.split()[1:]]
    assert str(file) in named
    assert main([*named, "--of", "newer", "--folder", str(tmp_path / "again")]) == 0, "the command that the page names"
    does("--of", "new")
    (drawn,) = set((tmp_path / "review").glob("key-*.json")) - {path}
    assert not read_key(drawn).picked


NO_LIST = {
    picked("q1", "q99"): "line 2: 'qa' has no item 'q99' in task 'items'",
    picked("q1", baseline="older"): "line 1: 'older' is no baseline of this config",
    picked("q1", candidate="nwe"): "line 1: 'nwe' is no candidate of this config. Did you mean 'new'",
    picked("q1", suite="qaa"): "line 1: 'qaa' is no suite of this config. Did you mean 'qa'",
    picked("q1", row=3): "line 1: not an item as the report saves them (review-items.jsonl)",
    "\nq1\n": "line 2: not an item as the report saves them",
    "\n": "no item stands in it",
}


def test_a_list_that_does_not_fit_is_refused_with_its_line(does: Does, tmp_path: Path) -> None:
    file = tmp_path / "review-items.jsonl"
    for content, says in NO_LIST.items():
        file.write_text(content)
        assert says in does("--items-file", str(file), code=2)
    assert "cannot be read" in does("--items-file", str(tmp_path / "none.jsonl"), code=2)
    file.write_text(picked("q1"))
    for flags in (("--items", "5"), ("--by", "topic"), ("--disputed", "2"), ("--disputed-metric", "exact")):
        assert f"{flags[0]} how to draw them: leave one of them out" in does("--items-file", str(file), *flags, code=2)
    assert not (tmp_path / "review").exists()
