"""A metric whose scores have limits: what may yet be lost is known, and what lies outside is no score of it."""

from __future__ import annotations

import re

import numpy as np
import pytest

from harness.compare import align, columns, end_of, pooled
from harness.errors import ConfigError, EvaluationError
from harness.records import Measured, Metric, Rule, Verdict
from harness.stats import Interval
from reports.comment import markdown
from tests.harness.gate.deciding import decide, verdict
from tests.harness.runs import measured, samples

MARGIN = Rule(metric="facts/*/acc", require="non_inferior", margin=0.02)
ALIKE = [1.0] * 199 + [0.9]


def graded(low: float, high: float, **fields: object) -> dict[str, Metric]:
    return {"acc": Metric(kind="real", range=(low, high), **fields)}  # type: ignore[arg-type]


def run(name: str, scores: list[float], metrics: dict[str, Metric]) -> Measured:
    return measured(name, samples(scores), metrics=metrics)


def decided(metrics: dict[str, Metric], rule: Rule = MARGIN, scores: list[float] = ALIKE) -> Verdict:
    return verdict([*scores], [*scores], rule, metrics=metrics)


def test_what_may_yet_be_lost_is_the_declared_range_and_not_the_largest_score_seen() -> None:
    """200 items without a loss rule out 0.02 where one item can lose 1, and not where it can lose 2.5."""
    seen = decided({"acc": Metric(kind="real")})
    assert seen.outcome == "pass"
    assert decided(graded(0, 1)).outcome == "pass"
    wide = decided(graded(-1.5, 1))
    assert wide.outcome == "inconclusive"
    found = wide.findings[0].comparison
    assert found is not None
    assert found.p is not None
    assert found.p >= 0.99 * (1 - 0.02 / 2.5) ** 200, "as likely as that none of 200 items is lost, where they are that often"
    assert decided(graded(-1.5, 1), scores=ALIKE * 3).outcome == "pass", "three times the items do"


@pytest.mark.parametrize(
    ("score", "direction", "rule", "why"),
    [
        (0.0, "higher", MARGIN, "base is at 0 on every item: nothing is left to lose"),
        (5.0, "lower", MARGIN, "base is at 5 on every item: nothing is left to lose"),
        (5.0, "higher", MARGIN, "both at 5 on every item"),
        (5.0, "higher", Rule(metric="facts/*/acc", require="superior"), "base is at 5 on every item: no gain is possible"),
        (0.3, "higher", Rule(metric="facts/*/acc", require="non_inferior", margin=0.5), "can lose no more than 0.3"),
        (4.7, "lower", Rule(metric="facts/*/acc", require="non_inferior", margin=0.5), "can lose no more than 0.3"),
    ],
)
def test_at_the_ends_of_a_declared_range_nothing_passes_unseen(score: float, direction: str, rule: Rule, why: str) -> None:
    found = decided(graded(0, 5, direction=direction), rule, [score] * 200).findings[0]
    assert found.outcome == "insensitive"
    assert why in found.reason


@pytest.mark.parametrize(
    ("wrong", "direction", "limits"), [(0.0, "higher", None), (0.0, "higher", (0.0, 1.0)), (1.0, "lower", (0.0, 1.0))]
)
@pytest.mark.parametrize("rule", [MARGIN, Rule(metric="facts/*/acc", require="not_regressed")])
def test_a_score_of_all_items_at_its_worst_end_passes_nothing(
    wrong: float, direction: str, limits: tuple[float, float] | None, rule: Rule
) -> None:
    metrics = {"acc": Metric(kind="ratio", aggregator="ratio", range=limits, direction=direction)}  # type: ignore[arg-type]

    def outcome(base: float, new: float) -> str:
        runs = [
            measured(name, samples([0.0] * 200, metric="none", statistics=[{"acc": [part, 1.0]}] * 200), metrics=metrics)
            for name, part in (("base", base), ("new", new))
        ]
        return decide(*runs, rules=(rule,)).verdicts[0].findings[0].outcome

    assert outcome(wrong, wrong) == "insensitive"
    assert outcome(0.5, 0.5) in ("pass", "inconclusive"), "without limits a margin cannot be ruled out"
    assert outcome(1 - wrong, wrong) == "fail"


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Rule(metric="*/t/acc", require="non_inferior", margin=2.0), "a margin of 2 is all that 'facts/t/acc' can ever lose"),
        (Rule(metric="*/t/acc", require="at_least", value=-1), "the scores of 'facts/t/acc' go from 0 to 1, so that at_least -1"),
    ],
)
def test_a_rule_about_several_scales_must_fit_each_of_them(rule: Rule, words: str) -> None:
    runs = [
        measured(name, samples(scores), suite=suite, metrics=metrics)
        for name, scores in (("base", [0.9] * 90), ("new", [0.1] * 90))
        for suite, metrics in (("facts", graded(0, 1)), ("essays", graded(-100, 100)))
    ]
    with pytest.raises(ConfigError, match=re.escape(words)):
        decide(*runs, rules=(rule,))


