"""A small config of fakes that the command line is called with, over and over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.cli import main
from harness.records import Conclusion

ITEMS = [{"key": f"k{index}", "prompt": f"question {index}", "target": f"question {index}"} for index in range(80)]


class Gate:
    """A config of two fakes in a folder; ``wrong`` are the items that the new one gets wrong."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        self.items()
        self.config: dict[str, Any] = {
            "baseline": "old",
            "candidates": [{"name": "old", "engine": "fake"}, {"name": "new", "engine": "fake"}],
            "suites": [{"name": "qa", "use": "prompted", "options": {"items": "items.jsonl"}}],
            "rules": [{"metric": "qa/*/exact_match", "require": "non_inferior", "margin": 0.1}],
        }
        self.wrong(1)

    @property
    def pins(self) -> Path:
        return self.folder / "baselines.toml"

    def items(self, rows: list[dict[str, Any]] = ITEMS) -> None:
        (self.folder / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def wrong(self, count: int) -> None:
        answers = {f"question {index}": "no idea" for index in range(count)}
        self.config["candidates"][-1]["options"] = {"answers": answers}

    def __call__(self, *words: str) -> tuple[int, str, str]:
        """``run`` becomes ``sftgate run gate.yaml``; further words follow."""
        path = self.folder / "gate.yaml"
        path.write_text(json.dumps(self.config))
        verb = list(words[: 2 if words[0] == "baseline" else 1])
        code = main([*verb, str(path), *words[len(verb) :]])
        captured = self.capsys.readouterr()
        return code, captured.out, captured.err

    def does(self, *words: str, code: int = 0) -> str:
        found, out, err = self(*words)
        assert found == code, out + err
        assert "Traceback" not in err
        return out + err

    def conclusion(self) -> Conclusion:
        return msgspec.json.decode((self.folder / "runs" / "verdict.json").read_bytes(), type=Conclusion)
