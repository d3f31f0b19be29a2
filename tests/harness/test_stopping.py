"""Runs that were looked at while they were asked: what the gate says about them, and when it needs no more answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from benchmarks.simulation.sequential import ANYTIME, OBRIEN_FLEMING, POCOCK, Line, Plan, line, misses
from harness.gate import Policy, conclude
from harness.gate.stopping import Stop, should_stop
from harness.records import Comparison, Conclusion, Finding, Looks, Measured, Metric, Rule, Sample, Sequential
from harness.stats import mcnemar, nominal, sequential_p, tango_interval
from tests.harness.runs import measured, samples, table

MARGIN = Rule(metric="facts/*/acc", require="non_inferior", margin=0.05)
LIGHT = Rule(metric="facts/*/acc", require="not_regressed")
CLAIM = Rule(metric="facts/*/acc", require="superior")
ITEMS = 1000
PLANNED = (200, 400, 600, 800, 1000)

Runs = Mapping[tuple[str, str], Measured]


def scores(lost: float, won: float, *, seed: int = 0, items: int = ITEMS) -> tuple[list[float], list[float]]:
    """A baseline that knows four of five items, and a candidate that loses and wins these shares of them."""
    rng = np.random.default_rng(seed)
    base = (rng.random(items) < 0.8).astype(float)
    drawn = rng.random(items)
    new = np.where(drawn < lost, 0.0, np.where(drawn < lost + won, 1.0, base))
    return base.tolist(), new.tolist()


def partial(name: str, scored: Sequence[Sample], made: int, settings: Sequential = OBRIEN_FLEMING, **fields: Any) -> Measured:
    """A candidate after ``made`` looks at these samples."""
    looks = Looks(settings=settings, planned=PLANNED, made=PLANNED[:made])
    return measured(name, list(scored)[: PLANNED[made - 1]], looks=looks, **{"planned": len(scored), **fields})


def asked(lost: float, won: float, made: int, settings: Sequential = OBRIEN_FLEMING, seed: int = 0, **fields: Any) -> Runs:
    """A baseline in full, and a candidate in part."""
    base, new = scores(lost, won, seed=seed)
    return table(measured("base", samples(base), **fields), partial("new", samples(new), made, settings, **fields))


def policy(*rules: Rule, **fields: Any) -> Policy:
    return Policy(baseline="base", rules=rules, **fields)


def stop(runs: Runs, *rules: Rule, candidates: int = 1) -> Stop | None:
    return should_stop(runs, policy(*rules), "new", "facts", candidates=candidates)


def decided(runs: Runs, *rules: Rule, **fields: Any) -> Conclusion:
    return conclude(runs, policy(*rules, **fields), created="2026-11-20", environment={})


def found(runs: Runs, *rules: Rule) -> Finding:
    """The first finding."""
    return decided(runs, *rules).verdicts[0].findings[0]


def shown(finding: Finding) -> Comparison:
    assert finding.comparison is not None
    return finding.comparison


# --------------------------------------------------------------------------------------------------------- when to stop


def test_a_candidate_that_is_clearly_fine_needs_not_be_asked_everything() -> None:
    assert stop(asked(0.01, 0.01, 1), MARGIN) is None
    place = "at look 2 of 5, after 400 of 1,000 items"
    assert stop(asked(0.01, 0.01, 2), MARGIN) == Stop(f"{place}, every rule about facts is decided: facts/t/acc proven to hold")


def test_a_candidate_that_is_clearly_broken_needs_not_be_asked_everything() -> None:
    reached = stop(asked(0.3, 0.0, 1), MARGIN, LIGHT)
    assert reached is not None
    assert reached.why.endswith("facts/t/acc and facts/t/acc proven to fail")
    assert not reached.futile


def test_an_open_question_is_asked_on() -> None:
    assert all(stop(asked(0.05, 0.03, made), MARGIN) is None for made in (1, 2))


def test_what_cannot_be_decided_any_more_is_given_up() -> None:
    runs = asked(0.07, 0.025, 4)  # as far below as the margin is wide: neither side of it will be proven
    reached = stop(runs, MARGIN)
    assert reached is not None
    assert reached.futile
    assert "the chance that the rest would decide facts/t/acc is" in reached.why
    assert found(runs, MARGIN).outcome == "inconclusive"


def test_nothing_is_given_up_where_futility_is_off() -> None:
    assert stop(asked(0.07, 0.025, 4, Sequential(futility=0.0)), MARGIN) is None


def test_a_light_rule_counts_as_decided_once_no_loss_is_likely_any_more() -> None:
    assert stop(asked(0.02, 0.02, 1), LIGHT) is None
    better = stop(asked(0.0, 0.1, 1), LIGHT)
    assert better is not None
    assert better.why.endswith("facts/t/acc without a loss that is likely still to be proven")


def test_implicit_rules_are_decided_too_and_alone_end_nothing() -> None:
    runs = asked(0.01, 0.01, 2, watched=("truncated",))
    assert should_stop(runs, policy(), "new", "facts") is None
    reached = stop(runs, MARGIN)
    assert reached is not None
    assert "facts/t/truncated without a loss" in reached.why


def test_a_suite_that_is_asked_in_full_never_stops() -> None:
    base, new = scores(0.3, 0.0)
    assert stop(table(measured("base", samples(base)), measured("new", samples(new))), MARGIN) is None


def test_fewer_items_than_the_rule_wants_are_not_enough() -> None:
    wanting = msgspec.structs.replace(MARGIN, min_items=500)
    assert stop(asked(0.01, 0.01, 2), wanting) is None
    assert stop(asked(0.01, 0.01, 3), wanting) is not None
    assert "fewer than the 500" in found(asked(0.01, 0.01, 2), wanting).reason


def test_claims_are_only_enough_if_they_stand_whatever_else_is_claimed() -> None:
    runs = asked(0.02, 0.15, 5)
    p = shown(found(runs, CLAIM)).p
    assert p is not None
    assert 0.05 / 8 < p < 0.05
    others = [msgspec.structs.replace(CLAIM, name=str(number)) for number in range(7)]
    reached = [stop(runs, CLAIM), stop(runs, CLAIM, candidates=8), stop(runs, CLAIM, *others)]
    assert [each is not None and each.futile for each in reached] == [False, True, True]


def test_sides_that_were_not_asked_alike_are_not_asked_further() -> None:
    base, new = scores(0.02, 0.02)
    runs = table(measured("base", samples(base)), partial("new", samples(new), 1, items_hash="other items"))
    reached = stop(runs, MARGIN)
    assert reached is not None
    assert reached.why.endswith("facts/t/acc beyond deciding")


@pytest.mark.parametrize("settings", [OBRIEN_FLEMING, POCOCK, ANYTIME])
@pytest.mark.parametrize(("lost", "won"), [(0.02, 0.02), (0.3, 0.02), (0.02, 0.3)])
def test_what_was_proven_when_asking_ended_is_what_the_gate_concludes(lost: float, won: float, settings: Sequential) -> None:
    rules = [MARGIN, CLAIM, Rule(metric="facts/*/acc", require="at_least", value=0.7), LIGHT]
    for rule in rules:
        for made in (2, 4):
            runs = asked(lost, won, made, settings, seed=made)
            reached = stop(runs, rule)
            if reached is not None and not reached.futile:
                outcome = found(runs, rule).outcome
                assert outcome == ("fail" if "proven to fail" in reached.why else "pass"), (rule.require, made, reached.why)


# ----------------------------------------------------------------------------------------------------- what is concluded


def test_the_p_of_a_rule_is_over_all_looks() -> None:
    runs = asked(0.06, 0.02, 3)
    loss = shown(found(runs, LIGHT))
    base, new = scores(0.06, 0.02)
    change = np.array(new) - np.array(base)
    ordinary = [mcnemar(int((change[:n] > 0).sum()), int((change[:n] < 0).sum()), "less") for n in PLANNED[:3]]
    combined, which = sequential_p(ordinary, (0.2, 0.4, 0.6), "obrien_fleming")
    assert loss.p == combined
    assert loss.method == f"exact McNemar at look {which + 1} of 5, O'Brien-Fleming spending"
    assert loss.parameters["look_p"] == ordinary
    assert loss.parameters["fractions"] == [0.2, 0.4, 0.6]
    assert loss.parameters["nominal"] == nominal(2, (0.2, 0.4, 0.6), 0.05, "obrien_fleming")


def test_the_interval_is_the_repeated_one_and_keeps_its_level_over_all_looks() -> None:
    comparison = shown(found(asked(0.06, 0.02, 3), MARGIN))
    level = 1 - 2 * nominal(2, (0.2, 0.4, 0.6), 0.05, "obrien_fleming")
    assert (comparison.low, comparison.high) == pytest.approx(
        tango_interval(comparison.won, comparison.lost, comparison.items, level)
    )
    assert comparison.level == pytest.approx(0.9)
    assert comparison.parameters["interval"].startswith("repeated interval, look 3 of 5: Tango score interval at ")


def test_items_that_were_never_asked_are_not_missing_and_failed_ones_are() -> None:
    base, new = scores(0.02, 0.02)
    failing: list[float | None] = [*new]
    failing[7] = None
    runs = table(measured("base", samples(base)), partial("new", samples(failing), 2))
    comparison = shown(found(runs, MARGIN))
    assert (comparison.items, comparison.missing) == (399, 1)


def test_looks_follow_the_order_in_which_the_candidate_was_asked() -> None:
    base, new = scores(0.06, 0.02)
    order = np.random.default_rng(4).permutation(ITEMS)
    inorder = samples(new)
    shuffled = [inorder[index] for index in order]
    comparison = shown(found(table(measured("base", samples(base)), partial("new", shuffled, 1)), LIGHT))
    change = (np.array(new) - np.array(base))[order[:200]]
    assert (comparison.won, comparison.lost) == (int((change > 0).sum()), int((change < 0).sum()))


def test_a_run_that_reached_its_last_look_is_judged_by_its_looks_all_the_same() -> None:
    whole, looked = (
        shown(found(runs, LIGHT))
        for runs in (
            table(*(measured(name, samples(each)) for name, each in zip(("base", "new"), scores(0.05, 0.03), strict=True))),
            asked(0.05, 0.03, 5),
        )
    )
    assert whole.p is not None
    assert looked.p is not None
    assert looked.p > whole.p
    assert looked.low is not None
    assert whole.low is not None
    assert looked.low < whole.low


def test_no_p_of_no_difference_is_shown_for_a_run_that_was_looked_at() -> None:
    (comparison,) = decided(asked(0.02, 0.02, 2), MARGIN).comparisons
    assert comparison.p is None
    assert "p_bh" not in comparison.parameters
    assert "looked at while it was asked" in comparison.note
    assert comparison.method.startswith("repeated interval, look 2 of 5")
    assert comparison.missing == 0


def test_a_rule_over_several_suites_is_not_decided_in_part() -> None:
    base, new = scores(0.02, 0.02)
    other = [measured(name, samples(base), suite="more") for name in ("base", "new")]
    runs = table(measured("base", samples(base)), partial("new", samples(new), 2), *other)
    finding = found(runs, Rule(metric="*/*/acc", require="non_inferior", margin=0.05, pool=True))
    assert finding.outcome == "inconclusive"
    assert "a rule over several suites can only be decided in full" in finding.reason


def test_two_runs_in_part_are_not_compared() -> None:
    base, new = scores(0.02, 0.02)
    runs = table(measured("base", samples(base)), partial("old", samples(new), 2), partial("new", samples(new), 3))
    rule = Rule(metric="facts/*/acc", require="not_regressed", against="old")
    conclusion = decided(runs, rule, references={"new": "old"})
    finding = next(verdict for verdict in conclusion.verdicts if verdict.candidate == "new").findings[0]
    assert finding.outcome == "inconclusive"
    assert finding.comparison is None
    assert "old was itself asked in part" in finding.reason
    assert {each.baseline for each in conclusion.comparisons} == {"base"}


@pytest.mark.parametrize(
    ("require", "value", "outcome"), [("at_least", 0.6, "pass"), ("at_most", 0.6, "fail"), ("at_least", 0.95, "fail")]
)
@pytest.mark.parametrize("settings", [OBRIEN_FLEMING, ANYTIME])
def test_rules_about_a_score_are_over_all_looks(require: Any, value: float, outcome: str, settings: Sequential) -> None:
    finding = found(asked(0.02, 0.02, 2, settings), Rule(metric="facts/*/acc", require=require, value=value))
    assert finding.outcome == outcome
    assert " of 5, " in shown(finding).method
    low, high = (shown(finding).parameters[name] for name in ("score_low", "score_high"))
    assert low < shown(finding).parameters["score"] < high


def test_lost_items_are_counted_look_by_look() -> None:
    base, new = scores(0.2, 0.0)
    runs = table(measured("base", samples(base), retained=True), partial("new", samples(new), 2, retained=True))
    rule = Rule(metric="facts/*/lost", require="at_most", value=0.05)
    finding = decided(runs, rule, references={"new": "base"}).verdicts[0].findings[0]
    assert finding.outcome == "fail"
    assert shown(finding).items == 400


def test_a_slice_has_looks_of_its_own() -> None:
    base, new = scores(0.02, 0.02)
    langs = [{"lang": "zh" if 200 <= index < 700 else "en"} for index in range(ITEMS)]
    runs = table(measured("base", samples(base, slices=langs)), partial("new", samples(new, slices=langs), 3))
    comparison = shown(found(runs, msgspec.structs.replace(LIGHT, slice="lang=zh")))
    assert comparison.items == 400
    assert comparison.parameters["looks"] == [2, 3]
    assert comparison.parameters["fractions"] == [0.4, 0.8]


def test_a_look_that_missed_a_task_of_a_group_is_no_look_at_the_group() -> None:
    base, new = scores(0.02, 0.02)
    tasks = ["a" if index < 300 else "b" for index in range(ITEMS)]
    sides = ([msgspec.structs.replace(s, task=t) for s, t in zip(samples(each), tasks, strict=True)] for each in (base, new))
    groups = {"both": {"acc": {"a": 0.5, "b": 0.5}}}
    first, second = sides
    rule = Rule(metric="facts/both/acc", require="non_inferior", margin=0.2)
    for made, looks in ((1, None), (2, [2]), (3, [2, 3])):
        runs = table(measured("base", first, groups=groups), partial("new", second, made, groups=groups))
        finding = found(runs, rule)
        if looks is None:
            assert finding.outcome == "inconclusive"
            assert "saw no item of some of the tasks" in finding.reason
        else:
            assert shown(finding).parameters["looks"] == looks


def test_evidence_at_any_time_says_so() -> None:
    runs = asked(0.3, 0.0, 2, ANYTIME)
    assert "betting e-process at look " in shown(found(runs, MARGIN)).method
    assert shown(found(runs, LIGHT)).method.startswith("beta-mixture e-process on discordant items at look ")
    assert shown(found(runs, LIGHT)).method.endswith(" of 5, valid at any time")
    assert shown(found(runs, MARGIN)).parameters["interval"] == "betting confidence sequence"


def test_scores_without_bounds_are_tested_at_the_planned_looks_whatever_the_method() -> None:
    rng = np.random.default_rng(8)
    base = rng.normal(size=ITEMS)
    metrics = {"acc": Metric(kind="real")}
    runs = table(
        measured("base", samples(base.tolist()), metrics=metrics),
        partial("new", samples((base + rng.normal(-0.5, 1, ITEMS)).tolist()), 2, ANYTIME, metrics=metrics),
    )
    loss = shown(found(runs, msgspec.structs.replace(LIGHT, margin=0.2)))
    assert loss.method.endswith("of 5, O'Brien-Fleming spending")


def test_clusters_are_units_of_what_is_bet_on() -> None:
    base, new = scores(0.1, 0.1)
    alone = shown(found(asked(0.1, 0.1, 2, ANYTIME), MARGIN))
    groups = [f"c{index // 10}" for index in range(ITEMS)]
    runs = table(measured("base", samples(base, cluster=groups)), partial("new", samples(new, cluster=groups), 2, ANYTIME))
    together = shown(found(runs, MARGIN))
    assert together.clusters == 40
    assert None not in (together.low, together.high, alone.low, alone.high)
    assert together.high - together.low > alone.high - alone.low  # type: ignore[operator]


@pytest.mark.parametrize(("settings", "method"), [(OBRIEN_FLEMING, "paired t test"), (ANYTIME, "betting e-process on the share")])
def test_a_margin_that_is_a_share_is_as_uncertain_as_its_score(settings: Sequential, method: str) -> None:
    """Scores are averages of draws. The loss hardly varies: it is a tenth of the baseline's score that does."""
    rng = np.random.default_rng(9)
    base = rng.uniform(0.2, 0.8, ITEMS)
    new = base - 0.052 + rng.normal(0, 0.001, ITEMS)
    runs = table(measured("base", samples(base.tolist())), partial("new", samples(new.tolist()), 2, settings))
    fixed = shown(found(runs, Rule(metric="facts/*/acc", require="non_inferior", margin=0.05)))
    share = shown(found(runs, Rule(metric="facts/*/acc", require="non_inferior", margin=0.1, relative=True)))
    assert fixed.parameters["p_contrary"] < share.parameters["p_contrary"]
    assert share.method.startswith(method)


