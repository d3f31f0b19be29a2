"""The history in the report: a picture that says what it shows, a table with the very numbers of the JSON, and nothing where there
is nothing to look back at."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from lxml import html as lxml_html

from harness.records import History, HistoryPoint
from reports import page
from tests.reports import fixtures
from tests.reports.test_page import resolve, said

NAMES = ("w1", "<script>window.hacked=1</script>", "w3", "full-replay")


def shown(**fields: Any) -> History:
    pin: dict[str, Any] = {"pins": ("prod",), "promoted": "2026-11-09T10:00:00+00:00", "baseline": True}
    points = tuple(
        HistoryPoint(
            candidate=name,
            created=f"2026-11-{7 * number + 1:02d}T09:00:00+00:00",
            score=0.9 - 0.0123 * number,
            graded="a" * 64,
            now=number in (1, 3),
            **(pin if number == 1 else {}),
        )
        for number, name in enumerate(NAMES)
    )
    settings: dict[str, Any] = {"suite": "general", "metric": "exact_match", "kind": "binary", "direction": "higher"}
    return History(**({**settings, "points": points, "noise": 0.0061, "noise_runs": 3, "noise_of": "training seed"} | fields))


def rendered(*histories: History, baseline: str = "pin:prod") -> Any:
    conclusion, measured, training = fixtures.small()
    measured = {(suite, baseline if name == conclusion.baseline else name): each for (suite, name), each in measured.items()}
    changed = msgspec.structs.replace(conclusion, history=histories, baseline=baseline, pins={"pin:prod": "2026-11-09"})
    text = page.render(changed, measured, training)
    return lxml_html.document_fromstring(text.encode(), parser=lxml_html.HTMLParser(encoding="utf-8"))


@pytest.fixture(scope="module")
def tree() -> Any:
    seconds = [
        HistoryPoint(candidate=f"w{n}", created="2026-11-08T09:00:00+00:00", score=1.5 + n / 7, graded="") for n in range(20)
    ]
    slow = shown(suite="speed", metric="seconds", kind="real", direction="lower", unit="s", points=tuple(seconds), omitted=7,
                 noise=None, noise_runs=0, noise_of="")  # fmt: skip
    return rendered(shown(), slow, shown(suite="same", noise=0.0))


def test_every_number_of_the_history_is_in_the_json(tree: Any) -> None:
    data = json.loads(tree.get_element_by_id("data").text)
    figures = tree.xpath("//section[@id='history']//*[@data-at]")
    assert len(figures) >= 4 + 20 + 4 + 4
    for element in figures:
        value, slack = said(element.text_content())
        assert value == pytest.approx(resolve(data, element.get("data-at")), abs=slack), element.text_content()


def test_pictures_name_what_they_show_and_hostile_names_stay_text(tree: Any) -> None:
    section = tree.xpath("//section[@id='history']")[0]
    pictures = section.xpath(".//div[@class='course']//*[name()='svg']")
    assert [each.xpath("./*[name()='title']")[0].text_content() for each in pictures] == [
        "general/exact_match over 4 runs", "speed/seconds over 20 runs", "same/exact_match over 4 runs",
    ]  # fmt: skip
    assert len(tree.xpath("//script[not(@class='packed')]")) == 2
    assert not section.xpath(".//@style | .//@*[starts-with(name(), 'on')]")
    ids = tree.xpath("//@id")
    assert len(ids) == len(set(ids))
    assert "window.hacked=1" in section.text_content()
    assert tree.xpath("//nav/a[@href='#history']")


def test_the_band_is_drawn_only_where_the_noise_is_known_and_above_zero(tree: Any) -> None:
    first, slow, same = tree.xpath("//section[@id='history']//div[@class='course']/figure")
    assert len(first.xpath(".//*[@class='band']")) == 1
    assert "3 runs that differ by their training seed only" in first.text_content()
    assert not same.xpath(".//*[@class='band']"), "never a band without width"
    assert "have the same score" in same.text_content()
    assert len(slow.xpath(".//*[@class='band']")) == 1
    assert "guessed from what the score moves" in slow.text_content()
    assert "7 older runs are not shown" in tree.xpath("//section[@id='history']")[0].text_content()
    few = rendered(shown(noise=None, noise_runs=0, noise_of="")).xpath("//section[@id='history']//div[@class='course']/figure")[0]
    assert not few.xpath(".//*[@class='band']")
    assert "is not known" in few.text_content()


def test_names_under_the_picture_do_not_pile_up_and_the_weightiest_stand(tree: Any) -> None:
    _, slow, _ = tree.xpath("//section[@id='history']//div[@class='course']/figure")
    names = slow.xpath(".//*[@class='named']")
    places = sorted(float(each.get("x")) for each in names)
    assert 8 <= len(places) <= 20
    assert min(b - a for a, b in pairwise(places)) > 20


def test_what_was_asked_otherwise_breaks_the_line_and_says_so() -> None:
    points = shown().points
    told = shown(points=(*points[:2], msgspec.structs.replace(points[2], otherwise=("version 1 → 2",)), points[3]), elsewhere=4)
    section = rendered(told).xpath("//section[@id='history']")[0]
    lines = [each.get("points").split() for each in section.xpath(".//*[name()='polyline']")]
    assert [len(each) for each in lines if each] == [2, 2]
    assert "Asked otherwise: version 1 → 2" in section.text_content()
    assert "4 runs of this suite had other items" in " ".join(section.text_content().split())
    assert "asked otherwise from here on" in section.text_content()


def test_a_run_full_of_errors_is_a_cross_beside_the_line_and_one_with_few_stays_on_it() -> None:
    points = shown().points
    torn = msgspec.structs.replace(points[2], asked=100, failed=40)
    few = msgspec.structs.replace(points[3], asked=1000, failed=3)
    section = rendered(shown(points=(*points[:2], torn, few))).xpath("//section[@id='history']")[0]
    assert len(section.xpath(".//*[name()='polyline']/@points")[0].split()) == 3
    assert len(section.xpath(".//*[contains(@class, 'cross')]")) == 1
    assert "Errors: 40" in section.text_content()


def test_runs_of_one_name_are_told_apart() -> None:
    points = tuple(
        msgspec.structs.replace(each, candidate="nightly", graded=f"{place}" * 64) for place, each in enumerate(shown().points)
    )
    section = rendered(shown(points=points)).xpath("//section[@id='history']")[0]
    assert [each.text_content() for each in section.xpath(".//tbody//span[@class='mono soft']")] == [
        f"{n}" * 12 for n in (3, 2, 1, 0)
    ]


def test_pins_are_named_as_a_person_calls_them(tree: Any) -> None:
    said_now = tree.xpath("//section[@id='history']//tr")[3].xpath("td[last()]/span/text()")
    assert said_now == ["judged now", "pinned as prod", "the promoted baseline"]
    assert "against prod (pinned 2026-11-09)" in " ".join(tree.get_element_by_id("answer").text_content().split())


def test_no_history_makes_no_section() -> None:
    tree = rendered()
    assert not tree.xpath("//section[@id='history']")
    assert not tree.xpath("//nav/a[@href='#history']")
