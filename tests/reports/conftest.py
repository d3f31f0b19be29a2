"""A real browser for the pages that sftgate writes.

``chromium`` is a Browser, one per test module: a playwright that stays open keeps an event loop running in the main thread, and
later tests that call ``asyncio.run`` would stumble over it. ``page`` is a factory: ``page(path, width=…, scheme="dark",
javascript=False)`` opens a file offline and, when the test ends, fails it if the page asked the network for anything, raised, or
opened a dialog.

A missing chromium skips with a reason, unless SFTGATE_REQUIRE_ALL=1: then it fails. SFTGATE_CHROMIUM names another executable.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def _unavailable(reason: str) -> None:
    if os.environ.get("SFTGATE_REQUIRE_ALL") == "1":
        pytest.fail(f"{reason}, and SFTGATE_REQUIRE_ALL=1 asks for every part")
    pytest.skip(reason)


def _executable() -> str | None:
    named = os.environ.get("SFTGATE_CHROMIUM")
    if named:
        return named
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    return None


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless Chromium without network services."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _unavailable("playwright is not installed")
    executable = _executable()
    if executable is None:
        _unavailable("no chromium on this machine (install chromium, or name one in SFTGATE_CHROMIUM)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Open a file (or a URL) in a fresh, offline context; every page opened is checked at the end of the test."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def watch(tab: Page) -> None:
        def asked(request: Request) -> None:
            if not request.url.startswith(("file:", "data:", "blob:", "about:")):
                wrong.append(f"network request: {request.url}")

        def dialog(box: Dialog) -> None:
            wrong.append(f"dialog: {box.message}")
            box.dismiss()

        def console(message: ConsoleMessage) -> None:
            if message.type == "error":
                wrong.append(f"console error: {message.text}")

        tab.on("request", asked)
        tab.on("dialog", dialog)
        tab.on("console", console)
        tab.on("pageerror", lambda error: wrong.append(f"uncaught error: {error}"))

    def open_page(
        target: Path | str,
        *,
        width: int = 1280,
        height: int = 900,
        scheme: Literal["light", "dark"] = "light",
        javascript: bool = True,
        reduced_motion: bool = True,
    ) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            java_script_enabled=javascript,
            reduced_motion="reduce" if reduced_motion else "no-preference",
            offline=True,
            accept_downloads=True,
        )
        contexts.append(context)
        context.set_default_timeout(10_000)
        tab = context.new_page()
        watch(tab)
        tab.goto(target.resolve().as_uri() if isinstance(target, Path) else target)
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []
