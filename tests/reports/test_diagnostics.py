"""Gradients by group of weights and what is known by heart: drawn from what was recorded, whatever was recorded."""

from __future__ import annotations

import math
import re

import pytest

from harness.records import Flow, Training, Verbatim
from reports.trained.diagnostics import MOST, diagnostics_card, norms
from tests.reports.drawn import faults


def training(*norms: dict[str, float], heart: tuple[Verbatim, ...] = ()) -> Training:
    flows = tuple(Flow(step=step, norms=each) for step, each in enumerate(norms))
    return Training(name="x", method="full", base="b", flows=flows, verbatims=heart)


def test_groups_say_first_last_smallest_and_largest_and_what_overflowed_is_left_out() -> None:
    made = training({"a": 2.0, "b": math.inf}, {"a": math.nan, "b": math.nan}, {"a": 8.0}, {"a": 0.5})
    (found,) = norms(made.flows)
    assert (found.group, found.looks, found.first, found.last, found.least, found.largest) == ("a", 4, 2.0, 0.5, 0.5, 8.0)


def test_each_power_of_ten_is_as_wide_as_the_next() -> None:
    card = diagnostics_card("x", training({"a": 0.001, "b": 0.01, "c": 0.1, "d": 5.0, "dead": 0.0}))
    assert card is not None
    at = [[float(x) for x in re.findall(r'cx="([\d.]+)"', str(row.picture))] for row in card.flows]
    assert at[4] == [], "nothing is drawn of what never had a gradient"
    assert at[1][0] - at[0][0] == pytest.approx(at[2][0] - at[1][0], abs=0.02)
    assert [row.largest.at for row in card.flows][:2] == ["/training/x/flows/0/largest", "/training/x/flows/1/largest"]


@pytest.mark.parametrize("value", [0.0, 1e-30, 1.0, 1e30])
def test_axes_of_any_norm_have_room_and_long_tables_end(value: float) -> None:
    card = diagnostics_card("x", training({f"layer {number}": value * (number + 1) for number in range(MOST + 5)}))
    assert card is not None
    assert (len(card.flows), card.left_out) == (MOST, 5)
    assert (card.flows_axis is None) == (value == 0.0)
    assert card.flows_axis is None or faults(card.flows_axis) == []


def test_what_is_known_by_heart_is_a_share_of_what_was_tried() -> None:
    heart = (Verbatim(step=1, trained=3, tried=4, validation=1, validation_tried=2), Verbatim(step=2, trained=0, tried=0))
    card = diagnostics_card("x", training(heart=heart))
    assert card is not None
    (row,) = card.heart
    assert (row.trained.value, row.tried.value, row.validation.at) == (3, 4, "/training/x/heart/0/validation")
    (trained,) = re.findall(r'cx="([\d.]+)"', str(row.picture))
    zero = 8 + 224 * 0.06 / 1.12  # the axis is 6 % wider than 0 to 1 on both sides
    assert (float(trained) - zero) / (224 / 1.12) == pytest.approx(0.75, abs=0.01)
    assert diagnostics_card("x", training()) is None
