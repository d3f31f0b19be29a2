"""What counts above the noise, and what the gate's word about itself is worth, from nothing but scores."""

from __future__ import annotations

import math
from typing import Any

import pytest

from harness.errors import ConfigError
from harness.gate import Policy, check_rules, conclude
from harness.gate.measurements import Measurements
from harness.gate.noise import again, excess, identical, noise_of
from harness.gate.selftest import exit_code, noticed, of_damage, of_itself, place, sights
from harness.records import Comparison, Conclusion, Finding, Measured, Outcome, Plant, Repetition, Require, Rule, SelfTest
from harness.stats import clopper_pearson, exact_p
from tests.harness.runs import measured, samples, table

ITEMS = 200


def wrong(name: str, *indices: int, suite: str = "facts") -> Measured:
    return measured(name, [0.0 if index in indices else 1.0 for index in range(ITEMS)], retained=True, suite=suite)


def lost_rule(**more: Any) -> Rule:
    return Rule(**{"metric": "facts/*/lost", "require": "at_most", "value": 0.05, "above_noise": True, **more})


def concluded(rule: Rule, second: Measured | None, *runs: Measured) -> Conclusion:
    found = dict(table(*runs))
    if second is not None:
        found["facts", again("base")] = second
    return conclude(found, Policy(baseline="base", references={"new": "base"}, rules=(rule,)), created="", environment={})


BASE = wrong("base", *range(10))
SECOND = wrong("base", *range(5), *range(20, 27))  # lost 7 by chance, won 5
NEW = wrong("new", *range(10), *range(20, 32))  # lost 12, of which 7 are those that chance loses


def test_only_what_is_lost_beyond_the_second_run_counts_item_by_item() -> None:
    (finding, *_) = concluded(lost_rule(), SECOND, BASE, NEW).verdicts[0].findings
    assert finding.comparison is not None
    shown = finding.comparison.parameters
    assert shown["score"] == pytest.approx(5 / ITEMS)
    assert finding.comparison.p == pytest.approx(exact_p(0, 5, ITEMS, -0.05))
    assert shown["score_low"] < 5 / ITEMS < shown["score_high"]
    assert (finding.comparison.lost, finding.comparison.won) == (5, 0)
    (plain, *_) = concluded(lost_rule(above_noise=False), SECOND, BASE, NEW).verdicts[0].findings
    assert plain.comparison is not None
    assert plain.comparison.parameters["score"] == pytest.approx(12 / ITEMS)
    assert "noise floor: 3.5 % lost in a second run of base" in plain.reason


@pytest.mark.parametrize(("require", "metric", "lost"), [("at_most", "lost", 40), ("at_least", "gained", 0)])
def test_beyond_the_noise_a_rule_fails_as_it_would_without(require: Require, metric: str, lost: int) -> None:
    new = wrong("new", *range(10), *range(40, 40 + lost))
    rule = lost_rule(metric=f"facts/*/{metric}", require=require, value=0.05)
    (finding, *_) = concluded(rule, SECOND, BASE, new).verdicts[0].findings
    assert finding.outcome == "fail"


def test_other_requirements_compare_with_the_second_run() -> None:
    rule = lost_rule(require="non_inferior", value=None, margin=0.06, against="reference")
    (finding, *_) = concluded(rule, SECOND, BASE, NEW).verdicts[0].findings
    assert finding.comparison is not None
    assert (finding.comparison.baseline, finding.comparison.gain) == (again("base"), pytest.approx(-5 / ITEMS))
    assert finding.outcome == "pass"


def test_without_a_second_run_it_is_said_what_to_do() -> None:
    verdict = concluded(lost_rule(), None, BASE, NEW).verdicts[0]
    assert verdict.outcome == "no_baseline"
    assert "sftgate aa-test" in verdict.findings[0].reason


def test_a_second_run_is_compared_with_and_never_judged() -> None:
    conclusion = concluded(lost_rule(), SECOND, BASE, NEW)
    assert [verdict.candidate for verdict in conclusion.verdicts] == ["new"]
    names = {each.candidate for each in (*conclusion.comparisons, *conclusion.health, *conclusion.parity)}
    assert names <= {"base", "new"}


def test_nothing_is_above_the_noise_of_itself() -> None:
    found = {**table(BASE, NEW), ("facts", again("base")): NEW}
    measurements = Measurements(found, Policy(baseline="base", references={"new": "base"}))
    pair = measurements.pair(("facts/t/lost",), "facts/t/lost", "new", again("base"))
    assert pair is not None
    level = excess(lost_rule(), pair)
    assert level is not None
    assert level.score == 0
    assert level.low is not None
    assert level.high is not None
    assert level.low == pytest.approx(-level.high)
    assert 0 < level.high < 0.05


def test_a_rule_above_the_noise_must_be_about_what_is_lost() -> None:
    with pytest.raises(ConfigError, match="above_noise"):
        check_rules([lost_rule(metric="facts/*/acc")], ["facts/t/acc", "facts/t/lost"])
    check_rules([lost_rule()], ["facts/t/acc", "facts/t/lost"])


# ----------------------------------------------------------------------------------------------------------- floors


