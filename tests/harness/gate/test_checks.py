"""Rules that could never be decided are refused before any model is asked."""

from __future__ import annotations

import re

import pytest

from harness.errors import ConfigError, EvaluationError
from harness.gate import check_rules, matches
from harness.records import Metric, Rule, Sample
from tests.harness.gate.deciding import decide
from tests.harness.runs import measured, right

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


def test_what_is_lost_beyond_noise_is_no_claim_about_a_recipe() -> None:
    rule = Rule(metric="general/*/lost", require="at_most", value=0.1, above_noise=True, about="recipe")
    with pytest.raises(ConfigError, match="above_noise is for rules about one checkpoint") as caught:
        check_rules([rule], KNOWN)
    assert caught.value.where == "rules[0].above_noise"


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
