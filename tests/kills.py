"""Runs of the command line that are killed at random moments, and what is found afterwards."""

from __future__ import annotations

import hashlib
import itertools
import os
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


def heed_ctrl_c() -> None:
    """In a child: a process in the background may have been told to ignore Ctrl-C, and hands that on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(config: Path, diary: Path) -> subprocess.Popen[str]:
    """``sftgate measure``, writing down what its engine does; its output goes beside the diary."""
    environment = {**os.environ, DIARY: str(diary), "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    with diary.with_suffix(".output").open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "harness.cli", "measure", str(config)],
            cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, text=True,
            preexec_fn=heed_ctrl_c,  # noqa: PLW1509
        )  # fmt: skip


def undisturbed(config: Path, diary: Path) -> tuple[Diary, dict[Phase, float]]:
    """A run to its end, and how many seconds each phase took."""
    began = time.monotonic()
    code = start(config, diary).wait(timeout=600)
    assert code == 0, diary.with_suffix(".output").read_text()
    found, ended = read_diary(diary), time.monotonic()
    begun = [began, *(found.begun[phase] for phase in PHASES[1:]), ended]
    return found, {phase: after - before for phase, before, after in zip(PHASES, begun, begun[1:], strict=False)}


def kill_in(config: Path, diary: Path, phase: Phase, seconds: float) -> tuple[float, float] | None:
    """Start a run and kill it so long after the beginning of ``phase``: when it was started and killed, by the machine's clock.

    None where it came to its end before that.
    """
    started, running = time.monotonic(), start(config, diary)
    while running.poll() is None:
        begun = started if phase == "starting up" else read_diary(diary).begun.get(phase)
        if begun is not None and time.monotonic() >= begun + seconds:
            running.send_signal(signal.SIGKILL)
            killed = time.monotonic()
            return (started, killed) if running.wait(timeout=60) == -signal.SIGKILL else None
        time.sleep(0.002)
    assert running.returncode == 0, diary.with_suffix(".output").read_text()
    return None


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

    def __init__(self, config: Path, folder: Path, *, capacity: int, seconds: dict[Phase, float]) -> None:
        self.config, self.folder, self.capacity = config, folder, capacity
        self.store = folder / "runs"
        self.seconds = dict(seconds)  # by phase, as the last run took that came through it
        self.kills: list[Kill] = []
        self.sent = self.lost = self.attempts = 0
        self.runs: dict[str, str] = {}

    def kill(self, phase: Phase, share: float) -> bool:
        """One attempt that is killed when about ``share`` of a phase is over; False where it came to its end first."""
        seconds = share * self.seconds[phase]
        before = journalled(self.store)
        diary = self._diary()
        times = kill_in(self.config, diary, phase, seconds)
        found, lost = self._check(diary, before)
        if times is None:
            return False
        begun = {PHASES[0]: times[0], **found.begun}
        for passed, following in itertools.pairwise(PHASES):  # the machine may be busier now, or less is left to ask
            if following in begun:
                self.seconds[passed] = begun[following] - begun[passed]
        kept = len(journalled(self.store))
        self.kills.append(
            Kill(found.phase, times[1] - begun[found.phase], len(before), len(found.sent), kept, lost, len(self.runs))
        )
        print(f"  kill {len(self.kills):2d}: {self.kills[-1]}", flush=True)
        return True

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