# ------------------------------------------------------------------------------------------------------------ simulated


@pytest.mark.parametrize("settings", [OBRIEN_FLEMING, POCOCK, ANYTIME])
def test_a_loss_of_the_whole_margin_passes_as_rarely_as_it_may(settings: Sequential) -> None:
    told = line(Plan("border", "non_inferior", 0.04, -0.04, items=1600, settings=settings), 30)
    assert told.decided <= 0.05 + 3 * told.noise


@pytest.mark.parametrize(("gain", "margin", "discordance"), [(0.0, 0.05, 0.06), (-0.15, 0.03, 0.3)])
def test_clearly_fine_and_clearly_broken_candidates_are_asked_half_or_less(gain: float, margin: float, discordance: float) -> None:
    told = line(Plan("clear", "non_inferior", margin, gain, items=1600, quiet=True, discordance=discordance), 10)
    assert told.asked <= 0.5
    assert max(told.decided, told.contrary) == 1.0


def test_the_simulation_says_what_is_not_as_promised() -> None:
    border, clear, real = (Plan(name, "non_inferior", 0.03, 0.0) for name in ("border", "clear", "real"))
    fine = (
        [Line(border, 400, 0.05, 0.04, 0.9, 0.8, 0.04, 0.05)],
        [Line(clear, 400, 1, 0, 0, 0.4, 1, 0)],
        [Line(real, 400, 0.78, 0, 0, 0.7, 0.8, 0)],
    )
    assert not list(misses(*fine))
    bad = (
        [Line(border, 400, 0.12, 0.2, 0.7, 0.8, 0.04, 0.05)],
        [Line(clear, 400, 1, 0, 0, 0.6, 1, 0)],
        [Line(real, 400, 0.6, 0, 0, 0.7, 0.8, 0)],
    )
    assert list(misses(*bad)) == [
        "border, non_inferior: 12.0 % false claims",
        "border, non_inferior: 20.0 % false claims",
        "O'Brien-Fleming: 60 % of the items asked of candidates that are clearly fine or broken",
        "real: 20.0 points of power lost",
    ]
