"""Claims about a recipe: several training seeds, one decision."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from harness import stats
from harness.records import Conclusion, Measured, Metric, Rule
from tests.harness.gate.deciding import MARGIN, against, decide
from tests.harness.runs import measured, samples

RECIPE = Rule(metric="facts/*/acc", require="non_inferior", margin=0.05, about="recipe")
ITEMS = 800


def seeds(*losses: float, items: int = ITEMS, **fields: Any) -> list[Measured]:
    """A baseline at 70 %, and one replicate per share of items lost; besides, as many come as go."""
    rng = np.random.default_rng(7)
    base = rng.random(items) < 0.7
    runs = [measured("base", samples([*base.astype(float)]), **fields)]
    for index, loss in enumerate(losses):
        flips = rng.random(items) < np.where(base, 0.03, 0.07)
        lost = rng.random(items) < loss
        runs.append(measured(f"s{index}", samples([*((base ^ flips) & ~lost).astype(float)]), **fields))
    return runs


def about(*runs: Measured, rules: tuple[Rule, ...] = (RECIPE,), **policy: Any) -> Conclusion:
    names = [run.run.candidate.name for run in runs if run.run.candidate.name != "base"]
    return decide(*runs, rules=rules, recipes=dict.fromkeys(names, "careful"), **policy)


def test_a_recipe_gets_one_verdict_over_its_seeds() -> None:
    found = about(*seeds(0.0, 0.0, 0.0, 0.0))
    assert [answer.candidate for answer in found.verdicts] == ["recipe careful"]
    assert found.outcome == "pass"
    finding = found.verdicts[0].findings[0]
    assert finding.reason.startswith("facts/t/acc, mean of 4 training seeds: ")
    assert "two-way t over replicates and items" in finding.reason
    assert finding.comparison is not None
    assert finding.comparison.parameters["replicates"] == 4
    assert finding.comparison.mde is not None


def test_a_recipe_that_loses_fails_and_one_that_scatters_decides_nothing() -> None:
    assert about(*seeds(0.2, 0.21, 0.19, 0.2)).outcome == "fail"
    scattered = about(*seeds(0.0, 0.12, 0.0, 0.06))
    assert scattered.outcome == "inconclusive"
    reason = scattered.verdicts[0].findings[0].reason
    assert "training seeds" in reason
    assert "items" in reason


def test_one_checkpoint_says_less_than_its_recipe() -> None:
    runs = seeds(0.0, 0.1, 0.05)
    checkpoint = msgspec.structs.replace(RECIPE, about="checkpoint")
    lucky = {answer.candidate: answer.outcome for answer in about(*runs, rules=(checkpoint, RECIPE)).verdicts}
    assert lucky["s0"] == "pass"
    assert lucky["recipe careful"] != "pass"


@pytest.mark.parametrize("count", [1, 2])
def test_under_three_seeds_nothing_is_said(count: int) -> None:
    found = about(*seeds(*[0.0] * count))
    assert found.outcome == "inconclusive"
    assert f"{count} replicate{'s are' if count > 1 else ' is'} too few for a claim about a recipe" in found.verdicts[0].sentence
    assert found.verdicts[0].change == "facts/t/acc needs 3 training seeds or more."
    assert about(*seeds(*[0.5] * count)).outcome == "inconclusive", "nor is a failure proven"


def test_verdicts_about_checkpoints_stand_beside_it() -> None:
    found = about(*seeds(0.0, 0.0, 0.3), rules=(MARGIN, RECIPE))
    assert [answer.candidate for answer in found.verdicts] == ["s0", "s1", "s2", "recipe careful"]
    assert found.verdicts[2].outcome == "fail"
    assert all(finding.rule.about == "checkpoint" for finding in found.verdicts[0].findings)


def test_a_rule_about_a_recipe_that_only_warns_decides_nothing() -> None:
    warn = msgspec.structs.replace(RECIPE, severity="warn")
    found = about(*seeds(0.0, 0.0), rules=(msgspec.structs.replace(MARGIN, margin=0.1), warn))
    assert found.outcome == "pass"
    assert found.verdicts[-1].candidate == "recipe careful"
    assert found.verdicts[-1].outcome == "inconclusive"


def test_where_only_recipes_are_gated_each_replicate_must_still_stop() -> None:
    fields: dict[str, Any] = {"watched": ("truncated",)}
    runs = seeds(0.0, 0.0, 0.0, **fields)
    assert about(*runs).outcome == "pass"
    last = runs[-1]
    cut = tuple(msgspec.structs.replace(sample, flags=("truncated",)) for sample in last.samples[:100])
    runs[-1] = msgspec.structs.replace(last, samples=(*cut, *last.samples[100:]))
    found = about(*runs)
    assert found.outcome == "fail"
    assert found.verdicts[0].candidate == "recipe careful"
    assert any(f.reason.startswith("s2: ") and f.outcome == "fail" for f in found.verdicts[0].findings)


def test_a_broken_replicate_breaks_the_claim_by_name() -> None:
    runs = seeds(0.0, 0.0, 0.0)
    runs[2] = measured("s1", [None] * ITEMS)
    found = about(*runs)
    assert found.outcome == "invalid"
    assert "failed for s1" in found.verdicts[0].sentence


def test_values_and_gains_can_be_claimed_too() -> None:
    runs = seeds(0.0, 0.0, 0.0)
    for rule, outcome in (
        (Rule(metric="facts/*/acc", require="at_least", value=0.6, about="recipe"), "pass"),
        (Rule(metric="facts/*/acc", require="at_least", value=0.9, about="recipe"), "fail"),
        (Rule(metric="facts/*/acc", require="at_most", value=0.9, about="recipe"), "pass"),
        (Rule(metric="facts/*/acc", require="superior", about="recipe"), "inconclusive"),
        (Rule(metric="facts/*/acc", require="not_regressed", about="recipe"), "pass"),
        (Rule(metric="facts/*/acc", require="non_inferior", margin=0.1, relative=True, about="recipe"), "pass"),
    ):
        found = about(*runs, rules=(rule,))
        assert found.outcome == outcome, found.verdicts[0].sentence


def test_claims_of_several_recipes_are_corrected_for_how_many_there_are() -> None:
    rng = np.random.default_rng(11)
    base = rng.random(ITEMS) < 0.6
    runs = [measured("base", samples([*base.astype(float)]))]
    for index in range(9):
        gained = rng.random(ITEMS) < 0.03 + 0.03 * (index // 3 == 0)
        runs.append(measured(f"s{index}", samples([*(base | gained).astype(float)])))
    recipes = {f"s{index}": f"r{index // 3}" for index in range(9)}
    claim = Rule(metric="facts/*/acc", require="superior", about="recipe")
    found = decide(*runs, rules=(claim,), recipes=recipes)
    seen = [verdict.findings[0].comparison for verdict in found.verdicts]
    assert len(seen) == 3
    alone = [each.p for each in seen if each is not None and each.p is not None]
    over = [each.parameters["p_holm_recipes"] for each in seen if each is not None]
    assert over == pytest.approx(stats.holm(alone))
    assert min(over) > min(alone)
    assert "after Holm over 3 recipes (training seeds vary each for itself)" in found.verdicts[0].findings[0].reason
    one = decide(*runs[:4], rules=(claim,), recipes=recipes).verdicts[0].findings[0]
    assert one.comparison is not None
    assert "p_holm_recipes" not in one.comparison.parameters


def test_replicates_that_do_not_differ_from_the_baseline_have_an_interval() -> None:
    base, _ = against(0, 0, 500, 300)
    runs = [measured(name, samples(base)) for name in ("base", "s0", "s1", "s2")]
    finding = about(*runs).verdicts[0].findings[0]
    assert finding.comparison is not None
    assert finding.comparison.low is not None
    assert finding.comparison.high is not None
    assert finding.comparison.low < 0 < finding.comparison.high


def test_forgetting_of_a_recipe_is_counted_against_the_reference() -> None:
    runs = seeds(0.0, 0.0, 0.0, retained=True)
    lost = Rule(metric="facts/*/lost", require="at_most", value=0.1, against="reference", about="recipe")
    references = dict.fromkeys(("s0", "s1", "s2"), "base")
    found = about(*runs, rules=(lost,), references=references)
    assert found.outcome == "pass", found.verdicts[0].sentence
    assert about(*runs, rules=(lost,)).outcome == "no_baseline"


def test_scores_of_whole_corpora_say_why_they_cannot() -> None:
    metrics = {"ppl": Metric(kind="corpus", direction="lower", aggregator="ratio")}
    runs = [
        measured(name, samples([0.0] * 9, metric="x", statistics=[{"ppl": [1.0 + i, 9.0]} for i in range(9)]), metrics=metrics)
        for name in ("base", "s0", "s1", "s2")
    ]
    found = about(*runs, rules=(Rule(metric="facts/*/ppl", require="non_inferior", margin=0.1, about="recipe"),))
    assert found.outcome == "inconclusive"
    assert "a claim about a recipe is made of gains item by item" in found.verdicts[0].sentence
