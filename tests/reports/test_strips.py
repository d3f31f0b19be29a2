"""Pictures in the cells of a table: one axis for all rows, bars that begin at nothing, parts that add up."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from markupsafe import Markup
from msgspec import structs

from harness.records import Calibrated, Conclusion, Forgotten, WinRate
from reports import forgotten, winning
from reports.contamination import tainted
from reports.drawing import strips
from tests.reports.drawn import faults, texts
from tests.reports.told import concluded, finding


def rects(picture: Markup) -> list[tuple[str, float, float]]:
    """Class, left end and width of each bar."""
    root = ElementTree.fromstring(str(picture))
    return [(each.attrib["class"], float(each.attrib["x"]), float(each.attrib["width"])) for each in root.iter("rect")]


@pytest.mark.parametrize(
    "counts", [(0, 0, 0), (1, 0, 0), (0, 0, 7), (1, 99_999, 1), (5, 5, 5), (10**9, 3, 10**9), (1, 1, 10**12)], ids=str
)
def test_parts_fill_the_whole_and_each_that_is_there_is_seen(counts: tuple[int, int, int]) -> None:
    drawn = strips.stacked(list(zip(("win", "tie", "loss"), counts, ("win", "tie", "loss"), strict=True)), "w")
    bars = [each for each in rects(drawn) if each[0] != "empty"]
    assert len(bars) == sum(count > 0 for count in counts)
    assert all(wide >= 1 for _, _, wide in bars)
    assert not bars or strips.WIDTH - 2 <= bars[-1][1] + bars[-1][2] <= strips.WIDTH
    assert faults(drawn) == []


def test_what_was_lost_and_gained_begins_at_nothing_and_has_one_scale() -> None:
    scale = strips.shared([-0.4, 0.2], include=(0.0,))
    drawn = strips.lost_and_gained(0.4, 0.3, 0.5, 0.2, scale, "w", 0.1)
    (_, lost, wide), (_, gained, narrow) = rects(drawn)
    assert lost + wide == pytest.approx(gained, abs=0.02)
    assert wide == pytest.approx(2 * narrow, abs=0.02)
    assert 'class="margin"' in str(drawn), "the noise"
    said = [text for *_, text in texts(strips.axis(scale, "bounded", both=True))[2]]
    assert said == ["40%", "20%", "0%", "20%"], "shares lost are no negative numbers"


@pytest.mark.parametrize("values", [(0.0,), (0.5, 0.5), (-1.0, 1.0), (1e-9, 3e-9), (-4e9, 1e9), (0.99999, 1.0)])
def test_an_axis_keeps_its_numbers_apart_and_inside(values: tuple[float, ...]) -> None:
    for kind in ("real", "bounded"):
        assert faults(strips.axis(strips.shared(values), kind)) == []


def test_marks_lie_where_the_axis_says_and_differ_by_shape() -> None:
    scale = strips.shared([0.2, 0.8], include=(0.5,))
    drawn = str(strips.marks([strips.Mark(value=0.5, low=0.2, high=0.8, shape=shape) for shape in strips.SHAPES], scale, "w", 0.5))
    assert float(re.findall(r'cx="([\d.]+)"', drawn)[0]) == pytest.approx(strips.WIDTH / 2)
    assert len({re.sub(r"[\d. -]", "", each) for each in re.findall(r' d="([^"]+)"', drawn)}) == 3
    assert 'height="80"' in drawn, "a lane for each"


def test_categories_have_one_axis_and_those_without_numbers_no_picture() -> None:
    known = Forgotten(metric="s/t/acc", candidate="c", reference="b", items=50, clusters=50, field="area", value="law", lost=0.3)
    small = structs.replace(known, value="art", lost=0.0, gained=0.1, lost_low=0.0, lost_high=0.1)
    bare = structs.replace(known, value="sport", lost=None, note="too few")
    made = forgotten.cost(structs.replace(_bare(), forgotten=(small, known, bare)))
    assert [line.slice for line in made.known] == ["area=law", "area=art", "area=sport"]
    assert made.known[2].picture is None
    assert made.known_axis is not None
    assert rects(made.known[0].picture or Markup())[0][2] == pytest.approx(
        3 * rects(made.known[1].picture or Markup())[1][2], abs=0.1
    )


def _bare() -> Conclusion:
    return Conclusion(created="", baseline="b", outcome="pass", exit_code=0)


def test_orders_are_drawn_only_where_somebody_was_asked_in_both() -> None:
    rate = WinRate(metric="p/win", candidate="c", baseline="b", items=100, clusters=100, rate=0.6, low=0.5, high=0.7)
    put = structs.replace(rate, consistent_items=70, first=20, second=4, verdicts=200)
    found = winning.winning(structs.replace(_bare(), win_rates=(rate, put, structs.replace(put, rate=None))))
    (line,) = found.orders
    wide = [round((bar[2] + 1) / strips.WIDTH * 100) for bar in rects(line.picture)]
    assert wide == [70, 20, 4, 6]
    twice = winning.winning(structs.replace(_bare(), win_rates=(structs.replace(put, second=20),))).orders[0]
    assert len(rects(twice.picture)) == 2, "two judges: an item can be of both slots"


def test_a_judge_beside_people_is_drawn_with_what_is_known() -> None:
    each = Calibrated(
        metric="p/win", candidate="c", baseline="b", human=0.5, human_low=0.4, human_high=0.6, judged=0.9, labelled=30
    )
    (card,) = winning.winning(structs.replace(_bare(), calibrated=(each,))).calibrated
    assert [(row.word, row.ends is None) for row in card.rates] == [("people alone", False), ("judge alone", True)]
    assert (card.kappas, card.kappas_axis, card.rows) == ((), None, ())


def test_what_was_found_in_training_data_is_a_part_of_what_counts() -> None:
    told = finding()
    assert told.comparison is not None
    comparison = structs.replace(told.comparison, items=80, parameters={"contaminated": 20, "excluded": 20})
    (line,) = tainted(concluded(structs.replace(told, comparison=comparison)))
    assert [(look, round((wide + 1) / strips.WIDTH * 100)) for look, _, wide in rects(line.picture)] == [
        ("bar plain", 60), ("bar loss", 20), ("bar tie", 20),
    ]  # fmt: skip
