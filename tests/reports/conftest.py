"""A real browser for the pages that sftgate writes.

``chromium`` is a Browser, one per test module: a playwright that stays open keeps an event loop running in the main thread, and
later tests that call ``asyncio.run`` would stumble over it. ``page`` is a factory: ``page(path, width=…, scheme="dark",
javascript=False)`` opens a file offline and, when the test ends, fails it if the page asked the network for anything, raised, or
opened a dialog. ``kept`` opens every file once for all tests of a module, and watches it in the same way: what a test leaves
behind, the next one finds.

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


def executable() -> str | None:
    """The browser of this machine, or the one that SFTGATE_CHROMIUM names."""
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
    found = executable()
    if found is None:
        _unavailable("no chromium on this machine (install chromium, or name one in SFTGATE_CHROMIUM)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


class Opener:
    """Opens a file (or a URL) in a fresh, offline context. ``wrong``: what its pages did that none may do."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.contexts: list[Any] = []
        self.wrong: list[str] = []

    def __call__(
        self,
        target: Path | str,
        *,
        width: int = 1280,
        height: int = 900,
        scheme: Literal["light", "dark"] = "light",
        javascript: bool = True,
        reduced_motion: bool = True,
    ) -> Page:
        context = self.browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            java_script_enabled=javascript,
            reduced_motion="reduce" if reduced_motion else "no-preference",
            offline=True,
            accept_downloads=True,
        )
        self.contexts.append(context)
        context.set_default_timeout(10_000)
        tab = context.new_page()
        self._watch(tab)
        tab.goto(target.resolve().as_uri() if isinstance(target, Path) else target)
        return tab

    def _watch(self, tab: Page) -> None:
        def asked(request: Request) -> None:
            if not request.url.startswith(("file:", "data:", "blob:", "about:")):
                self.wrong.append(f"network request: {request.url}")

        def dialog(box: Dialog) -> None:
            self.wrong.append(f"dialog: {box.message}")
            box.dismiss()

        def console(message: ConsoleMessage) -> None:
            if message.type == "error":
                self.wrong.append(f"console error: {message.text}")

        tab.on("request", asked)
        tab.on("dialog", dialog)
        tab.on("console", console)
        tab.on("pageerror", lambda error: self.wrong.append(f"uncaught error: {error}"))

    def close(self) -> None:
        for context in self.contexts:
            context.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Open a file (or a URL) in a fresh, offline context; every page opened is checked at the end of the test."""
    opener = Opener(chromium)
    yield opener
    opener.close()
    assert opener.wrong == []


@pytest.fixture(scope="module")
def _once(chromium: Browser) -> Iterator[tuple[Opener, dict[Path, Page]]]:
    opener = Opener(chromium)
    yield opener, {}
    opener.close()


@pytest.fixture
def kept(_once: tuple[Opener, dict[Path, Page]]) -> Iterator[Callable[[Path], Page]]:
    """Open a file, or find it as the test before left it; checked at the end of every test."""
    opener, tabs = _once

    def open_once(path: Path) -> Page:
        if path not in tabs:
            tabs[path] = opener(path)
        return tabs[path]

    yield open_once
    assert opener.wrong == []
