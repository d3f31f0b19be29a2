"""The gate: what each rule asks, what is refused an answer, and the sentence that a release manager reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import ComparabilityError, ConfigError, EvaluationError
from harness.gate import Policy, check_rules, conclude, matches
from harness.gate.policy import absolute_margin
from harness.gate.verdicts import gravest
from harness.records import Admission, Conclusion, Finding, Fingerprints, Measured, Metric, Outcome, Rule, Sample, Verdict
from tests.harness.runs import measured, right, samples, table

MARGIN = Rule(metric="facts/*/acc", require="non_inferior", margin=0.03)
CLAIM = Rule(metric="facts/*/acc", require="superior")
LIGHT = Rule(metric="facts/*/acc", require="not_regressed")


def decide(*runs: Measured, rules: tuple[Rule, ...] = (MARGIN,), **policy: Any) -> Conclusion:
    """Conclude with ``base`` as the baseline."""
    settings_: dict[str, Any] = {"baseline": "base", "rules": rules, **policy}
    return conclude(table(*runs), Policy(**settings_), created="2026-11-20", environment={"python": "3.11"})


def verdict(base: list[float | None], new: list[float | None], *rules: Rule, **fields: Any) -> Verdict:
    """The verdict over one candidate in one suite; ``fields`` are of both runs."""
    runs = (measured("base", samples(base), **fields), measured("new", samples(new), **fields))
    return decide(*runs, rules=rules).verdicts[0]


def finding(base: list[float | None], new: list[float | None], rule: Rule, **fields: Any) -> Finding:
    """The one finding of one rule."""
    return verdict(base, new, rule, **fields).findings[0]


def against(lost: int, won: int, tied_right: int, tied_wrong: int = 0) -> tuple[list[float | None], list[float | None]]:
    """Scores of baseline and candidate with this table."""
    base = [1.0] * lost + [0.0] * won + right(tied_right, tied_wrong)
    new = [0.0] * lost + [1.0] * won + right(tied_right, tied_wrong)
    return [*base], [*new]


# ------------------------------------------------------------------------------------------------- what rules ask


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
    assert needed.parameters["items_needed"] == pytest.approx(1567, rel=0.01)
    assert "1,600 items (80 % power)" in answer.findings[0].reason
    assert answer.change == "facts/t/acc needs about 1,600 items (it has 300)."


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


# ------------------------------------------------------------------------------------------------------ many tests


def many(base_flags: int, suites: dict[str, tuple[int, int]]) -> Iterator[Measured]:
    """Suites with this many lost and won of 400 items."""
    for suite, (lost, won) in suites.items():
        base, new = against(lost, won, 200, 200 - lost - won)
        yield measured("base", samples(base), suite=suite)
        yield measured("new", samples(new), suite=suite)


def test_light_rules_are_corrected_as_a_family_and_margins_are_not() -> None:
    rule = Rule(metric="*/*/acc", require="not_regressed")
    alone = decide(*many(0, {"a": (8, 1)}), rules=(rule,))
    assert alone.verdicts[0].findings[0].outcome == "fail"
    together = decide(*many(0, {"a": (8, 1), "b": (5, 6), "c": (7, 7), "d": (6, 9)}), rules=(rule,))
    first = together.verdicts[0].findings[0]
    assert first.outcome == "pass"
    assert "after Holm" in first.reason
    assert first.comparison is not None
    assert first.comparison.parameters["p_holm"] == pytest.approx(4 * (first.comparison.p or 0.0))
    margins = Rule(metric="*/*/acc", require="non_inferior", margin=0.05)
    for found in decide(*many(0, {"a": (8, 1), "b": (5, 6)}), rules=(margins,)).verdicts[0].findings:
        assert found.comparison is not None
        assert "p_holm" not in found.comparison.parameters


def test_the_table_for_reading_is_adjusted_for_how_long_it_is() -> None:
    found = decide(*many(0, {"a": (8, 1), "b": (5, 6), "c": (7, 7), "d": (6, 9)}), rules=()).comparisons
    assert len(found) == 4
    smallest = min(found, key=lambda each: each.p or 0.0)
    assert smallest.metric == "a/t/acc"
    assert smallest.parameters["p_bh"] == pytest.approx(4 * (smallest.p or 0.0))


def test_a_rule_that_only_warns_never_weakens_a_blocking_one() -> None:
    block = Rule(metric="a/*/acc", require="not_regressed")
    warn = Rule(metric="[bcd]/*/acc", require="not_regressed", severity="warn")
    runs = list(many(0, {"a": (8, 1), "b": (5, 6), "c": (7, 7), "d": (6, 9)}))
    assert decide(*runs, rules=(block, warn)).outcome == "fail"


def test_suites_without_any_difference_do_not_count_in_the_family() -> None:
    rule = Rule(metric="*/*/acc", require="not_regressed")
    runs = many(0, {"a": (8, 1), "b": (0, 0), "c": (0, 0), "d": (1, 0)})
    assert decide(*runs, rules=(rule,)).verdicts[0].findings[0].outcome == "fail"


def test_pooling_decides_what_no_part_can() -> None:
    base: list[Sample] = []
    new: list[Sample] = []
    for task in range(30):
        for index in range(40):
            was, now = float(index < 30), float(index < 30 if index % 20 else index >= 30)
            base.append(Sample(key=f"{task}-{index}", task=f"t{task}", scores={"acc": was}))
            new.append(Sample(key=f"{task}-{index}", task=f"t{task}", scores={"acc": now if task % 2 else was}))
    runs = (measured("base", base), measured("new", new))
    single = decide(*runs, rules=(MARGIN,))
    assert len(single.verdicts[0].findings) == 30
    assert single.outcome == "inconclusive"
    rule = msgspec.structs.replace(MARGIN, pool=True, margin=0.05)
    whole = decide(*runs, rules=(rule,)).verdicts[0].findings
    assert len(whole) == 1
    assert whole[0].metric == "facts/*/acc"
    assert whole[0].comparison is not None
    assert whole[0].comparison.items == 1200
    assert whole[0].outcome == "pass"


# ----------------------------------------------------------------------------------- truncated, empty, unparsable


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


# ------------------------------------------------------------------------------------------------ errors and parity


def test_failures_above_the_limit_make_the_finding_invalid_and_below_they_do_not() -> None:
    base, new = against(2, 2, 400, 196)
    few: list[float | None] = [*new[:-3], None, None, None]
    many_: list[float | None] = [*new[:-30], *[None] * 30]
    assert finding(base, few, MARGIN).outcome == "pass"
    found = finding(base, many_, MARGIN)
    assert found.outcome == "invalid"
    assert "30 of 600 items (5.0 %) of facts failed for new" in found.reason
    assert "the engine gave up" in found.reason
    assert finding(base, many_, msgspec.structs.replace(MARGIN, max_errors=0.1)).outcome in {"pass", "inconclusive"}
    assert finding(many_, base, MARGIN).outcome == "invalid"


def test_an_error_is_not_a_zero() -> None:
    base, new = against(0, 0, 400, 200)
    found = finding(base, [*new[:3], None, None, *new[5:]], MARGIN).comparison
    assert found is not None
    assert found.gain == 0.0
    assert found.missing == 2


def test_missing_items_are_also_decided_under_the_worst_case() -> None:
    base, new = against(4, 4, 400, 192)
    assert "3 missing items counted as lost would not change that" in finding(base, [*new[:-3], None, None, None], MARGIN).reason
    tight = Rule(metric="facts/*/acc", require="non_inferior", margin=0.012)
    found = finding(base, [*new[:-5], *[None] * 5], tight)
    assert found.outcome == "pass"
    assert "5 missing items counted as lost would change that" in found.reason


def test_items_on_one_side_only_are_not_averaged_over() -> None:
    base, new = against(4, 4, 400, 192)
    found = finding(base, new[:-20], MARGIN)
    assert found.outcome == "inconclusive"
    assert "20 items are on one side only" in found.reason
    assert finding(base, new[:-20], msgspec.structs.replace(MARGIN, max_missing=0.05)).outcome == "pass"


def test_everything_failed_is_an_evaluation_error_and_not_a_config_error() -> None:
    conclusion = decide(measured("base", [None] * 5), measured("new", [None] * 5))
    assert conclusion.outcome == "invalid"
    assert conclusion.exit_code == 13


def test_sides_that_were_not_asked_alike_are_not_compared() -> None:
    base, new = measured("base", right(50, 50)), measured("new", right(50, 50), items_hash="other")
    conclusion = decide(base, new)
    assert conclusion.outcome == "not_comparable"
    assert conclusion.exit_code == 12
    assert "differ in facts by items (items against other)" in conclusion.verdicts[0].findings[0].reason
    assert conclusion.comparisons == ()


def test_an_allowed_difference_is_said_as_a_warning() -> None:
    engine = {"name": "fake", "version": "1", "dtype": "bfloat16"}
    base, new = measured("base", right(400, 200)), measured("new", right(400, 200), engine=engine)
    assert decide(base, new).outcome == "not_comparable"
    conclusion = decide(base, new, allow=("dtype",))
    assert conclusion.outcome == "pass"
    assert any("differ in dtype" in warning for warning in conclusion.verdicts[0].warnings)


def test_a_suite_that_the_candidate_was_not_put_through_is_invalid() -> None:
    half = right(5, 5)
    runs = (measured("base", half), measured("base", half, suite="skill"), measured("new", half, suite="skill"))
    conclusion = decide(*runs)
    assert conclusion.outcome == "invalid"
    assert "new was not put through facts" in conclusion.verdicts[0].sentence


# ------------------------------------------------------------------------------------------------------ insensitive


def test_a_baseline_outside_its_band_passes_nothing() -> None:
    found = finding(*against(2, 2, 300, 296), MARGIN, expect={"acc": (0.65, 0.80)})
    assert found.outcome == "insensitive"
    assert "50.3 %, outside the expected 65.0 % to 80.0 %" in found.reason
    assert decide(measured("base", right(5, 5)), measured("new", right(5, 5))).exit_code == 11


def test_at_the_floor_no_loss_can_be_seen_but_a_gain_can() -> None:
    assert finding(right(0, 600), right(0, 600), MARGIN).outcome == "insensitive"
    assert finding(right(0, 600), right(0, 600), LIGHT).outcome == "insensitive"
    assert finding(right(0, 600), right(60, 540), CLAIM).outcome == "pass"


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


def test_a_judge_that_was_never_examined_may_not_gate() -> None:
    answer = verdict(*against(2, 2, 400, 196), MARGIN, judge_hash="j")
    assert any("never examined" in warning for warning in answer.warnings)
    assert finding(*against(2, 2, 400, 196), MARGIN, judge_hash="j").outcome == "insensitive"
    assert finding(*against(300, 0, 100, 200), MARGIN, judge_hash="j").outcome == "insensitive", "nor prove a failure"


def test_a_baseline_that_only_guesses_has_nothing_to_lose() -> None:
    four = {"acc": Metric(kind="binary", chance=0.25)}
    assert finding(*against(2, 2, 148, 448), MARGIN, metrics=four).outcome == "insensitive", "25 % of four choices is guessing"
    assert finding(*against(2, 2, 400, 196), MARGIN, metrics=four).outcome == "pass"


# ------------------------------------------------------------------------------------------------------- forgetting


LOST = Rule(metric="facts/*/lost", require="at_most", value=0.05, against="reference")


def forgetting(lost: int, **policy: Any) -> Conclusion:
    """``base`` knew 500 of 600; ``prod`` is the baseline and equal to it; ``new`` lost some."""
    base, new = against(lost, 0, 500 - lost, 100)
    runs = [measured(name, samples(scores), retained=True) for name, scores in (("prod", base), ("base", base), ("new", new))]
    settings_: dict[str, Any] = {"baseline": "prod", "references": {"new": "base", "prod": "base"}, "rules": (LOST,), **policy}
    return conclude(table(*runs), Policy(**settings_), created="", environment={})


def test_losses_are_counted_against_the_reference() -> None:
    assert forgetting(10).outcome == "pass"
    failed = forgetting(60)
    assert failed.outcome == "fail"
    assert failed.verdicts[0].change == "facts/t/lost must come under 5.0 % (now 10.0 %)."
    assert {(c.baseline, c.metric) for c in failed.comparisons if c.candidate == "new"} == {
        (other, f"facts/t/{name}") for other in ("prod", "base") for name in ("acc", "lost", "gained")
    }


def test_a_reference_is_not_judged_itself() -> None:
    assert [answer.candidate for answer in forgetting(10).verdicts] == ["new"]


def test_without_a_reference_nothing_can_be_called_lost() -> None:
    conclusion = forgetting(10, references={"prod": "base"})
    answer = next(each for each in conclusion.verdicts if each.candidate == "new")
    assert answer.outcome == "no_baseline"
    assert conclusion.exit_code == 12


def test_what_the_reference_never_knew_cannot_be_lost() -> None:
    runs = [measured(name, right(0, 300), retained=True) for name in ("base", "new")]
    conclusion = decide(*runs, rules=(LOST,), references={"new": "base"})
    # A reference that is also the baseline is never judged, its candidate is.
    assert conclusion.verdicts[0].findings[0].outcome == "insensitive"


# --------------------------------------------------------------------------------------------------------- verdicts


def test_the_verdict_can_be_acted_on() -> None:
    shipped = verdict(*against(5, 5, 400, 190), MARGIN)
    assert shipped.sentence.startswith("Ship new: the one blocking rule holds; the closest call is facts/t/acc")
    assert "where a loss of 3.0 points would block" in shipped.sentence
    blocked = verdict(*against(90, 2, 350, 150), MARGIN)
    assert blocked.sentence.startswith("Do not ship new: facts/t/acc: ")
    assert "90 % interval" in blocked.sentence
    assert "margin of 3.0 points" in blocked.sentence
    assert blocked.change == "The loss on facts/t/acc must come under 3.0 points (now −14.9 points)."
    unknown = verdict(*against(15, 15, 200, 70), Rule(metric="*/*/acc", require="non_inferior", margin=0.02))
    assert unknown.sentence.startswith("Unknown whether new may ship: the items do not decide it")


def test_one_proven_failure_decides_whatever_else_went_wrong() -> None:
    order: tuple[Outcome, ...] = ("pass", "inconclusive", "insensitive", "not_comparable", "no_baseline", "invalid", "fail")
    for index in range(1, len(order) + 1):
        assert gravest(order[:index]) == order[index - 1]
    assert gravest([]) == "inconclusive"


def test_exit_codes_over_several_candidates() -> None:
    good, bad = against(5, 5, 400, 190)[1], against(90, 2, 350, 158)[1]
    base = measured("base", samples(against(5, 5, 400, 190)[0]))
    failed = measured("broken", [None] * 600)
    assert decide(base, measured("good", samples(good))).exit_code == 0
    assert decide(base, measured("good", samples(good)), failed).exit_code == 13
    conclusion = decide(base, measured("good", samples(good)), failed, measured("bad", samples(bad)))
    assert conclusion.exit_code == 10
    assert [answer.outcome for answer in conclusion.verdicts] == ["pass", "invalid", "fail"]


def test_no_rule_is_no_silent_pass() -> None:
    conclusion = decide(measured("base", right(5, 5)), measured("new", right(5, 5)), rules=())
    assert conclusion.outcome == "inconclusive"
    assert "no blocking rule" in conclusion.verdicts[0].sentence


def test_an_identical_candidate_is_a_warning_and_a_verdict() -> None:
    prints = Fingerprints(asked="a", weights="same", adapter="same", template="template")
    runs = [measured(name, right(450, 150), fingerprints=prints) for name in ("base", "new")]
    conclusion = decide(*runs, rules=(MARGIN, msgspec.structs.replace(CLAIM, severity="warn")))
    assert conclusion.outcome == "pass"
    assert any("new is identical to base in weights and adapter" in warning for warning in conclusion.verdicts[0].warnings)
    assert conclusion.verdicts[0].findings[1].outcome == "inconclusive"
    assert decide(*runs, rules=(CLAIM,)).outcome == "inconclusive"


def test_equal_answers_count_as_identical_even_without_hashes() -> None:
    runs = [measured(name, right(450, 150), fingerprints=Fingerprints(asked=name, template="template")) for name in ("base", "new")]
    assert any("identical to base in all 600 answers" in warning for warning in decide(*runs).verdicts[0].warnings)


def test_nothing_answered_is_no_identity_and_says_what_happened() -> None:
    runs = [measured(name, [None] * 3, fingerprints=Fingerprints(asked=name, template="template")) for name in ("base", "new")]
    verdict = decide(*runs, rules=(MARGIN,)).verdicts[0]
    assert verdict.outcome == "invalid"
    assert not any("identical" in warning for warning in verdict.warnings)
    assert "all of its items failed, or its suite was not measured; the first, '" in verdict.findings[0].reason


def test_without_a_baseline_nothing_is_concluded() -> None:
    with pytest.raises(ComparabilityError, match="'base' was not measured"):
        decide(measured("new", right(5, 5)))
    with pytest.raises(ComparabilityError, match="no candidate to judge"):
        decide(measured("base", right(5, 5)))


def test_the_conclusion_survives_its_own_file() -> None:
    conclusion = forgetting(60)
    again = msgspec.json.decode(msgspec.json.encode(conclusion), type=Conclusion)
    assert msgspec.json.encode(again) == msgspec.json.encode(conclusion)
    assert again.health[0].value == pytest.approx(500 / 600)
    assert again.runs["facts"]["new"] == "graded new"


def test_the_same_input_gives_the_same_conclusion() -> None:
    rng = np.random.default_rng(0)
    scores = [[float(value) for value in rng.random(80)] for _ in range(2)]
    metrics = {"acc": Metric(kind="bounded")}
    runs = [measured(name, samples([*each]), metrics=metrics) for name, each in zip(("base", "new"), scores, strict=True)]
    first, second = (msgspec.json.encode(decide(*runs, rules=(MARGIN, LIGHT, CLAIM), seed=5)) for _ in range(2))
    assert first == second


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0, None]), st.sampled_from([0.0, 0.5, 1.0, None])), min_size=1, max_size=25),
    st.sampled_from(["binary", "bounded", "real", "count", "ordinal"]),
    st.booleans(),
)
def test_whatever_comes_in_a_sentence_comes_out(rows: list[tuple[Any, Any]], kind: Any, clustered: bool) -> None:
    clusters = {"cluster": [str(index // 3) for index in range(len(rows))]} if clustered else {}
    runs = [
        measured(name, samples([row[side] for row in rows], **clusters), metrics={"acc": Metric(kind=kind)}, retained=True)
        for side, name in enumerate(("base", "new"))
    ]
    rules = (
        MARGIN,
        CLAIM,
        LIGHT,
        Rule(metric="*/*/acc", require="at_least", value=0.5, max_errors=1.0),
        Rule(metric="*/*/acc", require="non_inferior", margin=0.1, relative=True, max_errors=1.0, max_missing=1.0),
    )
    conclusion = decide(*runs, rules=rules, references={"new": "base"})
    text = msgspec.json.encode(conclusion).decode()
    assert "NaN" not in text
    assert '"p":null' not in text or '"comparison":null' in text
    for found in conclusion.verdicts[0].findings:
        assert found.reason.endswith(".")
        assert "nan" not in found.reason.lower()
        assert found.comparison is None or found.comparison.low is None or found.comparison.low < (found.comparison.high or 9e9)
    assert conclusion.verdicts[0].sentence


# -------------------------------------------------------------------------------------------------------- A/A, planted


def suites(rng: np.random.Generator, name: str, truth: list[Any], noise: float) -> Iterator[Measured]:
    """Five suites of 150 items; ``noise``: the share of answers that come out differently on another run."""
    for number, known in enumerate(truth):
        scores = np.where(rng.random(150) < noise, rng.random(150) < 0.6, known).astype(float)
        flags = [("truncated",) if flag else () for flag in rng.random(150) < 0.03]
        yield measured(name, samples([*scores], flags=flags), suite=f"s{number}", watched=("truncated", "empty"))


def test_an_a_a_run_fails_no_more_often_than_alpha() -> None:
    rng = np.random.default_rng(3)
    rule = Rule(metric="*/*/acc", require="not_regressed")
    runs = 100
    failed = 0
    for _ in range(runs):
        truth = [rng.random(150) < 0.6 for _ in range(5)]
        conclusion = decide(*suites(rng, "base", truth, 0.2), *suites(rng, "new", truth, 0.2), rules=(rule,))
        failed += conclusion.outcome == "fail"
    assert failed / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)  # losses and bad answers are one family


def test_a_planted_candidate_whose_answers_are_shuffled_fails() -> None:
    rng = np.random.default_rng(4)
    truth = [rng.random(150) < 0.9 for _ in range(5)]
    shuffled = [rng.random(150) < 0.4 for _ in truth]
    for rule in (
        Rule(metric="*/*/acc", require="not_regressed"),
        Rule(metric="*/*/acc", require="non_inferior", margin=0.05, pool=True),
    ):
        conclusion = decide(*suites(rng, "base", truth, 0.1), *suites(rng, "new", shuffled, 0.1), rules=(rule,))
        assert conclusion.outcome == "fail"


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
    assert decide(*runs, rules=(nothing,)).verdicts[0].findings[0].outcome == "invalid"


# ------------------------------------------------------------------------------------------------------ check_rules


KNOWN = ("general/mmlu/acc", "general/cmmlu/acc", "general/mmlu/lost", "human/win", "facts/t/truncated")


def test_globs_mean_what_a_user_expects() -> None:
    assert matches("general/*/acc", "general/mmlu/acc")
    assert matches("*/*/win", "human/win")
    assert matches("human/win", "human/win")
    assert not matches("general/*/acc", "general/mmlu/acc_norm")


@pytest.mark.parametrize(
    ("rule", "where", "words"),
    [
        (Rule(metric="generl/*/acc", require="not_regressed"), "rules[0].metric", "Did you mean"),
        (Rule(metric="facts/*/lost", require="at_most", value=0.1), "rules[0].metric", "retained = true"),
        (Rule(metric="*/*/acc", require="non_inferior"), "rules[0].margin", "needs a margin above 0"),
        (Rule(metric="*/*/acc", require="non_inferior", margin=0.0), "rules[0].margin", "even an identical candidate"),
        (Rule(metric="*/*/acc", require="non_inferior", margin=float("nan")), "rules[0].margin", "margin is nan"),
        (Rule(metric="*/*/acc", require="non_inferior", margin=float("inf")), "rules[0].margin", "a finite number"),
        (Rule(metric="*/*/acc", require="at_most", value=float("inf")), "rules[0].value", "a finite number"),
        (Rule(metric="*/*/acc", require="superior", margin=-0.1), "rules[0].margin", "expected 0 or more"),
        (Rule(metric="*/*/acc", require="at_least"), "rules[0].value", "needs a value"),
        (Rule(metric="*/*/acc", require="at_most", value=0.1, margin=0.1), "rules[0].margin", "a value, not a margin"),
        (Rule(metric="*/*/acc", require="superior", value=0.1), "rules[0].value", "has a margin"),
        (Rule(metric="*/*/acc", require="superior", alpha=0.0), "rules[0].alpha", "below 0.5"),
        (Rule(metric="*/*/acc", require="superior", alpha=0.5), "rules[0].alpha", "below 0.5"),
        (Rule(metric="*/*/acc", require="superior", against="prd"), "rules[0].against", "Did you mean 'prod'"),
        (Rule(metric="*/*/acc", require="superior", slice="zh"), "rules[0].slice", "field=value"),
        (Rule(metric="*/*/acc", require="superior", min_items=0), "rules[0].min_items", "1 or more"),
        (Rule(metric="*/*/acc", require="superior", max_missing=2.0), "rules[0].max_missing", "between 0 and 1"),
        (Rule(metric="*/*/acc", require="superior", relative=True), "rules[0].relative", "no margin"),
    ],
)
def test_a_rule_that_cannot_be_decided_is_refused_before_any_model_is_asked(rule: Rule, where: str, words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)) as caught:
        check_rules([rule], KNOWN, candidates=("prod", "new"))
    assert caught.value.where == where


def test_rules_that_can_be_decided_are_accepted() -> None:
    check_rules(
        [
            Rule(metric="general/*/acc", require="non_inferior", margin=0.02, pool=True),
            Rule(metric="general/*/lost", require="at_most", value=0.03, against="reference"),
            Rule(metric="*/*/truncated", require="not_regressed", against="prod"),
        ],
        KNOWN,
        candidates=("prod", "new"),
    )


def test_an_unknown_metric_in_the_policy_is_a_config_error_when_concluding_too() -> None:
    with pytest.raises(ConfigError, match="no suite provides"):
        decide(measured("base", right(5, 5)), measured("new", right(5, 5)), rules=(Rule(metric="fact/*/acc", require="superior"),))


def test_metrics_that_cannot_be_pooled_are_said() -> None:
    runs = []
    for name in ("base", "new"):
        listed = [Sample(key=f"k{i}", task="t", scores={"acc": 1.0, "seconds": 2.0}) for i in range(5)]
        runs.append(measured(name, listed, metrics={"acc": Metric(), "seconds": Metric(kind="real", direction="lower")}))
    with pytest.raises(EvaluationError, match="cannot pool"):
        decide(*runs, rules=(Rule(metric="facts/*", require="not_regressed", pool=True),))
