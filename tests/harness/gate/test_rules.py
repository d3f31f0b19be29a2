"""What each rule asks: three answers, the numbers behind them, and what they say."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from harness import stats
from harness.errors import ConfigError
from harness.gate.policy import absolute_margin
from harness.records import Metric, Outcome, Rule
from tests.harness.gate.deciding import CLAIM, LIGHT, MARGIN, against, decide, finding, verdict
from tests.harness.runs import measured, right, samples


@pytest.mark.parametrize(
    ("rule", "lost", "won", "outcome"),
    [
        (MARGIN, 5, 5, "pass"),
        (MARGIN, 20, 20, "pass"),
        (MARGIN, 90, 2, "fail"),
        (MARGIN, 25, 10, "inconclusive"),
        (CLAIM, 5, 40, "pass"),
        (CLAIM, 40, 5, "fail"),
        (CLAIM, 12, 15, "inconclusive"),
        (Rule(metric="facts/*/acc", require="superior", margin=0.03), 5, 20, "inconclusive"),
        (LIGHT, 12, 15, "pass"),
        (LIGHT, 8, 6, "pass"),
        (LIGHT, 30, 5, "fail"),
        (Rule(metric="facts/*/acc", require="not_regressed", margin=0.05), 30, 5, "pass"),
    ],
)
def test_rules_have_three_answers(rule: Rule, lost: int, won: int, outcome: Outcome) -> None:
    found = finding(*against(lost, won, 350, 150), rule)
    assert found.outcome == outcome, found.reason


@pytest.mark.parametrize(
    ("require", "value", "outcome"),
    [
        ("at_least", 0.70, "pass"),
        ("at_least", 0.90, "fail"),
        ("at_least", 0.79, "inconclusive"),
        ("at_most", 0.90, "pass"),
        ("at_most", 0.70, "fail"),
        ("at_most", 0.81, "inconclusive"),
    ],
)
def test_rules_about_a_value_are_proven_too(require: Any, value: float, outcome: Outcome) -> None:
    found = finding(right(240, 60), right(240, 60), Rule(metric="facts/t/acc", require=require, value=value))
    assert found.outcome == outcome, found.reason
    assert "80.0 %" in found.reason


def test_a_pass_says_what_could_not_have_been_seen() -> None:
    for rule in (MARGIN, LIGHT):
        found = finding(*against(5, 5, 400, 190), rule)
        assert found.outcome == "pass"
        assert re.search(r"a loss under \d\.\d points could not have been seen", found.reason)
        assert found.comparison is not None
        assert found.comparison.mde is not None


def test_an_inconclusive_finding_says_how_many_items_would_decide() -> None:
    answer = verdict(*against(15, 15, 200, 70), Rule(metric="*/*/acc", require="non_inferior", margin=0.02))
    assert answer.outcome == "inconclusive"
    needed = answer.findings[0].comparison
    assert needed is not None
    planned = stats.items_for("non_inferior", stats.Design(1, 31 / 300), 0.0, 0.02)
    assert planned is not None
    assert needed.parameters["items_needed"] == pytest.approx(planned, rel=0.01)
    assert "1,700 items (80 % power)" in answer.findings[0].reason
    assert answer.change == "facts/t/acc needs about 1,700 items (it has 300)."


def test_with_enough_items_for_an_equal_candidate_only_the_gain_as_seen_is_left() -> None:
    answer = verdict(*against(209, 152, 306, 652), Rule(metric="*/*/acc", require="non_inferior", margin=0.05))
    assert answer.outcome == "inconclusive"
    assert "it is worse, but by how much is not certain" in answer.findings[0].reason
    assert "if all is as seen here, it would pass with about 37,000 items" in answer.findings[0].reason
    beyond = verdict(*against(30, 12, 300, 158), Rule(metric="*/*/acc", require="non_inferior", margin=0.035))
    assert beyond.outcome == "inconclusive"
    assert "no number of items would prove it" in beyond.findings[0].reason
    assert "needs a better candidate" in beyond.change


def test_the_p_shown_is_of_the_rules_own_hypothesis() -> None:
    base, new = against(10, 4, 500, 86)
    margin = finding(base, new, MARGIN).comparison
    light = finding(base, new, LIGHT).comparison
    assert margin is not None
    assert light is not None
    assert margin.p is not None
    assert margin.p < 0.05
    assert margin.method == "Tango score"
    assert light.p is not None
    assert light.p > 0.05
    assert light.method == "exact McNemar"
    assert margin.level == pytest.approx(0.90)


def test_worse_but_within_the_margin_is_said() -> None:
    found = finding(*against(20, 5, 1800, 175), MARGIN)
    assert found.outcome == "pass"
    assert "it is worse, but within the margin" in found.reason


def test_small_suites_are_decided_by_the_exact_test() -> None:
    found = finding(*against(0, 0, 90, 10), Rule(metric="*", require="non_inferior", margin=0.02))
    assert found.outcome == "inconclusive"
    assert "exact unconditional" in found.reason


def test_the_relative_margin_is_guarded_at_low_baselines() -> None:
    rule = Rule(metric="*", require="non_inferior", margin=0.1, relative=True, guard_below=0.2)
    assert absolute_margin(rule, 0.8) == pytest.approx(0.08)
    assert absolute_margin(rule, 0.01) == pytest.approx(0.02)
    assert absolute_margin(MARGIN, 0.8) == 0.03


def test_lower_is_better_where_the_metric_says_so() -> None:
    metrics = {"acc": Metric(kind="binary", direction="lower")}
    assert finding(*against(90, 2, 350, 150), MARGIN, metrics=metrics).outcome == "pass"
    found = finding(*against(2, 90, 350, 150), MARGIN, metrics=metrics)
    assert found.outcome == "fail"
    assert found.comparison is not None
    assert found.comparison.gain < 0
    assert found.comparison.candidate_value > found.comparison.baseline_value


def test_too_few_items_decide_nothing() -> None:
    rule = msgspec.structs.replace(MARGIN, min_items=1000)
    found = finding(*against(5, 5, 400, 190), rule)
    assert found.outcome == "inconclusive"
    assert "600 shared items are fewer than the 1,000" in found.reason


def test_what_inconclusive_means_is_the_rules_choice() -> None:
    base, new = against(15, 15, 200, 70)
    for policy in ("fail", "pass", "inconclusive"):
        rule = Rule(metric="*/*/acc", require="non_inferior", margin=0.02, on_inconclusive=policy)  # type: ignore[arg-type]
        assert finding(base, new, rule).outcome == policy


def test_warnings_are_listed_and_never_decide() -> None:
    rule = msgspec.structs.replace(MARGIN, severity="warn")
    answer = verdict(*against(90, 2, 350, 150), rule, Rule(metric="facts/*/acc", require="at_least", value=0.1))
    assert answer.outcome == "pass"
    assert answer.findings[0].outcome == "fail"
    assert any("a loss beyond the margin" in warning for warning in answer.warnings)


def test_a_named_rule_is_called_by_its_name() -> None:
    found = finding(*against(5, 5, 400, 190), msgspec.structs.replace(MARGIN, name="keep the facts"))
    assert found.reason.startswith("keep the facts (facts/t/acc): ")


def test_a_slice_is_decided_on_its_own_items() -> None:
    base, new = against(30, 0, 200, 70)
    slices = [{"lang": "zh"}] * 30 + [{"lang": "en"}] * 270
    runs = [measured(name, samples([*each], slices=slices)) for name, each in zip(("base", "new"), (base, new), strict=True)]
    rule = Rule(metric="facts/*/acc", require="not_regressed", slice="lang=en")
    found = decide(*runs, rules=(rule,)).verdicts[0].findings[0]
    assert found.outcome == "pass"
    assert found.comparison is not None
    assert found.comparison.items == 270
    nothing = msgspec.structs.replace(rule, slice="lang=fr")
    with pytest.raises(ConfigError, match=r"rules\[0\].slice: no item is in the slice 'lang=fr'. Known: en"):
        decide(*runs, rules=(nothing,))


def test_a_rule_about_a_value_knows_exactly_what_it_could_have_missed_and_needs() -> None:
    found = finding(right(300, 0), right(300, 0), Rule(metric="facts/*/acc", require="at_least", value=0.5))
    assert "a score less than about 7.2 points under 50.0 % could not have been told from it" in found.reason
    few = finding(right(2, 0), right(2, 0), Rule(metric="facts/*/acc", require="at_least", value=0.5))
    assert few.outcome == "inconclusive"
    assert "with about 5 items" in few.reason, "0.5 to the fifth is the first under 0.05"
