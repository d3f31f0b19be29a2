"""``sftgate plan`` as a user meets it: no model, no weights, no GPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.config import load
from harness.pipeline import measure, prepare

ITEMS = [{"key": f"q{index:03d}", "prompt": f"question {index}", "target": f"answer {index}"} for index in range(150)]


def answers(wrong: set[int]) -> dict[str, str]:
    return {f"question {index}": "no idea" if index in wrong else f"answer {index}" for index in range(150)}


def write(folder: Path, *, engine: str = "vllm", wrong: tuple[set[int], ...] = (set(), set()), **more: Any) -> str:
    """A config of two candidates, by default of weights that are not here."""
    (folder / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ITEMS))
    fake = [{"options": {"answers": answers(each)}} if engine == "fake" else {"model": "not/here"} for each in wrong]
    config = {
        "baseline": "old",
        "candidates": [{"name": name, "engine": engine, **how} for name, how in zip(("old", "new"), fake, strict=True)],
        "suites": [{"name": "qa", "use": "prompted", "options": {"items": "items.jsonl", "max_tokens": 8}, "retained": True}],
        "rules": [{"metric": "qa/*/exact_match", "require": "non_inferior", "margin": 0.05, "name": "facts are kept"}],
        **more,
    }
    path = folder / "gate.yaml"
    path.write_text(json.dumps(config))
    return str(path)


def test_a_plan_needs_neither_weights_nor_a_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "plan.json"
    assert main(["plan", write(tmp_path), "--json", str(file)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "These suites cannot certify: facts are kept within 5.0 points" in said
    assert "(has 150)" in said
    assert "Cost per candidate: 150 requests (first turns)" in said
    assert "at most 1,200 answer tokens; 2 candidates: 300 requests" in said
    written = json.loads(file.read_text())
    each = written["plan"]["forecasts"][0]
    assert (each["metric"], each["items"], each["origin"]) == ("qa/items/exact_match", 150, "assumed")
    assert 0.5 < each["passes"] < 0.62
    assert written["costs"][0]["requests"] == 150
    assert not (tmp_path / "runs").exists()


def test_a_plan_reads_what_the_store_has_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, engine="fake", wrong=({1, 2, 3}, {3, 4}))
    measure(prepare(load(path)))
    assert main(["plan", path]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "2 % seen" in said  # one item won back and lost, and one more
    assert "new against old" in said
    assert "Assumed" not in said


def test_an_identical_candidate_and_a_noiseless_aa_promise_no_more_than_was_assumed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, engine="fake", wrong=({1, 2, 3}, {1, 2, 3}))
    file = tmp_path / "plan.json"

    def passes() -> float:
        assert main(["plan", path, "--json", str(file)]) == 0
        found: float = json.loads(file.read_text())["plan"]["forecasts"][0]["passes"]
        return found

    before = passes()
    assert main(["aa-test", path]) == 0
    assert passes() == pytest.approx(before)
    measure(prepare(load(path)))
    assert passes() == pytest.approx(before)
    path = write(tmp_path, engine="fake", wrong=({1, 2, 3}, {3, 4}))
    measure(prepare(load(path)))
    assert passes() > before
    capsys.readouterr()


def test_effects_are_declared_by_metric(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", write(tmp_path), "--effect", "qa/*=-0.04", "--power", "0.9"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "With the effects declared (qa/items/exact_match −4.0 points) it passes with probability" in said
    assert "with 90 % certainty" in said


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--effect", "qa/items/exact_mach=-0.02"], "Did you mean 'qa/items/exact_match'"),
        (["--effect", "qa/items/exact_match"], "expected METRIC_GLOB=GAIN"),
        (["--effect", "qa/items/exact_match=much"], "expected METRIC_GLOB=GAIN"),
        (["--effect", "qa/items/exact_match=nan"], "expected METRIC_GLOB=GAIN"),
        (["--effect", "qa/items/exact_match=-2"], "more than everything"),
        (["--effect", "qa/items/gained=0.1"], "no rule looks at it"),
        (["--power", "1.5"], "--power 1.5: expected 0.5 to 0.99"),
        (["--power", "0"], "--power 0: expected"),
    ],
)
def test_bad_flags_are_one_sentence_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], says: str
) -> None:
    assert main(["plan", write(tmp_path), *flags]) == 2
    assert says in " ".join(capsys.readouterr().err.split())


def test_an_effect_that_the_baseline_leaves_no_room_for_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, engine="fake", wrong=({1, 2, 3}, {3, 4}))
    measure(prepare(load(path)))
    assert main(["plan", path, "--effect", "qa/items/exact_match=0.1"]) == 2
    assert "the baseline is at 0.98" in " ".join(capsys.readouterr().err.split())


def test_an_unknown_metric_in_a_rule_and_a_suite_without_items_are_config_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", write(tmp_path, rules=[{"metric": "qa/*/exact_mach", "require": "not_regressed"}])]) == 2
    assert "exact_mach" in capsys.readouterr().err
    path = write(tmp_path)
    (tmp_path / "items.jsonl").write_text("")
    assert main(["plan", path]) == 2
    assert capsys.readouterr().err.startswith("sftgate: ")


def test_a_damaged_run_in_the_store_is_no_evidence_and_no_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, engine="fake", wrong=({1}, {2}))
    measure(prepare(load(path)))
    for file in (tmp_path / "runs").rglob("samples.jsonl"):
        file.write_text("{}\n")
    assert main(["plan", path]) == 0
    assert "Assumed" in capsys.readouterr().out


def test_a_policy_without_rules_can_be_planned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", write(tmp_path, rules=[], bad_answers=False)]) == 0
    assert "nothing would be decided" in capsys.readouterr().out


def test_the_print_out_before_asking_shows_the_same_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["measure", write(tmp_path, engine="fake"), "--dry-run"]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "facts are kept" in said
    assert "A candidate exactly as good as old passes the whole gate with probability" in said


def test_planning_loads_nothing_heavy(tmp_path: Path) -> None:
    heavy = "{'torch', 'transformers', 'vllm', 'peft'}"
    code = (
        f"import sys; from harness.cli import main; main(['plan', {write(tmp_path)!r}]); print(sorted(set(sys.modules) & {heavy}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
