"""No sentence of the gate rounds a number onto the other side of what decided about it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.gate import sentences as words
from harness.records import Comparison
from reports import wording


def number(text: str) -> float:
    found = re.search(r"[−+]?\d[\d.]*(?:e[-+]\d+)?", text)
    assert found is not None
    return float(found.group().replace("−", "-"))


@pytest.mark.parametrize(
    ("margin", "kind", "text"),
    [
        (0.0125, "binary", "1.25 points"),
        (0.02, "binary", "2.0 points"),
        (0.01, "binary", "1.0 point"),
        (0.0, "binary", "0.0 points"),
        (0.00025, "binary", "0.025 points"),
        (1250.5, "real", "1250.5 tokens/s"),
        (0.125, "real", "0.125 tokens/s"),
    ],
)
def test_a_margin_is_said_with_every_digit_that_it_was_written_with(margin: float, kind: Any, text: str) -> None:
    assert words.amount(margin, kind, "tokens/s" if kind == "real" else "") == text


def test_an_estimate_keeps_its_usual_digits() -> None:
    assert words.amount(0.0171734, "binary") == "1.7 points"
    assert words.amount(1 / 3, "real", "s") == "0.333 s"


@given(st.floats(-0.2, 0.2), st.sampled_from([0.0125, 0.02, 0.0333, 0.0166666, 0.01]), st.sampled_from(["binary", "real"]))
def test_a_gain_stands_on_its_side_of_the_margin_and_of_zero(gain: float, margin: float, kind: Any) -> None:
    scale = 100 if kind == "binary" else 1
    said = number(words.signed(gain, kind, bounds=(-margin, 0.0)))
    bound = -number(words.amount(margin, kind, beside=(gain,)))
    if abs(gain + margin) * scale > 1e-3:
        assert (said < bound) == (gain < -margin)
        assert (said > bound) == (gain > -margin)
    if abs(gain) * scale > 1e-3:
        assert (said < 0) == (gain < 0)


@given(st.floats(0, 1), st.sampled_from([0.8, 0.5, 0.925, 0.9975]))
def test_a_score_stands_on_its_side_of_the_value_asked_for_and_of_all(score: float, value: float) -> None:
    said, asked = number(words.share(score, "binary", bounds=(value,))), number(words.asked(value, "binary"))
    if abs(score - value) > 1e-7:
        assert (said < asked) == (score < value)
    if score < 1 - 1e-7:
        assert said < 100


@given(st.floats(1e-15, 1), st.sampled_from([0.05, 0.1, 0.025, 0.0005]))
def test_a_probability_stands_on_its_side_of_alpha(p: float, alpha: float) -> None:
    if abs(p - alpha) > 1e-6 * (1 if alpha >= 0.001 else alpha):
        said = words.probability(p, alpha)
        assert number(said) > 0
        assert "e" in said or ">" in said or (number(said) <= alpha) == (p <= alpha)


def test_a_small_alpha_gets_the_digits_it_takes() -> None:
    assert (words.probability(4.96e-4, 5e-4), words.probability(5.04e-4, 5e-4)) == ("p = 4.96e-04", "p = 5.04e-04")


def test_sentence_and_page_give_one_gain_the_same_digits() -> None:
    gain, bounds = -0.01996, (-0.02,)
    found = Comparison(metric="s/t/m", baseline="b", candidate="c", baseline_value=0.8, candidate_value=0.78, gain=gain, items=900)
    on_page = wording.gain_text(gain, found.kind, bounds=bounds).split()[0]
    assert words.signed(gain, found.kind, bounds=bounds).split()[0] == on_page == "−1.996"
    assert "gain −1.996 points" in words.gain(found, bounds)
