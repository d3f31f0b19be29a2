"""Margins and values that no share could ever break, or keep, are refused when concluding too: imported scores are only gated."""

from __future__ import annotations

import re

import pytest

from harness.errors import ConfigError
from harness.records import Metric, Rule
from tests.harness.gate.deciding import MARGIN, decide
from tests.harness.runs import measured, right, samples


@pytest.mark.parametrize(
    ("rule", "where", "words"),
    [
        (Rule(metric="facts/*/acc", require="non_inferior", margin=1.0), "margin", "a margin of 1 is all that"),
        (Rule(metric="facts/*/acc", require="non_inferior", margin=1.2, relative=True), "margin", "two per cent of it"),
        (Rule(metric="facts/*/acc", require="not_regressed", margin=1.5, relative=True), "margin", "a margin of 1.5 is all that"),
        (Rule(metric="facts/*/acc", require="at_most", value=5), "value", "at_most 5 always holds"),
        (Rule(metric="facts/*/acc", require="at_least", value=-5), "value", "at_least -5 always holds"),
        (Rule(metric="facts/*/acc", require="at_least", value=0), "value", "at_least 0 always holds"),
        (Rule(metric="facts/*/acc", require="at_most", value=1), "value", "at_most 1 always holds"),
        (Rule(metric="facts/*/acc", require="at_most", value=0), "value", "at_most 0 can never be proven"),
        (Rule(metric="facts/*/acc", require="at_least", value=1), "value", "at_least 1 can never be proven"),
        (Rule(metric="facts/*/lost", require="at_most", value=2), "value", "at_most 2 always holds"),
    ],
)
def test_what_a_share_could_never_break_or_keep_is_refused(rule: Rule, where: str, words: str) -> None:
    runs = [measured(name, right(*scores), retained=True) for name, scores in (("base", (150, 50)), ("new", (0, 200)))]
    with pytest.raises(ConfigError, match=re.escape(words)) as caught:
        decide(*runs, rules=(MARGIN, rule), references={"new": "base"})
    assert caught.value.where == f"rules[1].{where}"


def test_other_scales_have_other_numbers() -> None:
    seconds = {"acc": Metric(kind="real", direction="lower")}
    runs = [measured(name, samples([2.0 + index % 3 for index in range(90)]), metrics=seconds) for name in ("base", "new")]
    slow = Rule(metric="facts/*/acc", require="non_inferior", margin=1.5)
    assert decide(*runs, rules=(slow, Rule(metric="facts/*/acc", require="at_most", value=5))).outcome == "pass"
    doubled = Rule(metric="facts/*/acc", require="non_inferior", margin=1.5, relative=True)
    assert decide(*runs, rules=(doubled,)).outcome == "pass", "what is better when lower can grow to more than twice"
