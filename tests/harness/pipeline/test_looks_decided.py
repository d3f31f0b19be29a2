"""Look by look with the gate that there is: harmless, broken and doubtful candidates, and what becomes of stopped runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.cli import main
from harness.config import load
from harness.errors import ComparabilityError
from harness.pipeline import Measurement, conclude, measure, prepare
from harness.pipeline.concluding import read_measured
from harness.records import Conclusion, Looks
from harness.store import Store
from tests.harness.pipeline.test_groups_of_tasks import config as grouped

COUNT = 400
RULE = {"metric": "qa/*/exact_match", "require": "non_inferior", "margin": 0.1}
HARD = set(range(0, COUNT, 10))  # what nobody knows


def candidate(name: str, wrong: set[int], **more: Any) -> dict[str, Any]:
    answers = {f"question {i}": "no idea" if i in wrong | HARD else f"answer {i}" for i in range(COUNT)}
    return {"name": name, "engine": "fake", "options": {"answers": answers}, **more}


def write(folder: Path, *candidates: dict[str, Any], **more: Any) -> Path:
    rows = [{"key": f"q{i:03d}", "prompt": f"question {i}", "target": f"answer {i}"} for i in range(COUNT)]
    (folder / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = {
        "baseline": "old",
        "candidates": [candidate("old", set()), *candidates],
        "suites": [{"name": "qa", "use": "prompted", "options": {"items": "items.jsonl"}, "retained": True}],
        "rules": [RULE],
        "sequential": {},
        **more,
    }
    path = folder / "gate.yaml"
    path.write_text(json.dumps(config))
    return path


def run(path: Path) -> tuple[Measurement, dict[str, str], dict[str, Looks | None]]:
    """What was done, the outcome of every candidate, and how it was looked at."""
    loaded = load(path)
    done = measure(prepare(loaded))
    measured = read_measured(loaded)
    verdicts = {verdict.candidate: verdict.outcome for verdict in conclude(loaded, measured).verdicts}
    return done, verdicts, {name: each.run.looks for (_, name), each in measured.items()}


def scattered(count: int) -> set[int]:
    """So many items that are not hard, spread over the suite."""
    easy = [i for i in range(COUNT) if i not in HARD]
    return {easy[(7 * step) % len(easy)] for step in range(count)}


HARMLESS, BROKEN, DOUBTFUL = candidate("harmless", scattered(2)), candidate("broken", scattered(250)), scattered(40)


def test_harmless_and_broken_candidates_need_half_of_the_items_at_most(tmp_path: Path) -> None:
    done, outcomes, looks = run(write(tmp_path, HARMLESS, BROKEN))
    assert outcomes == {"harmless": "pass", "broken": "fail"}
    for name in ("harmless", "broken"):
        found = looks[name]
        assert found is not None
        assert found.made[-1] <= COUNT // 2
        assert "every rule about qa is decided" in found.stopped
    assert looks["old"] is None
    assert done.sent <= 2 * COUNT


def test_a_doubtful_candidate_is_given_up_where_that_is_wanted_and_asked_to_the_end_where_it_is_not(tmp_path: Path) -> None:
    _, outcomes, looks = run(write(tmp_path, candidate("doubtful", DOUBTFUL), sequential={"futility": 0.9}))
    found = looks["doubtful"]
    assert found is not None
    assert found.made[-1] < COUNT
    assert "the chance that the rest would decide" in found.stopped
    assert outcomes == {"doubtful": "inconclusive"}
    _, outcomes, looks = run(write(tmp_path, candidate("doubtful", DOUBTFUL), sequential={"futility": 0.0}))
    assert looks["doubtful"] is not None
    assert (looks["doubtful"].made[-1], looks["doubtful"].stopped, outcomes) == (COUNT, "", {"doubtful": "inconclusive"})


def test_bounds_that_hold_at_any_time_stop_too(tmp_path: Path) -> None:
    _, outcomes, looks = run(write(tmp_path, BROKEN, sequential={"method": "anytime", "looks": 10}))
    found = looks["broken"]
    assert found is not None
    assert (outcomes["broken"], found.settings.method) == ("fail", "anytime")
    assert found.made[-1] < COUNT


def test_what_is_lost_against_a_reference_of_another_family_is_decided_early(tmp_path: Path) -> None:
    rules = [{"metric": "qa/*/lost", "require": "at_most", "value": 0.1, "against": "reference"}]
    broken = candidate("broken", scattered(250), reference="base")
    done, outcomes, looks = run(write(tmp_path, broken, candidate("base", scattered(3), reference="old"), rules=rules))
    found = looks["broken"]
    assert found is not None
    assert (outcomes["broken"], looks["base"]) == ("fail", None)
    assert found.made[-1] <= COUNT // 2
    assert done.sent == 2 * COUNT + found.made[-1]


def test_a_group_of_tasks_is_judged_over_what_was_asked_of_each(tmp_path: Path) -> None:
    path = grouped(tmp_path, {"metric": "qa/both/exact_match", "require": "non_inferior", "margin": 0.02})
    written = json.loads(path.read_text())
    written["sequential"] = {"min_items": 20, "looks": 4}
    path.write_text(json.dumps(written))
    loaded = load(path)
    prepared = prepare(loaded)
    assert prepared.division.parts["qa"].planned == (50, 100, 150, 200)
    measure(prepared)
    measured = read_measured(loaded)
    tasks = [sample.task for sample in measured["qa", "new"].samples]
    for end in prepared.division.parts["qa"].planned[: -1 if len(tasks) < 200 else None]:
        assert tasks[:end].count("small") == end // 5
    finding = conclude(loaded, measured).verdicts[0].findings[0]
    assert finding.comparison is not None
    mine = [sample for sample in measured["qa", "new"].samples if sample.scores]
    means = []
    for task in ("small", "large"):
        scores = [sample.scores["exact_match"] for sample in mine if sample.task == task and sample.scores]
        means.append(sum(scores) / len(scores))
    assert finding.comparison.candidate_value == pytest.approx(sum(means) / 2)
    assert finding.comparison.missing == 0


def test_every_command_reads_a_store_of_stopped_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, HARMLESS, BROKEN)
    assert main(["run", str(path)]) == 10
    printed = capsys.readouterr()
    assert "qa: 400 items in 5 looks of about 80 per candidate" in " ".join(printed.err.split())
    assert "◔ harmless: asked " in printed.out
    conclusion = msgspec.json.decode((tmp_path / "runs" / "verdict.json").read_bytes(), type=Conclusion)
    for health in conclusion.health:
        assert (health.looks is None) == (health.candidate == "old")
        assert health.failed == 0
    findings = [finding for verdict in conclusion.verdicts for finding in verdict.findings]
    assert not [finding for finding in findings if finding.comparison and finding.comparison.missing]
    assert not [finding for finding in findings if "missing" in finding.reason or "one side only" in finding.reason]
    assert "Asked look by look" in (tmp_path / "runs" / "summary.md").read_text()
    assert "Asked look by look" in (tmp_path / "runs" / "report.html").read_text()
    before = conclusion.verdicts
    assert main(["gate", str(path)]) == 10
    assert msgspec.json.decode((tmp_path / "runs" / "verdict.json").read_bytes(), type=Conclusion).verdicts == before
    for words in (["report"], ["compare"], ["show"], ["show", "--lost", "broken"], ["plan"]):
        assert main([words[0], str(path), *words[1:]]) == 0
    capsys.readouterr()
    assert main(["list", str(tmp_path / "runs")]) == 0
    assert " of 400" in capsys.readouterr().out
    assert main(["run", str(path), "--smoke", "20", "--dry-run"]) == 0
    assert "smoke run: everybody is asked the same few items" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"sequential": None}, "says now that it is to be asked in full"),
        ({"sequential": {"looks": 4}}, "with other looks than"),
        ({"sequential": {"futility": 0.2}}, "with other looks than"),
        ({"baseline": "harmless"}, "says now that it is the baseline, which is asked in full"),
    ],
)
def test_a_stopped_run_is_not_concluded_from_under_other_settings(tmp_path: Path, more: dict[str, Any], says: str) -> None:
    measure(prepare(load(write(tmp_path, HARMLESS))))
    moved = load(write(tmp_path, HARMLESS, **more))
    with pytest.raises(ComparabilityError, match=rf"'harmless' was asked only \d+ of 400 items of suite 'qa'.*{says}.*measure"):
        read_measured(moved)
    assert measure(prepare(moved)).reused > 0, "what was answered is not asked again"
    read_measured(moved)


def test_a_baseline_that_was_measured_before_is_not_asked_again(tmp_path: Path) -> None:
    first = measure(prepare(load(write(tmp_path, sequential=None, rules=[]))))
    second = measure(prepare(load(write(tmp_path, HARMLESS))))
    assert first.paths["qa", "old"] == second.paths["qa", "old"]
    assert (second.engines, second.skipped) == (1, 1)
    assert Store(tmp_path / "runs").read(second.paths["qa", "harmless"]).run.looks is not None


def test_a_run_that_was_looked_at_to_the_end_can_be_pinned_and_is_a_baseline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    doubtful = candidate("doubtful", DOUBTFUL)
    path = write(tmp_path, doubtful, sequential={"futility": 0.0})
    assert run(path)[2]["doubtful"] is not None
    assert main(["baseline", "pin", str(path), "w46", "--of", "doubtful"]) == 0
    path = write(tmp_path, candidate("next", DOUBTFUL), baseline="pin:w46", sequential=False)
    assert run(path)[1] == {"old": "pass", "next": "pass"}
    path = write(tmp_path, candidate("next", DOUBTFUL), baseline="pin:w46")
    assert run(path)[1]["next"] == "pass"
    capsys.readouterr()


def test_a_stopped_run_is_no_baseline_until_the_rest_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, HARMLESS)
    assert main(["run", str(path)]) == 0
    assert main(["baseline", "pin", str(path), "week1", "--of", "harmless"]) == 12
    assert f"sftgate measure {path} --set sequential=false" in " ".join(capsys.readouterr().err.split())
    assert main(["measure", str(path), "--set", "sequential=false"]) == 0
    assert main(["baseline", "pin", str(path), "week1", "--of", "harmless"]) == 0
    newer = write(tmp_path, candidate("newer", scattered(3)), baseline="pin:week1")
    done, outcomes, looks = run(newer)
    assert outcomes == {"old": "pass", "newer": "pass"}
    assert looks["newer"] is not None
    assert looks["newer"].made[-1] < COUNT
    assert done.sent == looks["newer"].made[-1], "of the pin nothing is asked, and what old answered is known"
