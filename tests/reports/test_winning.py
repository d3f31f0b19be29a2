"""Who answers better, on the page and in the summary."""

from __future__ import annotations

import json
import re

from msgspec import structs

from harness.records import Conclusion, Measured
from harness.records import Sample as Item
from reports import page
from reports.comment import markdown
from reports.winning import winning, winning_lines
from tests.harness.gate.test_win_rates import concluded, even, judged_and_seen, side
from tests.harness.runs import table
from tests.reports.test_page import parsed, resolve, said


def runs() -> list[Measured]:
    """A judge, people who saw some of it, two candidates, two languages."""
    base, new, human_base, human_new = judged_and_seen(200, 80, raters=2)
    slices = [{"language": "en" if index % 2 else "zh"} for index in range(200)]
    base, new = (_sliced(each, slices) for each in (base, new))
    other = side("other", [(1.0, 0.0)] * 60 + [(1.0, 1.0)] * 50 + [(0.0, 0.0)] * 90, ["ccc"] * 200, ["b"] * 200, slices=slices)
    return [base, new, other, human_base, human_new]


def _sliced(measured: Measured, slices: list[dict[str, str]]) -> Measured:
    found: tuple[Item, ...] = tuple(
        structs.replace(sample, slices=own) for sample, own in zip(measured.samples, slices, strict=True)
    )
    return structs.replace(measured, samples=found)


def conclusion() -> Conclusion:
    return concluded(*runs())


def test_every_number_of_the_panel_is_that_of_the_conclusion() -> None:
    text = page.render(conclusion(), table(*runs()), {})
    tree = parsed(text)
    data = json.loads(tree.get_element_by_id("data").text_content())
    places = ("/win_rates/", "/strengths/", "/calibrated/")
    shown = [node for node in tree.xpath("//*[@data-at]") if any(place in node.get("data-at") for place in places)]
    assert {place for place in places for node in shown if place in node.get("data-at")} == set(places)
    for node in shown:
        value = resolve(data, node.get("data-at"))
        assert value is not None, node.get("data-at")
        number, step = said(node.text_content())
        assert abs(number - value) <= step, node.get("data-at")
    section = tree.get_element_by_id("judges").text_content()
    for words in ("At equal length", "language = zh", "Bradley and Terry", "people and judge", "human labels saved"):
        assert words in section


def test_a_judge_that_saves_nothing_says_why() -> None:
    base, new, human_base, human_new = judged_and_seen(100, 30)
    (card,) = winning(concluded(base, new, human_base, human_new)).calibrated
    assert any("30 labelled items count; under 50 people alone decide" in note for note in card.notes)
    assert "human labels saved" not in [word for word, _ in card.facts]
    (line,) = [each for each in winning_lines(concluded(base, new, human_base, human_new)) if "labelled by people" in each]
    assert "people alone decide" in line


def test_the_summary_says_rates_and_what_people_and_judge_say_in_one_line_each() -> None:
    lines = winning_lines(conclusion())
    rates = [line for line in lines if "labelled" not in line]
    assert [line.split(":")[0] for line in rates][:2] == ["new in pref/win", "other in pref/win"]
    assert "on the 140 of 200 items without contradiction" in rates[1]
    assert re.search(r"new in pref/win, from 80 items labelled by people and 200 verdicts: \S+ \[", "\n".join(lines))
    assert "Who answers better" in markdown(conclusion())


def test_without_judges_there_is_nothing() -> None:
    bare = concluded(even(["b"] * 20), side("new", [(1.0, 1.0)] * 20, ["a"] * 20, ["b"] * 20))
    empty = structs.replace(bare, win_rates=(), strengths=(), calibrated=())
    assert winning_lines(empty) == []
    assert winning(empty).rates == ()
