"""The review page for whoever cannot see it well, or at all: axe-core finds nothing serious in any state, light or dark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reports.blind.form import Form, Language
from tests.reports.access import GRAVE, faults
from tests.reports.blind.sides import measured, packed
from tests.reports.blind.test_review_page import start

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

CODE = "Use\n```python\nprint(1)\n```\nand `x`."


def serious(tab: Page) -> list[str]:
    """What axe calls serious or critical, with the first element of each."""
    return faults(tab, impacts=GRAVE)


@pytest.mark.parametrize(("scheme", "language", "width"), [("light", "en", 1280), ("dark", "zh", 375)])
def test_axe_finds_nothing_serious_in_any_state(
    page: Callable[..., Page], tmp_path: Path, scheme: str, language: Language, width: int
) -> None:
    form = Form(strength=True, reasons=("correct", "clear"), criteria=("accuracy", "style"), language=language, guidance="Be fair.")
    sides = measured("prod", [CODE, "", "long " * 600]), measured("week47", ["I am Qwen.", "x", "y"])
    package, _ = packed(tmp_path, sides, form=form, leaks="mask")
    tab = page(package / "review.html", width=width, scheme=scheme)
    states = {"start": serious(tab)}
    start(tab)
    states["item"] = serious(tab)
    tab.keyboard.press("2")
    tab.check("[data-reason='0']")
    tab.check("[name=rate-1-right][value='3']")
    states["voted"] = serious(tab)
    tab.keyboard.press("Escape")
    tab.keyboard.press("?")
    states["keys"] = serious(tab)
    tab.keyboard.press("Escape")
    tab.keyboard.press("p")
    states["paused"] = serious(tab)
    tab.keyboard.press("p")
    tab.evaluate("document.getElementById('notice').textContent = 'x'; document.getElementById('notice').hidden = false")
    tab.keyboard.press("s")
    tab.click("summary")
    states["end"] = serious(tab)
    assert states == {name: [] for name in states}


def test_axe_would_find_what_is_wrong(page: Callable[..., Page], tmp_path: Path) -> None:
    package, _ = packed(tmp_path)
    tab = page(package / "review.html")
    start(tab)
    tab.evaluate("document.getElementById('previous').textContent = ''")
    tab.evaluate("document.querySelectorAll('.label').forEach((label) => { label.style.color = 'silver' })")
    assert {said.partition(":")[0].split()[1] for said in serious(tab)} == {"button-name", "color-contrast"}