def test_a_pass_without_a_range_says_once_what_no_test_can_know() -> None:
    told = [w for w in decided({"acc": Metric(kind="real")}).warnings if "no declared range" in w]
    assert len(told) == 1
    assert "rare losses larger than any score seen" in told[0]
    assert "range = [low, high]" in told[0]
    for metrics in (graded(0, 1), {"acc": Metric(kind="binary")}, {"acc": Metric(kind="bounded")}):
        assert not [w for w in decided(metrics).warnings if "no declared range" in w]
    undecided = decided({"acc": Metric(kind="real")}, Rule(metric="facts/*/acc", require="non_inferior", margin=0.001))
    assert undecided.outcome == "inconclusive"
    assert not [w for w in undecided.warnings if "no declared range" in w], "nothing passed"
    light = decided({"acc": Metric(kind="real")}, Rule(metric="facts/*/acc", require="not_regressed"))
    assert not [w for w in light.warnings if "no declared range" in w], "it proves nothing"


@pytest.mark.parametrize("name", ["win_length", "win_style"])
def test_nobody_is_told_to_declare_a_range_of_what_a_regression_made(name: str) -> None:
    """Its parts lie beyond 0 and 1: with the range that was asked for, the gate ended with exit 2."""
    rule = Rule(metric=f"facts/*/{name}", require="non_inferior", margin=0.1)
    runs = [measured(who, samples([*ALIKE], metric=name), metrics={name: Metric(kind="real")}) for who in ("base", "new")]
    (told,) = [w for w in decide(*runs, rules=(rule,)).verdicts[0].warnings if "no declared range" in w]
    assert "rare losses larger than any score seen" in told
    assert "range = [" not in told


def test_a_pass_by_many_small_differences_says_that_rare_whole_losses_would_not_have_shown() -> None:
    """60 shares that all differ a little pass a margin of 0.02 by a t; (1 - 0.02)^60 = 0.30 of such runs hold no whole loss."""
    rng = np.random.default_rng(5)
    rule = Rule(metric="facts/*/acc", require="non_inferior", margin=0.02)

    def warned(items: int) -> list[str]:
        before = rng.uniform(0.3, 0.7, items)
        found = verdict(
            before.tolist(), (before + rng.normal(0, 0.02, items)).tolist(), rule, metrics={"acc": Metric(kind="bounded")}
        )
        assert found.outcome == "pass"
        assert found.findings[0].comparison is not None
        assert "t test" in found.findings[0].comparison.method
        return [w for w in found.warnings if "lost whole" in w]

    assert len(few := warned(60)) == 1
    assert "0.30" in few[0]
    assert not warned(200), "0.98^200 is under alpha"
    assert not [w for w in decided({"acc": Metric(kind="bounded")}).warnings if "lost whole" in w], "the score test counts them"


def test_the_sentence_stands_in_the_summary_once_for_all_candidates() -> None:
    runs = [run(name, ALIKE, {"acc": Metric(kind="real")}) for name in ("base", "one", "two")]
    for name in ("one", "two"):
        runs = [each if each.run.candidate.name != name else run(name, [1.1, *ALIKE[1:]], dict(each.run.metrics)) for each in runs]
    lines = [line for line in markdown(decide(*runs, rules=(MARGIN,))).splitlines() if "no declared range" in line]
    assert len(lines) == 1
    assert lines[0].startswith("- ⚠️ one, two: facts/t/acc has no declared range")


@pytest.mark.parametrize("kind", ["real", "count", "ordinal", "bounded"])
def test_a_score_outside_its_range_is_named(kind: str) -> None:
    metric = Metric(kind=kind, range=(1.0, 5.0)) if kind != "bounded" else Metric(kind="bounded")  # type: ignore[arg-type]
    inside = 3.0 if kind != "bounded" else 0.5
    with pytest.raises(EvaluationError, match=r"facts/t/acc: item 'k1' has the score 7; expected . to .,"):
        columns(run("new", [inside, 7.0, inside], {"acc": metric}))
    assert columns(run("new", [inside] * 3, {"acc": metric}))["facts/t/acc"].value == inside


def test_rounding_is_not_outside() -> None:
    assert columns(run("new", [5.0 + 1e-12, 1.0 - 1e-12], graded(1, 5)))["facts/t/acc"].value == pytest.approx(3.0)


