"""Pictures as a browser draws them, on the page and taken away: no text leaves its picture or covers another."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.reports.labels import FAULTS
from tests.reports.screens import rendered

pytestmark = pytest.mark.browser

TAKEN = """async ([name, kind]) => {
  const seen = [], make = URL.createObjectURL, click = HTMLAnchorElement.prototype.click;
  URL.createObjectURL = (blob) => { seen.push(blob); return 'blob:none'; };
  HTMLAnchorElement.prototype.click = () => {};
  [...document.querySelectorAll('.takeaway button')].find((each) => each.ariaLabel === kind + ': ' + name).click();
  URL.createObjectURL = make;
  HTMLAnchorElement.prototype.click = click;
  return await seen[0].text();
}"""


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "judged.html"
    path.write_text(rendered("judged"), encoding="utf-8")
    return path


@pytest.mark.parametrize("width", [1280, 400])
def test_no_text_of_a_picture_leaves_it_or_covers_another(page: Callable[..., Any], judged: Path, width: int) -> None:
    tab = page(judged, width=width)
    tab.evaluate("document.querySelectorAll('main details').forEach((each) => { each.open = true; })")
    assert tab.evaluate("[...document.querySelectorAll('svg')].filter((each) => each.checkVisibility()).length") > 25
    assert tab.evaluate(FAULTS) == []


def test_a_picture_taken_away_stands_alone_and_its_numbers_are_a_table(
    page: Callable[..., Any], judged: Path, tmp_path: Path
) -> None:
    tab = page(judged, scheme="dark")
    tab.evaluate("document.querySelectorAll('main details').forEach((each) => { each.open = true; })")
    names = tab.evaluate("[...document.querySelectorAll('[data-plot]')].map((each) => each.dataset.plot)")
    assert {"preferred", "win-rates", "orders", "calibrated-1", "kappas-1", "people-1", "agreement-1", "raters-1"} <= set(names)
    for name in names:
        alone = tmp_path / f"{name}.svg"
        alone.write_text(tab.evaluate(TAKEN, [name, "SVG"]), encoding="utf-8")
        rows = list(csv.reader(tab.evaluate(TAKEN, [name, "CSV"]).lstrip("\ufeff").splitlines()))
        assert len(rows) > 1, name
        assert len({len(row) for row in rows}) == 1, name
    seen = page(tmp_path / "raters-1.svg", width=1000)
    assert seen.evaluate(FAULTS.replace("picture.ownerSVGElement", "picture !== document.documentElement")) == []
    said = seen.evaluate("[...document.querySelectorAll('text')].map((each) => each.textContent).join(' ')")
    for words in ("What raters do", "Intervals of 95%", "ana", "For answer 1 32.7%", "12.0 43 too fast"):
        assert words in said, "a number never runs into the next one"
