"""``sftgate review export``: every flag reaches the package, and what was drawn, planted and left out is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli import main
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
        *("--guidance", "Be fair.", "--formats", "html", "xlsx", "argilla", "--leave-out-leaks", "--seed", "5"),
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
    assert "items that may name a model: 1 (qwen); --leave-out-leaks leaves them out" in does()


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
