"""Every page as pictures, to be looked at: ``python -m tests.reports.screens [NAME …] [--into FOLDER]``.

Each page as it opens, with everything opened (light, dark, narrow), its first screen by itself, and on paper as a PDF. Long pages
come in parts. Texts of pictures that leave their picture, or cover one another, are named.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from tests.reports.access import faults, pass_over
from tests.reports.conftest import FLAGS, executable
from tests.reports.labels import FAULTS
from tests.reports.screens import PAGES, rendered

if TYPE_CHECKING:
    from playwright.sync_api import Page

LOOKS = (("as-it-opens", 1280, "light"), ("light", 1280, "light"), ("dark", 1280, "dark"), ("narrow", 400, "light"))
PART = 2_400
"""Pixels of height that an eye can read in one picture."""
OPEN = "document.querySelectorAll('main details').forEach((each) => { each.open = true; })"


def main() -> None:
    """Write ``NAME.html`` and its pictures into a folder."""
    parser = argparse.ArgumentParser(prog="python -m tests.reports.screens", description="Render every page to PNG.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PAGES)}; default: all")
    parser.add_argument("--into", type=Path, default=Path("screens"), metavar="FOLDER")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(PAGES))
    if unknown:
        parser.error(f"no page is called {', '.join(unknown)}; there are {', '.join(PAGES)}")
    arguments.into.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or PAGES:
        html = arguments.into / f"{name}.html"
        html.write_text(rendered(name), encoding="utf-8")
        wrong = _shoot(html)
        print(html)
        print("\n".join(wrong) or "axe finds nothing wrong")


def _faults(tab: Page) -> list[str]:
    pass_over(tab, set())
    return faults(tab)


def _shoot(html: Path) -> list[str]:
    """The pictures of a page; what axe finds in it."""
    from playwright.sync_api import sync_playwright

    wrong: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=FLAGS)
        for look, width, scheme in LOOKS:
            tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce")
            tab.goto(html.resolve().as_uri())
            tab.screenshot(path=html.with_name(f"{html.stem}-{look}-0.png"))
            if look != "as-it-opens":
                tab.evaluate(OPEN)
                wrong += [f"{look}: {fault}" for fault in _faults(tab)]
                for fault in tab.evaluate(FAULTS):
                    print(f"{html.stem}, {look}: {fault}")
            tall = tab.evaluate("document.documentElement.scrollHeight")
            for part in range(math.ceil(tall / PART)):
                clip = {"x": 0, "y": part * PART, "width": width, "height": min(PART, tall - part * PART)}
                tab.screenshot(path=html.with_name(f"{html.stem}-{look}-{part + 1}.png"), full_page=True, clip=clip)
            if look == "as-it-opens":
                tab.pdf(path=html.with_suffix(".pdf"), format="A4")
            tab.close()
        browser.close()
    return wrong


if __name__ == "__main__":
    main()
