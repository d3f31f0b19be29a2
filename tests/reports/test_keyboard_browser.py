"""The whole way through a report with keys alone: what has the focus is always seen, never lost, and nothing holds it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reports import page as report
from tests.reports import fixtures

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

FOCUSED = """() => {
  const channel = (v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
  const parse = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
  const light = (c) => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const node = document.activeElement, box = node.getBoundingClientRect(), style = getComputedStyle(node);
  let ground = [255, 255, 255, 1];
  for (let up = node.parentElement; up; up = up.parentElement) {
    const found = parse(getComputedStyle(up).backgroundColor);
    if (found[3] === 1) { ground = found; break; }
  }
  const [high, low] = [light(parse(style.outlineColor)), light(ground)].sort((a, b) => b - a);
  const top = document.querySelector(".top").getBoundingClientRect().bottom;
  return {
    what: [node.tagName.toLowerCase(), node.id, node.getAttribute("aria-label") || node.textContent.trim().slice(0, 40)].join(" "),
    lost: node === document.body,
    inside: node.closest("section")?.id || "",
    seen: node.checkVisibility() && box.width > 0 && box.top < innerHeight && box.bottom > (node.closest(".top, .skip") ? 0 : top),
    ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 ? (high + 0.05) / (low + 0.05) : 0,
  };
}"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(report.render(*fixtures.small()), encoding="utf-8")
    return path


@pytest.fixture
def tab(page: Callable[..., Page], file: Path) -> Page:
    tab = page(file)
    tab.wait_for_selector("#explorer[data-ready=texts]")
    return tab


def press(tab: Page, *keys: str) -> dict[str, Any]:
    """What has the focus after some keys; it must be there, in sight, and have a ring around it."""
    for key in keys:
        tab.keyboard.press(key)
    found: dict[str, Any] = tab.evaluate(FOCUSED)
    assert not found["lost"], keys
    assert found["seen"], found
    assert found["ring"] >= 3, found
    return found


def reach(tab: Page, words: str, key: str = "Tab", most: int = 60) -> dict[str, Any]:
    """Press a key until what has the focus is called so."""
    for _ in range(most):
        found = press(tab, key)
        if words in found["what"]:
            return found
    raise AssertionError(f"{words} is not reached by {most} times {key}")


def test_the_way_from_the_contents_to_a_picture_its_numbers_and_its_files(tab: Page) -> None:
    assert press(tab, "Tab")["what"] == "a  Skip to the answer"
    reach(tab, "a  Training")
    tab.keyboard.press("Enter")
    tab.wait_for_function("() => document.querySelector('#training > details').open")
    assert press(tab, "Tab")["inside"] == "training", "the next stop is in the section that the link led to"
    reach(tab, "button  SVG: ")
    with tab.expect_download() as picture:
        tab.keyboard.press("Enter")
    assert picture.value.suggested_filename.endswith(".svg")
    reach(tab, "button  CSV: ", most=1)
    with tab.expect_download() as numbers:
        tab.keyboard.press("Space")
    assert numbers.value.suggested_filename.endswith(".csv")
    reach(tab, "summary  ")
    shown = "document.activeElement.parentElement.querySelector('table').checkVisibility()"
    assert not tab.evaluate(shown)
    press(tab, "Enter")
    assert tab.evaluate(shown), "the numbers behind the picture"


def test_the_way_through_the_explorer(tab: Page) -> None:
    tab.evaluate("() => { navigator.clipboard.writeText = (text) => { window.taken = text; return Promise.resolve(); }; }")
    chosen = "document.querySelector('#list [aria-current=true]').textContent"
    position = "Number(document.querySelector('#list [aria-current=true]').closest('li').getAttribute('aria-posinset'))"
    reach(tab, "a  Items")
    tab.keyboard.press("Enter")
    reach(tab, "▼ Regressed")
    reach(tab, "All", most=6)
    press(tab, "Enter")
    assert tab.locator("[data-tab=all]").get_attribute("aria-pressed") == "true"
    total = tab.evaluate("Number(document.querySelector('#list li').getAttribute('aria-setsize'))")
    assert reach(tab, "select who", most=1)
    press(tab, "ArrowDown")
    assert tab.locator("#who option:checked").inner_text() == tab.locator("#who option").nth(1).inner_text()
    reach(tab, "input search")
    for sign in "river jk1?/c":
        tab.keyboard.press("Space" if sign == " " else sign)
    assert tab.input_value("#search") == "river jk1?/c"
    assert tab.locator("[data-tab=all]").get_attribute("aria-pressed") == "true", "while one types nothing else happens"
    assert not tab.evaluate("document.getElementById('keys').open || window.taken")
    assert tab.locator("#shown").inner_text().startswith("0 of ")
    assert tab.locator("#shown").get_attribute("aria-live") == "polite"
    assert "search" in press(tab, "ControlOrMeta+a", "Delete")["what"]
    assert "facts" in press(tab, "f", "a", "c", "t", "s", "Enter")["what"], "Enter leads to what was found"
    assert tab.locator("#shown").inner_text().endswith("items")
    first = tab.evaluate(chosen)
    for there, back in (("ArrowDown", "ArrowUp"), ("j", "k"), ("PageDown", "PageUp"), ("End", "Home")):
        press(tab, there)
        assert tab.evaluate(chosen) != first, there
        press(tab, back)
        assert tab.evaluate(chosen) == first, back
    press(tab, "End", "ArrowDown", "j")
    last = tab.evaluate(position)
    assert last == tab.evaluate("Number(document.querySelector('#list li').getAttribute('aria-setsize'))") < total
    assert "detail" in press(tab, "Tab")["what"], "one stop leads out of a list of any length"
    press(tab, "ArrowDown")
    assert tab.evaluate(position) == last, "arrows belong to the list where the list has the focus, and scroll the text here"
    reach(tab, "Copy as test case", most=2)
    press(tab, "Enter")
    tab.wait_for_function("() => window.taken")
    assert json.loads(tab.evaluate("window.taken"))["task"] == "facts"
    assert tab.locator("#told").inner_text() == "Copied: one line for an items file."
    reach(tab, "Send to review", most=2)
    tab.keyboard.press("Enter")
    tab.wait_for_function("() => document.activeElement.textContent === 'Take out of review'")
    press(tab, "Tab")
    assert "li" not in press(tab, "Escape")["what"].split()[0]
    assert tab.evaluate("document.activeElement.closest('li') !== null"), "Escape leads back to the list"
    press(tab, "r", "r", "d", "d", "[", "]", "1", "7", "/")
    press(tab, "Escape")
    assert tab.evaluate("document.activeElement.closest('#list') !== null")
    reach(tab, "Clear", key="Shift+Tab", most=12)
    press(tab, "Enter")
    assert tab.evaluate("document.activeElement.closest('#list') !== null"), "what was pressed is gone, the focus is not"
    assert "Keys" in press(tab, "?")["what"]
    assert tab.locator("#keys p").is_visible()


def test_letters_do_nothing_while_something_else_has_the_focus(tab: Page) -> None:
    press(tab, "Tab", "Tab")
    before = tab.evaluate("document.querySelector('#list [aria-current=true]').textContent")
    assert press(tab, "j", "k", "j", "3", "/")["what"] == press(tab)["what"] != "input search "
    assert tab.evaluate("document.querySelector('#list [aria-current=true]').textContent") == before


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_tab_leads_through_the_whole_page_and_out_of_it(page: Callable[..., Page], file: Path, scheme: str) -> None:
    tab = page(file, scheme=scheme)
    tab.wait_for_selector("#explorer[data-ready=texts]")
    met = [press(tab, "Tab")["inside"]]
    for _ in range(600):
        tab.keyboard.press("Tab")
        found = tab.evaluate(FOCUSED)
        if found["lost"] or "Skip to the answer" in found["what"]:
            break
        assert found["seen"], found
        assert found["ring"] >= 3, found
        met.append(found["inside"])
    else:
        raise AssertionError("the page never ends")
    sections = tab.evaluate("[...document.querySelectorAll('main > section[id]')].map((each) => each.id)")
    assert set(met) >= set(sections) - {"answer"}
    assert len(met) < 200, "what is folded is no stop"
