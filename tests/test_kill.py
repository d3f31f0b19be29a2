"""``kill -9`` at random moments of real runs over vLLM: nothing is lost but requests in flight, and the results are the same.

The moments are random; SFTGATE_KILL_SEED repeats them, and every test prints its own.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import time
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from harness.records import Sample
from harness.store import Store
from tests.kills import PHASES, Diary, Phase, Rounds, journalled, read_diary, start, undisturbed, visible_runs

pytestmark = [pytest.mark.models, pytest.mark.vllm]

SEQUENCES = 8
CAPACITY = 4 * SEQUENCES


class Gate(NamedTuple):
    """A gate over vLLM that ran once without being disturbed: the config's text, what was asked, seconds by phase, its store."""

    config: dict[str, Any]
    asked: Diary
    seconds: dict[Phase, float]
    store: Path


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory, lab_test: Any) -> Gate:
    """Base and adapter through questions, questions in turns, and scored texts."""
    pytest.importorskip("vllm")
    from benchmarks.models import random_adapter

    folder = tmp_path_factory.mktemp("undisturbed")
    suites = lab_test.data / "suites"
    facts = [json.loads(line) for line in (suites / "facts.jsonl").read_text().splitlines()]
    general = (suites / "general.jsonl").read_text().splitlines()
    texts = (lab_test.data / "text.jsonl").read_text().splitlines()
    turns = [
        {"key": f"t{index}", "turns": [one["prompt"], other["prompt"]], "target": other["target"]}
        for index, (one, other) in enumerate(zip(facts[100:140], facts[200:240], strict=True))
    ]
    (folder / "questions.jsonl").write_text("".join(line + "\n" for line in general[:120]))
    (folder / "turns.jsonl").write_text("".join(json.dumps(row) + "\n" for row in turns))
    (folder / "texts.jsonl").write_text("".join(line + "\n" for line in texts[:60]))
    shared = {
        "model": str(lab_test.base),
        "engine": "tests.counting:CountingVllm",
        "options": {"dtype": "float32"},
        "resources": {"max_num_seqs": SEQUENCES},
    }
    config = {
        "baseline": "base",
        "candidates": [
            {"name": "base", **shared},
            {"name": "adapter", **shared, "adapter": str(random_adapter(lab_test.base, folder / "adapter"))},
        ],
        "suites": [
            {"name": "questions", "use": "prompted", "options": {"items": str(folder / "questions.jsonl"), "max_tokens": 40}},
            {"name": "turns", "use": "prompted", "options": {"items": str(folder / "turns.jsonl"), "max_tokens": 24}},
            {"name": "texts", "use": "forgetting", "options": {"text": str(folder / "texts.jsonl")}},
        ],
    }
    asked, seconds = undisturbed(_write(folder, config), folder / "undisturbed.diary")
    assert len(asked.sent) == len(set(asked.sent)) == len(journalled(folder / "runs")) == 2 * (120 + 2 * 40 + 60)
    print("\nundisturbed: " + ", ".join(f"{phase} {seconds[phase]:.1f} s" for phase in PHASES))
    return Gate(config, asked, seconds, folder / "runs")


def _write(folder: Path, config: dict[str, Any]) -> Path:
    path = folder / "gate.yaml"
    path.write_text(json.dumps(config))
    return path


def _generator() -> random.Random:
    seed = int(os.environ.get("SFTGATE_KILL_SEED") or secrets.randbelow(10**6))
    print(f"SFTGATE_KILL_SEED={seed}")
    return random.Random(seed)


def _same_results(store: Path, gate: Gate) -> None:
    """Every run as in the undisturbed store: the samples to the byte but for noise in the last digits of log-probabilities."""
    ours, theirs = Store(store), Store(gate.store)
    selected = ours.current()
    assert set(selected) == set(theirs.current())
    assert len(visible_runs(store)) == len(selected), "every run was written once"
    for pair, path in theirs.current().items():
        own, other = ours.read(selected[pair]), theirs.read(path)
        assert (own.run.graded, own.run.planned, own.run.failed, own.run.flags) == (
            other.run.graded, other.run.planned, other.run.failed, other.run.flags,
        )  # fmt: skip
        if pair[0] != "texts":
            assert (selected[pair] / "samples.jsonl").read_bytes() == (path / "samples.jsonl").read_bytes()
        else:  # sums of float32 log-probabilities: who shares a batch moves their last digits
            assert [msgspec.to_builtins(sample) for sample in own.samples] == [_nearly(sample) for sample in other.samples]


def _nearly(sample: Sample) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(sample)
    for name in ("scores", "statistics"):
        plain[name] = {metric: pytest.approx(value, rel=1e-5) for metric, value in plain[name].items()}
    return plain


def _exhaust(gate: Gate, folder: Path, phases: list[Phase], generator: random.Random) -> Rounds:
    """Kill a run in these phases, one after the other, until it is done or they are used up; then let it end, and compare."""
    config = _write(folder, gate.config)
    rounds = Rounds(config, folder, capacity=CAPACITY, seconds=gate.seconds)
    done = False
    while phases and not done:
        done = not rounds.kill(phases.pop(0), generator.random())
    rounds.finish()
    assert journalled(folder / "runs") == set(gate.asked.sent)
    assert rounds.sent == len(gate.asked.sent) + rounds.lost, "asked again: what was lost in flight, and nothing else"
    _same_results(folder / "runs", gate)
    return rounds


def test_two_kills_lose_what_was_in_flight_and_nothing_else(gate: Gate, tmp_path: Path) -> None:
    generator = _generator()
    rounds = _exhaust(gate, tmp_path, ["asking", generator.choice(PHASES)], generator)
    assert rounds.kills


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_twenty_kills_lose_what_was_in_flight_and_nothing_else(gate: Gate, tmp_path: Path) -> None:
    generator = _generator()
    kills = 0
    for number in range(40):
        if kills >= 20:
            break
        (folder := tmp_path / f"round-{number}").mkdir()
        print(f" round {number + 1}:")
        phases = [generator.choice([*PHASES, "asking", "asking"]) for _ in range(20 - kills)]
        kills += len(_exhaust(gate, folder, phases, generator).kills)
    assert kills >= 20


@pytest.mark.full
def test_ctrl_c_over_vllm_keeps_what_was_answered_to_the_last_answer(gate: Gate, tmp_path: Path) -> None:
    """vLLM works in this process, so Ctrl-C falls into one of its steps; none is taken after that."""
    config, diary = _write(tmp_path, gate.config), tmp_path / "first.diary"
    running = start(config, diary)
    while running.poll() is None and len(read_diary(diary).answered) < 100:
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=300) == 130
    found = read_diary(diary)
    assert 100 <= len(found.answered) < len(gate.asked.sent)
    assert journalled(tmp_path / "runs") == set(found.answered)
    assert visible_runs(tmp_path / "runs") == {}
