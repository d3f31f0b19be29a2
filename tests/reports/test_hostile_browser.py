"""Attacks in every text that a page shows, in links to it, in files beside it and in what is taken away from it: nothing runs,
nobody is asked for anything, the policy has nothing to stop, and the page works."""

from __future__ import annotations

import csv
import gzip
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace

from harness.store import Store
from reports import page as report
from reports.items import packing
from reports.serve.answering import Site
from reports.serve.loopback import Loopback
from tests.harness.runs import measured, right, samples
from tests.reports.attacks import ATTACKS, HALVES, NAME, PROSE
from tests.reports.harmed import attacked, everything, harmed
from tests.reports.spoiled import Spoiler
from tests.reports.unpacked import blocks, index_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
Open = Callable[..., Any]

OPEN = "document.querySelectorAll('main details').forEach((each) => { each.open = true; })"
ELEMENTS = """() => {
  const size = (node, name) => ["tabindex", "role", "aria-label"].includes(name) && node.matches(".scroll, figure");
  const names = (node) => node.getAttributeNames().filter((name) => name !== "lang" && !size(node, name)).sort();
  const said = (node) => [node.parentElement?.tagName, node.tagName, ...names(node)].join(" ");
  return [...new Set(Array.from(document.querySelectorAll("*"), said))].sort();
}"""
"""What a page is made of: elements, what they stand in, and the names of their attributes."""
FOREIGN = (
    "iframe, object, embed, base, math, use, foreignObject, [srcdoc], [autofocus], [onerror], [onfocus], [onload], [ontoggle], "
    "[style]:not(#list, #list *)"
)


@pytest.fixture(scope="module")
def made() -> Any:
    return everything()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("attacked") / "report.html"
    path.write_text(report.render(*attacked()), encoding="utf-8")
    return path


def ready(tab: Page) -> Page:
    tab.wait_for_selector("#explorer[data-ready=texts]")
    return tab


def unharmed(tab: Page) -> None:
    assert tab.evaluate("window.hacked") is None
    assert tab.evaluate("document.images.length") == 0
    assert tab.locator(FOREIGN).count() == 0
    assert tab.locator("body").is_visible()


def test_attacks_in_every_text_of_a_report_change_none_of_its_elements(page: Open, made: Any, tmp_path: Path) -> None:
    found = {}
    for name, spoiler in (
        ("plain", Spoiler(name="א" * len(NAME), prose="א" * len(PROSE))),
        ("evil", Spoiler(name=NAME, prose=PROSE)),
    ):
        tab = drawn(page, tmp_path / f"{name}.html", harmed(made, spoiler))
        found[name] = set(tab.evaluate(ELEMENTS))
    unharmed(tab)
    assert found["evil"] == found["plain"], found["evil"] ^ found["plain"]
    assert NAME[:20] in tab.locator("h1").inner_text()
    for name in tab.evaluate("[...document.querySelectorAll('[data-plot]')].map((each) => each.dataset.plot)")[:3]:
        taken = {}
        for kind in ("SVG", "CSV"):
            with tab.expect_download() as waiting:
                tab.get_by_role("button", name=f"{kind}: {name}", exact=True).click()
            waiting.value.save_as(tmp_path / f"{name}.{kind}")
            taken[kind] = (tmp_path / f"{name}.{kind}").read_text(encoding="utf-8-sig")
        kinds = {each.tag.rpartition("}")[2] for each in ElementTree.fromstring(taken["SVG"]).iter()}
        assert kinds <= {"svg", "g", "title", "desc", "line", "rect", "circle", "path", "polyline", "polygon", "text", "tspan"}
        cells = [cell for row in csv.reader(taken["CSV"].splitlines()) for cell in row]
        assert not [cell for cell in cells if cell[:1] in ("=", "@", "\t", "\r")]


def test_sentences_that_are_said_in_another_language_let_no_attack_in(page: Open, made: Any, tmp_path: Path) -> None:
    unharmed(drawn(page, tmp_path / "zh.html", harmed(made, Spoiler(name=NAME, prose=PROSE)), "zh"))


def drawn(page: Open, path: Path, made: Any, lang: Any = "en") -> Page:
    """The report with everything in it opened."""
    path.write_text(report.render(*made, lang=lang), encoding="utf-8")
    tab = ready(page(path))
    tab.evaluate(OPEN)
    return tab


