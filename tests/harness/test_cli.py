"""The command line, as a user meets it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import VERBS, main


def sftgate(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "harness.cli", *arguments], capture_output=True, text=True, cwd=cwd, check=False)


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'numpy', 'rich', 'msgspec'}"
    code = f"import sys; from harness.cli import main; main(['--help']); print(*sorted(set(sys.modules) & {heavy}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for verb in VERBS:
        assert verb in done.stdout
    assert done.stdout.splitlines()[-1] == ""


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_has_help(verb: str) -> None:
    done = sftgate(verb, "--help")
    assert done.returncode == 0
    assert f"sftgate {verb}" in done.stdout


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rnu"]) == 2
    assert "Did you mean 'run'" in capsys.readouterr().err


def test_a_missing_config_exits_2_with_one_paragraph(tmp_path: Path) -> None:
    done = sftgate("run", str(tmp_path / "gate.toml"))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "gate.toml" in done.stderr


def test_control_characters_never_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    main(["\x1b[31mred"])
    assert "\x1b" not in capsys.readouterr().err
