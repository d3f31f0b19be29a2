"""A range of scores declared in the config, or at import: it decides, it is checked, and nothing outside of it passes unseen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.cli import main
from harness.records import Conclusion
from harness.store import Store

CONFIG: dict[str, Any] = {
    "baseline": "old",
    "candidates": [{"name": "old", "engine": "none"}, {"name": "new", "engine": "none"}],
    "suites": [{"name": "essays", "use": "scores"}],
    "rules": [{"metric": "essays/grade", "require": "non_inferior", "margin": 0.1}],
}
GRADES = {f"q{index}": 3.0 for index in range(60)}


class Essays:
    """Imported grades of two candidates, gated by a config that can be changed."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        self.config = json.loads(json.dumps(CONFIG))

    @property
    def suite(self) -> dict[str, Any]:
        found: dict[str, Any] = self.config["suites"][0]
        return found

    def __call__(self, *words: str, code: int) -> str:
        (self.folder / "gate.yaml").write_text(json.dumps(self.config))
        found = main(list(words))
        captured = self.capsys.readouterr()
        said = " ".join((captured.out + captured.err).split())
        assert found == code, said
        assert "Traceback" not in said
        return said

    def take(self, who: str, grades: dict[str, float], *flags: str, code: int = 0, metric: str = "grade") -> str:
        file = self.folder / f"{who}.csv"
        file.write_text("key,metric,score\n" + "".join(f"{key},{metric},{grade}\n" for key, grade in grades.items()))
        config = str(self.folder / "gate.yaml")
        return self(
            "import", "scores", str(file), "--candidate", who, "--suite", "essays", "--config", config, *flags, code=code
        )  # fmt: skip

    def gate(self, code: int) -> str:
        return self("gate", str(self.folder / "gate.yaml"), code=code)

    def conclusion(self) -> Conclusion:
        return msgspec.json.decode((self.folder / "runs" / "verdict.json").read_bytes(), type=Conclusion)


@pytest.fixture
def essays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Essays:
    return Essays(tmp_path, capsys)


def test_a_range_in_the_config_decides_without_importing_again(essays: Essays) -> None:
    """No grade differs. That 60 items lose under 0.1 is proven if one can lose 1 at most, and not if one can lose 4."""
    for who in ("old", "new"):
        essays.take(who, GRADES)
    essays.suite["range"] = [2.5, 3.5]
    essays.gate(0)
    assert not [w for w in essays.conclusion().verdicts[0].warnings if "no declared range" in w]
    before = essays.conclusion().policy_digest
    essays.suite["range"] = {"grade": [1, 5]}
    essays.gate(11)
    assert essays.conclusion().policy_digest != before, "a verdict by another range is one by another policy"
    assert (
        Store(essays.folder / "runs").run(Store(essays.folder / "runs").current()["essays", "new"]).metrics["grade"].range is None
    )


def test_without_a_range_the_verdict_says_what_it_cannot_know(essays: Essays) -> None:
    essays.config["rules"][0]["margin"] = 0.5
    for who in ("old", "new"):
        essays.take(who, GRADES)
    assert "essays/grade has no declared range" in essays.gate(0)
    assert "essays/grade has no declared range" in (essays.folder / "runs" / "summary.md").read_text()
    assert "essays/grade has no declared range" in (essays.folder / "runs" / "report.html").read_text()


def test_a_score_outside_of_what_the_config_declares_is_named(essays: Essays) -> None:
    essays.take("old", GRADES)
    essays.take("new", {**GRADES, "q7": 6.5})
    essays.suite["range"] = [1, 5]
    said = essays.gate(2)
    for word in ("gate.yaml", "suites[0].range", "'q7'", "'new'", "grade = 6.5", "1 to 5"):
        assert word in said


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ([5, 1], ("suites[0].range", "low < high", "[5.0, 1.0]")),
        ([1, 1], ("low < high",)),
        ([1, float("inf")], ("suites[0].range",)),
        ([1, 2, 3], ("suites[0].range",)),
        ({"grad": [1, 5]}, ("suites[0].range", "no metric 'grad'", "Did you mean 'grade'")),
    ],
)
def test_ranges_that_cannot_be_meant(essays: Essays, limits: Any, words: tuple[str, ...]) -> None:
    for who in ("old", "new"):
        essays.take(who, GRADES)
    essays.suite["range"] = limits
    said = essays.gate(2)
    for word in words:
        assert word in said


def test_a_share_has_its_range_by_itself(essays: Essays) -> None:
    essays.config["rules"][0]["metric"] = "essays/acc"
    for who in ("old", "new"):
        essays.take(who, {"a": 1.0, "b": 0.0}, metric="acc")
    essays.suite["range"] = {"acc": [0, 2]}
    assert "'acc' is a share, which lies between 0 and 1 by itself" in essays.gate(2)


def test_a_range_at_import(essays: Essays) -> None:
    said = essays.take("old", GRADES, "--range", "grade=1:5")
    assert "grade (real from 1 to 5, higher is better)" in said
    said = essays.take("new", GRADES, code=2)
    assert "real from 1 to 5" in said
    assert "--range grade=" in said
    said = essays.take("new", {**GRADES, "q3": 5.5}, "--range", "grade=1:5", code=2)
    for word in ("new.csv", "'grade' of item 'q3' on line 5 is 5.5", "1 to 5"):
        assert word in said
    essays.take("new", GRADES, "--range", "grade=1:5")
    essays.gate(11)
    essays.suite["range"] = [2, 4]
    assert "goes from 1 to 5 by what it is" in essays.gate(2)
    essays.suite["range"] = [1, 5]
    essays.gate(11)


@pytest.mark.parametrize("flag", ["grade", "grade=", "grade=1", "grade=5:1", "=1:5", "grade=1:x", "grade=1:inf", "grade=1:2:3"])
def test_range_flags_that_do_not_fit(essays: Essays, flag: str) -> None:
    assert "expected METRIC=LOW:HIGH" in essays.take("old", GRADES, "--range", flag, code=2)


def test_range_flags_about_what_has_none(essays: Essays) -> None:
    assert "no metric 'x'" in essays.take("old", GRADES, "--range", "x=1:5", code=2)
    said = essays.take("old", {"a": 1.0}, "--range", "grade=0:2", "--kind", "grade=binary", code=2)
    assert "lies between 0 and 1 by itself" in said
    assert "real from 0 to 2" in essays.take("old", {"a": 1.0, "b": 0.0}, "--range", "grade=0:2"), "0 and 1 are grades here"
