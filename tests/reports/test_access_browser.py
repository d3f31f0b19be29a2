"""Every page for whoever cannot see it well, or at all: axe-core finds nothing at all, as it opens and with everything opened,
light and dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.store import Store
from reports import page as report
from reports.items import packing
from reports.serve.answering import Site
from tests.reports import fixtures
from tests.reports.access import faults, pass_over
from tests.reports.screens import PAGES, rendered

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

SOME = ("history", "audit", "store_changed")
"""Between them they have nearly every element; ``make full`` looks at all pages, as does ``python -m tests.reports.screens``."""
LOOKS = ("color-contrast", "scrollable-region-focusable", "link-in-text-block")
"""Rules about what one sees, which another width and other colours can break."""
OPEN = "document.querySelectorAll('main details').forEach((each) => { each.open = true; })"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A page that sftgate shows in a browser, by name; each is made once."""
    folder = tmp_path_factory.mktemp("pages")
    site = Site(Store(folder / "none"))
    served = {"empty store": "/", "refusal": "/page?old=x&new=y"}

    @cache
    def made(name: str) -> Path:
        path = folder / f"{name}.html"
        path.write_text(site.answer(served[name]).content.decode() if name in served else rendered(name), encoding="utf-8")
        return path

    return made


def opened(tab: Page) -> Page:
    """The page with its explorer, where it has one."""
    if tab.locator("#explorer").count():
        tab.wait_for_selector("#explorer[data-ready=texts]")
    return tab


@pytest.mark.parametrize(("scheme", "width", "rules"), [("light", 1280, ()), ("dark", 400, LOOKS)])
@pytest.mark.parametrize(
    "names", [SOME, pytest.param((*PAGES, "empty store", "refusal"), marks=pytest.mark.full)], ids=["some", "all"]
)
def test_axe_finds_nothing_on_any_page(
    page: Callable[..., Page], shown: Callable[[str], Path], names: tuple[str, ...], scheme: str, width: int, rules: tuple[str, ...]
) -> None:
    found = {}
    seen: set[int] = set()
    for name in names:
        tab = opened(page(shown(name), scheme=scheme, width=width))
        tab.evaluate(OPEN)
        pass_over(tab, seen)
        found[name] = faults(tab, rules=rules)
        tab.context.close()
    assert found == {name: [] for name in names}


def test_axe_finds_nothing_in_any_state_of_the_explorer(
    page: Callable[..., Page], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "pack", partial(packing.pack, budget=60_000))
    (tmp_path / "large.html").write_text(report.render(*fixtures.small()), encoding="utf-8")
    tab = opened(page(tmp_path / "large.html", scheme="dark"))
    assert tab.locator("#beside").count(), "some texts are in a file beside it"
    states = {}
    tab.click("[data-tab=all]")
    for name, words in (("all", ""), ("nothing found", "no such words")):
        tab.fill("#search", words)
        states[name] = faults(tab, "#items")
    tab.fill("#search", "")
    tab.click("[data-tab=lost]")
    tab.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); }")
    for key in "?r":
        tab.keyboard.press(key)
    tab.get_by_role("button", name="Copy link").click()
    tab.locator("#copied").wait_for()
    states["list for review, text to copy, keys"] = faults(tab, "#items")
    assert states == {name: [] for name in states}


def test_axe_would_find_what_is_wrong(page: Callable[..., Page], shown: Callable[[str], Path]) -> None:
    tab = opened(page(shown("history")))
    tab.evaluate(OPEN)
    pass_over(tab, set())
    tab.evaluate("(() => { const box = document.getElementById('where'); box.closest('label').replaceWith(box); })()")
    tab.evaluate("document.querySelector('.badge').style.cssText = 'color: silver; background: white'")
    tab.evaluate("document.querySelector('h1').remove()")
    said = faults(tab, rules=("select-name", "color-contrast", "page-has-heading-one"))
    wrong = {"critical select-name", "serious color-contrast", "moderate page-has-heading-one"}
    assert {each.partition(":")[0] for each in said} == wrong
