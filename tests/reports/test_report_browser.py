"""The report in a real browser: nothing runs, nothing is fetched, everything works with keys, without JavaScript, in the dark."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

from harness.records import Conclusion
from reports import page as report
from tests.reports import fixtures
from tests.reports.screens import hostile

pytestmark = pytest.mark.browser

CONTRAST = """(selector) => {
  const channel = (v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
  const parse = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
  const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
  const light = (c) => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const found = [];
  for (const element of document.querySelectorAll(selector)) {
    if (!element.checkVisibility() || !element.textContent.trim()) continue;
    const layers = [];
    for (let up = element; up; up = up.parentElement) layers.unshift(parse(getComputedStyle(up).backgroundColor));
    const ground = layers.reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
    const ink = over(parse(getComputedStyle(element).color), ground);
    const [high, low] = [light(ink), light(ground)].sort((a, b) => b - a);
    found.push([(high + 0.05) / (low + 0.05), element.className + ": " + element.textContent.trim().slice(0, 40)]);
  }
  return found.sort((a, b) => a[0] - b[0]);
}"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(report.render(*fixtures.full()), encoding="utf-8")
    return path


def test_the_first_tab_stop_skips_to_the_answer(page: Callable[..., Any], file: Path) -> None:
    tab = page(file)
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    tab.keyboard.press("Enter")
    assert tab.evaluate("location.hash") == "#answer"


def test_without_javascript_everything_but_the_explorer_is_there(page: Callable[..., Any], file: Path) -> None:
    tab = page(file, javascript=False)
    text = tab.locator("body").inner_text()
    for words in (
        "Ship full-replay",
        "Worst lost items",
        "Gate, rule by rule",
        "Gains against margins",
        "The explorer needs JavaScript",
    ):
        assert words in text
    assert not tab.locator("#explorer").is_visible()
    assert tab.locator("#gains svg").first.is_visible()
    assert not tab.locator("table.items").first.is_visible()
    tab.locator("#lost summary").first.click()
    assert tab.locator("table.items").first.is_visible(), "what is folded opens without JavaScript, too"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_light_and_dark(page: Callable[..., Any], file: Path, scheme: str) -> None:
    tab = page(file, scheme=scheme)
    tab.click("#open-all")
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground))) < 200) == (scheme == "dark")
    worst = tab.evaluate(
        CONTRAST, ".badge, .soft, .small, td, th, p, a, .num, .mark, .worse, .better, summary, h1, h2, .caution, ins, del, button"
    )
    assert len(worst) > 500
    assert worst[0][0] >= 4.5, worst[:5]


@pytest.mark.parametrize("width", [320, 400, 768, 1280])
def test_the_page_never_scrolls_sideways(page: Callable[..., Any], file: Path, width: int) -> None:
    tab = page(file, width=width)
    tab.evaluate(OPEN)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


FOLDED = """[...document.querySelectorAll('main details:not(#explorer details)')].filter((each) => {
  const inside = each.querySelector(':scope > :not(summary)');
  return inside && !inside.checkVisibility();
}).length"""
OPEN = "document.querySelectorAll('main details').forEach((each) => { each.open = true; })"


def test_what_decides_is_open_and_the_rest_is_folded(page: Callable[..., Any], file: Path) -> None:
    tab = page(file)
    assert tab.locator("#answer h1").is_visible()
    assert tab.locator("table.candidates").is_visible()
    assert tab.locator("#gate details.candidate[open] table.gate").first.is_visible()
    tall = tab.evaluate("document.documentElement.scrollHeight")
    folded = tab.locator("details.fold:not([open])").count()
    assert folded >= 5
    tab.click("#open-all")
    assert tab.evaluate(FOLDED) == 0
    assert tab.evaluate("document.documentElement.scrollHeight") > 2 * tall
    assert tab.locator("#open-all").inner_text() == "Close all"
    tab.click("#open-all")
    assert tab.locator("main details[open]").count() == 0


def test_the_contents_open_what_they_lead_to(page: Callable[..., Any], file: Path) -> None:
    tab = page(file)
    for link in tab.locator("nav a").all():
        name = link.get_attribute("href")[1:]
        link.click()
        assert tab.locator(f"#{name}").is_visible(), name
        fold = tab.locator(f"#{name} > details.fold")
        assert fold.count() == 0 or fold.get_attribute("open") is not None, name
    deep = page(file.parent / f"{file.name}")
    deep.evaluate("location.hash = 'training'")
    deep.wait_for_function("document.querySelector('#training > details').open")