def test_missing_items_of_a_range_are_counted_as_lost_whole() -> None:
    found = decide(
        run("base", ALIKE, graded(0, 4)),
        measured("new", samples(ALIKE)[:-1], metrics=graded(0, 4)),
        rules=(Rule(metric="facts/*/acc", require="non_inferior", margin=0.1, max_missing=0.5),),
    ).verdicts[0]
    assert found.outcome == "pass"
    assert "1 missing item counted as lost would" in found.findings[0].reason


def test_scores_against_a_value_stay_inside_their_range() -> None:
    """All grades are the best there is: the interval ends there, and is never of width zero."""
    at_least = Rule(metric="facts/*/acc", require="at_least", value=4.8)
    found = decided(graded(1, 5), at_least, [5.0] * 50).findings[0]
    assert found.comparison is not None
    low, high = found.comparison.parameters["score_low"], found.comparison.parameters["score_high"]
    assert high == 5.0
    assert 4.7 < low < 4.8
    assert found.outcome == "inconclusive"
    assert decided(graded(1, 5), at_least, [5.0] * 200).outcome == "pass"


def test_both_ends_of_a_range_are_treated_alike() -> None:
    """Grades g and 6 − g, against v and 6 − v: the same p, the ends mirrored."""
    grades = [1.0] * 50 + [2.0] * 8 + [4.0] * 2
    low = decided(graded(1, 5), Rule(metric="facts/*/acc", require="at_most", value=1.6), grades).findings[0].comparison
    mirrored = [6 - grade for grade in grades]
    high = decided(graded(1, 5), Rule(metric="facts/*/acc", require="at_least", value=4.4), mirrored).findings[0].comparison
    assert low is not None
    assert high is not None
    assert low.p == pytest.approx(high.p)
    assert low.parameters["score_low"] == pytest.approx(6 - high.parameters["score_high"])
    assert low.parameters["score_high"] == pytest.approx(6 - high.parameters["score_low"])


def test_an_end_turns_scores_and_turns_them_back() -> None:
    for bounds, mean, turned in (((1.0, 5.0), 4.0, True), ((1.0, 5.0), 2.0, False), (None, 9.0, False)):
        end = end_of(bounds, mean)
        assert end.turned is turned
        seen = end.seen(np.asarray([mean]))
        assert end.place(mean) == seen[0]
        assert end.back(float(seen[0]), Interval(None, None, 0.9, "none")) == (mean, None, None)


def test_a_relative_margin_knows_the_largest_distance_to_a_share() -> None:
    sides = [columns(run(name, [1.0, 5.0, 2.0], graded(1, 5)))["facts/t/acc"] for name in ("base", "new")]
    assert align("facts/t/acc", *sides, seed=0).stretched(0.9) == pytest.approx(max(abs(5 - 0.9 * 1), abs(1 - 0.9 * 5)))
    shares = [columns(measured(name, [1.0, 0.0]))["facts/t/acc"] for name in ("base", "new")]
    assert align("facts/t/acc", *shares, seed=0).stretched(0.9) == 1.0
    assert align("facts/t/acc", *shares, seed=0).stretched(1.1) == pytest.approx(1.1)


def test_pooled_ranges_hold_all_parts_and_one_without_leaves_none() -> None:
    one, two, bare = (
        columns(run("new", [2.0, 3.0], metrics))["facts/t/acc"]
        for metrics in (graded(1, 5), graded(0, 4), {"acc": Metric(kind="real")})
    )
    assert pooled([one, two], "both").metric.range == (0, 5)
    assert pooled([one, bare], "both").metric.range is None
    assert one.metric.range == (1, 5)


@pytest.mark.parametrize(
    ("rule", "where", "words"),
    [
        (Rule(metric="facts/*/acc", require="non_inferior", margin=4), "margin", "its scores go from 1 to 5"),
        (Rule(metric="facts/*/acc", require="at_least", value=1), "value", "at_least 1 always holds"),
        (Rule(metric="facts/*/acc", require="at_least", value=5), "value", "at_least 5 can never be proven"),
        (Rule(metric="facts/*/acc", require="at_most", value=9), "value", "at_most 9 always holds"),
    ],
)
def test_rules_that_a_range_makes_senseless_are_refused(rule: Rule, where: str, words: str) -> None:
    runs = [run(name, [3.0] * 20, graded(1, 5)) for name in ("base", "new")]
    with pytest.raises(ConfigError, match=re.escape(words)) as caught:
        decide(*runs, rules=(rule,))
    assert caught.value.where == f"rules[0].{where}"


def test_a_pin_from_before_the_declaration_is_compared_by_it() -> None:
    old, new = run("base", ALIKE, {"acc": Metric(kind="real")}), run("new", ALIKE, graded(-1.5, 1))
    assert decide(old, new, rules=(MARGIN,)).outcome == "inconclusive"
