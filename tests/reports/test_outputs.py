"""What the gate leaves in the store is of one conclusion: all of it, or all of what was there before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.commands import gating
from harness.errors import StoreError
from harness.records import Conclusion
from reports import page
from reports.items.packing import SIDE_FILE
from tests.reports.told import concluded, finding

NAMES = ["report.html", SIDE_FILE, "summary.md", "junit.xml", "verdict.json"]


@pytest.fixture
def conclusion(monkeypatch: pytest.MonkeyPatch) -> Conclusion:
    monkeypatch.setattr(gating, "read_training", lambda loaded: {})
    monkeypatch.setattr(page, "files", lambda *_: {"report.html": b"new", SIDE_FILE: b"new"})
    return concluded(finding())


def settings(folder: Path) -> Any:
    return SimpleNamespace(store=folder, part="", config=SimpleNamespace(lang="en"))


@pytest.mark.parametrize("room", range(len(NAMES)))
def test_where_the_disk_is_full_nothing_of_the_old_report_is_replaced(
    room: int, conclusion: Conclusion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NAMES:
        (tmp_path / name).write_text("old")
    left, flush = iter(range(room)), os.fsync

    def full(descriptor: int, left: Iterator[int] = left) -> None:
        if next(left, None) is None:
            raise OSError(28, "No space left on device")
        flush(descriptor)

    monkeypatch.setattr("harness.store.os.fsync", full)
    with pytest.raises(StoreError, match=rf"{NAMES[room]}' cannot be written: No space left .* Nothing that was there is lost"):
        gating.write_outputs(settings(tmp_path), conclusion, {})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(NAMES, "old")


def test_where_the_page_cannot_be_made_there_is_no_verdict_without_it(
    conclusion: Conclusion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "verdict.json").write_text("old")
    monkeypatch.setattr(page, "files", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        gating.write_outputs(settings(tmp_path), conclusion, {})
    assert (tmp_path / "verdict.json").read_text() == "old"