def test_print_opens_everything_and_leaves_out_what_only_a_screen_can_do(page: Callable[..., Any], file: Path) -> None:
    tab = page(file)
    assert tab.evaluate(FOLDED) > 10
    tab.emulate_media(media="print")
    assert tab.evaluate(FOLDED) == 0
    assert not tab.locator("#explorer").is_visible()
    assert not tab.locator(".takeaway").first.is_visible()
    tab.set_viewport_size({"width": 720, "height": 900})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 720, "nothing is cut off on A4"
    tab.emulate_media(media="screen")
    before = tab.locator("main details[open]").count()
    tab.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert tab.locator("main details:not([open])").count() == 0, "for browsers whose style sheets cannot open"
    tab.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert tab.locator("main details[open]").count() == before


def test_every_plot_can_be_taken_away_as_picture_and_as_numbers(page: Callable[..., Any], file: Path, tmp_path: Path) -> None:
    tab = page(file)
    tab.click("#open-all")
    names = tab.evaluate("[...document.querySelectorAll('[data-plot]')].map((each) => each.dataset.plot)")
    assert len(names) == len(set(names)) > 8
    for name in {name.rpartition("-")[0]: name for name in reversed(names)}.values():
        for kind in ("SVG", "CSV"):
            with tab.expect_download() as waiting:
                tab.get_by_role("button", name=f"{kind}: {name}", exact=True).click()
            assert waiting.value.suggested_filename == f"{name}.{kind.lower()}"
            waiting.value.save_as(tmp_path / waiting.value.suggested_filename)
            tab.wait_for_timeout(150)  # Chromium drops the eleventh of downloads that come faster than ten a second
        root = ElementTree.parse(tmp_path / f"{name}.svg").getroot()
        assert len(list(root.iter("{http://www.w3.org/2000/svg}text"))) > 2
        assert not [each for each in root.iter() if each.get("class") or each.tag.endswith("script")]
        rows = list(csv.reader((tmp_path / f"{name}.csv").read_text(encoding="utf-8-sig").splitlines()))
        assert len(rows) > 2
    target = list(csv.reader((tmp_path / "gains-1.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert target[0] == ["Candidate", "Gain", "Outcome"]
    assert ["careless n 600", "+99.5 pp [+98.6 … +99.8 pp]", "✓ Pass"] in target


def test_numbers_that_are_formulas_stay_text(page: Callable[..., Any], tmp_path: Path) -> None:
    name = "=HYPERLINK(1)"
    conclusion, measured, _ = fixtures.small()
    text = msgspec.json.encode(conclusion).decode().replace('"careless"', json.dumps(name))
    runs = {(suite, name if who == "careless" else who): each for (suite, who), each in measured.items()}
    path = tmp_path / "formula.html"
    path.write_text(report.render(msgspec.json.decode(text, type=Conclusion), runs, {}), encoding="utf-8")
    tab = page(path)
    with tab.expect_download() as waiting:
        tab.get_by_role("button", name="CSV: gains-1", exact=True).click()
    waiting.value.save_as(tmp_path / "gains.csv")
    cells = [cell for row in csv.reader((tmp_path / "gains.csv").read_text(encoding="utf-8-sig").splitlines()) for cell in row]
    assert any(cell.startswith("'=HYPERLINK") for cell in cells)
    assert not [cell for cell in cells if cell.startswith(("=", "@"))]


def test_everything_hostile_is_shown_and_nothing_runs(page: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "hostile.html"
    path.write_text(report.render(*hostile.build()), encoding="utf-8")
    tab = page(path)
    tab.click("#open-all")
    tab.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = !each.open; each.open = !each.open; })")
    assert tab.evaluate("window.hacked") is None
    assert tab.evaluate("document.images.length + document.forms.length") == 0
    assert tab.locator("iframe, object, embed").count() == 0
    assert "<script>window.hacked=1</script>" in tab.locator("h1").inner_text()


def test_the_keyboard_opens_and_closes_every_fold(page: Callable[..., Any], file: Path) -> None:
    tab = page(file)
    for index in range(tab.locator("details.fold > summary").count()):
        summary = tab.locator("details.fold > summary").nth(index)
        was = summary.locator("xpath=..").get_attribute("open") is not None
        summary.focus()
        tab.keyboard.press("Enter")
        assert (summary.locator("xpath=..").get_attribute("open") is not None) != was
