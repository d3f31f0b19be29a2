"""What gets in a run's way from outside: Ctrl-C, a second run, a full disk, a store that may not be written or goes away.

All through the command line. Each is one clear sentence and the right exit code, and whatever was answered is not asked again.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.store import Store
from tests.dawdling import DIARY
from tests.kills import ROOT, heed_ctrl_c, journalled, visible_runs
from tests.rights import without_rights

ITEMS = 150
ENGINE = {"engine": "tests.dawdling:Dawdling", "model": "dawdling", "revision": "1"}


def write(folder: Path, *names: str, name: str = "gate.yaml", words: int = 3) -> Path:
    """A config with these candidates, each of which answers differently."""
    rows = [{"key": f"q{i}", "prompt": f"question {i} " * words, "target": f"question {i}"} for i in range(ITEMS)]
    (folder / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = {
        "baseline": names[0],
        "store": str(folder / "runs"),
        "candidates": [{"name": name, **ENGINE, "options": {"answers": {"who?": name}}} for name in names],
        "suites": [{"name": "qa", "use": "prompted", "options": {"items": str(folder / "items.jsonl")}}],
    }
    path = folder / name
    path.write_text(json.dumps(config))
    return path


def start(config: Path, diary: Path, *, largest_file: int | None = None) -> subprocess.Popen[bytes]:
    """``sftgate measure``, where wanted unable to write a file of more than so many KiB. What it says goes beside the diary."""
    environment = {**os.environ, DIARY: str(diary), "PYTHONPATH": str(ROOT), "COLUMNS": "1000"}
    command = [sys.executable, "-m", "harness.cli", "measure", str(config)]
    if largest_file is not None:
        command = ["bash", "-c", f'ulimit -f {largest_file}; exec "$@"', "--", *command]
    with diary.with_suffix(".said").open("w") as said:
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=said,
            preexec_fn=heed_ctrl_c,  # noqa: PLW1509  no other thread holds anything that this one setting needs
        )  # fmt: skip


def end(running: subprocess.Popen[bytes], diary: Path) -> tuple[int, str]:
    """Exit code, and everything said; never a traceback."""
    code, said = running.wait(timeout=120), diary.with_suffix(".said").read_text()
    assert "Traceback" not in said, said
    return code, said


def sent(diary: Path) -> list[str]:
    return [line for line in diary.read_text().splitlines() if line.startswith("sent ")] if diary.exists() else []


def answered(diary: Path) -> int:
    return sum(line.startswith("answered ") for line in diary.read_text().splitlines()) if diary.exists() else 0


def until(happens: Callable[[], bool], running: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not happens():
        assert running.poll() is None, "the run ended too early"
        assert time.monotonic() < deadline
        time.sleep(0.005)


def rest_is_asked(config: Path, diary: Path, *, runs: int = 1) -> None:
    """A run after the trouble asks what is missing, and ends well."""
    kept = len(journalled(config.parent / "runs"))
    code, said = end(start(config, diary), diary)
    assert code == 0, said
    assert len(sent(diary)) == runs * ITEMS - kept
    assert len(visible_runs(config.parent / "runs")) == runs


# ---------------------------------------------------------------------------------------------------------- Ctrl-C


def test_ctrl_c_keeps_every_answer_and_leaves_at_once(tmp_path: Path) -> None:
    config, diary = write(tmp_path, "old"), tmp_path / "first"
    running = start(config, diary)
    until(lambda: answered(diary) >= 20, running)
    running.send_signal(signal.SIGINT)
    code, said = end(running, diary)
    assert code == 130, said
    assert "interrupted. Everything answered so far is in the journal" in said
    kept = len(journalled(tmp_path / "runs"))
    assert 20 <= kept == answered(diary) < ITEMS, "what the engine had answered, to the last one"
    assert not list((tmp_path / "runs").glob("qa/*"))
    rest_is_asked(config, tmp_path / "second")


class SlowServer(BaseHTTPRequestHandler):
    """Answers four requests, and the others in a minute."""

    protocol_version = "HTTP/1.1"
    asked = 0

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        self.answer({"data": []})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        SlowServer.asked += 1
        if SlowServer.asked > 4:
            time.sleep(60)
        message = {"role": "assistant", "content": "yes"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1}
        self.answer({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage})

    def answer(self, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_ctrl_c_does_not_wait_for_an_endpoint(tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), SlowServer)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = write(tmp_path, "old")
    content = json.loads(config.read_text())
    options = {"base_url": f"http://127.0.0.1:{server.server_port}/v1"}
    content["candidates"][0] |= {"engine": "openai", "options": options}
    config.write_text(json.dumps(content))
    running = start(config, tmp_path / "diary")
    until(lambda: SlowServer.asked > 4 and len(journalled(tmp_path / "runs")) == 4, running)
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=40) == 130, "in less than the minute that the server takes"
    assert len(journalled(tmp_path / "runs")) == 4
    server.shutdown()
    server.server_close()


# ----------------------------------------------------------------------------------------------------- a second run


def test_two_runs_of_one_config_at_once_ask_everything_once(tmp_path: Path) -> None:
    config = write(tmp_path, "old", "new")
    diaries = [tmp_path / "one", tmp_path / "two"]
    running = [start(config, diary) for diary in diaries]
    ended = [end(one, diary) for one, diary in zip(running, diaries, strict=True)]
    assert [code for code, _ in ended] == [0, 0], ended
    assert sum("another process is measuring some of these runs" in said for _, said in ended) <= 1
    assert sorted(sent(diaries[0]) + sent(diaries[1])) == sorted(
        f"sent {name} q{i}" for name in ("old", "new") for i in range(ITEMS)
    )
    assert len(visible_runs(tmp_path / "runs")) == 2, "neither run was written twice"


def test_a_run_that_waits_takes_over_when_the_first_is_killed(tmp_path: Path) -> None:
    config, diaries = write(tmp_path, "old", "new"), [tmp_path / "one", tmp_path / "two"]
    first = start(config, diaries[0])
    until(lambda: len(journalled(tmp_path / "runs")) >= 40, first)  # an answer that was just given may not be there yet
    first.send_signal(signal.SIGSTOP)
    second = start(config, diaries[1])
    until(lambda: "another process is measuring" in diaries[1].with_suffix(".said").read_text(), second)
    assert sent(diaries[1]) == [], "it waits"
    first.send_signal(signal.SIGKILL)
    first.wait(timeout=60)
    kept = len(journalled(tmp_path / "runs"))
    code, said = end(second, diaries[1])
    assert code == 0, said
    assert 40 <= kept < 2 * ITEMS
    assert len(sent(diaries[1])) == 2 * ITEMS - kept
    assert len(visible_runs(tmp_path / "runs")) == 2


def test_runs_that_share_a_candidate_ask_it_once_and_do_not_wait_for_ever(tmp_path: Path) -> None:
    configs = [write(tmp_path, "a", "b", name="one.yaml"), write(tmp_path, "c", "b", name="two.yaml")]
    diaries = [tmp_path / "one", tmp_path / "two"]
    running = [start(config, diary) for config, diary in zip(configs, diaries, strict=True)]
    ended = [end(one, diary) for one, diary in zip(running, diaries, strict=True)]
    assert [code for code, _ in ended] == [0, 0], ended
    assert sorted(sent(diaries[0]) + sent(diaries[1])) == sorted(f"sent {name} q{i}" for name in "abc" for i in range(ITEMS))
    assert len(visible_runs(tmp_path / "runs")) == 3


# ---------------------------------------------------------------------------------------------------------- the disk


def test_a_disk_that_takes_no_more_ends_the_run_and_keeps_what_was_answered(tmp_path: Path) -> None:
    config, diary = write(tmp_path, "old", words=40), tmp_path / "first"
    code, said = end(start(config, diary, largest_file=150), diary)
    assert code == 13, said
    assert "lets no file grow further (quota, file size limit)" in said
    assert 0 < len(journalled(tmp_path / "runs")) < ITEMS
    rest_is_asked(config, tmp_path / "second")


TINY_DISK = """
import os, pathlib, subprocess, sys
from tests.kills import journalled
from tests.test_trouble import ITEMS, end, rest_is_asked, sent, start, write
folder = pathlib.Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "none", folder], check=True)
config = write(folder, "old", words=40)
code, said = end(start(config, folder.parent / "first"), folder.parent / "first")
print(code, "full" if "cannot grow: the disk is full" in said else said, 0 < len(journalled(folder / "runs")) < ITEMS)
subprocess.run(["mount", "-o", "remount,size=20m", folder], check=True)
rest_is_asked(config, folder.parent / "second")
print("and then the rest")
"""


def test_a_full_disk_ends_the_run_and_keeps_what_was_answered(tmp_path: Path) -> None:
    """A real one: a disk of 200 KiB in memory, mounted where only this test sees it."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode:
        pytest.xfail("this machine lets nobody mount a disk of his own")
    (folder := tmp_path / "disk").mkdir()
    command = ["unshare", "-rm", sys.executable, "-c", TINY_DISK, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == ["13 full True", "and then the rest"]


def test_a_store_that_vanishes_ends_the_run(tmp_path: Path) -> None:
    config, diary = write(tmp_path, "old"), tmp_path / "first"
    running = start(config, diary)
    until(lambda: answered(diary) >= 20, running)
    (tmp_path / "runs").rename(tmp_path / "elsewhere")
    code, said = end(running, diary)
    assert code == 13, said
    assert "was moved, deleted or replaced while this run was using it" in said
    assert 16 <= len(journalled(tmp_path / "elsewhere")) < ITEMS
    (tmp_path / "elsewhere").rename(tmp_path / "runs")
    rest_is_asked(config, tmp_path / "second")


@pytest.fixture
def powerless(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a config, a finished store and nothing that may be written (for root: by giving up its rights for a while)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        monkeypatch.setenv(DIARY, str(folder / "diary"))
        monkeypatch.setenv("HF_HOME", str(folder / "hub"))  # ours may be closed to others
        config = write(folder, "old", "new", name="as_before.yaml")
        assert main(["measure", str(config)]) == 0
        assert main(["gate", str(config)]) == 11, "no rule: there is a report, of which nothing may be lost"
        write(folder, "old", "new", "newer")
        (folder / "diary").unlink()
        os.chmod(folder, 0o755)
        for path in [folder / "runs", *(folder / "runs").rglob("*")]:
            os.chmod(path, 0o555 if path.is_dir() else 0o444)
        try:
            with without_rights():
                yield folder
        finally:
            for path in [folder / "runs", *(folder / "runs").rglob("*")]:
                os.chmod(path, 0o755)


@pytest.mark.parametrize("verb", ["measure", "run"])
def test_a_store_that_may_only_be_read_is_found_out_before_anything_is_asked(
    powerless: Path, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in (powerless / "runs").rglob("*")}
    assert main([verb, str(powerless / "gate.yaml")]) == 13
    assert "cannot be written" in capsys.readouterr().err
    assert not (powerless / "diary").exists(), "nothing was asked"
    assert {path: path.stat().st_mtime_ns for path in (powerless / "runs").rglob("*")} == before


def test_a_verdict_that_cannot_be_written_is_an_error(powerless: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in (powerless / "runs").iterdir() if path.is_file()}
    assert main(["gate", str(powerless / "as_before.yaml")]) == 13
    said = " ".join(capsys.readouterr().err.split())
    assert "cannot be written: Permission denied. Nothing that was there is lost." in said
    assert {path: path.read_bytes() for path in (powerless / "runs").iterdir() if path.is_file()} == before, "nor a part of it new"


def test_a_store_below_a_file_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DIARY, str(tmp_path / "diary"))
    config = write(tmp_path, "old")
    (tmp_path / "runs").write_text("my notes")
    assert main(["measure", str(config)]) == 13
    assert "cannot be written" in " ".join(capsys.readouterr().err.split())
    assert (tmp_path / "runs").read_text() == "my notes"
    assert not (tmp_path / "diary").exists()


# --------------------------------------------------------------------------------------- killed while runs are written

WRITING = textwrap.dedent("""
    import os, random, signal, sys, time
    from pathlib import Path
    import harness.commands.run, harness.pipeline, reports.page, reports.comment, suites.prompted, harness.engines.fake
    from harness.cli import main
    config, seed, limit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    store, pick, kills = Path(config).parent / "runs", random.Random(seed), 0

    def child():
        pid = os.fork()
        if pid == 0:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1), os.dup2(null, 2)
            os._exit(main(["run", config]))
        return pid

    def written():
        return len(list(store.glob("*/*@*")))

    def until_more_is_written():
        before, begun = written(), time.monotonic()
        while written() == before and time.monotonic() < begun + 10:
            time.sleep(0.001)
        return time.monotonic()

    pid, begun = child(), time.monotonic()
    first = until_more_is_written()
    os.waitpid(pid, 0)
    phases = {"asking": first - begun, "writing": time.monotonic() - first}
    while kills < limit:
        os.rename(store, store.parent / f"done-{time.monotonic_ns()}")
        for number in range(4):
            pid, phase = child(), ("writing", "asking")[number % 2]
            if phase == "writing":
                until_more_is_written()
            time.sleep(pick.uniform(0, phases[phase]))
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            if not os.WIFSIGNALED(status):
                break
            kills += 1
            print("killed", flush=True)
            sys.stdin.readline()
        print("end", os.waitstatus_to_exitcode(os.waitpid(child(), 0)[1]), flush=True)
        sys.stdin.readline()
""")


def test_a_run_killed_while_it_grades_writes_and_decides_leaves_nothing_half(tmp_path: Path) -> None:
    rows = [{"key": f"q{i}", "prompt": f"question {i}", "target": f"question {i}"} for i in range(40)]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    suite = {"use": "prompted", "options": {"items": "items.jsonl"}}
    config: dict[str, Any] = {
        "baseline": "old",
        "candidates": [{"name": "old", "engine": "fake"}, {"name": "new", "engine": "fake", "options": {"answers": {"a": "b"}}}],
        "suites": [{"name": f"suite{i}", **suite} for i in range(6)],
        "rules": [{"metric": "suite0/*/exact_match", "require": "not_regressed"}],
    }
    (tmp_path / "gate.yaml").write_text(json.dumps(config))
    seed = os.environ.get("SFTGATE_KILL_SEED", "1")
    command = [sys.executable, "-c", WRITING, str(tmp_path / "gate.yaml"), seed, "10"]
    driver = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    assert driver.stdin is not None
    store, before, partly = tmp_path / "runs", {}, 0
    for line in driver.stdout:
        runs = visible_runs(store) if store.exists() else {}
        assert {name: runs.get(name) for name in before} == before, "a run on disk never changes"
        partly += line == "killed\n" and 0 < len(runs) < 12
        if (store / "verdict.json").exists():
            assert json.loads((store / "verdict.json").read_text())["verdicts"]
        before = runs
        if line.startswith("end"):
            assert line == "end 11\n", "identical suites decide nothing: the same verdict as always"
            assert len(Store(store).current()) == len(runs) == 12
            before = {}
        driver.stdin.write("\n")
        driver.stdin.flush()
    assert driver.wait(timeout=60) == 0
    assert partly > 0, "some deaths fell between the first run and the last"
