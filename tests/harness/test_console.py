"""What the terminal shows while something long runs."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from harness.commands.console import Bars


def test_a_sentence_is_a_whole_line_and_leaves_the_bars_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr("harness.commands.console.err", Console(file=shown, width=80))
    sentence = f"step 84: 32 of 32 answers are said [word for word]. {'Train for fewer epochs, or on more. ' * 4}"
    with Bars() as bars:
        bars.told("train", 3, 100)
        bars.told(f"{sentence}\x1b", 1, 1)
        bars.told("train", 50, 100)
        bars.told("save", 0, 1)
        bars.told("save", 1, 1)
    first, *rest = shown.getvalue().splitlines()
    assert first == f"{sentence}�"
    assert [line.split()[0] for line in rest] == ["train", "save"]
    assert "50/100" in rest[0]
    assert "━" in rest[0]
