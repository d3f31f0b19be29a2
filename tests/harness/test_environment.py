"""What is remembered beside a number."""

from __future__ import annotations

import getpass
import os
import platform
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from harness.environment import environment, packages


def git(folder: Path, *words: str) -> None:
    name = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    subprocess.run(["git", *name, *words], cwd=folder, check=True, capture_output=True)


def test_versions_are_those_that_are_installed() -> None:
    found = packages()
    assert found["msgspec"] == msgspec.__version__
    assert all(found.values())


def test_the_environment_is_plain_data() -> None:
    found = environment()
    assert msgspec.json.decode(msgspec.json.encode(found)) == found
    assert found["python"] == platform.python_version()
    assert found["cpus"] >= 1


def test_neither_host_nor_user_is_remembered() -> None:
    text = msgspec.json.encode({key: value for key, value in environment().items() if key != "cpu"}).decode()
    assert socket.gethostname() not in text
    assert f'"{getpass.getuser()}"' not in text


def test_the_commit_of_the_working_folder_is_remembered_and_whether_it_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "-q")
    (tmp_path / "gate.toml").write_text("seed = 1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    clean = environment()
    assert (len(clean["commit"]), clean["changed"]) == (40, False)
    (tmp_path / "gate.toml").write_text("seed = 2")
    assert environment()["changed"] is True


def test_outside_a_repository_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert (environment()["commit"], environment()["changed"]) == (None, None)


def test_what_sets_determinism_is_remembered_where_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_BATCH_INVARIANT", "1")
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    assert environment()["variables"]["VLLM_BATCH_INVARIANT"] == "1"
    assert "PYTHONHASHSEED" not in environment()["variables"]


def test_without_git_and_without_a_gpu_tool_nothing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = environment()
    assert (found["commit"], found["gpus"]) == (None, [])


def test_a_gpu_is_named_by_its_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H200, 580.1, 143771 MiB'\necho 'NVIDIA H200, 580.1, 143771 MiB'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert environment()["gpus"] == ["NVIDIA H200, 580.1, 143771 MiB"] * 2


def test_asking_imports_no_library_that_it_names() -> None:
    code = "import sys, harness.environment as e; e.environment(); print({'torch', 'numpy', 'transformers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "set()"
