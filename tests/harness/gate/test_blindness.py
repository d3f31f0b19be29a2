"""Suites, and judges, that cannot see what a rule is about pass nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from harness.records import Admission, Measured, Metric, Rule
from tests.harness.gate.deciding import CLAIM, LIGHT, MARGIN, against, decide, finding, verdict
from tests.harness.runs import measured, right, samples


def test_a_baseline_outside_its_band_passes_nothing() -> None:
    found = finding(*against(2, 2, 300, 296), MARGIN, expect={"acc": (0.65, 0.80)})
    assert found.outcome == "insensitive"
    assert "50.3 %, outside the expected 65.0 % to 80.0 %" in found.reason
    assert decide(measured("base", right(5, 5)), measured("new", right(5, 5))).exit_code == 11


def test_at_the_floor_no_loss_can_be_seen_but_a_gain_can() -> None:
    assert finding(right(0, 600), right(0, 600), MARGIN).outcome == "insensitive"
    assert finding(right(0, 600), right(0, 600), LIGHT).outcome == "insensitive"
    assert finding(right(0, 600), right(60, 540), CLAIM).outcome == "pass"


@pytest.mark.parametrize(
    ("base", "new", "outcome"), [(0, 0, "insensitive"), (200, 0, "insensitive"), (0, 200, "insensitive"), (200, 200, "pass")]
)
@pytest.mark.parametrize(
    "require", [{"require": "not_regressed"}, {"require": "non_inferior", "margin": 0.1}, {"require": "at_most", "value": 0.1}]
)
def test_who_has_nothing_right_cannot_fall(base: int, new: int, outcome: str, require: dict[str, Any]) -> None:
    """Nobody's answers change under a disturbance; but of somebody who has none right, that says nothing."""
    metrics = {"clean": Metric(), "drop": Metric(kind="real", direction="lower", range=(-1.0, 1.0), falls_from="clean")}

    def run(name: str, known: int) -> Measured:
        scored = samples(right(known, 200 - known), metric="clean")
        both = [msgspec.structs.replace(sample, scores={**(sample.scores or {}), "drop": 0.0}) for sample in scored]
        return measured(name, both, metrics=metrics, primary="clean")

    runs = run("base", base), run("new", new)
    found = decide(*runs, rules=(Rule(metric="facts/*/drop", **require),)).verdicts[0].findings[0]
    assert found.outcome == outcome, found.reason
    if outcome == "insensitive":
        assert "is at 0% of clean: nothing is there to fall from" in found.reason


def test_at_the_ceiling_no_gain_can_be_seen_but_a_loss_can() -> None:
    assert finding(right(600, 0), right(600, 0), CLAIM).outcome == "insensitive"
    assert finding(right(600, 0), right(500, 100), MARGIN).outcome == "fail"
    assert finding(right(600, 0), right(598, 2), MARGIN).outcome == "pass"


def test_a_grader_that_says_yes_to_everything_passes_nothing_unless_the_ceiling_is_meant() -> None:
    assert finding(right(600, 0), right(600, 0), MARGIN).outcome == "insensitive"
    assert finding(right(600, 0), right(600, 0), MARGIN, retained=True).outcome == "pass"
    assert finding(right(600, 0), right(600, 0), MARGIN, expect={"acc": (0.95, 1.0)}).outcome == "pass"


def test_a_proven_failure_stands_whatever_the_suite_cannot_see() -> None:
    assert finding(*against(90, 2, 350, 150), MARGIN, expect={"acc": (0.99, 1.0)}).outcome == "fail"


def test_a_judge_that_was_not_admitted_cannot_gate_but_may_inform() -> None:
    rejected = Admission(
        judge="tiny",
        admitted=False,
        pairs=80,
        accuracy=0.6,
        kappa=0.2,
        consistency=0.5,
        unparsable=0.0,
        reasons=("κ 0.2 under 0.4",),
    )
    fields: dict[str, Any] = {"admission": rejected, "judge_hash": "j"}
    blocked = finding(*against(2, 2, 400, 196), MARGIN, **fields)
    assert blocked.outcome == "insensitive"
    assert "the judge tiny may not gate: κ 0.2 under 0.4" in blocked.reason
    assert finding(*against(90, 2, 350, 150), MARGIN, **fields).outcome == "insensitive"
    assert finding(*against(90, 2, 350, 150), msgspec.structs.replace(MARGIN, severity="warn"), **fields).outcome == "fail"
    assert finding(*against(2, 2, 400, 196), msgspec.structs.replace(MARGIN, severity="inform"), **fields).outcome == "pass"
    admitted = {"admission": msgspec.structs.replace(rejected, admitted=True), "judge_hash": "j"}
    assert finding(*against(2, 2, 400, 196), MARGIN, **admitted).outcome == "pass"


