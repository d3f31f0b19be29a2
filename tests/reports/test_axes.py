"""The axis of a training: no number touches another, nor the word that says what they are."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from reports.drawing.axes import LETTER, compact, small_panel, step_axis
from reports.drawing.svg import Scale


@pytest.mark.parametrize("last", [3, 20, 180, 9000, 123_456, 9_999_999])
def test_no_label_touches_its_neighbour(last: int) -> None:
    drawn = "".join(map(str, step_axis(Scale((0, last), (44.0, 428.0)), 0, 18.0)))
    labels = [(float(x), text, kind) for x, kind, text in re.findall(r'<text x="([\d.]+)" y="18"([^>]*)>([^<]+)', drawn)]
    assert labels[-1][1] == "step"
    ends = [(x - len(text) * LETTER / 2, x + len(text) * LETTER / 2) for x, text, _ in labels[:-1]]
    ends.append((labels[-1][0], 520.0))
    assert all(left[1] + 4 < right[0] for left, right in pairwise(ends)), labels
    assert len({text for _, text, _ in labels}) == len(labels), "a step is a whole number, and named once"


def test_a_small_panel_names_its_largest_value_and_leaves_out_what_overflowed() -> None:
    x = Scale((0, 4), (44.0, 428.0))
    drawn = "".join(map(str, small_panel("gradient norm", (1, 2, 3), (1.0, float("inf"), 2.5), x, 10, 38, 428.0)))
    assert "nan" not in drawn
    assert drawn.count('class="dot rate"') == 2, "what lies on both sides of a gap is not joined"
    assert ">2.5<" in drawn
    assert small_panel("learning rate", (1, 2), (0.0, 0.0), x, 10, 38, 428.0) == []


def test_small_numbers_take_few_letters() -> None:
    assert [compact(value) for value in (0.00002, 0.0021, 9.63, 3e9)] == ["2e−5", "0.0021", "9.6", "3e9"]
