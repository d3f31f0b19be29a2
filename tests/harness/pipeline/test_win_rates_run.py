"""Win rates through the command line: asked, judged, gated and reported by one path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from reports.blind.key import read_key
from tests.harness.pipeline.gated import Gate

ITEMS = 60
PROMPT = """+++
kind = "pairwise"
answer = "word"
verdicts = { A = "left", B = "right", tie = "tie" }
+++
{question}|{left}|{right}
"""


def base(index: int) -> str:
    return f"answer {index}"


def new(index: int) -> str:
    """Longer, but for every fourth."""
    return f"no {index}" if index % 4 == 3 else f"a much longer answer {index}"


@pytest.fixture
def gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Gate:
    """A judge that prefers the longer answer; on every tenth item it says what stands first."""
    found = Gate(tmp_path, capsys)
    found.items(
        [
            {"key": f"k{index}", "prompt": f"question {index}", "slices": {"language": "zh" if index % 2 else "en"}}
            for index in range(ITEMS)
        ]
    )
    (tmp_path / "pair.md").write_text(PROMPT)
    verdicts: dict[str, str] = {}
    for index in range(ITEMS):
        for own, other, mine, theirs in ((new(index), base(index), "A", "B"), (base(index), new(index), "B", "A")):
            longer = mine if len(new(index)) > len(base(index)) else theirs
            verdicts[f"question {index}|{own}|{other}"] = "A" if index % 10 == 0 else longer
    for candidate, text in zip(found.config["candidates"], (base, new), strict=True):
        candidate["options"] = {"answers": {f"question {index}": text(index) for index in range(ITEMS)}}
    found.config["suites"] = [
        {"name": "pref", "use": "preference", "options": {"items": "items.jsonl", "judge": "judge", "prompt": "pair.md"}}
    ]
    found.config["engines"] = {"judge": {"engine": "fake", "options": {"answers": verdicts}}}
    found.config["rules"] = [
        {"metric": "pref/*/win", "require": "superior", "severity": "warn"},
        {"metric": "pref/*/win_length", "require": "superior", "severity": "warn"},
        {"metric": "pref/*/win_consistent", "require": "superior", "severity": "warn", "max_missing": 0.2},
    ]
    return found


def test_rules_about_controlled_and_consistent_win_rates_are_gated_like_any(gate: Gate) -> None:
    gate.does("run", code=11)  # rules that only warn decide nothing
    found = gate.conclusion()
    whole, en, zh = found.win_rates
    won = sum(index % 4 != 3 and index % 10 > 0 for index in range(ITEMS))
    assert whole.rate == pytest.approx((won + 0.5 * ITEMS / 10) / ITEMS)
    assert (whole.consistent_items, whole.first, whole.second) == (54, 6, 0)
    assert whole.consistent == pytest.approx(won / 54)
    assert whole.length is not None
    assert whole.rate is not None
    assert whole.length < whole.rate
    assert {(en.field, en.value), (zh.field, zh.value)} == {("language", "en"), ("language", "zh")}
    assert whole.length_low is not None
    assert whole.length_high is not None
    assert whole.length_high - whole.length_low > 0.3  # length tells nearly everywhere who wins: it is not known
    outcomes: dict[str, Any] = {finding.metric.rsplit("/", 1)[1]: finding.outcome for finding in found.verdicts[0].findings}
    assert {"win": "pass", "win_consistent": "pass"}.items() <= outcomes.items()
    assert outcomes["win_length"] == "invalid"  # no item has a part in a rate that nobody knows


def test_planning_knows_the_metrics_and_says_which_hinge_on_the_answers(gate: Gate) -> None:
    told = gate.does("plan")
    assert "win_consistent" in told
    assert "Only answers show which items have a score of" in told


def votes(folder: Path, rater: str, *, wrong: int) -> str:
    """As the page saves them: the longer answer is better, but for the first ``wrong`` rows."""
    key = read_key(next(folder.glob("key-*.json")))
    ballots = []
    for number, row in enumerate(key.entries):
        longer, shorter = ("left", "right") if len(row.left) > len(row.right) else ("right", "left")
        ballots.append({"review_id": row.review_id, "choice": shorter if number < wrong else longer, "ratings": {}, "seconds": 9})
    path = folder / f"votes-{rater}.json"
    head = {"format": 2, "kind": "sftgate-votes", "package": key.package, "commitment": key.commitment, "rater": rater}
    path.write_text(json.dumps({**head, "votes": ballots}))
    return str(path)


def test_people_who_saw_some_of_the_answers_stand_beside_the_judge(gate: Gate) -> None:
    gate.does("run", code=11)
    config, folder = str(gate.folder / "gate.yaml"), gate.folder / "review"
    assert main(["review", "export", config, "--items", "50", "--folder", str(folder)]) == 0
    key = str(next(folder.glob("key-*.json")))
    files = [votes(folder, "ana", wrong=0), votes(folder, "bo", wrong=5)]
    assert main(["review", "import", config, "--key", key, "--votes", *files]) == 0
    gate.capsys.readouterr()
    gate.does("gate", code=11)
    (found,) = gate.conclusion().calibrated
    assert (found.judge, found.items, found.raters, found.shared) == ("judge", ITEMS, 2, found.labelled)
    assert found.labelled == 50
    assert sum(map(sum, found.confusion)) == found.labelled
    assert found.people_kappa is not None
    assert found.judge_kappa is not None
    assert found.because == ""
    assert found.powered is not None
    assert found.saved is not None
    gate.does("report", code=0)
    assert "Judges beside people" in (gate.folder / "runs" / "report.html").read_text()