def test_each_attack_is_shown_found_and_copied_letter_by_letter(page: Open, file: Path) -> None:
    tab = ready(page(file))
    tab.evaluate("() => { navigator.clipboard.writeText = (text) => { window.taken = text; return Promise.resolve(); }; }")
    tab.click("[data-tab=all]")
    tab.locator("#list button").first.focus()
    for number, text in enumerate(ATTACKS.values()):
        tab.wait_for_function(
            "(start) => document.querySelector('#detail h3').textContent.includes(start)", arg=f" {number} ".lstrip()
        )
        shown = tab.evaluate("[...document.querySelectorAll('#detail > pre')].map((each) => each.textContent)")
        assert text in shown, text
        assert tab.locator("#detail").evaluate("(each) => each.textContent").count(text) >= 9, text
        tab.keyboard.press("c")
        tab.wait_for_function("() => window.taken")
        assert json.loads(tab.evaluate("window.taken"))["target"] == text
        tab.evaluate("delete window.taken")
        tab.keyboard.press("r")
        tab.keyboard.press("ArrowDown")
    unharmed(tab)
    assert tab.locator("#detail").locator("a, img, svg, style, form, iframe, input").count() == 0
    with tab.expect_download() as saved:
        tab.click("#save-review")
    lines = [json.loads(line) for line in Path(saved.value.path()).read_text(encoding="utf-8").split("\n") if line]
    assert [each["key"] for each in lines] == [f"{n} {text}"[:300] for n, text in enumerate(ATTACKS.values())]


def test_a_link_with_anything_in_it_opens_the_page(page: Open, file: Path) -> None:
    tab = ready(page(file))
    index = index_of(blocks(file.read_text(encoding="utf-8"))[0])
    rows = list(zip(index["suite"], index["task"], index["key"], strict=True))
    for suite, task, key in rows:
        item = quote(json.dumps([index["suites"][suite], index["tasks"][task], key], separators=(",", ":"), ensure_ascii=False))
        tab.evaluate("(hash) => { location.hash = hash; }", f"item={item}&tab=__proto__&candidate=constructor")
        tab.wait_for_function("(key) => document.querySelector('#detail h3').textContent.endsWith(key)", arg=key)
    odd = ("", "%", "%00", "item=", "item=%ff&tab=%ff", "item=__proto__", "data", "open-all", "x" * 100_000)
    for link in (*ATTACKS.values(), *odd):
        tab.evaluate("(link) => { location.hash = link; }", link)
    item = quote(json.dumps(["s", "a", ATTACKS["handler"]]))
    tab.evaluate("(hash) => { location.hash = hash; }", f"item={item}")
    tab.wait_for_function("() => document.getElementById('told').textContent.includes('onerror')")
    tab.click("[data-tab=lost]")
    assert tab.locator("#list button").count() > 3
    unharmed(tab)
    again = ready(page(f"{file.resolve().as_uri()}#item={quote(json.dumps(['s', *rows[0][1:]]))}&tab=__proto__"))
    assert again.locator("#list button").count() > 3


def test_no_file_that_is_handed_to_the_page_harms_it(page: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conclusion, runs, training = attacked()
    runs = {key: replace(each, samples=each.samples[:40]) for key, each in runs.items()}
    whole = packing.pack
    monkeypatch.setattr(packing, "pack", lambda *given, **more: whole(*given, **{**more, "budget": 100, "chunk": 3_000}))
    path = tmp_path / "report.html"
    path.write_text(report.render(conclusion, runs, training), encoding="utf-8")
    index = index_of(blocks(path.read_text(encoding="utf-8"))[0])
    left = next(row for row, place in enumerate(index["places"]) if not place)
    tab = ready(page(path))
    head = json.dumps({"format": 1, "report": index["mark"], "items": 1})
    entry = [left, [1, -1, *[-1] * len(index["candidates"])], "x"]

    def hand(content: bytes) -> str:
        tab.evaluate("document.getElementById('told').textContent = ''")
        (tmp_path / "handed.gz").write_bytes(content)
        tab.set_input_files("#beside", tmp_path / "handed.gz")
        tab.wait_for_function("() => document.getElementById('told').textContent")
        return tab.locator("#told").inner_text()

    def lines(*given: object) -> bytes:
        return gzip.compress("".join(f"{each if isinstance(each, str) else json.dumps(each)}\n" for each in given).encode())

    bad: dict[str, bytes] = {
        "no gzip": b"<script>window.hacked=1</script>",
        "empty": b"",
        "nothing in it": gzip.compress(b""),
        "cut": lines(head, entry)[:-9],
        "no end": gzip.compress(f"{head}\n{json.dumps(entry)}".encode()),
        "bomb": gzip.compress(f"{head}\n".encode() + b"[0" * 4_000_000),
        "bomb without a line": gzip.compress(b"{" * 8_000_000),
        "deep": lines(head, "[" * 5_000),
        "no entry": lines(head, "7"),
        "no list": lines(head, {"0": left}),
        "row of a prototype": lines(head, ["__proto__", *entry[1:]]),
        "row of a method": lines(head, ["length", *entry[1:]]),
        "row far away": lines(head, [10**9, *entry[1:]]),
        "row below": lines(head, [-1, *entry[1:]]),
        "half a row": lines(head, [0.5, *entry[1:]]),
        "shape of nothing": lines(head, [left, None, "x"]),
        "shape of a word": lines(head, [left, {"slice": 1}, "x"]),
        "text of no text": lines(head, [left, entry[1], {"length": 3}]),
        "a good one before a bad one": lines(head, entry, [left, [1, -1, {"0": []}], "x"]),
    }
    for name, content in bad.items():
        assert "cannot be read" in hand(content), name
    assert "another report" in hand(lines({"report": PROSE}, entry))
    assert "another report" in hand(lines([], entry))
    tab.click("[data-tab=all]")
    tab.fill("#search", f"{left} ")
    side = [[1], [], [], -1, [["__proto__", "constructor", 0, "__proto__", {"x": 1}, 1], ["j", PROSE, 1e9, "left", PROSE, 1]], -1]
    odd = [left, [1, -1, *[side] * len(index["candidates"])], "x" * 9]
    assert "1 items read" in hand(lines(head, odd))
    tab.fill("#search", "")
    tab.evaluate("(row) => { location.hash = 'item=' + row; }", quote(_item(index, left)))
    tab.wait_for_function("() => document.querySelector('#detail .opinions')")
    unharmed(tab)


def _item(index: Any, row: int) -> str:
    parts = [index["suites"][index["suite"][row]], index["tasks"][index["task"][row]], index["key"][row]]
    return json.dumps(parts, separators=(",", ":"), ensure_ascii=False)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """A store whose names are attacks, served."""
    store = Store(tmp_path / "runs")
    for day, name in enumerate(("w1", NAME, PROSE[-90:], "../../etc/passwd"), start=1):
        rows = samples(right(60, 40), prompt=[f"{PROSE} {number}" for number in range(100)], task=NAME)
        run = measured(
            name, rows, suite="facts", graded=f"{day:016x}", created=f"2026-11-{day:02d}T10:00:00+00:00", declared=PROSE,
            engine={"name": PROSE, "version": NAME},
        )  # fmt: skip
        store.write_run(replace(run.run, scores={"acc": 0.6}), run.samples)
    (store.root / "facts" / "<img src=x onerror=window.hacked=1>").mkdir()
    (store.root / "facts" / "<img src=x onerror=window.hacked=1>" / "run.json").write_text(f'{{"x": {json.dumps(PROSE)}}}')
    with Loopback(Site(store), 0) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.port}"
        server.shutdown()


