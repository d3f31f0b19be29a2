"""Numbers as people read them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records import Comparison, Finding, Rule
from reports import wording


def number(text: str) -> float:
    return float(text.split(" ")[0].replace(wording.MINUS, "-"))


def test_shares_are_percentage_points_with_a_true_minus_sign() -> None:
    assert wording.gain_text(-0.031, "binary") == "−3.1 pp"
    assert wording.gain_text(0.02, "bounded") == "+2.0 pp"
    assert wording.gain_text(-0.0000001, "binary") == "0.0 pp"
    assert wording.score_text(0.712, "binary") == "71.2%"


def test_other_metrics_keep_their_unit_and_get_one_decimal_more_than_their_level() -> None:
    assert wording.gain_text(-0.00448, "real", "s", like=0.0316) == "−0.00448 s"
    assert wording.gain_text(-26.72, "real", "tokens/s", like=211.0) == "−26.7 tokens/s"
    assert wording.score_text(1.2113, "corpus") == "1.21"


def test_almost_all_is_never_written_as_all() -> None:
    assert wording.score_text(0.9999, "binary") == "99.99%"
    assert wording.score_text(1.0, "binary") == "100.0%"


def test_p_is_never_zero_and_never_on_the_wrong_side_of_alpha() -> None:
    assert wording.p_text(0.0) == "< 0.0001"
    assert wording.p_text(1e-300) == "< 0.0001"
    assert wording.p_text(None) == "–"
    assert float(wording.p_text(0.0504, alpha=0.05)) > 0.05
    assert float(wording.p_text(0.0496, alpha=0.05)) < 0.05


@given(st.floats(-0.2, 0.2), st.sampled_from([-0.05, -0.03, -0.02, 0.0, 0.01]))
def test_no_rounding_turns_a_loss_beyond_the_margin_into_one_within(value: float, bound: float) -> None:
    shown, margin = number(wording.gain_text(value, "binary", bounds=(bound,))), bound * 100
    if value * 100 < margin - 1e-3:
        assert shown < margin
    if value * 100 > margin + 1e-3:
        assert shown > margin


def test_an_open_interval_is_written_with_infinity() -> None:
    assert wording.interval_text(-0.05, None, "binary") == "−5.0 pp … ∞"
    assert wording.interval_text(-0.05, -0.012, "binary") == "−5.0 … −1.2 pp"
    assert wording.interval_text(None, None, "binary") == "–"


def test_counts_are_written_as_in_the_gates_sentences() -> None:
    assert wording.count_text(1234567) == "1,234,567"


@pytest.mark.parametrize(
    ("outcome", "severity", "word", "tone"),
    [
        ("pass", "block", "Pass", "good"),
        ("pass", "warn", "Pass", "good"),
        ("fail", "block", "Fail", "bad"),
        ("fail", "warn", "Warning: fail", "unsure"),
        ("inconclusive", "inform", "Note: inconclusive", "mute"),
        ("not_comparable", "block", "Not comparable", "unsure"),
        ("invalid", "block", "Invalid", "unsure"),
    ],
)
def test_a_badge_says_the_outcome_in_words(outcome: str, severity: str, word: str, tone: str) -> None:
    found = wording.badge(outcome, severity)  # type: ignore[arg-type]
    assert (found.word, found.tone) == (word, tone)
    assert found.icon


def test_a_rule_decides_at_its_margin_on_the_side_that_it_is_about() -> None:
    found = Comparison(metric="s/t/acc", baseline="b", candidate="c", baseline_value=0.5, candidate_value=0.4, gain=-0.1)
    assert wording.bound_of(Rule(metric="s/t/acc", require="non_inferior", margin=0.02)) == -0.02
    assert wording.bound_of(Rule(metric="s/t/acc", require="superior", margin=0.02)) == 0.02
    assert wording.bound_of(Rule(metric="s/t/acc", require="non_inferior", margin=0.1, relative=True), found) == pytest.approx(
        -0.05
    )
    assert wording.bound_of(Rule(metric="s/t/acc", require="at_most", value=0.1)) is None


def test_moments_are_utc_and_unknown_forms_stay() -> None:
    assert wording.moment("2026-11-20T12:30:00+01:00") == "2026-11-20 11:30 UTC"
    assert wording.moment("yesterday") == "yesterday"


def told(metric: str = "s/t/acc", kind: Any = "binary", **rule: Any) -> Finding:
    comparison = Comparison(
        metric=metric, baseline="b", candidate="c", baseline_value=1, candidate_value=1, gain=0, kind=kind
    )  # fmt: skip
    asked = {"require": "not_regressed", **rule}
    return Finding(
        rule=Rule(metric="s/*/acc", **asked), outcome="fail", reason="", metric=metric, comparison=comparison if kind else None
    )


@pytest.mark.parametrize(
    ("findings", "names"),
    [
        ([told(), told("s/u/acc")], ["s/t/acc", "s/u/acc"]),
        ([told(slice="lang=zh")], ["s/t/acc where lang=zh"]),
        ([told(slice="lang=zh"), told(slice="lang=en")], ["s/t/acc (×2: where lang=zh; where lang=en)"]),
        ([told(), told(slice="lang=en")], ["s/t/acc (×2: where lang=en)"]),
        ([told(), told(require="non_inferior", margin=0.02)], ["s/t/acc (×2: not proven worse; not worse by 2.0 pp or more)"]),
        (
            [told(kind="real", require="at_most", value=3.5), told(kind="real")],
            ["s/t/acc (×2: at most 3.50; not proven worse)"],
        ),
        (
            [told(kind=None, require="non_inferior", margin=3), told(kind=None)],
            ["s/t/acc (×2: non inferior 3; not regressed)"],
        ),
        ([told(), told(against="pin:w1"), told(against="reference")], ["s/t/acc (×3: against pin:w1; against reference)"]),
        (
            [told(split="gate"), told(split="gate", require="superior")],
            ["s/t/acc, the items that certify (×2: not proven worse; better)"],
        ),
        ([told(split="gate"), told(split="select")], ["s/t/acc (×2: the items that certify; the items that select)"]),
        ([told(name="kept"), told("s/u/acc", name="kept", slice="a=b")], ["kept (×2: s/t/acc; s/u/acc, where a=b)"]),
        ([told(f"s/{task}/acc", name="kept") for task in "tuvwxy"], ["kept (×6: s/t/acc; s/u/acc; s/v/acc; s/w/acc; and 2 more)"]),
        ([told(), told()], ["s/t/acc (×2)"]),
        ([], []),
    ],
)
def test_rules_of_one_name_say_what_they_differ_by(findings: list[Finding], names: list[str]) -> None:
    assert wording.told_apart(findings) == names
