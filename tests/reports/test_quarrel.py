"""A sceptic who sees 0 inside an interval beside a proven loss is told why, on the spot; nobody else is bothered."""

from __future__ import annotations

from typing import Any

from lxml import html as lxml_html

from harness.records import Comparison, Finding, Require, Rule
from reports.comment import markdown
from reports.page import render
from reports.quarrel import quarrel
from tests.reports.told import concluded


def finding(outcome: Any, require: Require, low: float | None, high: float | None, **more: Any) -> Finding:
    told = {"p": 0.0002, "method": "exact sign-flip permutation", "lost": 17, "won": 0, "parameters": {}} | more
    told["parameters"] = {"interval": "Tango score over clusters interval"} | told["parameters"]
    waived = bool(told.pop("waived", False))
    comparison = Comparison(
        metric="told/describe/truncated", baseline="b", candidate="c", baseline_value=0.0, candidate_value=0.071, gain=-0.071,
        low=low, high=high, items=240, clusters=52, **told,
    )  # fmt: skip
    margin = None if require == "not_regressed" else 0.02
    rule = Rule(metric="told/*/truncated", require=require, margin=margin)
    return Finding(rule=rule, outcome=outcome, reason="told: why.", metric=comparison.metric, comparison=comparison, waived=waived)


def test_zero_inside_the_interval_of_a_proven_loss_is_explained() -> None:
    said = quarrel(finding("fail", "not_regressed", -0.156, 0.028))
    assert said.startswith("The interval reaches up to 0 and beyond; the test decides")
    assert "17 lost, 0 won" in said
    assert "Tango score over clusters" in said
    assert quarrel(finding("fail", "not_regressed", -0.156, -0.001)) == ""


def test_the_margin_is_what_a_margin_rule_is_held_against() -> None:
    assert "up to the margin (−2.0 pp)" in quarrel(finding("fail", "non_inferior", -0.2, -0.01))
    assert "down to the margin (−2.0 pp)" in quarrel(finding("pass", "non_inferior", -0.03, 0.1))
    assert "down to the margin (+2.0 pp)" in quarrel(finding("pass", "superior", 0.01, 0.1))
    assert quarrel(finding("pass", "non_inferior", -0.019, 0.1)) == ""
    assert quarrel(finding("fail", "non_inferior", -0.2, -0.021)) == ""


def test_an_interval_that_is_surer_than_the_corrected_test_says_what_corrected_it() -> None:
    corrected = finding("pass", "not_regressed", -0.1, -0.001, p=0.02, parameters={"p_holm": 0.34})
    assert "one of several that may not raise a false alarm together (p 0.34)" in quarrel(corrected)
    other = quarrel(finding("inconclusive", "non_inferior", -0.01, 0.1, p=0.07))
    assert "the test (exact sign-flip permutation) decides" in other
    waived = finding("pass", "superior", 0.03, 0.1, p=0.07, waived=True)
    assert "nothing is proven" in quarrel(waived)


def test_what_stopped_a_rule_otherwise_is_told_by_its_reason_alone() -> None:
    assert quarrel(finding("inconclusive", "non_inferior", 0.0, 0.1, p=0.001)) == "", "too many items were missing"
    assert quarrel(finding("inconclusive", "not_regressed", 0.01, 0.1, p=0.9)) == ""
    assert quarrel(finding("insensitive", "non_inferior", 0.0, 0.1, p=0.001)) == ""
    assert quarrel(finding("fail", "not_regressed", -0.2, None)) == ""


def test_the_page_explains_it_in_the_rule_s_own_row() -> None:
    tree = lxml_html.document_fromstring(render(concluded(finding("fail", "not_regressed", -0.156, 0.028)), {}, {}))
    (row,) = tree.xpath("//tr[@class='because']")
    assert "The interval reaches up to 0 and beyond" in row.text_content()


def test_the_comment_explains_it_below_its_table() -> None:
    lines = markdown(concluded(finding("fail", "not_regressed", -0.156, 0.028))).splitlines()
    (row,) = [line for line in lines if line.startswith("| ❌ | told")]
    assert row.split(" | ")[4].endswith(" †")
    (told,) = [line for line in lines if line.startswith("- † ")]
    assert "told/describe/truncated: The interval reaches up to 0 and beyond" in told
    assert "†" not in markdown(concluded(finding("fail", "not_regressed", -0.156, -0.001)))
