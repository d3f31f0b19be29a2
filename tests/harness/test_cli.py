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


def test_a_flag_is_not_guessed_from_its_beginning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", str(tmp_path / "gate.toml"), "--smok", "3"])
    assert ended.value.code == 2
    assert "--smok" in capsys.readouterr().err


def test_a_missing_config_exits_2_with_one_paragraph(tmp_path: Path) -> None:
    done = sftgate("run", str(tmp_path / "gate.toml"))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "gate.toml" in done.stderr


def test_control_characters_never_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    main(["\x1b[31mred"])
    assert "\x1b" not in capsys.readouterr().err


CONFIG = """
baseline = "old"
candidates = [
  { name = "old", engine = "fake", options = { answers = { "one?" = "1", "two?" = "2" } } },
  { name = "new", engine = "fake", options = { answers = { "one?" = "1", "two?" = "3" } } },
]
suites = [{ name = "sums", use = "prompted", options = { items = "items.jsonl" }, retained = true }]
"""


def test_comparing_listing_and_showing_cut_nothing_and_name_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    (tmp_path / "items.jsonl").write_text('{"prompt": "one?", "target": "1"}\n{"prompt": "two?", "target": "2"}\n')
    config = tmp_path / "gate.toml"
    config.write_text(CONFIG)
    assert main(["measure", str(config)]) == 0
    capsys.readouterr()
    for arguments, says in (
        (["compare"], "sums/items/exact_match"),
        (["compare", "--against", "new"], "old against new"),
        (["compare", "--against", "new"], "+0.5000"),
        (["show", "--lost", "old"], "old lost no item"),
        (
            ["show", "--lost", "old", "--item", "02c80bc557b27d3c"],
            "lost no item that the baseline had right and that has the key",
        ),
    ):
        assert main([arguments[0], str(config), *arguments[1:]]) == 0
        assert says in capsys.readouterr().out
    assert main(["list", str(tmp_path / "runs")]) == 0
    listed = capsys.readouterr().out
    assert all(folder.name in listed for folder in (tmp_path / "runs" / "sums").iterdir())
    assert "2 runs, 2 of them selected" in listed
    for before, after, says in (
        (["compare"], ["--of", "old"], "compared with itself"),
        (["show"], ["--lost", "nwe"], "no candidate is named 'nwe'"),
        (["show"], ["--suite", "x"], "no suite is named 'x'"),
        (["show"], ["--item", "x"], "no item of sums has the key 'x'. Known: "),
        (["show"], ["--item", "x", "--lost", "new"], "no item of sums has the key 'x'. Known: "),
        (["show"], ["--limit", "0"], "expected 1 or more"),
        (["review", "export"], ["--of", "nwe"], "Did you mean 'new'"),
    ):
        assert main([*before, str(config), *after]) == 2
        assert says in capsys.readouterr().err


def test_items_that_every_candidate_lost_are_shown_beside_what_chance_would_give(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "items.jsonl").write_text(
        '{"key": "a", "prompt": "one?", "target": "1"}\n{"key": "b", "prompt": "two?", "target": "2"}\n'
    )
    config = tmp_path / "gate.toml"
    answers = 'options = { answers = { "one?" = "4", "two?" = "4" } }'
    third = f'  {{ name = "third", engine = "fake", reference = "old", {answers} }},\n]\nsuites'
    config.write_text(CONFIG.replace("]\nsuites", third).replace('"new", engine', '"new", reference = "old", engine'))
    assert main(["measure", str(config)]) == 0
    capsys.readouterr()
    assert main(["show", str(config), "--lost-by-all"]) == 0
    shown = capsys.readouterr().out
    assert "1 of 2 items that old knows are lost by every candidate (1.0 expected at random): b" in shown
    assert "sums/items b" in shown
    assert "sums/items a" not in shown
    assert main(["show", str(config), "--lost-by-all", "--item", "a"]) == 0
    assert "all candidates lost no item that their reference had right" in capsys.readouterr().out


def test_a_policy_without_a_rule_is_no_pass_because_bad_answers_did_not_become_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "items.jsonl").write_text('{"prompt": "one?", "target": "1"}\n{"prompt": "two?", "target": "2"}\n')
    config = tmp_path / "gate.toml"
    config.write_text(CONFIG)
    assert main(["run", str(config)]) == 11
    assert "the policy has no blocking rule" in capsys.readouterr().out.lower()


def test_an_argument_that_no_file_of_ours_can_hold_is_refused_before_anything_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "gate.toml", "--set", "candidates.new.model=out/\udcff"]) == 2
    assert "is not UTF-8" in capsys.readouterr().err


def test_a_reader_that_went_away_makes_no_pass() -> None:
    code = (
        "import sys\n"
        "from harness.commands import doctor\n"
        "def gone(arguments): raise BrokenPipeError\n"
        "doctor.execute = gone\n"
        "from harness.cli import main\n"
        "sys.exit(main(['doctor', '--quick']))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 13
