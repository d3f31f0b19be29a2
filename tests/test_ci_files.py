"""The action and the recipes for CI: what they run exists, and the comment on a pull request is edited, never doubled."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cli import VERBS
from reports.comment import markdown
from tests.reports.told import HOSTILE_NAME, concluded, finding

ROOT = Path(__file__).parents[1]
GH = """#!/bin/sh
# Stands for GitHub's own command: answers the listing, and writes down what is posted.
for word in "$@"; do case $word in body=@*) body=${word#body=@};; esac; done
case "$*" in
  *"-X PATCH"*) echo "edit $*" >> "$LOG"; cp "$body" "$LOG.body";;
  *"-X POST"*) echo "post $*" >> "$LOG"; cp "$body" "$LOG.body";;
  *comments*) while [ $# -gt 1 ]; do [ "$1" = --jq ] && filter=$2; shift; done; exec "$QUERY" "$filter" "$COMMENTS";;
esac
"""
FILTER = r'.[] | [.id, (.body | split("\n")[0] | rtrimstr("\r"))] | @tsv'
QUERY = rf"""#!{sys.executable}
# Stands for jq inside GitHub's own command: it knows one filter, and fails at any other.
import json, sys
if sys.argv[1] != {FILTER!r}:
    sys.exit(f"another filter: {{sys.argv[1]}}")
for comment in json.load(open(sys.argv[2])):
    first = comment["body"].split("\n")[0].removesuffix("\r")
    for plain, escaped in (("\\", "\\\\"), ("\t", "\\t"), ("\r", "\\r")):
        first = first.replace(plain, escaped)
    print(comment["id"], first, sep="\t")
"""

OUTPUTS = {"verdict.json", "report.html", "summary.md", "junit.xml"}
"""What a gate writes anew, and a cached store still has."""


@pytest.fixture(scope="module")
def action() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    return loaded


def steps(action: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = action["runs"]["steps"]
    return found


def run(script: str, folder: Path, **surroundings: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
    return subprocess.run(
        ["bash", "-c", script], cwd=folder, env={**os.environ, "PATH": path, **surroundings}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def test_no_input_is_pasted_into_a_script(action: dict[str, Any]) -> None:
    """What a pull request may choose reaches a script as a variable: text inside ${{ }} would be code."""
    scripts = [step["run"] for step in steps(action) if "run" in step]
    assert len(scripts) == 2
    assert not [script for script in scripts if "${{" in script]


def test_a_gate_that_cannot_decide_leaves_no_verdict_of_before(action: dict[str, Any], tmp_path: Path) -> None:
    """Neither in the action nor in the recipe: what they publish afterwards would be another gate's pass."""
    job = yaml.safe_load((ROOT / "examples/ci/gitlab.yml").read_text(encoding="utf-8"))["gate"]
    executable(tmp_path / "python", "#!/bin/sh\nexit 12\n")
    store = tmp_path / "runs" / "weekly"
    store.mkdir(parents=True)
    for command in (steps(action)[0]["run"], "\n".join(job["before_script"])):
        for name in (*OUTPUTS, "journal.sqlite"):
            (store / name).write_text("of last week")
        done = run(
            command, tmp_path, PYTHON=str(tmp_path / "python"), EXTRA="", ACTION=str(ROOT), COMMAND="run", CONFIG="gate.toml",
            ARGUMENTS="", STORE="runs/weekly",
        )  # fmt: skip
        assert done.returncode in (0, 12), done.stderr
        assert [path.name for path in store.iterdir()] == ["journal.sqlite"]
    uploaded = {line.rpartition("}}/")[2] for line in steps(action)[2]["with"]["path"].splitlines()}
    assert uploaded == OUTPUTS
    assert {Path(job["artifacts"]["paths"][0]).name, Path(job["artifacts"]["reports"]["junit"]).name} <= OUTPUTS


def test_the_gate_step_hands_its_inputs_on_and_fails_as_the_gate_does(action: dict[str, Any], tmp_path: Path) -> None:
    executable(tmp_path / "python", '#!/bin/sh\nfor word in "$@"; do echo "<$word>"; done > words\nexit 10\n')
    done = run(
        steps(action)[0]["run"], tmp_path, PYTHON=str(tmp_path / "python"), EXTRA="", ACTION=str(ROOT), COMMAND="run",
        CONFIG="policy/a gate.toml", ARGUMENTS="--candidate week47=out/week47 --smoke 3", STORE="runs",
    )  # fmt: skip
    assert done.returncode == 10, done.stderr
    assert (tmp_path / "words").read_text().splitlines() == [
        "<-m>", "<harness.cli>", "<run>", "<policy/a gate.toml>", "<--candidate>", "<week47=out/week47>", "<--smoke>", "<3>",
    ]  # fmt: skip


@pytest.mark.skipif(shutil.which("jq") is None, reason="there is no jq to hold the stand-in against")
def test_the_query_is_read_as_jq_reads_it(tmp_path: Path) -> None:
    executable(tmp_path / "query", QUERY)
    bodies = ["one", "a\\b\tc\rd\r\nmore", "", "\n", "ö\r"]
    (tmp_path / "comments.json").write_text(json.dumps([{"id": index, "body": body} for index, body in enumerate(bodies)]))
    said = [
        subprocess.run([*command, FILTER, tmp_path / "comments.json"], capture_output=True, text=True, check=True).stdout
        for command in ([tmp_path / "query"], ["jq", "-r"])
    ]
    assert said[0] == said[1]


@pytest.mark.parametrize("found", [True, False])
def test_a_comment_is_edited_where_one_of_this_policy_stands_and_posted_where_none_does(
    action: dict[str, Any], tmp_path: Path, found: bool
) -> None:
    text = markdown(concluded(finding(), candidate=HOSTILE_NAME))
    (tmp_path / "summary.md").write_text(text)
    marker = text.splitlines()[0]
    comments = [
        {"id": 1, "body": "looks good"},
        {"id": 2, "body": "<!-- sftgate:gate:other.toml -->\nanother policy"},
        {"id": 3, "body": f"I quote it:\n{marker}"},
        {"id": 4, "body": f"{marker}\r\nlast week's"},
        {"id": 5, "body": f"{marker}\na copy"},
    ]
    (tmp_path / "comments.json").write_text(json.dumps(comments if found else comments[:3]))
    executable(tmp_path / "bin" / "gh", GH)
    executable(tmp_path / "query", QUERY)
    done = run(
        steps(action)[1]["run"], tmp_path, SUMMARY="summary.md", REPOSITORY="team/models", NUMBER="7",
        LOG=str(tmp_path / "log"), COMMENTS=str(tmp_path / "comments.json"), QUERY=str(tmp_path / "query"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (call,) = (tmp_path / "log").read_text().splitlines()
    assert call.split()[0] == ("edit" if found else "post")
    assert ("repos/team/models/issues/comments/4" if found else "repos/team/models/issues/7/comments") in call
    assert (tmp_path / "log.body").read_text() == text


def test_without_a_summary_there_is_no_comment(action: dict[str, Any], tmp_path: Path) -> None:
    executable(tmp_path / "bin" / "gh", "#!/bin/sh\nexit 1\n")
    done = run(steps(action)[1]["run"], tmp_path, SUMMARY="summary.md", REPOSITORY="team/models", NUMBER="7")
    assert done.returncode == 0
    assert "nothing to comment" in done.stdout


def test_the_recipes_use_what_there_is(action: dict[str, Any]) -> None:
    workflow = yaml.safe_load((ROOT / "examples/ci/github.yml").read_text(encoding="utf-8"))
    (used,) = [step["with"] for step in workflow["jobs"]["gate"]["steps"] if "with" in step]
    assert set(used) <= set(action["inputs"])
    assert action["inputs"]["command"]["default"] in VERBS
    job = yaml.safe_load((ROOT / "examples/ci/gitlab.yml").read_text(encoding="utf-8"))["gate"]
    assert job["script"][0].split()[:2] == ["sftgate", "run"]
    assert job["artifacts"]["reports"]["junit"].endswith("/junit.xml")


@pytest.mark.parametrize(
    ("code", "says"), [(0, "pass"), (10, "fail"), (11, "inconclusive"), (12, "no baseline"), (13, "itself"), (2, "usage")]
)
def test_the_shell_recipe_ends_with_the_gates_exit_code(tmp_path: Path, code: int, says: str) -> None:
    executable(tmp_path / "bin" / "sftgate", f"#!/bin/sh\nexit {code}\n")
    done = run(f"{ROOT}/examples/ci/gate.sh gate.toml", tmp_path)
    assert done.returncode == code
    assert says in done.stdout
