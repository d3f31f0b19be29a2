"""Gate and report need what was measured, and not what was trained: on a laptop with the store and the config they say the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.harness.pipeline.gated import Gate


@pytest.fixture
def gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Gate:
    found = Gate(tmp_path, capsys)
    trained = tmp_path / "out" / "new"
    (trained / "weights").mkdir(parents=True)
    (trained / "candidate.json").write_text(json.dumps({"name": "new", "model": "weights", "base": "org/base"}))
    (trained / "training.json").write_text(json.dumps({"name": "new", "method": "full", "base": "org/base"}))
    found.config["candidates"][1]["model"] = "out/new"
    found.does("run")
    return found


@pytest.mark.parametrize("left", ["out", "out/new/weights"])
def test_the_verdict_is_the_same_where_the_weights_were_not_copied(gate: Gate, left: str) -> None:
    before = gate.conclusion().verdicts
    shutil.rmtree(gate.folder / left)
    gate.does("gate")
    assert gate.conclusion().verdicts == before


def test_another_checkpoint_is_not_taken_for_the_one_that_was_left_behind(gate: Gate) -> None:
    shutil.rmtree(gate.folder / "out")
    gate.config["candidates"][1]["model"] = "out/newer"
    assert "measured last in suite 'qa' otherwise" in gate.does("gate", code=12)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("training.json", '{"format": 2, "name": "new"}', "has format 2, and this sftgate reads format 1"),
        ("training.json", '{"name": "ne', "cannot be read: Input data was truncated"),
        ("candidate.json", '{"format": 2, "name": "new", "model": "weights"}', "has format 2, and this sftgate reads format 1"),
        ("candidate.json", "[" * 100_000, "cannot be read: "),
    ],
)
def test_what_another_version_wrote_of_a_training_is_refused_and_not_half_understood(
    gate: Gate, name: str, content: str, words: str
) -> None:
    (gate.folder / "out" / "new" / name).write_text(content)
    said = gate.does("report", code=2)
    assert words in said
    assert f"out/new/{name}: " in said
    assert "Copy it again from where" in said