def test_a_judge_whose_examination_broke_off_is_a_failed_evaluation() -> None:
    """Nobody knows whether it may gate; a pipeline that lets 11 pass must not let a judge pass that was down."""
    broke = Admission(
        judge="tiny", admitted=False, pairs=0, accuracy=0, kappa=0, consistency=0, unparsable=0, reasons=("the server is down",)
    )
    fields: dict[str, Any] = {"admission": broke, "judge_hash": "j"}
    answer = verdict(*against(2, 2, 400, 196), MARGIN, **fields)
    assert answer.outcome == "invalid"
    assert "the judge tiny of facts could not be examined: the server is down" in answer.findings[0].reason
    assert answer.change == "facts/t/acc needs its judge's examination to come to an end: measure again."
    assert finding(*against(2, 2, 400, 196), msgspec.structs.replace(MARGIN, severity="warn"), **fields).outcome == "pass"
    assert finding(*against(2, 2, 400, 196), MARGIN, judged=("toxic",), **fields).outcome == "pass", "it has no part in this"


def test_a_judge_that_may_not_gate_holds_up_no_rule_that_it_has_no_part_in() -> None:
    """The rule is about ``acc``; of runs that do not say what the judge decides, it is all."""
    assert finding(*against(2, 2, 400, 196), MARGIN, judge_hash="j", judged=("toxic",)).outcome == "pass"
    assert finding(*against(300, 0, 100, 200), MARGIN, judge_hash="j", judged=("toxic",)).outcome == "fail"
    assert finding(*against(2, 2, 400, 196), MARGIN, judge_hash="j", judged=("toxic", "acc")).outcome == "insensitive"
    lost = Rule(metric="facts/*/lost", require="at_most", value=0.5)
    for judged, outcome in ((("acc",), "insensitive"), (("toxic",), "fail")):
        runs = [
            measured(name, each, retained=True, judge_hash="j", judged=judged)
            for name, each in zip(("base", "new"), against(500, 0, 100), strict=True)
        ]
        (seen, *_) = decide(*runs, rules=(lost,), references={"new": "base"}).verdicts[0].findings
        assert seen.outcome == outcome


def test_a_judge_that_was_never_examined_may_not_gate() -> None:
    answer = verdict(*against(2, 2, 400, 196), MARGIN, judge_hash="j")
    assert any("never examined" in warning for warning in answer.warnings)
    assert finding(*against(2, 2, 400, 196), MARGIN, judge_hash="j").outcome == "insensitive"
    assert finding(*against(300, 0, 100, 200), MARGIN, judge_hash="j").outcome == "insensitive", "nor prove a failure"


def test_a_baseline_that_only_guesses_has_nothing_to_lose() -> None:
    four = {"acc": Metric(kind="binary", chance=0.25)}
    assert finding(*against(2, 2, 148, 448), MARGIN, metrics=four).outcome == "insensitive", "25 % of four choices is guessing"
    assert finding(*against(2, 2, 400, 196), MARGIN, metrics=four).outcome == "pass"


@pytest.mark.parametrize("rule", [
    Rule(metric="facts/*/acc", require="non_inferior", margin=0.75),
    Rule(metric="facts/*/acc", require="not_regressed", margin=0.9),
    Rule(metric="facts/*/acc", require="non_inferior", margin=0.9, relative=True, guard_below=0.9),
])  # fmt: skip
def test_a_margin_of_all_that_the_other_side_has_could_never_fail(rule: Rule) -> None:
    found = finding(right(150, 50), right(0, 200), rule)
    assert found.outcome == "insensitive"
    assert "base is at 75.0 % and can lose no more than 75.0 points, all within the margin of" in found.reason
    assert finding(right(150, 50), right(0, 200), msgspec.structs.replace(rule, margin=0.5)).outcome == "fail"


def test_a_margin_for_errors_is_held_against_what_may_still_go_wrong() -> None:
    errors = {"acc": Metric(kind="binary", direction="lower")}
    rule = msgspec.structs.replace(MARGIN, margin=0.5)
    assert finding(right(100, 100), right(200, 0), rule, metrics=errors).outcome == "insensitive"
    assert finding(right(60, 140), right(200, 0), rule, metrics=errors).outcome == "fail"


def test_what_a_suite_says_about_its_grading_is_repeated_by_every_verdict() -> None:
    assert "ran without isolation" in verdict(*against(2, 2, 400, 196), MARGIN, remarks=("ran without isolation",)).warnings
