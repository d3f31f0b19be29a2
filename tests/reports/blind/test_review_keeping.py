"""What a rater gave is kept: over two tabs, where the browser's storage is full or forbidden, and saved twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reports.blind.form import Form
from tests.reports.blind.sides import packed, pair
from tests.reports.blind.test_review_page import saved, start, where
from tests.reports.votes.ballots import votes_in

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

FORBIDDEN = "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError') } })"
FULL = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }"


def leaving_asks(tab: Page) -> bool:
    """Would the browser ask before it closes the page?"""
    leaving = "const leaving = new Event('beforeunload', { cancelable: true }); dispatchEvent(leaving);"
    asks: bool = tab.evaluate(f"() => {{ {leaving} return leaving.defaultPrevented }}")
    return asks


def hears_of(tab: Page, words: str) -> None:
    """Wait until another tab's votes have come through."""
    tab.wait_for_function("(words) => document.querySelector('#where').textContent.includes(words)", arg=words)


def test_two_tabs_lose_no_vote_and_the_last_one_on_an_item_counts(page: Callable[..., Page], tmp_path: Path) -> None:
    package, key = packed(tmp_path, pair(6), form=Form(reasons=("clear",)))
    first = page(package / "review.html")
    second = first.context.new_page()
    second.goto((package / "review.html").as_uri())
    for tab in (first, second):
        start(tab)
    first.keyboard.press("1")  # r001
    hears_of(second, "1 voted")
    second.keyboard.press("ArrowRight")
    second.keyboard.press("2")  # r002
    second.keyboard.press("ArrowRight")
    second.check("[data-reason='0']")  # r003
    second.keyboard.press("Escape")
    hears_of(first, "2 voted")
    assert "Nothing is lost" in first.inner_text("#notice")
    first.keyboard.press("3")  # r001, again
    for choice in "34":  # r002, r003
        first.keyboard.press("ArrowRight")
        first.keyboard.press(choice)
    second.wait_for_selector("[data-choice=both_bad][aria-pressed=true]")
    assert second.is_checked("[data-reason='0']"), "what stands beside a vote of the other tab stays"
    second.keyboard.press("ArrowLeft")
    assert second.get_attribute("[data-choice=tie]", "aria-pressed") == "true"
    second.keyboard.press("1")  # r002, again
    first.keyboard.press("ArrowLeft")
    first.wait_for_selector("[data-choice=left][aria-pressed=true]")
    for name, tab in (("first", first), ("second", second)):
        (tmp_path / name).mkdir()
        votes = votes_in([saved(tab, tmp_path / name)], key)
        assert {vote.review_id: vote.choice for vote in votes} == {"r001": "tie", "r002": "left", "r003": "both_bad"}
        assert votes[2].reasons == ("clear",)


@pytest.mark.parametrize("spoil", [FORBIDDEN, FULL], ids=["forbidden", "full"])
def test_without_storage_it_is_said_and_nothing_is_lost(page: Callable[..., Page], tmp_path: Path, spoil: str) -> None:
    package, key = packed(tmp_path, pair(3))
    tab = page("about:blank")
    tab.add_init_script(spoil)
    tab.goto((package / "review.html").as_uri())
    start(tab)
    assert "Save them as a file before you close the page" in tab.inner_text("#notice")
    assert not leaving_asks(tab), "there is nothing to lose yet"
    for choice in "12":
        tab.keyboard.press(choice)
    assert leaving_asks(tab)
    assert where(tab) == "Item 3 of 3 · 2 voted · Ana"
    tab.keyboard.press("ArrowLeft")
    assert tab.get_attribute("[data-choice=right]", "aria-pressed") == "true"
    assert [vote.choice for vote in votes_in([saved(tab, tmp_path)], key)] == ["left", "right"]
    assert not leaving_asks(tab)


def test_a_storage_that_keeps_votes_lets_go_of_the_page(page: Callable[..., Page], tmp_path: Path) -> None:
    package, _ = packed(tmp_path, pair(3))
    tab = page(package / "review.html")
    start(tab)
    tab.keyboard.press("1")
    assert not leaving_asks(tab)
    assert not tab.is_visible("#notice")


def test_votes_saved_twice_count_once_and_the_later_ones_where_they_changed(page: Callable[..., Page], tmp_path: Path) -> None:
    package, key = packed(tmp_path, pair(3), form=Form(reasons=("clear",)))
    tab = page(package / "review.html")
    start(tab)
    for choice in "123":
        tab.keyboard.press(choice)
        tab.keyboard.press("ArrowRight")
    files = []
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        if number == 2:
            tab.keyboard.press("ArrowLeft")
            tab.keyboard.press("4")
            tab.keyboard.press("ArrowLeft")
            tab.check("[data-reason='0']")
            tab.keyboard.press("Escape")
        files.append(saved(tab, tmp_path / str(number)))
    assert [vote.choice for vote in votes_in(files[:2], key)] == ["left", "right", "tie"]
    votes = votes_in(files, key)
    assert [(vote.choice, vote.reasons) for vote in votes] == [("left", ()), ("right", ("clear",)), ("both_bad", ())]
