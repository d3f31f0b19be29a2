"""Every page for whoever cannot see it well, or at all: axe-core finds nothing at all, as it opens and with everything opened,
light and dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.store import Store
from reports import packing
from reports import page as report
from reports.serve.answering import Site
from tests.reports import fixtures
from tests.reports.access import faults, pass_over
from tests.reports.screens import rendered

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

KINDS = ("not_comparable", "judged", "history", "audit", "store_index", "store_suite", "store_changed")
LOOKS = ("color-contrast", "scrollable-region-focusable", "link-in-text-block")
"""Rules about what one sees, which another width and other colours can break."""
OPEN = "document.querySelectorAll('main details').forEach((each) => { each.open = true; })"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every kind of page that sftgate shows in a browser; ``python -m tests.reports.screens`` says the same of all it draws."""
    folder = tmp_path_factory.mktemp("pages")
    made = {name: rendered(name) for name in KINDS}
    made["chinese"] = report.render(*fixtures.small(), lang="zh")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "pack", partial(packing.pack, budget=60_000))
        made["large"] = report.render(*fixtures.small())
    site = Site(Store(folder / "none"))
    for name, target in (("empty store", "/"), ("refusal", "/page?old=x&new=y")):
        made[name] = site.answer(target).content.decode()
    for name, html in made.items():
        (folder / f"{name}.html").write_text(html, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in made}


def opened(tab: Page) -> Page:
    """The page with its explorer, where it has one."""
    if tab.locator("#explorer").count():
        tab.wait_for_selector("#explorer[data-ready=texts]")
    return tab


@pytest.mark.parametrize(("scheme", "width", "rules"), [("light", 1280, ()), ("dark", 400, LOOKS)])
def test_axe_finds_nothing_on_any_page(
    page: Callable[..., Page], pages: dict[str, Path], scheme: str, width: int, rules: tuple[str, ...]
) -> None:
    found = {}
    seen: set[int] = set()
    for name, path in pages.items():
        if name == "large" or (rules and name in ("chinese", "not_comparable", "empty store", "refusal")):
            continue
        tab = opened(page(path, scheme=scheme, width=width))
        tab.evaluate(OPEN)
        pass_over(tab, seen)
        found[name] = faults(tab, rules=rules)
        tab.context.close()
    assert found == {name: [] for name in found}
    assert len(found) >= 6


def test_axe_finds_nothing_as_a_page_opens_nor_in_any_state_of_its_explorer(
    page: Callable[..., Page], pages: dict[str, Path]
) -> None:
    tab = opened(page(pages["large"], scheme="dark"))
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
    assert faults(opened(page(pages["not_comparable"], scheme="dark"))) == []


def test_axe_would_find_what_is_wrong(page: Callable[..., Page], pages: dict[str, Path]) -> None:
    tab = opened(page(pages["not_comparable"]))
    tab.evaluate(OPEN)
    pass_over(tab, set())
    tab.evaluate("(() => { const box = document.getElementById('where'); box.closest('label').replaceWith(box); })()")
    tab.evaluate("document.querySelector('.badge').style.cssText = 'color: silver; background: white'")
    tab.evaluate("document.querySelector('h1').remove()")
    words = {said.partition(":")[0] for said in faults(tab)}
    assert words >= {"critical select-name", "serious color-contrast", "moderate page-has-heading-one"}
