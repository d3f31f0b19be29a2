"""A whole run over Ray: candidates and judge in actors, and one journal with the same run without them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.config import load
from harness.engines.ray_cluster import cluster
from harness.pipeline import measure, prepare
from harness.records import Measured

pytest.importorskip("ray")

RESOURCES = {"actors": 2, "num_cpus": 0.5}


@pytest.fixture(scope="module")
def running() -> Iterator[None]:
    with cluster(None, {}):
        yield


def write(folder: Path, *, spread: bool, judge: bool = False) -> Path:
    rows = [{"key": f"q{number}", "prompt": f"question {number}", "target": f"answer {number}"} for number in range(20)]
    (folder / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def model(**options: Any) -> dict[str, Any]:
        inner = {"engine": "fake", "options": options}
        return {"engine": "ray", "options": {"engine": "fake", **options}, "resources": RESOURCES} if spread else inner

    right = {row["prompt"]: row["target"] for row in rows}
    config = {
        "baseline": "old",
        "candidates": [{"name": "old", **model(answers=right)}, {"name": "new", **model(answers={**right, "question 3": "?"})}],
        "suites": [{"name": "qa", "use": "prompted", "options": {"items": "items.jsonl"}}],
        "rules": [{"metric": "qa/*/exact_match", "require": "not_regressed"}],
    }
    if judge:
        config["engines"] = {
            "judge": {"engine": "ray", "options": {"engine": "tests.harness.engines.wrapped:Judges"}, "resources": RESOURCES}
        }
        config["suites"].append({"name": "pref", "use": "preference", "options": {"items": "items.jsonl", "judge": "judge"}})
    path = folder / "gate.yaml"
    path.write_text(json.dumps(config))
    return path


def read(path: Path, suite: str, name: str) -> Measured:
    store = prepare(load(path)).store
    return store.read(store.current()[suite, name])


def test_a_run_over_a_fleet_takes_its_answers_from_the_same_run_without_one(tmp_path: Path) -> None:
    first = measure(prepare(load(write(tmp_path, spread=False))))
    assert (first.sent, first.engines) == (40, 2)
    path = write(tmp_path, spread=True)
    again = measure(prepare(load(path)))
    assert (again.sent, again.engines, again.skipped) == (0, 0, 2), "no cluster was started for what is known"
    assert read(path, "qa", "new").run.candidate.engine == "ray"


def test_candidates_and_judge_in_actors_come_to_the_same_verdict(running: None, tmp_path: Path) -> None:
    path = write(tmp_path, spread=True, judge=True)
    measurement = measure(prepare(load(path)))
    assert (measurement.failed, measurement.engines) == (0, 3)
    scores = [sample.scores for sample in read(path, "qa", "new").samples]
    assert [score["exact_match"] for score in scores if score].count(1.0) == 19
    pref = read(path, "pref", "new")
    assert pref.run.judge_hash is not None
    judged = [sample for sample in pref.samples if len(sample.judgments) == 2]
    assert [sample.key for sample in judged] == ["q3"], "equal answers tie without asking"
    assert {judgment.order for judgment in judged[0].judgments} == {"left", "right"}
    assert main(["gate", str(path)]) in {0, 11}


def test_a_fleet_without_an_engine_is_a_mistake_in_the_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, spread=True)
    config = json.loads(path.read_text())
    del config["candidates"][1]["options"]["engine"]
    path.write_text(json.dumps(config))
    assert main(["run", str(path)]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "candidates.new.options.engine" in said
    assert "such as engine = 'vllm'" in said
