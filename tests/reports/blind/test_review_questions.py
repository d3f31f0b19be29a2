"""The review page in a real browser, with all that raters can be asked: strength, reasons, ratings; pauses, names, Chinese."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reports.blind.assigning import Panel
from reports.blind.form import LANGUAGES, Form, Language
from reports.blind.wording import CHOICE_WORDS, WORDS
from tests.reports.blind.sides import measured, packed, pair
from tests.reports.blind.test_review_page import saved, start, where
from tests.reports.votes.ballots import votes_in

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

FULL = Form(strength=True, reasons=("correct", "clear & short"), criteria=("accuracy", "style"))


def test_strength_reasons_and_ratings_by_keyboard_only(page: Callable[..., Page], tmp_path: Path) -> None:
    package, key = packed(tmp_path, pair(3), form=FULL)
    tab = page(package / "review.html")
    start(tab)
    tab.keyboard.press("5")
    assert where(tab) == "Item 1 of 3 · 1 voted · Ana", "with reasons to give, a vote does not leave the item"
    assert tab.get_attribute("[data-choice=right_much]", "aria-pressed") == "true"
    assert "chosen" in (tab.get_attribute("#card-right", "class") or "")
    tab.keyboard.press("r")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Space")  # clear & short
    tab.keyboard.press("Tab")
    for digit in "4251":  # accuracy of 1 and 2, style of 1 and 2
        tab.keyboard.press(digit)
    tab.keyboard.press("c")
    tab.keyboard.type("why not")
    tab.keyboard.press("Enter")
    tab.keyboard.press("ArrowRight")
    for choice in ("1", "6"):
        tab.keyboard.press(choice)
        tab.keyboard.press("ArrowRight")
    assert tab.inner_text("#end-title") == "All done. Thank you."
    path = saved(tab, tmp_path)
    content = json.loads(path.read_text())
    first = content["votes"][0]
    assert len(content["sitting"]) == 16
    assert first["when"] <= content["saved"]
    assert first["ratings"] == {"accuracy": {"left": 4, "right": 2}, "style": {"left": 5, "right": 1}}
    assert (first["reasons"], first["comment"]) == (["clear & short"], "why not")
    votes = votes_in([path], key)
    assert [vote.choice for vote in votes] == ["right_much", "left_much", "both_bad"]
    assert votes[0].reasons == ("clear & short",)
    assert (votes[0].ratings["style"].left, votes[0].ratings["style"].right) == (5, 1)
    assert votes[1].reasons == ()
    assert votes[1].ratings == {}


def test_reasons_and_ratings_outlive_a_reload_and_stay_with_their_item(page: Callable[..., Page], tmp_path: Path) -> None:
    package, _ = packed(tmp_path, pair(3), form=FULL)
    tab = page(package / "review.html")
    start(tab)
    tab.check("[data-reason='0']")
    tab.check("[name=rate-1-right][value='3']")
    tab.keyboard.press("Escape")
    tab.keyboard.press("ArrowRight")
    assert not tab.is_checked("[data-reason='0']")
    assert tab.locator("[data-criterion]:checked").count() == 0
    tab.reload()
    assert where(tab) == "Item 1 of 3 · 0 voted · Ana"
    assert tab.is_checked("[data-reason='0']")
    assert tab.locator("[data-criterion]:checked").evaluate_all("nodes => nodes.map(node => node.name)") == ["rate-1-right"]


def test_a_pause_hides_the_item_and_stops_its_clock(page: Callable[..., Page], tmp_path: Path) -> None:
    package, key = packed(tmp_path, pair(2))
    tab = page(package / "review.html")
    tab.clock.install()
    tab.reload()
    start(tab)
    tab.clock.run_for(3000)
    tab.keyboard.press("p")
    assert tab.is_visible("#rest")
    assert not tab.is_visible("#work")
    assert not tab.is_visible("#dock")
    tab.keyboard.press("1")
    tab.clock.run_for(600_000)
    assert where(tab) == "Item 1 of 2 · 0 voted · Ana", "nothing is voted on behind the pause"
    tab.keyboard.press("p")
    tab.clock.run_for(2000)
    tab.keyboard.press("1")
    (vote,) = votes_in([saved(tab, tmp_path)], key)
    assert vote.seconds == pytest.approx(5, abs=0.5)


def test_named_raters_see_their_own_rows_in_one_package(page: Callable[..., Page], tmp_path: Path) -> None:
    package, key = packed(tmp_path, pair(7), panel=Panel(raters=("Ana", 'Bo  "<b>'), shared=1))
    tab = page(package / "review.html")
    assert tab.locator("#rater option").all_text_contents() == ["Ana", 'Bo  "<b>']
    files = []
    for name in key.raters:
        own = [entry for entry in key.entries if name in entry.raters]
        tab.select_option("#rater", name)
        tab.click("button[type=submit]")
        assert tab.text_content("#where") == f"Item 1 of {len(own)} · 0 voted · {name}"
        for entry in own:
            assert tab.inner_text("#left") == entry.left
            tab.keyboard.press("1")
        files.append(saved(tab, tmp_path))
        tab.click("#another")
    votes = votes_in(files, key)
    assert {(vote.review_id, vote.rater) for vote in votes} == {(row.review_id, name) for row in key.entries for name in row.raters}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_on_the_page_is_one_of_ours(page: Callable[..., Page], tmp_path: Path, language: Language) -> None:
    """None is a piece of the program that wrote the page: a template that names what it does not have would print it."""
    form = Form(language=language, strength=True, reasons=("r",), criteria=("c",))
    package, _ = packed(tmp_path, pair(2), form=form)
    tab = page(package / "review.html")
    start(tab)
    words = {*WORDS[language].values(), *CHOICE_WORDS[language].values()}
    said = tab.locator("button span:not(:empty), .sheet button, h1, legend, #work h2").all_text_contents()
    assert len(said) > 20
    assert {text.strip().lstrip("12") for text in said} <= words
    assert " at 0x" not in (package / "review.html").read_text(encoding="utf-8")
    tab.keyboard.press("s")
    assert tab.inner_text("#where") == {"en": "0 of 2 items voted · Ana", "zh": "已评 0 条，共 2 条 · Ana"}[language]


def test_the_page_speaks_chinese(page: Callable[..., Page], tmp_path: Path) -> None:
    package, key = packed(tmp_path, pair(2), form=Form(language="zh"))
    tab = page(package / "review.html")
    assert tab.get_attribute("html", "lang") == "zh-Hans"
    start(tab, "小王")
    assert where(tab) == "第 1 条，共 2 条 · 已评 0 条 · 小王"
    assert tab.inner_text("[data-choice=left] span") == "回答 1 更好"
    tab.keyboard.press("1")
    tab.keyboard.press("3")
    assert tab.inner_text("#end-title") == "全部完成，谢谢。"
    assert [vote.rater for vote in votes_in([saved(tab, tmp_path)], key)] == ["小王", "小王"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_whole_form_fits_a_phone(page: Callable[..., Page], tmp_path: Path, scheme: str) -> None:
    package, _ = packed(tmp_path, pair(2), form=Form(strength=True, reasons=("a" * 60, "b"), criteria=("c" * 60,)))
    tab = page(package / "review.html", width=360, height=740, scheme=scheme)
    start(tab)
    assert tab.evaluate("document.documentElement.scrollWidth") == 360
    assert all(tab.locator(f"[data-choice={choice}]").is_visible() for choice in FULL.choices)
    sizes = tab.locator("[data-choice]").evaluate_all("nodes => nodes.map(node => node.getBoundingClientRect().height)")
    assert min(sizes) >= 40, "a finger finds every choice"


BOMBS = [
    "[" * 10_000,
    "```\n" * 2_000,
    "*_" * 5_000,
    "> " * 5_000 + "x",
    "| " * 5_000,
    "![x](file:///etc/passwd)" * 200,
    "e\u0301\u0489" * 3_000,
]


@pytest.mark.parametrize("text", BOMBS, ids=range(len(BOMBS)))
def test_a_markdown_bomb_is_text_like_any_other(page: Callable[..., Page], tmp_path: Path, text: str) -> None:
    sides = measured("prod", ["short"]), measured("week47", [text])
    package, key = packed(tmp_path, sides)
    tab = page(package / "review.html")
    start(tab)
    side = key.entries[0].candidate_side
    assert tab.text_content(f"#{side}") == key.entries[0].candidate_text
    assert tab.evaluate("document.querySelectorAll('img, a:not(.skip), table, blockquote').length") == 0
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    tab.keyboard.press("1")
    assert tab.inner_text("#end-title") == "All done. Thank you."
