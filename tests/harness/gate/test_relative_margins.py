"""Margins that are a share of the other side's score: as uncertain as that score, and tested so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.compare import align, columns
from harness.gate.cases import Case
from harness.gate.policy import Job, certain_share
from harness.gate.recipes import RecipePair
from harness.records import Metric, Rule
from tests.harness.gate.deciding import against, finding
from tests.harness.runs import measured, samples


def claims(require: Any, kind: Any, direction: Any, runs: int = 60) -> float:
    """How often a claim about a tenth of the baseline's score is held for proven, where it is just not true. Every item changes by
    nearly the same amount, whatever its own score is: the share of the score is what is uncertain."""
    rng = np.random.default_rng(11)
    rule = Rule(metric="*", require=require, margin=0.1, relative=True)
    sign = (1 if direction == "higher" else -1) * (1 if require == "superior" else -1)
    proven = 0
    for _ in range(runs):
        base = rng.gamma(4, 2.5, 100) if kind == "real" else 0.1 + 0.8 * rng.beta(2, 2, 100)
        new = base + sign * 0.1 * (10 if kind == "real" else 0.5) + rng.normal(0, 0.01 * base.mean(), 100)
        metrics = {"acc": Metric(kind=kind, direction=direction)}
        sides = [columns(measured(name, samples([*each]), metrics=metrics)) for name, each in (("base", base), ("new", new))]
        pair = align("facts/t/acc", *(side["facts/t/acc"] for side in sides), seed=0)
        proven += Case(Job(rule, ("facts/t/acc",), "facts/t/acc"), "new", "base", pair=pair).claim.p <= 0.05
    return proven / runs


@pytest.mark.parametrize(("require", "kind", "direction"), [
    ("non_inferior", "real", "lower"), ("superior", "real", "higher"), ("non_inferior", "bounded", "higher"),
])  # fmt: skip
def test_a_share_that_is_uncertain_is_not_held_for_certain(require: Any, kind: Any, direction: Any) -> None:
    assert claims(require, kind, direction) <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / 60)


def test_a_lost_share_of_right_answers_is_tested_as_a_fixed_margin() -> None:
    base, new = [1.0] * 300 + [0.0] * 100, [0.0] * 10 + [1.0] * 290 + [0.0] * 100
    sides = [columns(measured(name, samples([*scores]))) for name, scores in (("base", base), ("new", new))]
    pair = align("facts/t/acc", *(side["facts/t/acc"] for side in sides), seed=0)
    rule = Rule(metric="*", require="non_inferior", margin=0.1, relative=True)
    case = Case(Job(rule, ("facts/t/acc",), "facts/t/acc"), "new", "base", pair=pair)
    assert case.margin == pytest.approx(0.075)
    assert case.claim.method == "Tango score"
    assert pair.share_test(1.1, "greater") is not None, "a gained share comes from what was wrong"
    assert pair.share_test(0.9, "greater") is None


def test_a_recipe_without_noise_of_seeds_passes_a_share_no_more_easily_than_its_items() -> None:
    """A tenth of the easy passages is lost whole, which is the margin; what differs from that is not symmetric."""
    rng = np.random.default_rng(0)
    clusters, passed = [f"c{index // 5}" for index in range(120)], 0
    for _ in range(40):
        easy = rng.random(24) < 0.5
        base = np.repeat(easy, 5).astype(float)
        new = base * ~np.repeat(easy & (rng.random(24) < 0.1), 5)
        sides = [columns(measured(name, samples([*scores], cluster=[*clusters])))["facts/t/acc"]
                 for name, scores in (("base", base), ("new", new))]  # fmt: skip
        pair = align("facts/t/acc", *sides, seed=0)
        recipe = RecipePair(pair.metric, pair.baseline, pair.candidate, gains=np.tile(pair.differences, (3, 1)),
                            before=np.tile(base, (3, 1)))  # fmt: skip
        alone, together = pair.share_test(0.9, "greater"), recipe.share_test(0.9, "greater")
        assert alone is not None
        assert together is not None
        assert together.p == pytest.approx(alone.p, rel=1e-9)
        passed += together.p <= 0.05
    assert passed <= 5


def test_a_finding_says_of_what_the_margin_is_a_share() -> None:
    rule = Rule(metric="facts/*/acc", require="non_inferior", margin=0.05, relative=True)
    found = finding(*against(5, 5, 395, 95), rule)
    assert "a loss of 4.0 points (5 % of 80.0 %) or more is ruled out" in found.reason
    guarded = Rule(metric="facts/*/acc", require="non_inferior", margin=0.1, relative=True, guard_below=0.9)
    assert "a loss of 9.0 points (10 % of 90.0 %) or more is ruled out" in finding(*against(5, 5, 395, 95), guarded).reason


def test_a_lost_share_is_uncertain_where_clusters_hold_several_items() -> None:
    base, new = [1.0] * 300 + [0.0] * 100, [0.0] * 10 + [1.0] * 290 + [0.0] * 100
    clusters = [f"c{index // 4}" for index in range(400)]
    sides = [
        columns(measured(name, samples([*scores], cluster=[*clusters])))["facts/t/acc"]
        for name, scores in (("b", base), ("n", new))
    ]
    assert sides[0].clustered
    pair = align("facts/t/acc", *sides, seed=0)
    assert pair.share_test(0.9, "greater") is not None
    rule = Rule(metric="*", require="non_inferior", margin=0.1, relative=True)
    assert not certain_share(rule, sides[0].metric, clustered=True)
    assert certain_share(rule, sides[0].metric, clustered=False)


def test_clusters_that_score_low_and_lose_more_do_not_pass_a_share() -> None:
    """Half of the passages are hard: half of their items were right, and all that is lost is lost there. With the margin taken for
    a number more pass."""
    rng = np.random.default_rng(7)
    rule = Rule(metric="*", require="non_inferior", margin=0.2, relative=True)
    clusters, passed, as_a_number = [f"c{index // 10}" for index in range(1000)], 0, 0
    for _ in range(100):
        hard = rng.random((100, 1)) < 0.5
        base = rng.random((100, 10)) < np.where(hard, 0.5, 1.0)
        new = base & ~((rng.random((100, 10)) < 0.6) & hard)
        sides = [columns(measured(name, samples([*scores.ravel().astype(float)], cluster=[*clusters])))["facts/t/acc"]
                 for name, scores in (("base", base), ("new", new))]  # fmt: skip
        pair = align("facts/t/acc", *sides, seed=0)
        case = Case(Job(rule, ("facts/t/acc",), "facts/t/acc"), "new", "base", pair=pair)
        assert pair.evidence is not None
        passed += case.claim.p <= 0.05
        as_a_number += pair.evidence.test(case.border, "greater").p <= 0.05
    assert passed / 100 <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / 100)
    assert passed < as_a_number
