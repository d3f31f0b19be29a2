"""Runs of the command line that are killed at random moments, and what is found afterwards."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from harness.store import Store
from tests.counting import DIARY

ROOT = Path(__file__).parents[1]
Phase = Literal["starting up", "loading the model", "asking", "grading and writing"]
PHASES: tuple[Phase, ...] = ("starting up", "loading the model", "asking", "grading and writing")
_BEGINS: dict[str, Phase] = {"starting": "loading the model", "ready": "asking", "closing": "grading and writing"}


@dataclass
class Diary:
    """What one process did before its end."""

    sent: list[str] = field(default_factory=list)
    answered: dict[str, int] = field(default_factory=dict)  # key -> number of the poll that brought it
    failed: int = 0
    begun: dict[Phase, float] = field(default_factory=dict)  # phase -> the machine's clock

    @property
    def phase(self) -> Phase:
        """How far it came."""
        return max(self.begun, key=PHASES.index, default="starting up")


def read_diary(path: Path) -> Diary:
    """The events of one process; none where it never came to its engine."""
    diary = Diary()
    for line in path.read_text().splitlines() if path.exists() else ():
        clock, event, *rest = line.split()
        if event == "sent":
            diary.sent.append(rest[1])
        elif event == "answered":
            diary.answered[rest[1]] = int(rest[0])
        elif event == "failed":
            diary.failed += 1
        else:
            diary.begun[_BEGINS[event]] = float(clock)
    return diary


def start(config: Path, diary: Path) -> subprocess.Popen[str]:
    """``sftgate measure``, writing down what its engine does; its output goes beside the diary."""
    environment = {**os.environ, DIARY: str(diary), "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    with diary.with_suffix(".output").open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "harness.cli", "measure", str(config)],
            cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip


def undisturbed(config: Path, diary: Path) -> tuple[Diary, dict[Phase, float]]:
    """A run to its end, and how many seconds each phase took."""
    began = time.monotonic()
    code = start(config, diary).wait(timeout=600)
    assert code == 0, diary.with_suffix(".output").read_text()
    found, ended = read_diary(diary), time.monotonic()
    begun = [began, *(found.begun[phase] for phase in PHASES[1:]), ended]
    return found, {phase: after - before for phase, before, after in zip(PHASES, begun, begun[1:], strict=False)}


def kill_in(config: Path, diary: Path, phase: Phase, seconds: float) -> bool:
    """Start a run and kill it so long after the beginning of ``phase``; False where it came to its end before that."""
    running = start(config, diary)
    began = None
    while running.poll() is None:
        if began is None and (phase == "starting up" or phase in read_diary(diary).begun):
            began = time.monotonic()
        if began is not None and time.monotonic() >= began + seconds:
            running.send_signal(signal.SIGKILL)
            return running.wait(timeout=60) == -signal.SIGKILL
        time.sleep(0.002)
    assert running.returncode == 0, diary.with_suffix(".output").read_text()
    return False


def journalled(store: Path) -> set[str]:
    """The keys that the journal holds, as any process would find them."""
    path = store / "journal.sqlite"
    if not path.exists():
        return set()
    with closing(sqlite3.connect(path)) as connection:
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return set()
        return {key.hex() for (key,) in connection.execute("SELECT key FROM completions")}


def visible_runs(root: Path) -> dict[str, str]:
    """Every folder that looks like a run, read whole, with the hash of its files. Raises StoreError where one is half."""
    store, found = Store(root), {}
    for folder in sorted(root.glob("*/*@*")):
        store.read(folder)
        content = b"".join(path.read_bytes() for path in sorted(folder.iterdir()))
        found[str(folder.relative_to(root))] = hashlib.sha256(content).hexdigest()
    for path in store.current().values():
        store.read(path)
    return found


@dataclass(frozen=True)
class Kill:
    """One death: the moment, the phase it fell into, answers kept before and after, requests sent, and of these lost."""

    phase: Phase
    seconds: float
    before: int
    sent: int
    kept: int
    lost: int
    runs: int

    def __str__(self) -> str:
        return (
            f"{self.seconds:6.2f} s into {self.phase:<20} answers before {self.before:4d} · sent {self.sent:4d} · "
            f"kept {self.kept:4d} · lost in flight {self.lost:3d} · runs on disk {self.runs}"
        )


class Rounds:
    """A run that is killed again and again until it is done. Everything is checked after every death."""

    def __init__(self, config: Path, store: Path, folder: Path, *, capacity: int) -> None:
        self.config, self.store, self.folder, self.capacity = config, store, folder, capacity
        self.kills: list[Kill] = []
        self.sent = self.lost = self.attempts = 0
        self.runs: dict[str, str] = {}

    def kill(self, phase: Phase, seconds: float) -> bool:
        """One attempt that is killed; False where it came to its end first."""
        before = journalled(self.store)
        diary = self._diary()
        killed = kill_in(self.config, diary, phase, seconds)
        found, lost = self._check(diary, before)
        if killed:
            kept = len(journalled(self.store))
            self.kills.append(Kill(found.phase, seconds, len(before), len(found.sent), kept, lost, len(self.runs)))
            print(f"  kill {len(self.kills):2d}: {self.kills[-1]}", flush=True)
        return killed

    def finish(self) -> None:
        """One attempt to the end."""
        before = journalled(self.store)
        diary = self._diary()
        assert start(self.config, diary).wait(timeout=600) == 0, diary.with_suffix(".output").read_text()
        found, lost = self._check(diary, before)
        assert lost == 0
        print(f"  end:     answers before {len(before):4d} · sent {len(found.sent):4d}", flush=True)

    def _diary(self) -> Path:
        self.attempts += 1
        return self.folder / f"attempt-{self.attempts}.diary"

    def _check(self, path: Path, before: set[str]) -> tuple[Diary, int]:
        diary, after = read_diary(path), journalled(self.store)
        sent = set(diary.sent)
        assert before <= after, "what was kept stays kept"
        assert not sent & before, "what the journal knows is not asked"
        assert [key for key, count in Counter(diary.sent).items() if count > 1] == [], "nothing is asked twice"
        assert diary.failed == 0
        assert after - before <= sent, "nothing is kept that was not asked"
        lost = sent - after
        assert len(lost) <= self.capacity, "only requests in flight are lost"
        last = max(diary.answered.values(), default=0)
        assert {diary.answered.get(key, last) for key in lost} <= {last}, "of what was answered, only the last poll may be lost"
        runs = visible_runs(self.store)
        assert {name: runs.get(name) for name in self.runs} == self.runs, "a run on disk never changes"
        self.runs = runs
        self.sent += len(diary.sent)
        self.lost += len(lost)
        return diary, len(lost)


def moment(generator: random.Random, durations: dict[Phase, float], phase: Phase) -> tuple[Phase, float]:
    """A random moment in a phase, as long as an undisturbed run took for it."""
    return phase, generator.uniform(0, durations[phase])
