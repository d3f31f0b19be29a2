"""Pictures: escaped, inside their frames, true to the numbers."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import msgspec
import pytest

from harness.records import Training, TrainingPoint, ValidationPoint
from reports import charts, view
from reports.drawing import strips, svg
from reports.judging import Wins
from reports.trained import curves
from tests.reports import fixtures


@pytest.fixture(scope="module")
def built() -> view.Page:
    return view.build(*fixtures.small())


def test_text_and_attributes_are_escaped() -> None:
    made = svg.tag("text", "<script>", x=1.5, class_='"><b>')
    assert str(made) == '<text x="1.5" class="&#34;&gt;&lt;b&gt;">&lt;script&gt;</text>'


def test_ticks_are_round_and_inside() -> None:
    assert svg.ticks(-0.07, 0.11, 5) == [-0.05, 0.0, 0.05, 0.1]
    assert svg.ticks(3, 3) == [3]


def test_a_scale_holds_values_at_its_edge_and_survives_an_empty_range() -> None:
    scale = svg.Scale((0, 1), (10, 110))
    assert [scale(-5), scale(0.5), scale(9)] == [10, 60, 110]
    assert svg.Scale((2, 2), (0, 100))(2) == 50


def test_thinning_keeps_first_and_last() -> None:
    assert svg.thinned(list(range(1000)), 5)[0::4] == [0, 999]
    assert svg.thinned([1, 2], 5) == [1, 2]


def test_every_picture_is_wellformed_and_has_no_style_or_handler(built: view.Page) -> None:
    pictures = [row.mark for forest in built.forests for metric in forest.metrics for row in metric.rows]
    pictures += [forest.axis for forest in built.forests] + [row.bar for row in built.wins] + [built.tradeoff]
    pictures += [drawn for card in built.training for drawn in (card.picture, card.apart) if drawn]
    assert len(pictures) > 20
    for picture in pictures:
        root = ElementTree.fromstring(str(picture))
        for element in root.iter():
            assert not [name for name in element.attrib if name.startswith("on") or name == "style"]


def middle(element: ElementTree.Element) -> float:
    """Where a disc, a cross or a diamond stands, from left to right."""
    if element.tag == "circle":
        return float(element.get("cx") or "nan")
    places = [float(pair) for pair in re.findall(r"[ML](-?[\d.]+) ", element.get("d") or "")]
    return (min(places) + max(places)) / 2


def test_a_mark_stands_at_its_gain_and_its_whisker_at_its_interval(built: view.Page) -> None:
    checked = 0
    for forest in built.forests:
        axis = ElementTree.fromstring(str(forest.axis))
        ticks = [(float(each.get("x") or 0), float((each.text or "").replace("−", "-"))) for each in axis.iter("text")]
        (left, low), (right, high) = ticks[0], ticks[-1]
        for row in (row for metric in forest.metrics for row in metric.rows):
            root = ElementTree.fromstring(str(row.mark))
            scale = 100 if "pp" in row.gain.text else 1

            def at(
                value: float, scale: float = scale, left: float = left, low: float = low, right: float = right, high: float = high
            ) -> float:
                return left + (value * scale - low) / (high - low) * (right - left)

            (point,) = [each for each in root.iter() if (each.get("class") or "").startswith("point")]
            assert middle(point) == pytest.approx(at(row.gain.value or 0.0), abs=1), row.gain
            whisker = next(each for each in root.iter("line") if (each.get("class") or "").startswith("whisker"))
            for name, end in (("x1", row.span and row.span.low), ("x2", row.span and row.span.high)):
                if end:
                    assert float(whisker.get(name) or 0) == pytest.approx(at(end.value or 0.0), abs=1), end
                    checked += 1
    assert checked > 40


def test_in_the_plane_of_target_and_general_gain_better_is_right_and_up(built: view.Page) -> None:
    root = ElementTree.fromstring(str(built.tradeoff))
    points = [each for each in root.iter() if (each.get("class") or "").startswith("point")]
    assert len(points) == len(built.scatter)
    places = [middle(each) for each in points]
    gains = [target.value or 0.0 for _, target, _ in built.scatter]
    for one in range(len(gains)):
        for other in range(len(gains)):
            assert gains[one] <= gains[other] or places[one] > places[other]


def test_marks_stay_inside_their_row(built: view.Page) -> None:
    for forest in built.forests:
        for metric in forest.metrics:
            for row in metric.rows:
                root = ElementTree.fromstring(str(row.mark))
                places = [float(line.get(name) or 0) for line in root.iter("line") for name in ("x1", "x2")]
                assert min(places) >= 0
                assert max(places) <= charts.FOREST_WIDTH


def test_target_and_retained_gains_have_axes_of_their_own(built: view.Page) -> None:
    titles = [forest.title for forest in built.forests]
    assert titles[:2] == ["What it should have learned", "What it should have kept"]
    assert any("bits/byte" in title for title in titles)


def test_a_win_bar_says_its_numbers() -> None:
    bar = str(charts.win_bar(Wins(suite="p", candidate="c", win=3, tie=5, loss=2)))
    assert "3 won, 5 tied, 2 lost" in bar
    widths = [float(found) for found in re.findall(r'width="([\d.]+)" height="16"', bar)]
    assert [round(width + 1) for width in widths] == [72, 120, 48]
    assert "<rect" in str(charts.win_bar(Wins(suite="p", candidate="c")))


def test_a_part_that_is_there_is_seen_and_a_loss_is_known_by_more_than_its_colour() -> None:
    bar = str(charts.win_bar(Wins(suite="p", candidate="c", win=1, tie=0, loss=9_999)))
    win, loss = (float(found) for found in re.findall(r'width="([\d.]+)" height="16"', bar))
    assert (win, loss) == (strips.THINNEST, strips.WIDTH - strips.THINNEST - 1)
    assert 'class="stripes"' in bar
    assert "tie" not in re.sub(r"<title>.*?</title>|aria-label=.*?>", "", bar)


def test_a_training_without_points_has_no_picture_and_no_crash() -> None:
    empty = Training(name="x", method="full", base="b")
    card = curves.training_cards({"x": empty})[0]
    assert card.picture is None


def test_how_far_a_model_moved_is_a_curve_and_the_number_is_that_of_the_step_handed_over() -> None:
    looks = tuple(
        ValidationPoint(step=step, losses={"a": 1.0}, divergences={"a": step / 10, "<b>": 0.1}) for step in range(0, 9001, 3)
    )
    training = Training(name="x", method="full", base="b", validations=looks, best_step=3, handed_over=3)
    card = curves.training_cards({"x": training})[0]
    (loss,) = card.losses
    assert loss.divergence is not None
    assert (loss.divergence.value, loss.divergence.at) == (0.3, "/training/x/series/divergences/a/1/1")
    root = ElementTree.fromstring(str(card.apart))
    lines = [element for element in root.iter() if element.tag.endswith("polyline")]
    assert [len((line.get("points") or "").split()) for line in lines] == [curves.MOST_POINTS + 1] * 2
    assert "in the end 900 on a, 0.100 on <b>" in "".join(root.itertext())
    (nowhere,) = curves.training_cards({"x": msgspec.structs.replace(training, handed_over=4)})[0].losses
    assert nowhere.divergence is None, "that step was not looked at"
    bare = tuple(msgspec.structs.replace(look, divergences={}) for look in looks)
    assert curves.training_cards({"x": msgspec.structs.replace(training, validations=bare)})[0].apart is None


def test_a_long_training_is_thinned_in_picture_and_data() -> None:
    points = tuple(
        TrainingPoint(step=step, loss=1 / step, learning_rate=0.0, grad_norm=1.0, supervised_tokens=1) for step in range(1, 9000)
    )
    shown = curves.series(Training(name="x", method="full", base="b", points=points))
    assert len(shown.steps) == curves.MOST_POINTS
    assert (shown.steps[0], shown.steps[-1]) == (1, 8999)
