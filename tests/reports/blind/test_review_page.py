"""The review page in a real browser: a whole review by keyboard, nothing runs that a model wrote, nothing leaves the machine."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from harness.records import Candidate, Fingerprints, Measured, Run, Sample
from reports.blind.cleaning import tidy
from reports.blind.form import Form
from reports.blind.key import Key, package_paths, read_key
from reports.blind.package import Plan, export
from reports.people import what_people_said
from reports.votes.pooling import Poll
from reports.votes.unblinding import to_measured
from tests.reports.votes.ballots import votes_in

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

HOSTILE = [
    "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\">",
    "</script><script>document.title='run'</script>",
    "<!--<script>",
    "]]> --> </textarea></style><svg onload=document.title='run'>",
    "javascript:document.title='run' [link](javascript:alert(1)) <a href='https://example.com'>x</a>",
    "\u202egnp.exe \u2066 يميل \u2028 line \u2029 paragraph",
    "{{ 7*7 }} {% for x in y %} ${document.title='run'}",
    "long " * 2000,
    "",
]


def measured(name: str, texts: Sequence[str]) -> Measured:
    run = Run(
        candidate=Candidate(name=name),
        suite="pref",
        use="preference",
        fingerprints=Fingerprints(asked=name),
        graded=name,
        items_hash="i",
        suite_hash="s",
    )
    samples = [
        Sample(key=f"item{number}", task="t", prompt=f"Question {number}", outputs=(text,), scores={"win": 0.5})
        for number, text in enumerate(texts)
    ]
    return Measured(run=run, samples=tuple(samples))


def package_of(folder: Path, count: int = 6, **options: Any) -> tuple[Path, Key]:
    old, new = (measured(name, [f"{word} {n}" for n in range(count)]) for name, word in (("prod", "old"), ("new", "new")))
    return exported(old, new, folder, **options)


def exported(old: Measured, new: Measured, folder: Path, **plan: Any) -> tuple[Path, Key]:
    path = export(old, new, folder=folder, plan=Plan(**plan))
    key = read_key(path)
    return package_paths(path, key)[0] / "review.html", key


def start(tab: Page, rater: str = "Ana") -> None:
    tab.keyboard.type(rater)
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#work:not([hidden])")


def where(tab: Page) -> str:
    return tab.inner_text("#where")


def saved(tab: Page, folder: Path) -> Path:
    """Press S until a file is downloaded (once opens the last screen, once more saves)."""
    if tab.is_visible("#work"):
        tab.keyboard.press("s")
    with tab.expect_download() as download:
        tab.keyboard.press("s")
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_a_whole_review_by_keyboard_is_saved_and_imported(page: Callable[..., Page], tmp_path: Path) -> None:
    html, key = package_of(tmp_path)
    tab = page(html)
    start(tab)
    keys = {"left": "1", "right": "2"}
    for place, entry in enumerate(key.entries):
        assert where(tab) == f"Item {place + 1} of 6 · {place} voted · Ana"
        shown = {"left": tab.inner_text("#left"), "right": tab.inner_text("#right")}
        assert shown[entry.candidate_side] == entry.candidate_text
        if place == 1:
            tab.keyboard.press("c")
            tab.keyboard.type("1 is 2 short = 3")
            tab.keyboard.press("Enter")
        tab.keyboard.press("3" if place == 4 else "4" if place == 5 else keys[entry.candidate_side])
    assert tab.inner_text("#end-title") == "All done. Thank you."
    path = saved(tab, tmp_path)
    assert path.name == f"votes-{key.package}-Ana.json"
    votes = votes_in([path], key)
    assert [vote.rater for vote in votes] == ["Ana"] * 6
    assert votes[1].comment == "1 is 2 short = 3"
    _, candidate = to_measured((Poll(key=key, votes=tuple(votes), people=what_people_said(votes, key)),))
    assert [(sample.scores or {})["win"] for sample in candidate.samples] == [1, 1, 1, 1, 0.5, 0.5]
    assert [vote.choice for vote in votes[4:]] == ["tie", "both_bad"]


def test_a_reload_in_the_middle_keeps_votes_and_place(page: Callable[..., Page], tmp_path: Path) -> None:
    html, key = package_of(tmp_path)
    tab = page(html)
    start(tab)
    tab.keyboard.press("1")
    tab.keyboard.press("2")
    tab.keyboard.press("c")
    tab.keyboard.type("half a thought")
    tab.reload()
    assert where(tab) == "Item 3 of 6 · 2 voted · Ana"
    assert tab.input_value("#comment") == "half a thought"
    tab.keyboard.press("ArrowLeft")
    assert tab.get_attribute("[data-choice=right]", "aria-pressed") == "true"
    tab.keyboard.press("1")
    file = saved(tab, tmp_path)
    assert [(vote.review_id, vote.choice) for vote in votes_in([file], key)] == [("r001", "left"), ("r002", "left")]
    third = json.loads(file.read_text())["votes"][2]
    assert (third["review_id"], third["choice"], third["comment"]) == ("r003", None, "half a thought"), "no vote, and not lost"


def test_arrows_skip_and_u_finds_what_is_open(page: Callable[..., Page], tmp_path: Path) -> None:
    html, _ = package_of(tmp_path, count=4)
    tab = page(html)
    start(tab)
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("1")
    tab.keyboard.press("1")
    tab.keyboard.press("1")
    assert tab.inner_text("#end-title") == "1 item has no vote yet"
    tab.keyboard.press("ArrowLeft")
    assert where(tab).startswith("Item 4 of 4")
    tab.keyboard.press("u")
    assert where(tab).startswith("Item 1 of 4")
    tab.keyboard.press("ArrowLeft")
    assert where(tab).startswith("Item 1 of 4")
    tab.keyboard.press("Control+1")
    assert where(tab).startswith("Item 1 of 4 · 3 voted")
    tab.keyboard.press("?")
    assert tab.is_visible("#help")
    tab.keyboard.press("2")
    assert where(tab).startswith("Item 1 of 4 · 3 voted"), "a key pressed over the help votes for nothing"
    tab.keyboard.press("Escape")
    assert not tab.is_visible("#help")


def test_a_review_works_by_mouse_too(page: Callable[..., Page], tmp_path: Path) -> None:
    html, key = package_of(tmp_path, count=2)
    tab = page(html)
    tab.fill("#rater", "Bo")
    tab.click("button[type=submit]")
    tab.click("[data-choice=right]")
    tab.click("#next")
    tab.click("#resume")
    tab.click("[data-choice=both_bad]")
    tab.click("summary")
    content = json.loads(tab.input_value("#export"))
    assert [vote["choice"] for vote in content["votes"]] == ["right", "both_bad"]
    path = tmp_path / "copied.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    assert len(votes_in([path], key)) == 2


def test_raters_of_one_browser_do_not_overwrite_each_other(page: Callable[..., Page], tmp_path: Path) -> None:
    html, key = package_of(tmp_path, count=2)
    tab = page(html)
    start(tab, "Ana")
    tab.keyboard.press("1")
    tab.keyboard.press("1")
    first = saved(tab, tmp_path)
    tab.click("#another")
    start(tab, "Bo Li/../x")
    assert where(tab) == "Item 1 of 2 · 0 voted · Bo Li/../x"
    tab.keyboard.press("2")
    tab.keyboard.press("2")
    second = saved(tab, tmp_path)
    assert second.name == f"votes-{key.package}-Bo-Li-x.json"
    votes = votes_in([first, second], key)
    assert [vote.choice for vote in votes] == ["left", "right"] * 2


def test_a_name_is_needed_and_one_of_spaces_is_none(page: Callable[..., Page], tmp_path: Path) -> None:
    tab = page(package_of(tmp_path)[0])
    for name in ("", "   "):
        tab.fill("#rater", name)
        tab.keyboard.press("Enter")
        assert tab.is_visible("#start")
        assert not tab.is_visible("#work")
    start(tab, "constructor")
    assert where(tab) == "Item 1 of 6 · 0 voted · constructor"


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_answers_are_shown_as_text_and_never_run(page: Callable[..., Page], tmp_path: Path, text: str) -> None:
    questions = measured("prod", ["harmless"]).samples[0]
    hostile = Sample(key=questions.key, task="t", prompt=f"{text} q", outputs=(text,), scores={"win": 0.5})
    harmless = Sample(key=questions.key, task="t", prompt=f"{text} q", outputs=("harmless",), scores={"win": 0.5})
    run = measured("prod", []).run
    sides = Measured(run=run, samples=(harmless,)), Measured(run=measured("new", []).run, samples=(hostile,))
    html, key = exported(*sides, tmp_path, form=Form(guidance=text))
    package = html.parent
    tab = page(html)
    elements = tab.evaluate("document.querySelectorAll('*').length")
    start(tab)
    assert tab.title() == "Blind review"
    assert tab.text_content(f"#{key.entries[0].candidate_side}") == (tidy(text) or "(empty answer)")
    assert tab.evaluate("document.querySelectorAll('*').length") == elements
    assert tab.evaluate("document.querySelectorAll('script, img, svg, iframe, object, link').length") == 2
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    tab.keyboard.press("1")
    assert len(votes_in([saved(tab, tmp_path)], key)) == 1
    rows = list(csv.reader(io.StringIO((package / "items.csv").read_text(encoding="utf-8-sig"), newline="")))
    assert len(rows) == 2


CODE = "Use\n\n```python\nif a < b:\n    print('~~~')\n```\n\nor\n~~~\nx\n```\ny"


def test_code_is_shown_as_code_and_stays_the_text_it_is(page: Callable[..., Page], tmp_path: Path) -> None:
    """Characters of one width between fences, an open one to the end; not a character more or less."""
    answers = (measured("prod", [CODE]), measured("new", ["plain"]))
    html, key = exported(*answers, tmp_path, form=Form(guidance="Only what runs."))
    tab = page(html)
    assert "correct first" not in tab.inner_text("#start")  # the guidance stands in its place
    start(tab)
    side = "right" if key.entries[0].candidate_side == "left" else "left"
    assert tab.text_content(f"#{side}") == CODE
    blocks = [CODE[CODE.index("```") : CODE.index("\nor")], CODE[CODE.index("~~~\n") :]]
    assert tab.locator(f"#{side} code").all_text_contents() == blocks
    assert "monospace" in tab.evaluate(f"getComputedStyle(document.querySelector('#{side} code')).fontFamily")


def test_a_question_from_right_to_left_begins_at_the_right(page: Callable[..., Page], tmp_path: Path) -> None:
    old, new = (measured(name, [text]) for name, text in (("prod", "a"), ("new", "b")))
    question = "\u0645\u0627 \u0647\u0648\u061f"
    old, new = (Measured(run=each.run, samples=(msgspec.structs.replace(each.samples[0], prompt=question),)) for each in (old, new))
    tab = page(exported(old, new, tmp_path)[0])
    start(tab)
    boxes = [tab.locator(name).bounding_box() for name in ("#question", "#card-right")]
    ends = [box["x"] + box["width"] for box in boxes if box is not None]
    assert ends[0] == pytest.approx(ends[1], abs=1)


def test_the_policy_forbids_whatever_is_not_ours(page: Callable[..., Page], tmp_path: Path) -> None:
    html, _ = package_of(tmp_path)
    source = html.read_text(encoding="utf-8")
    policy = source.split('http-equiv="Content-Security-Policy" content="')[1].split('"')[0].replace("&#39;", "'")
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "http://" not in source
    assert "https://" not in source


def test_the_page_reads_well_on_a_phone_and_in_the_dark(page: Callable[..., Page], tmp_path: Path) -> None:
    html, _ = package_of(tmp_path)
    tab = page(html, width=400, height=800, scheme="dark")
    start(tab)
    assert tab.evaluate("document.documentElement.scrollWidth") == 400
    boxes = [tab.locator(f"#card-{side}").bounding_box() for side in ("left", "right")]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert boxes[1]["y"] >= boxes[0]["y"] + boxes[0]["height"]
    background = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(int(part) for part in background.removeprefix("rgb(").removesuffix(")").split(",")) < 60
    assert all(tab.locator(f"[data-choice={choice}]").is_visible() for choice in ("left", "right", "tie", "both_bad"))


def test_without_javascript_the_page_says_what_to_do_instead(page: Callable[..., Page], tmp_path: Path) -> None:
    tab = page(package_of(tmp_path)[0], javascript=False)
    assert "column choice of items.csv instead" in tab.inner_text("body")
    tab = page(package_of(tmp_path / "page only", formats=("html",))[0], javascript=False)
    assert "items.csv" not in tab.inner_text("body")
    assert "Ask whoever gave you this package" in tab.inner_text("body")


def test_a_spoiled_memory_does_not_stop_a_review(page: Callable[..., Page], tmp_path: Path) -> None:
    html, key = package_of(tmp_path)
    slot = f"sftgate-review-{key.package}"
    votes = {"r001": {"choice": "maybe"}, "r002": 7, "r999": {"choice": "left"}, "r003": {"choice": "tie"}}
    for text, done in ((json.dumps(votes), 1), ("{broken", 0)):
        tab = page("about:blank")
        tab.add_init_script(f"localStorage.setItem('{slot}', 'Ana'); localStorage.setItem('{slot}:Ana', {json.dumps(text)})")
        tab.goto(html.as_uri())
        assert where(tab) == f"Item 1 of 6 · {done} voted · Ana"
        assert tab.is_visible("#notice") == (done == 0)


def test_every_control_has_a_name_and_the_keyboard_reaches_it(page: Callable[..., Page], tmp_path: Path) -> None:
    tab = page(package_of(tmp_path)[0])
    start(tab)
    nameless = tab.evaluate(
        "[...document.querySelectorAll('button, input, textarea')].filter(e => !(e.innerText || e.textContent || "
        "e.getAttribute('aria-label') || (e.labels && e.labels.length && e.labels[0].textContent))).length"
    )
    assert nameless == 0
    reached = set()
    for _ in range(14):
        tab.keyboard.press("Tab")
        reached.add(tab.evaluate("document.activeElement.id || document.activeElement.dataset.choice || ''"))
    assert {"left", "right", "tie", "both_bad", "comment", "next", "save-open", "help-open"} <= reached