def test_a_store_of_attacks_is_served_without_harm(chromium: Browser, served: str) -> None:
    context = chromium.new_context()
    asked, wrong = [], []
    tab = context.new_page()
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("dialog", lambda box: (wrong.append(box.message), box.dismiss()))
    tab.goto(served)
    pages = [served, f"{served}/suite?name=facts"]
    tab.goto(pages[1])
    names = tab.locator("[name=old]").evaluate_all("(all) => all.map((each) => each.value)")
    assert len(names) == 4
    pages += [f"{served}/{kind}?old={quote(names[-1])}&new={quote(name)}" for name in names[:-1] for kind in ("page", "changed")]
    pages += [f"{served}/page?of={quote(NAME)}&against={quote(PROSE[-90:])}"]
    for address in pages:
        answer = tab.goto(address)
        assert answer is not None
        assert answer.status == 200, address
        tab.evaluate(OPEN)
        unharmed(tab)
    for text in ATTACKS.values():
        for query in (f"/suite?name={quote(text)}", f"/changed?old={quote(text)}&new={quote(text)}", f"/{quote(text, safe='')}"):
            answer = tab.request.get(served + query)
            assert answer.status in (404, 414), query
            assert b"onerror=window" not in answer.body().replace(b"&#34;", b"").split(b"<h1>")[0]
    assert not wrong
    tab.goto(f"{served}/suite?name={quote(PROSE)}")
    unharmed(tab)
    assert {url.split("/")[2] for url in asked} == {served.split("/")[2]}
    context.close()


def test_halves_of_pairs_are_shown_as_what_they_are_not(tmp_path: Path) -> None:
    conclusion, runs, training = attacked()
    halved = {
        key: replace(
            each, samples=(replace(each.samples[0], prompt=HALVES, outputs=(HALVES, ""), target=HALVES), *each.samples[1:])
        )
        for key, each in runs.items()
    }
    assert "a?b?" in report.render(conclusion, halved, training)


def test_what_harms_a_page_would_be_seen(chromium: Browser, file: Path, tmp_path: Path) -> None:
    from tests.reports.conftest import Opener

    opener = Opener(chromium)
    html = file.read_text(encoding="utf-8").replace("<h1", f"{ATTACKS['handler']}{ATTACKS['css import']}<h1", 1)
    (tmp_path / "harmed.html").write_text(html, encoding="utf-8")
    tab = opener(tmp_path / "harmed.html")
    assert tab.locator("img, [onerror]").count() == 1
    opener.close()
    assert len(opener.wrong) >= 2, "the policy stopped it, and that is seen"
