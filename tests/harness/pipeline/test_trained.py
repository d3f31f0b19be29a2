"""Whose training a ``training.json`` tells of."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from harness.config import load
from harness.pipeline.trained import read_training
from harness.records import Training


def test_a_training_is_found_beside_its_weights_and_is_that_of_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path, tmp_path / "tuned"):
        folder.mkdir(exist_ok=True)
        (folder / "training.json").write_bytes(msgspec.json.encode(Training(name=folder.name, method="full", base="b")))
    config = tmp_path / "gate.toml"
    config.write_text(
        """
        baseline = "hub"
        candidates = [
          { name = "hub", model = "gpt2" },
          { name = "none", engine = "none" },
          { name = "home", model = "~/tuned" },
          { name = "here", model = "." },
        ]
        suites = [{ name = "s", use = "scores" }]
        rules = [{ metric = "s/acc", require = "superior" }]
        """
    )
    found = read_training(load(config))
    assert {name: training.name for name, training in found.items()} == {"home": "tuned", "here": tmp_path.name}
