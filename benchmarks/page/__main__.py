"""``python -m benchmarks.page``: build the report of many items, open it in Chromium, filter it; print how long that takes."""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.page.made_up import gate
from reports import page, view

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
SEARCHES = ("e", "the", "question", "treal trarvoun", "的", "nowhere to be found")
TIMED = """([act, argument]) => new Promise((done) => {
  const acts = {
    search: (words) => { const box = document.getElementById("search"); box.value = words; box.dispatchEvent(new Event("input")); },
    tab: (name) => document.querySelector(`[data-tab=${name}]`).click(),
    select: ([id, place]) => {
      const box = document.getElementById(id);
      box.selectedIndex = place;
      box.dispatchEvent(new Event("change"));
    },
  };
  const started = performance.now();
  acts[act](argument);
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - started), 0));
})"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Always 0: what the figures should be stands in docs/benchmarks.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--candidates", type=int, nargs="+", default=[3, 5], help="beside the baseline (3, then 5)")
    parser.add_argument("--repeats", type=int, default=5, help="how often the page is opened (5)")
    parser.add_argument("--chromium", default=shutil.which("chromium") or "", help="another executable")
    options = parser.parse_args(arguments)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    for candidates in options.candidates:
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "report.html"
            print(f"{options.items:,} items x {candidates} candidates and a baseline")
            build(options.items, candidates, path)
            if options.chromium:
                opened(path, options.repeats, options.chromium)
            else:
                print("  not opened: there is no chromium; name one with --chromium")
    return 0


def build(items: int, candidates: int, path: Path) -> None:
    """Write the page, and say what that took and what is in it."""
    conclusion, runs = gate(items, candidates)
    wall, cpu = time.perf_counter(), time.process_time()
    shown = view.build(conclusion, runs, {})
    path.write_text(page.drawn(shown, "en"), encoding="utf-8")
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    beside = len(shown.pack.beside or b"") / 1e6
    print(f"  built in {wall:.1f} s ({cpu:.1f} s of processors), {path.stat().st_size / 1e6:.1f} MB")
    print(f"  {shown.pack.left_out:,} items without texts, {shown.pack.cut} texts cut, {beside:.1f} MB beside the page")


def opened(path: Path, repeats: int, chromium: str) -> None:
    """Open the page several times, and try every kind of filter."""
    from playwright.sync_api import sync_playwright

    listed, whole, filtered = list[float](), list[float](), dict[str, list[float]]()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for _ in range(repeats):
            context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
            tab = context.new_page()
            started = time.perf_counter()
            tab.goto(path.resolve().as_uri(), wait_until="commit")
            tab.wait_for_selector("#explorer[data-ready]", state="attached")
            listed.append(time.perf_counter() - started)
            tab.wait_for_selector("#explorer[data-ready=texts]", state="attached")
            whole.append(time.perf_counter() - started)
            for name, act, argument in acts(tab):
                filtered.setdefault(name, []).append(tab.evaluate(TIMED, [act, argument]))
            context.close()
        browser.close()
    print(f"  open: {statistics.median(listed):.2f} s to the list and the first item (worst {max(listed):.2f}), "
          f"{statistics.median(whole):.2f} s until all texts can be searched")  # fmt: skip
    for name, times in filtered.items():
        print(f"  {name}: {statistics.median(times):.0f} ms to the next picture (worst {max(times):.0f})")


def acts(tab: Any) -> list[tuple[str, str, Any]]:
    """What a reader may do: (what it is called, how it is done, with what)."""
    found: list[tuple[str, str, Any]] = [
        ("tabs", "tab", each.get_attribute("data-tab")) for each in tab.locator("[data-tab]").all()
    ]
    found += [("choices", "select", [name, place]) for name in ("who", "where", "slice", "flag", "length") for place in (1, 0)]
    found += [("search " + repr(words), "search", words) for words in SEARCHES]
    return [*found, ("search emptied", "search", "")]


if __name__ == "__main__":
    sys.exit(main())