def test_the_noise_of_a_metric_is_the_spread_of_its_paired_differences() -> None:
    runs = {("facts", "base"): BASE, ("facts", "base#2"): SECOND}
    policy = Policy(baseline="base", references={"base#2": "base"})
    found = {noise.metric: noise for noise in noise_of(Measurements(runs, policy), "base#2", "base")}
    acc = found["facts/t/acc"]
    assert (acc.differ, acc.lost, acc.gained, acc.items) == (12, 7, 5, ITEMS)
    mean = -2 / ITEMS
    assert acc.sd == pytest.approx(math.sqrt((12 - ITEMS * mean**2) / (ITEMS - 1)))
    lost = found["facts/t/lost"]
    assert lost.repeat == pytest.approx(7 / ITEMS)
    assert (lost.low, lost.high) == pytest.approx(clopper_pearson(7, ITEMS, 0.90))
    assert lost.p is None
    assert found["facts/t/gained"].repeat == pytest.approx(5 / ITEMS)


def test_answers_are_the_same_when_their_texts_are_and_scores_stand_in_where_none_was_written() -> None:
    texts = measured("a", samples([1.0, 1.0, 0.0], outputs=[("x",), ("y",), ("z",)]))
    other = measured("a", samples([1.0, 1.0, 0.0], outputs=[("x",), ("Y",), ("z",)]))
    assert identical(texts, other) == (2, 3)
    silent = measured("a", samples([1.0, 1.0, 0.0], outputs=[(), (), ()]))
    changed = measured("a", samples([1.0, 0.5, None], outputs=[(), (), ()]))
    assert identical(silent, changed) == (1, 3)


# -------------------------------------------------------------------------------------------------- the gate itself


def finding(outcome: Outcome, require: Require = "non_inferior", *, high: float | None = None, **more: Any) -> Finding:
    metric = more.pop("metric", "facts/t/acc")
    rule = Rule(metric=metric, require=require, **more)
    compared = Comparison(metric=metric, baseline="a", candidate="b", baseline_value=0, candidate_value=0, gain=0, high=high)
    return Finding(rule=rule, outcome=outcome, reason=f"{metric}: because.", metric=metric, comparison=compared)


@pytest.mark.parametrize(
    ("findings", "outcome", "code"),
    [
        ([finding("pass")], "pass", 0),
        ([finding("pass"), finding("inconclusive")], "inconclusive", 0),
        ([finding("pass"), finding("fail")], "fail", 13),
        ([finding("fail", severity="warn"), finding("pass")], "pass", 0),
        ([finding("fail", "superior"), finding("pass")], "pass", 0),
        ([finding("inconclusive", "superior")], "pass", 0),
        ([finding("pass", "superior"), finding("pass")], "fail", 13),
        ([finding("invalid")], "invalid", 13),
        ([finding("not_comparable")], "not_comparable", 12),
        ([finding("insensitive")], "insensitive", 11),
        ([], "inconclusive", 0),
    ],
)
def test_what_the_gate_makes_of_a_model_against_itself(findings: list[Finding], outcome: Outcome, code: int) -> None:
    said, sentence = of_itself("base", findings)
    assert (said, sentence.count("base") > 0) == (outcome, True)
    test = SelfTest(created="", baseline="base", repetitions=(Repetition(candidate="base", outcome=said, sentence=sentence),))
    assert exit_code(test) == code


def test_the_gravest_code_wins() -> None:
    silent, firing = (Repetition(candidate="base", outcome=outcome, sentence="") for outcome in ("pass", "fail"))  # type: ignore[arg-type]
    seen, unseen, broken = (
        Plant(how="shuffled", outcome=outcome, sentence="")  # type: ignore[arg-type]
        for outcome in ("fail", "insensitive", "invalid")
    )
    codes = [
        exit_code(SelfTest(created="", baseline="base", repetitions=(repetition,), plants=(plant,)))
        for repetition, plant in ((silent, seen), (silent, unseen), (silent, broken), (firing, seen), (firing, unseen))
    ]
    assert codes == [0, 11, 13, 13, 13]


def test_a_rule_that_fails_on_anything_notices_nothing() -> None:
    failing = finding("fail")
    assert noticed(failing, ())
    assert not noticed(failing, {place(failing)})
    assert not noticed(finding("fail", severity="warn"), ())
    assert not noticed(finding("fail", "superior", high=0.01), ())
    assert not noticed(finding("fail", "superior"), ())
    assert noticed(finding("fail", "superior", high=-0.01), ())


def test_suites_are_named_by_what_their_rules_saw() -> None:
    findings = [
        finding("fail", metric="facts/t/acc"),
        finding("pass", metric="pref/t/win"),
        finding("pass", metric="style/*/truncated", implicit=True),
        finding("fail", "superior", metric="target/t/acc"),
        finding("fail", metric="*/*/acc", severity="inform"),
    ]
    found = sights(["facts", "pref", "style", "target", "speed"], findings, (), {"speed": "not damaged"})
    assert found == {"facts": "noticed", "pref": "missed", "style": "no rule", "target": "no rule", "speed": "not planted"}
    outcome, sentence = of_damage("base", "its answers shuffled", findings, (), found)
    assert outcome == "fail"
    assert "Insensitive: pref." in sentence
    broken = [finding("invalid"), *findings[1:]]
    assert of_damage("base", "its answers shuffled", broken, (), found)[0] == "invalid"
    outcome, sentence = of_damage("base", "its answers shuffled", findings[1:], (), found)
    assert outcome == "insensitive"
    assert "does not notice" in sentence
