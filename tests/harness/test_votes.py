"""People's votes in the store: brought in by a command, and brought in again where somebody changed them."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from harness.cli import main
from harness.store import Store


def test_votes_that_were_changed_in_the_store_are_imported_again_once_they_are_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def does(*words: str, code: int = 0) -> str:
        assert main([*words]) == code, capsys.readouterr()
        captured = capsys.readouterr()
        return " ".join((captured.out + captured.err).split())

    items = [{"key": f"q{index}", "prompt": f"question {index}", "target": f"question {index}"} for index in range(12)]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    new = {"name": "new", "engine": "fake", "options": {"answers": {item["prompt"]: f"{item['prompt']}?" for item in items}}}
    config = {
        "baseline": "old",
        "candidates": [{"name": "old", "engine": "fake"}, new],
        "suites": [{"name": "qa", "use": "prompted", "options": {"items": "items.jsonl"}}],
    }
    gate = tmp_path / "gate.yaml"
    gate.write_text(json.dumps(config))
    does("measure", str(gate))
    does("review", "export", str(gate), "--folder", str(tmp_path / "review"))
    package, key = (next((tmp_path / "review").glob(name)) for name in ("package-*", "key-*.json"))
    rows = list(csv.DictReader((package / "items.csv").read_text(encoding="utf-8-sig").splitlines()))
    votes = tmp_path / "votes.csv"
    with votes.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows({**row, "choice": "left", "rater": "ann"} for row in rows)
    importing = ("review", "import", str(gate), "--key", str(key), "--votes", str(votes))
    does(*importing)
    store = Store(tmp_path / "runs")
    first = {pair: path for pair, path in store.current().items() if pair[0] == "human"}
    assert first
    for path in first.values():
        (path / "run.json").write_text((path / "run.json").read_text().replace('"failed": 0', '"failed": 1'))
    assert "is not what was written" in does(*importing, code=13)
    for path in first.values():
        shutil.rmtree(path)
    does(*importing)
    assert all(store.read(store.current()[pair]).samples for pair in first)
