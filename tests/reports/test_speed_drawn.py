"""Speed under load and by length, drawn: true to the runs, and readable whatever the numbers are."""

from __future__ import annotations

import json
import re

import msgspec
import pytest

from harness.records import Pace
from reports import page
from reports.pace.fits import MOST_LINES, MOST_POINTS, Answers, answers, fit_cards
from reports.pace.ladder import ladder_cards, load_of
from reports.pace.spread import Quantiles, quantiles
from tests.reports import fixtures
from tests.reports.drawn import faults, texts
from tests.reports.screens import loaded
from tests.reports.test_page import parsed, resolve, said


def rung(load: int, candidate: str, middle: float, unit: str = "s") -> Quantiles:
    cuts = tuple(middle * each for each in (0.5, 0.8, 1.0, 1.2, 3.0))
    return Quantiles(suite="s", task=f"load{load}", metric="seconds", candidate=candidate, unit=unit, items=9, cuts=cuts)


def test_every_number_under_the_pictures_is_that_of_the_runs() -> None:
    names = ("full-replay", "lora-replay")
    measured = {("speed", name): loaded.side(name) for name in ("base", *names)}
    tree = parsed(page.render(fixtures.conclusion(measured, names, ()), measured, {}))
    data = json.loads(tree.get_element_by_id("data").text_content())
    shown = tree.xpath("//*[@data-plot[starts-with(., 'ladder') or starts-with(., 'fit')]]//*[@data-at]")
    assert len(shown) > 300
    for node in shown:
        number, step = said(node.text_content())
        assert abs(number - resolve(data, node.get("data-at"))) <= step, node.get("data-at")
    scores = measured["speed", "base"].samples[0].scores
    assert scores is not None
    assert data["fits"][0]["points"][0] == [12.0, scores["seconds"]]


def test_a_ladder_has_a_row_for_each_load_and_none_for_tokens_or_for_a_single_load() -> None:
    found = [rung(load, name, load / 10) for load in (1, 4, 16) for name in ("old", "new")]
    (card,) = ladder_cards([*found, *(rung(load, "old", 1.0, "tokens") for load in (1, 4))])
    assert [(row.candidate, row.load) for row in card.rows] == [(name, load) for name in ("old", "new") for load in (1, 4, 16)]
    assert (card.rows[4].middle.value, card.rows[4].middle.at) == (0.4, "/spread/3/cuts/2")
    assert {text for *_, text in texts(card.picture)[2]} >= {"1", "4", "16", "old", "new"}
    assert ladder_cards(found[:2]) == ()
    assert [load_of(task) for task in ("load4", "load", "loads4", "", "load0")] == [4, None, None, None, 0]


def test_loads_lie_where_their_doubling_puts_them() -> None:
    (card,) = ladder_cards([rung(load, "old", 1.0) for load in (1, 2, 16)])
    at = {text: (left + right) / 2 for left, _, right, _, text in texts(card.picture)[2]}
    assert at["16"] - at["1"] == pytest.approx(4 * (at["2"] - at["1"]), abs=0.1)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_sixty_candidates_under_near_loads_stay_in_the_picture(scale: float) -> None:
    (card,) = ladder_cards(
        [rung(load, f"一个非常长的候选模型名称{who}", scale * load) for load in (1, 100, 101) for who in range(60)]
    )
    assert faults(card.picture) == []


def pace(candidate: str, base: float | None, slope: float) -> Pace:
    return Pace(task="s/t", candidate=candidate, items=9, clusters=9, base=base, per_token=slope)


@pytest.mark.parametrize("base", [-5.0, 0.0, 1e-9, 1e9])
@pytest.mark.parametrize("slope", [-1.0, 0.0, 1e-9, 1e9])
@pytest.mark.parametrize("points", [((7.0, 2.0),), ((3.0, 3.0),) * 9, tuple((float(n), n / 9) for n in range(40))])
def test_any_line_and_any_answers_stay_in_the_picture(base: float, slope: float, points: tuple[tuple[float, float], ...]) -> None:
    names = [f"candidate-{number}" for number in range(MOST_LINES + 3)]
    found = [Answers(task="s/t", candidate=name, items=9, points=points) for name in names]
    (card,) = fit_cards(found, [pace(name, base, slope) for name in names], names)
    assert faults(card.picture) == []
    assert (len(card.shown), card.others) == (MOST_LINES, 3)


def test_a_line_has_the_slope_that_was_fitted_even_where_it_begins_below_nothing() -> None:
    points = ((0.0, 0.0), (10.0, 8.0))
    (card,) = fit_cards([Answers(task="s/t", candidate="a", items=2, points=points)], [pace("a", -2.0, 1.0)], ["a"])
    (line,) = re.findall(r'<line x1="([\d.]+)" x2="([\d.]+)" y1="([\d.]+)" y2="([\d.]+)" class="line series-0">', str(card.picture))
    x1, x2, y1, y2 = map(float, line)
    dots = [(float(x), float(y)) for x, y in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', str(card.picture))]
    wide, tall = dots[1][0] - dots[0][0], dots[0][1] - dots[1][1]
    assert (y1 - y2) / tall * 8 / ((x2 - x1) / wide * 10) == pytest.approx(1.0, abs=0.01)


def test_what_has_no_line_has_no_picture_and_many_answers_are_thinned() -> None:
    side = loaded.side("base")
    many = msgspec.structs.replace(side, samples=side.samples * 3)
    fitted = Pace(task="speed/load1", candidate="base", items=180, clusters=60, base=0.1, per_token=0.1)
    (found,) = answers({("speed", "base"): many}, [fitted])
    assert (found.items, len(found.points), found.points[0][0], found.points[-1][0]) == (180, MOST_POINTS, 12.0, 248.0)
    assert fit_cards([found], [msgspec.structs.replace(fitted, base=None)], ["base"]) == ()
    assert answers({}, [fitted])[0].points == ()
    assert quantiles({}, ("base",)) == ()
