"""Weights in the cache: made once, found again, and gone when nobody has used them for a month."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from harness.engines.kept_weights import KEPT_DAYS, kept
from harness.errors import EngineError

pytest.importorskip("safetensors", reason="what goes wrong with weights is a kind of error of its own")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SFTGATE_CACHE", str(tmp_path))
    return tmp_path


def make(key: str, *, kind: str = "merged") -> Path:
    return kept(kind, key, lambda target: (target / "weights").touch(), failed=str)


def aged(folder: Path, days: float) -> Path:
    then = time.time() - days * 86_400
    os.utime(folder, (then, then))
    return folder


def test_what_is_there_is_not_made_again() -> None:
    first = make("a")
    assert kept("merged", "a", lambda target: pytest.fail("made again"), failed=str) == first


def test_what_nobody_used_for_a_month_goes_when_others_of_its_kind_are_made() -> None:
    forgotten, recent, used, other = make("f"), make("r"), make("u"), make("o", kind="noised")
    for folder, days in ((forgotten, 1), (recent, -1), (used, 5), (other, 5)):
        aged(folder, KEPT_DAYS + days)
    assert make("u") == used, "found, and so used today"
    assert forgotten.exists(), "nothing goes where nothing is made"
    make("new")
    assert [folder.exists() for folder in (forgotten, recent, used, other)] == [False, True, True, True]


def test_what_a_killed_process_left_goes_after_a_day(cache: Path) -> None:
    make("a")
    (dead := cache / "merged" / ".k-dead").mkdir()
    (alive := cache / "merged" / ".k-alive").mkdir()
    (dead / "weights").touch()
    aged(dead, 2)
    aged(alive, 0.5)
    make("b")
    assert (dead.exists(), alive.exists()) == (False, True)


def test_weights_that_cannot_be_made_leave_nothing_and_say_why(cache: Path) -> None:
    def refuse(target: Path) -> None:
        (target / "half").touch()
        raise ValueError("no  such\ntensor")

    with pytest.raises(EngineError, match=r"^cannot: no such tensor$"):
        kept("merged", "a", refuse, failed=lambda why: f"cannot: {why}")
    assert list((cache / "merged").iterdir()) == []
