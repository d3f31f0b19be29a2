"""A gate inside GitHub Actions, with answers that try to command the runner."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.commands import github
from tests.runner import obeyed

ROOT = Path(__file__).parents[2]
HOSTILE = ["::error::owned", "\n::stop-commands::x\n", "##[add-path]/evil", "\x1b[31m::set-env name=A::b", "```\n@everyone <b>"]
ITEMS = 40


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A repository with a policy in a folder, and recorded answers, half of them lost by the candidate."""
    rows = [{"key": f"k{number}", "prompt": f"Say {number}", "target": str(number)} for number in range(ITEMS)]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, kept in (("old", ITEMS), ("new", ITEMS // 2)):
        answers = [
            {"key": row["key"], "response": row["target"] if index < kept else HOSTILE[index % len(HOSTILE)]}
            for index, row in enumerate(rows)
        ]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(answer) + "\n" for answer in answers))
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "gate.toml").write_text(
        """
store = "../runs"
baseline = "old"
candidates = [
  { name = "old", model = "../old.jsonl", engine = "recorded" },
  { name = "new", model = "../new.jsonl", engine = "recorded" },
]
suites = [{ name = "s", use = "prompted", options = { items = "../items.jsonl", score = "exact_match" } }]
rules = [
  { metric = "s/*/exact_match", require = "not_regressed", name = "::error::a rule, with a colon: and %0A" },
]
"""
    )
    return tmp_path


def sftgate(workspace: Path, *words: str, actions: bool = True) -> subprocess.CompletedProcess[str]:
    surroundings = {key: value for key, value in os.environ.items() if not key.startswith("GITHUB_")}
    if actions:
        surroundings |= {
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(workspace),
            "GITHUB_STEP_SUMMARY": str(workspace / "step.md"),
            "GITHUB_OUTPUT": str(workspace / "outputs"),
        }
    surroundings["PYTHONPATH"] = str(ROOT)
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=workspace, env=surroundings, check=False,
    )  # fmt: skip


def test_the_runner_gets_one_annotation_a_summary_and_outputs_and_obeys_no_answer(workspace: Path) -> None:
    done = sftgate(workspace, "run", "policy/gate.toml")
    assert done.returncode == 10, done.stdout
    found = obeyed(done.stdout)
    assert [each.name for each in found] == ["error"]
    assert found[0].properties["file"] == "policy/gate.toml"
    assert found[0].properties["line"] == "10"
    assert "a loss is proven" in found[0].message
    step = (workspace / "step.md").read_text()
    assert step.startswith("<!-- sftgate:gate:policy-gate.toml -->\n> [!CAUTION]")
    assert "@everyone" not in step
    assert (workspace / "outputs").read_text().splitlines()[:2] == ["outcome=fail", "exit-code=10"]


def test_showing_answers_commands_nobody(workspace: Path) -> None:
    assert sftgate(workspace, "measure", "policy/gate.toml").returncode == 0
    shown = sftgate(workspace, "show", "policy/gate.toml", "--lost", "new", "--limit", "20")
    assert shown.returncode == 0, shown.stdout
    assert obeyed(shown.stdout) == []
    lines = shown.stdout.splitlines()
    assert lines[0].startswith("::stop-commands::")
    loose = {each.name for line in lines[1:-1] if "stop-commands" not in line for each in obeyed(line)}
    assert "add-path" in loose, "nothing here would have been obeyed anyway"


def test_the_runner_listens_again_after_an_error(workspace: Path) -> None:
    done = sftgate(workspace, "gate", "policy/nothing.toml")
    assert done.returncode == 2
    (only,) = obeyed(done.stdout)
    assert (only.name, only.properties) == ("error", {"title": "sftgate gate"})
    assert "nothing.toml" in only.message
    config = workspace / "policy" / "gate.toml"
    config.write_text(config.read_text().replace("score =", "scroe ="))
    (only,) = obeyed(sftgate(workspace, "run", "policy/gate.toml").stdout)
    assert only.properties == {"file": "policy/gate.toml", "line": "8", "title": "sftgate run"}
    assert "unknown key 'scroe'. Did you mean 'score'" in only.message
    assert obeyed(sftgate(workspace, "run", "policy/gate.toml", "--smoek", "2").stdout) == []


def test_elsewhere_nothing_is_said_to_a_runner(workspace: Path) -> None:
    done = sftgate(workspace, "run", "policy/gate.toml", actions=False)
    assert "::stop-commands::" not in done.stdout
    assert "file=" not in done.stdout
    assert not (workspace / "step.md").exists()


def test_a_job_summary_that_cannot_be_written_is_said_and_changes_no_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    github._append("GITHUB_STEP_SUMMARY", "text")
    assert capsys.readouterr().err == "sftgate: $GITHUB_STEP_SUMMARY cannot be written: Is a directory\n"
