"""Truncated, empty and unparsable answers: gated without any rule about them."""

from __future__ import annotations

import pytest

from harness.records import Measured, Rule
from tests.harness.gate.deciding import MARGIN, decide
from tests.harness.runs import measured, right, samples


def flagged(name: str, count: int, flag: str = "truncated", items: int = 300) -> Measured:
    """A run in which ``count`` answers raised a flag, though all were right or wrong as ever."""
    flags = [(flag,)] * count + [()] * (items - count)
    return measured(name, samples(right(200, items - 200), flags=flags), watched=("truncated", "empty", "unparsable"))


@pytest.mark.parametrize("flag", ["truncated", "empty", "unparsable"])
def test_a_candidate_that_forgot_to_stop_fails_without_any_rule_about_it(flag: str) -> None:
    conclusion = decide(flagged("base", 0), flagged("new", 30, flag))
    assert conclusion.outcome == "fail"
    blamed = [found for found in conclusion.verdicts[0].findings if found.outcome == "fail"]
    assert [found.metric for found in blamed] == [f"facts/t/{flag}"]
    assert blamed[0].rule.implicit
    assert "10.0 % against 0.0 %" in blamed[0].reason


def test_bad_answers_that_the_baseline_also_gives_are_not_a_regression() -> None:
    assert decide(flagged("base", 40), flagged("new", 41)).outcome == "pass"


def test_a_baseline_that_never_stops_cannot_be_undercut() -> None:
    assert decide(flagged("base", 300), flagged("new", 300)).outcome == "pass"
    assert decide(flagged("base", 300), flagged("new", 10)).outcome == "pass"


def test_a_rule_of_the_users_replaces_the_implicit_one() -> None:
    inform = Rule(metric="*/*/truncated", require="not_regressed", severity="inform")
    conclusion = decide(flagged("base", 0), flagged("new", 30), rules=(MARGIN, inform))
    assert conclusion.outcome == "pass"
    assert not any(found.rule.implicit and "truncated" in found.metric for found in conclusion.verdicts[0].findings)


def test_the_implicit_rules_can_be_switched_off() -> None:
    conclusion = decide(flagged("base", 0), flagged("new", 30), bad_answers=False)
    assert conclusion.outcome == "pass"
    assert len(conclusion.verdicts[0].findings) == 1
