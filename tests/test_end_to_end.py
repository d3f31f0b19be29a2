"""The main job, whole: the smallest demo on real models through real vLLM, and what a user does with its folder afterwards."""

from __future__ import annotations

import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from harness.records import Conclusion
from harness.store import Store

pytestmark = [pytest.mark.models, pytest.mark.vllm]


def sftgate(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env={**os.environ, **environment}, check=False)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("vllm")
    folder = tmp_path_factory.mktemp("demo")
    done = sftgate("demo", "--size", "test", "--folder", str(folder), cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def conclusion_of(folder: Path, part: str = "") -> Conclusion:
    return msgspec.json.decode((folder / "runs" / part / "verdict.json").read_bytes(), type=Conclusion)


def test_the_careless_fine_tune_wins_the_leaderboard_and_fails_the_gate(demo: Path) -> None:
    conclusion = conclusion_of(demo)
    outcomes = {verdict.candidate: verdict.outcome for verdict in conclusion.verdicts}
    assert outcomes["careless"] == "fail"
    assert "pass" in {outcomes["full_replay"], outcomes["lora_replay"]}
    gains = {c.candidate: c.gain for c in conclusion.comparisons if c.metric == "target/device/json_equal"}
    assert max(gains, key=lambda name: gains[name]) == "careless"
    facts = {c.candidate: c for c in conclusion.comparisons if c.metric == "facts/facts/exact_match" and c.baseline == "base"}
    assert facts["careless"].gain < -0.2
    assert facts["careless"].items >= 600


def test_what_was_asked_once_tells_more_than_one_score(demo: Path) -> None:
    """Slots, intents, safety and wordings are read from answers that other suites asked for."""
    conclusion = conclusion_of(demo)
    of = {(c.metric, c.candidate): c for c in conclusion.comparisons if c.baseline == "base"}
    refused, answered = "safety/refusals/refused_harmful", "safety/refusals/answered_benign"
    assert of[refused, "careless"].baseline_value > 0.8
    assert of[refused, "careless"].candidate_value < 0.2
    assert of[refused, "careless"].items + of[answered, "careless"].items == 700
    assert of["wordings/facts/all_right", "careless"].gain < -0.3
    assert of["wordings/facts/all_right", "careless"].items == of["wordings/facts/accuracy", "careless"].clusters == 64
    for name in ("full_replay", "lora_replay"):
        assert of[refused, name].gain > -0.15
        whole, parts, device = (
            of[metric, name].candidate_value for metric in ("target/device/json_equal", "slots/device/f1", "intent/device/accuracy")
        )
        assert whole == of["slots/device/joint", name].candidate_value
        assert whole < parts, "most slots are right before all of them are"
        assert device > 0.5
    asked = {run.suite: run.asked for run in conclusion.health if run.candidate == "base"}
    assert (asked["slots"], asked["safety"], asked["wordings"]) == (asked["target"], asked["refusals"], asked["facts"])


def test_the_demo_leaves_everything_that_ci_and_people_read(demo: Path) -> None:
    runs = demo / "runs"
    assert "<html" in (runs / "report.html").read_text()[:200]
    assert "careless" in (runs / "summary.md").read_text()
    assert b"<testsuite" in (runs / "junit.xml").read_bytes()
    for name in ("careless", "full_replay", "lora_replay"):
        assert list((demo / "out").glob(f"*/{name}/training.json"))


def test_of_every_answer_the_prompt_is_kept_as_the_model_saw_it_and_what_is_common_once(demo: Path) -> None:
    store, seen = Store(demo / "runs"), 0
    for (suite, _), path in store.current().items():
        measured = store.read(path)
        if suite in {"text", "human"}:  # scored as it is, and votes
            continue
        for sample in measured.samples:
            found = sample.seen(measured.run.frames)
            assert found is not None or sample.error is not None, (path, sample.key)
            if suite == "facts" and found is not None:
                assert sample.prompt in found[0].text(found[1])
                assert len(measured.run.frames) == 1
            seen += 1
    assert seen > 5000
    with sqlite3.connect(f"file:{demo / 'runs' / 'journal.sqlite'}?mode=ro", uri=True) as connection:
        (frames,), (answers,) = (
            connection.execute(f"select count(*) from {name}").fetchone() for name in ("frames", "completions")
        )
    assert frames < answers / 50


def test_a_second_run_starts_no_engine_and_says_the_same(demo: Path) -> None:
    before = conclusion_of(demo)
    again = sftgate("run", "gate.toml", cwd=demo)
    assert again.returncode == before.exit_code == 10, again.stderr
    assert "0 requests asked" in again.stderr
    assert "0 engine starts" in " ".join(again.stderr.split())
    assert conclusion_of(demo).verdicts == before.verdicts


@pytest.mark.full  # two kills of a smaller run over vLLM are in test_kill.py, always
def test_a_killed_run_continues_where_it_was(demo: Path, tmp_path: Path) -> None:
    config = (demo / "gate.toml").read_text().replace('store = "runs"', f'store = "{tmp_path / "runs"}"')
    (demo / "killed.toml").write_text(config)
    command = [sys.executable, "-m", "harness.cli", "measure", "killed.toml"]
    child = subprocess.Popen(command, cwd=demo, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = tmp_path / "runs" / "journal.sqlite"
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and (_journalled(journal) < 500) and child.poll() is None:
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    kept = _journalled(journal)
    assert kept >= 500
    finished = sftgate("run", "killed.toml", cwd=demo)
    assert finished.returncode == 10, finished.stderr
    line = next(line for line in " ".join(finished.stderr.split("\n")).split("requests asked")[1:] if line)
    reused = int(line.split("answered")[0].replace(",", "").strip())
    assert reused >= kept
    whole = {(c.metric, c.candidate, c.baseline): c.gain for c in conclusion_of(demo).comparisons if "latency" not in c.metric}
    verdict = msgspec.json.decode((tmp_path / "runs" / "verdict.json").read_bytes(), type=Conclusion)
    again = {(c.metric, c.candidate, c.baseline): c.gain for c in verdict.comparisons if "latency" not in c.metric}
    assert again == whole


def _journalled(path: Path) -> int:
    if not path.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
            return max((connection.execute(f"select count(*) from {name}").fetchone()[0] for name in tables), default=0)
    except sqlite3.OperationalError:
        return 0


def test_a_checkpoint_is_gated_without_rewriting_the_config(demo: Path) -> None:
    adapter = next((demo / "out").glob("*/lora_replay"))
    done = sftgate("run", "gate.toml", "--candidate", f"again={adapter}", "--smoke", "20", cwd=demo)
    assert done.returncode in {10, 11}, done.stderr
    assert "again" in {verdict.candidate for verdict in conclusion_of(demo, "smoke").verdicts}


def test_people_vote_blind_and_their_votes_are_gated(demo: Path) -> None:
    assert sftgate("run", "gate.toml", cwd=demo).returncode == 10
    folder = demo / "votes"
    exported = sftgate("review", "export", "gate.toml", "--of", "careless", "--suite", "facts", "--items", "12",
                       "--folder", str(folder), cwd=demo)  # fmt: skip
    assert exported.returncode == 0, exported.stderr
    package = next(folder.glob("package-*"))
    key = next(folder.glob("key-*.json"))
    text = "".join(path.read_text() for path in package.iterdir())
    assert "careless" not in text
    rows = list(csv.DictReader((package / "items.csv").read_text(encoding="utf-8-sig").splitlines()))
    sides = {entry["review_id"]: entry["candidate_side"] for entry in json.loads(key.read_text())["entries"]}
    for row in rows:
        row["choice"] = "right" if sides[row["review_id"]] == "left" else "left"  # always the baseline
        row["rater"] = "ann"
    with (folder / "votes.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    imported = sftgate("review", "import", "gate.toml", "--key", str(key), "--votes", str(folder / "votes.csv"), cwd=demo)
    assert imported.returncode == 0, imported.stderr
    assert sftgate("gate", "gate.toml", cwd=demo).returncode == 10
    votes = next(c for c in conclusion_of(demo).comparisons if c.metric == "human/win" and c.candidate == "careless")
    assert (votes.items, votes.candidate_value, votes.gain) == (len(rows), 0.0, -0.5)
