"""``kill -9`` loses at most the requests in flight: the next run asks only for what is missing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from harness.journal import Journal

RUN = '''
"""Drive conversations of two turns over a slow engine; one line for every request that the engine gets."""
import sys, time
from harness.journal import Journal
from harness.protocols import Answered
from harness.records import Completion, Request
from harness.schedule import Desk, Talk, drive

path, items, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])

class Slow:
    capacity = 8
    def __init__(self): self.held = []
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def submit(self, asked):
        for one in asked:
            print("asked", one.request.prompt, flush=True)
        self.held += asked
    def poll(self, timeout):
        time.sleep(pause)
        done, self.held = self.held[:3], self.held[3:]
        return [Answered(ticket=one.ticket, result=Completion(text=one.request.prompt + "!")) for one in done]

def two_turns(name):
    (first,) = yield [Request(prompt=name)]
    (second,) = yield [Request(prompt=first.text)]
    return second.text

with Journal(path) as journal, Desk({"m": Slow}) as desk:
    talks = (Talk(id=i, candidate="m", conversation=two_turns(f"q{i}")) for i in range(items))
    for done in drive(talks, desk, journal=journal, asked={"m": "weights"}):
        print("done", done.id, done.value, done.sent, done.reused, flush=True)
'''

ITEMS = 60


def command(path: Path, pause: float) -> list[str]:
    return [sys.executable, "-c", RUN, str(path), str(ITEMS), str(pause)]


def words(output: str, first: str) -> list[list[str]]:
    return [line.split()[1:] for line in output.splitlines() if line.startswith(f"{first} ")]


def kill_when(path: Path, answers: int) -> str:
    """Start a run, kill it with SIGKILL when so many answers are journalled, and return what it had printed."""
    running = subprocess.Popen(command(path, 0.02), stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    with Journal(path) as journal:
        while journal.count() < answers and time.monotonic() < deadline and running.poll() is None:
            time.sleep(0.005)
    assert running.poll() is None, "the run ended before it could be killed"
    running.send_signal(signal.SIGKILL)
    output, _ = running.communicate(timeout=30)
    assert running.returncode == -signal.SIGKILL
    return output


def test_after_kill_9_only_what_is_missing_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    killed = kill_when(path, answers=30)
    with Journal(path) as journal:
        kept = journal.count()
    lost = len(words(killed, "asked")) - kept
    assert 30 <= kept < 2 * ITEMS
    assert 0 <= lost <= 8, "at most the requests in flight"

    second = subprocess.run(command(path, 0.0), capture_output=True, text=True, timeout=60, check=True).stdout
    assert len(words(second, "asked")) == 2 * ITEMS - kept
    assert {name: value for name, value, *_ in words(second, "done")} == {str(i): f"q{i}!!" for i in range(ITEMS)}

    third = subprocess.run(command(path, 0.0), capture_output=True, text=True, timeout=60, check=True).stdout
    assert words(third, "asked") == []
    assert sorted(words(third, "done")) == sorted([str(i), f"q{i}!!", "0", "2"] for i in range(ITEMS))


def test_being_killed_again_and_again_still_comes_to_the_end(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    for answers in (10, 25, 50):
        kill_when(path, answers)
    last = subprocess.run(command(path, 0.0), capture_output=True, text=True, timeout=60, check=True).stdout
    assert len(words(last, "done")) == ITEMS
    with Journal(path) as journal:
        assert journal.count() == 2 * ITEMS
