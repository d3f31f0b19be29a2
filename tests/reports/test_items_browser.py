"""The item explorer in a real browser: what it counts, shows, copies and hands on; hostile text stays text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.gate import Policy, conclude
from harness.records import Conclusion, Judgment, Measured, Metric
from reports import page as report
from reports import view
from reports.blind.reviewable import disputed
from reports.items import explorer, packing
from tests.reports import fixtures
from tests.reports.test_explorer import run_of, sample

pytestmark = pytest.mark.browser
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(report.render(*fixtures.small()), encoding="utf-8")
    return path


def odd() -> dict[tuple[str, str], Measured]:
    """Everything that an item can have: draws, thinking, what was read of answers, opinions in both orders, an error."""
    said = tuple(
        Judgment(judge="grader", criterion=criterion, order=order, score=score, reason=f"{criterion} seen from the {order}")
        for criterion, order, score in (
            ("kind", "left", 1.0),
            ("kind", "right", 0.0),
            ("true", "left", 0.5),
            ("true", "right", 0.5),
        )
    )
    long = "One sentence follows another. " * 700
    shaky, steady = {"acc": [1.0, 0.0]}, {"acc": [0.0, 0.0]}
    rows = {
        "b": [
            sample("drawn", 0.5, prompt="draw", draws=shaky, thinking=("", "<b>hm</b>"), extracted=("4", None)),
            sample("judged", 1, prompt="judge"),
            sample("broken", None, prompt="break"),
            sample("long", 1, prompt=long, target={"answer": [4]}, slices={"language": "en"}, prompt_length=len(long)),
            sample("bad", 0, prompt="a bad one", target="4", prompt_length=9),
        ],
        "c": [
            sample("drawn", 0, prompt="draw", draws=steady),
            sample("judged", 1, prompt="judge", judgments=said, flags=("conflict",)),
            sample("broken", 1, prompt="break"),
            sample("long", 0, prompt=long, target={"answer": [4]}, slices={"language": "en"}, prompt_length=len(long)),
            sample("bad", 0, prompt="another was asked", target="4", prompt_length=9),
        ],
    }
    for name, outputs in (("b", ("four 4", "none")), ("c", ("five", "six"))):
        rows[name][0] = msgspec.structs.replace(rows[name][0], outputs=outputs)
    return {("s", name): run_of("s", name, samples) for name, samples in rows.items()}


def made(runs: dict[tuple[str, str], Measured]) -> tuple[Any, ...]:
    return conclude(runs, Policy(baseline="b"), created="", environment={}), runs, {}


@pytest.fixture(scope="module")
def odd_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("odd") / "report.html"
    path.write_text(report.render(*made(odd())), encoding="utf-8")
    return path


def ready(tab: Any) -> Any:
    tab.wait_for_selector("#explorer[data-ready=texts]")
    return tab


def fresh(tab: Any) -> Any:
    """As if it had just been opened: the first candidate's lost items, no filter, no words, nobody's list."""
    ready(tab).evaluate(
        """() => {
          const set = (id, value, kind) => {
            const node = document.getElementById(id);
            node.value = value; node.dispatchEvent(new Event(kind));
          };
          for (const id of ["where", "slice", "flag", "length"]) set(id, "", "change");
          set("who", document.querySelector("#who option").value, "change");
          set("search", "", "input");
          document.activeElement.blur();
          document.getElementById("clear-review").click();
          document.querySelector("[data-tab=lost]").click();
          document.getElementById("told").textContent = "";
        }"""
    )
    return tab


def pick(tab: Any, name: str, kind: str = "all") -> None:
    """Open one item by searching for its key."""
    tab.evaluate(
        """([name, kind]) => {
          document.querySelector(`[data-tab=${kind}]`).click();
          const box = document.getElementById("search");
          box.value = name; box.dispatchEvent(new Event("input"));
          document.querySelector("#list button").click();
        }""",
        [name, kind],
    )
    tab.wait_for_function("(key) => document.querySelector('#detail h3')?.textContent.endsWith(key)", arg=name)


def count(text: str) -> int:
    return int(re.sub(r"\D", "", text))


def counts(tab: Any) -> dict[str, int]:
    found = tab.locator("[data-tab]").evaluate_all(
        "(tabs) => tabs.map((each) => [each.dataset.tab, each.querySelector('.count').innerText])"
    )
    return {name: count(text) for name, text in found}


def expected(runs: dict[tuple[str, str], Measured], baseline: str, name: str) -> dict[str, int]:
    """The same counts by another way: from the scores, item by item."""
    found = dict.fromkeys(("lost", "gained", "failing", "unstable", "disputed", "error", "all"), 0)
    for each in explorer.pair(runs, baseline, [name]):
        base, other = each.samples.get(baseline), each.samples.get(name)
        both = [side for side in (base, other) if side is not None]
        scores = [None if side is None or side.scores is None else side.scores.get(each.metric) for side in (base, other)]
        found["all"] += 1
        found["error"] += any(side.error is not None for side in both)
        found["lost"] += each.statuses.get(name) == explorer.LOST
        found["gained"] += each.statuses.get(name) == explorer.GAINED
        found["failing"] += each.share and None not in scores and scores[0] == scores[1] and scores[0] < 0.5
        found["unstable"] += any(len(set(side.draws.get(each.metric, []))) > 1 for side in both)
        found["disputed"] += any(bool(disputed(side)) for side in both)
    return found


def test_the_tabs_count_what_the_samples_say(kept: Open, file: Path, odd_file: Path) -> None:
    conclusion, runs, _ = fixtures.small()
    tab = fresh(kept(file))
    for name in ("careless", "lora"):
        tab.select_option("#who", label=name)
        assert counts(tab) == expected(runs, conclusion.baseline, name)
    total = counts(tab)["all"]
    for name, number in counts(tab).items():
        tab.click(f"[data-tab={name}]")
        assert count(tab.locator("#shown").inner_text().split(" of ")[0]) == number
        assert count(tab.locator("#shown").inner_text().split(" of ")[1]) == total
    assert counts(fresh(kept(odd_file))) == expected(odd(), "b", "c")


def test_scores_are_those_that_were_measured(kept: Open, file: Path) -> None:
    _, runs, _ = fixtures.small()
    tab = fresh(kept(file))
    shown = 0
    for each in runs["text", "careless"].samples[:3]:
        pick(tab, each.key)
        value = explorer.compact((each.scores or {})["bits_per_byte"])
        assert tab.locator("#detail .side").nth(1).locator(".facts b").nth(1).inner_text() == str(value)
        shown += 1
    assert shown == 3


def test_hostile_items_do_not_run_wherever_they_are_shown(kept: Open, file: Path) -> None:
    tab = fresh(kept(file))
    tab.click("[data-tab=all]")
    tab.fill("#search", "hacked")
    found = count(tab.locator("#shown").inner_text().split(" of ")[0])
    assert found >= 8
    tab.locator("body").click(position={"x": 5, "y": 5})
    seen = set()
    for _ in range(found):
        tab.wait_for_timeout(20)
        seen.add(tab.locator("#detail").inner_text())
        tab.keyboard.press("j")
    assert len(seen) >= 8
    tab.fill("#search", "127.0.0.1")
    tab.wait_for_function("() => document.querySelector('#detail').textContent.includes('127.0.0.1')")
    assert "http://127.0.0.1:9" in tab.locator("#detail").inner_text()
    assert tab.evaluate("window.hacked") is None
    assert tab.locator("#detail img, #detail script, #detail a, #detail svg, #detail style").count() == 0


def test_filters_narrow_tabs_and_list_together(kept: Open, file: Path) -> None:
    _, runs, _ = fixtures.small()
    tab = fresh(kept(file))
    tab.click("[data-tab=all]")
    tab.select_option("#where", label="general / refusals")
    assert counts(tab)["all"] == sum(each.task == "refusals" for each in runs["general", "base"].samples)
    tab.select_option("#where", label="all suites")
    tab.select_option("#slice", label="language: zh")
    assert counts(tab)["all"] == sum(
        each.slices.get("language") == "zh" for (_, name), side in runs.items() if name == "base" for each in side.samples
    )
    tab.select_option("#slice", label="any")
    tab.select_option("#who", label="careless")
    tab.select_option("#flag", label="truncated")
    flagged = {
        (suite, each.task, each.key)
        for (suite, name), side in runs.items()
        if name in ("base", "careless")
        for each in side.samples
        if "truncated" in each.flags
    }
    assert counts(tab)["all"] == len(flagged)
    tab.select_option("#flag", label="any")
    tab.select_option("#length", label="answer: 1 to 100 characters")
    short = [
        each
        for (_, name), side in runs.items()
        if name == "careless"
        for each in side.samples
        if each.outputs and 1 <= len(each.outputs[0]) <= 100
    ]
    assert counts(tab)["all"] == len(short)
    tab.fill("#search", "no such words anywhere")
    assert tab.locator("#shown").inner_text().startswith("0 of")
    assert "No item here." in tab.locator("#pane").inner_text()


def test_the_search_finds_all_its_words_in_any_case_and_in_any_text_of_an_item(kept: Open, file: Path) -> None:
    _, runs, _ = fixtures.small()
    tab = fresh(kept(file))
    tab.click("[data-tab=all]")
    items = explorer.pair(runs, "base", list(fixtures.CANDIDATES))
    for words in ("lamp", "River THROUGH", "厨房", "facts", "names the river"):
        tab.fill("#search", words)
        found = 0
        for each in items:
            parts = [each.suite, each.task, each.key]
            for side in each.samples.values():
                parts += [
                    side.prompt,
                    str(side.target or ""),
                    *side.outputs,
                    side.error or "",
                    *(said.reason for said in side.judgments),
                ]
            found += all(word in "\n".join(parts).lower() for word in words.lower().split())
        assert count(tab.locator("#shown").inner_text().split(" of ")[0]) == found > 0, words


def test_draws_thinking_and_what_was_read_of_an_answer_are_shown(kept: Open, odd_file: Path) -> None:
    tab = fresh(kept(odd_file))
    pick(tab, "drawn", "unstable")
    left, right = tab.locator("#detail .side").nth(0), tab.locator("#detail .side").nth(1)
    assert [each.inner_text() for each in left.locator("h4:not(.name)").all()] == ["draw 1 · acc 1", "draw 2 · acc 0"]
    assert [each.inner_text() for each in left.locator(".graded").all()] == [
        "Graded of it: 4",
        "Graded of it: nothing could be read from it",
    ]
    left.locator("summary").click()
    assert left.locator("details pre").inner_text() == "<b>hm</b>"
    assert [each.inner_text() for each in right.locator("h4:not(.name)").all()] == ["draw 1 · acc 0", "draw 2 · acc 0"]


def test_opinions_stand_by_criterion_in_both_orders(kept: Open, odd_file: Path) -> None:
    tab = fresh(kept(odd_file))
    pick(tab, "judged", "disputed")
    table = tab.locator("#detail table.opinions")
    assert [each.inner_text() for each in table.locator("thead th").all()] == ["Judge", "answer on the left", "answer on the right"]
    rows = [[cell.inner_text() for cell in row.locator("th, td").all()] for row in table.locator("tbody tr").all()]
    assert rows == [
        ["grader · kindthe orders disagree", "1\nkind seen from the left", "0\nkind seen from the right"],
        ["grader · true", "0.5\ntrue seen from the left", "0.5\ntrue seen from the right"],
    ]


def test_an_empty_answer_is_shown_as_one_and_no_answer_as_none(page: Open, tmp_path: Path) -> None:
    rows = [sample("blank", 1, prompt="say nothing"), sample("alone", 1)]
    blank = msgspec.structs.replace(rows[0], outputs=("",), flags=("empty",))
    runs = {("s", "b"): run_of("s", "b", rows), ("s", "c"): run_of("s", "c", [blank])}
    path = tmp_path / "blank.html"
    path.write_text(report.render(*made(runs)), encoding="utf-8")
    tab = ready(page(path))
    pick(tab, "blank")
    assert "(empty answer)" in tab.locator("#detail .side").nth(1).inner_text()
    pick(tab, "alone")
    assert "Not asked." in tab.locator("#detail .side").nth(1).inner_text()


def test_an_error_is_shown_as_an_error_and_another_prompt_as_another(kept: Open, odd_file: Path) -> None:
    tab = fresh(kept(odd_file))
    pick(tab, "broken", "error")
    assert "Error: EngineError: timed out" in tab.locator("#detail .side").first.inner_text()
    pick(tab, "bad", "failing")
    assert "Asked of c, otherwise" in tab.locator("#detail .side").nth(1).inner_text()
    assert "Asked of" not in tab.locator("#detail .side").first.inner_text()


def test_word_differences_are_marked_with_elements_and_can_be_switched_off(kept: Open, file: Path) -> None:
    tab = fresh(kept(file))
    tab.select_option("#where", label="instructions")
    tab.locator("#detail ins").first.wait_for()
    assert tab.locator("#detail ins").first.inner_text().startswith("，当然"), "Chinese differs by character"
    tab.locator("#detail h3").click()
    tab.keyboard.press("d")
    tab.wait_for_function("() => !document.querySelector('#detail ins')")
    tab.keyboard.press("d")
    tab.locator("#detail ins").first.wait_for()


def test_differences_of_long_answers_are_found_and_never_taken_for_others(kept: Open, odd_file: Path) -> None:
    tab = fresh(kept(odd_file))
    found = tab.evaluate(
        """() => {
          const lines = Array.from({ length: 900 }, (_, n) => `Sentence number ${n} says ${n * 7919 % 1013}. `);
          const other = lines.slice(); other[400] = "Sentence number 400 says nothing. "; other[700] = "";
          const told = differences(lines.join(""), other.join(""));
          const text = (side) => side.map(([word]) => word).join("");
          const marks = (side) => side.filter(([, mark]) => mark).map(([word]) => word).join("");
          const whole = [text(told[0]) === lines.join(""), text(told[1]) === other.join("")];
          return [...whole, marks(told[1]), marks(told[0]).includes("number 700"),
            differences("abc ".repeat(3000), "xyz ".repeat(3000))];
        }"""
    )
    assert found == [True, True, "nothing", True, None]


def test_a_link_leads_to_an_item_of_a_candidate_whatever_its_row(page: Open, kept: Open, file: Path) -> None:
    tab = fresh(kept(file))
    tab.select_option("#who", label="lora")
    pick(tab, "facts-0031", "error")
    address = tab.evaluate("location.href")
    assert "facts-0031" in address
    again = ready(page(address))
    assert again.locator("#detail h3").inner_text().endswith("facts-0031")
    assert again.locator("#who option:checked").inner_text() == "lora"
    assert again.locator("[data-tab=error]").get_attribute("aria-pressed") == "true"
    again.evaluate("location.hash = '#item=%5B%22no%22%2C%22such%22%2C%22item%22%5D'")
    again.wait_for_function("() => document.getElementById('told').textContent.includes('no item of this report')")
    assert again.locator("#detail h3").inner_text().endswith("facts-0031")
    assert ready(page(f"{file.resolve().as_uri()}#%")).locator("#list li").count() > 3, "a broken link opens the page"


def test_a_lost_item_above_opens_in_the_explorer(kept: Open, file: Path) -> None:
    tab = fresh(kept(file))
    link = tab.locator("a[data-row]").first
    key = link.evaluate("(each) => each.closest('tr').querySelector('.key').textContent")
    link.evaluate("(each) => each.click()")
    tab.wait_for_function("(key) => document.querySelector('#detail h3').textContent.endsWith(key)", arg=key)


def test_the_keyboard_reaches_everything(kept: Open, file: Path) -> None:
    tab = fresh(kept(file))
    first = tab.locator("#list [aria-current=true]").inner_text()
    tab.keyboard.press("j")
    assert tab.locator("#list [aria-current=true]").inner_text() != first
    tab.keyboard.press("k")
    assert tab.locator("#list [aria-current=true]").inner_text() == first
    tab.keyboard.press("]")
    assert tab.locator("#who option:checked").inner_text() == tab.locator("#who option").nth(1).inner_text()
    tab.keyboard.press("[")
    tab.keyboard.press("7")
    assert tab.locator("[data-tab=all]").get_attribute("aria-pressed") == "true"
    tab.keyboard.press("/")
    assert tab.evaluate("document.activeElement.id") == "search"
    tab.keyboard.type("jk7")
    assert tab.input_value("#search") == "jk7"
    tab.keyboard.press("Escape")
    assert tab.evaluate("document.activeElement.id") != "search"


def test_only_what_can_be_seen_of_a_long_list_is_drawn(kept: Open, file: Path) -> None:
    tab = fresh(kept(file))
    tab.click("[data-tab=all]")
    total = counts(tab)["all"]
    assert tab.locator("#list li").count() < 40 < total
    tab.evaluate("document.getElementById('pane').scrollTop = 1e6")
    last = tab.locator(f"#list li[aria-posinset='{total}']")
    last.wait_for()
    assert tab.locator("#list li").count() < 40
    last.locator("button").click()
    assert last.locator("button").get_attribute("aria-current") == "true"


def test_an_item_is_copied_as_a_test_case(kept: Open, odd_file: Path) -> None:
    tab = fresh(kept(odd_file))
    tab.evaluate("() => { navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }; }")
    pick(tab, "bad")
    tab.click("text=Copy as test case")
    tab.wait_for_function("() => window.copied")
    assert json.loads(tab.evaluate("window.copied")) == {"key": "bad", "task": "t", "prompt": "a bad one", "target": "4"}
    assert tab.locator("#told").inner_text() == "Copied: one line for an items file."
    tab.evaluate("window.copied = ''")
    pick(tab, "long")
    tab.click("text=Copy as test case")
    tab.wait_for_function("() => window.copied")
    case = json.loads(tab.evaluate("window.copied"))
    assert (case["target"], case["slices"]) == ({"answer": [4]}, {"language": "en"})
    assert "take the item itself" in tab.locator("#told").inner_text(), "the prompt in the page is cut"


def test_where_the_browser_does_not_copy_the_text_is_selected(kept: Open, odd_file: Path) -> None:
    tab = fresh(kept(odd_file))
    tab.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); }")
    pick(tab, "bad")
    tab.click("text=Copy as test case")
    tab.locator("#copied").wait_for()
    assert json.loads(tab.input_value("#copied"))["key"] == "bad"
    assert tab.evaluate("document.activeElement.id") == "copied"


LEAVING = "() => !window.dispatchEvent(new Event('beforeunload', {cancelable: true}))"


def test_items_sent_to_review_are_saved_as_a_list(kept: Open, odd_file: Path) -> None:
    tab = fresh(kept(odd_file))
    for name in ("bad", "judged"):
        pick(tab, name)
        tab.click("text=Send to review")
    assert tab.locator("#chosen").inner_text() == "2 for people to review"
    assert report.REVIEW in tab.locator("#tray").inner_text()
    assert tab.evaluate(LEAVING), "a list that stands nowhere else is not lost without a question"
    with tab.expect_download() as saved:
        tab.click("#save-review")
    assert not tab.evaluate(LEAVING)
    assert saved.value.suggested_filename in report.REVIEW
    lines = [json.loads(line) for line in Path(saved.value.path()).read_text(encoding="utf-8").splitlines()]
    assert lines == [{"suite": "s", "task": "t", "key": name, "candidate": "c", "baseline": "b"} for name in ("bad", "judged")]
    tab.click("text=Take out of review")
    assert tab.locator("#chosen").inner_text() == "1 for people to review"


def test_texts_that_did_not_fit_are_read_from_the_file_beside_the_page(
    page: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [sample(str(number), 1, prompt=f"{number} {'x' * 200} needle{number}") for number in range(40)]
    runs = {("s", name): run_of("s", name, rows, metrics={"acc": Metric(kind="bounded")}) for name in ("b", "c")}
    monkeypatch.setattr(packing, "pack", partial(packing.pack, budget=3_800, chunk=500))
    found = report.files(view.build(*made(runs)))
    for name, content in found.items():
        (tmp_path / name).write_bytes(content)
    tab = ready(page(tmp_path / "report.html"))
    tab.click("[data-tab=all]")
    assert "items (those that changed least) have their scores here but not their texts" in tab.locator("#items").inner_text()
    tab.fill("#search", "needle39")
    assert tab.locator("#shown").inner_text().startswith("0 of 40")
    assert "have no text in this page" in tab.locator("#shown").inner_text()
    pick(tab, "39")
    assert "not in this page" in tab.locator("#detail").inner_text()
    assert "acc 1" in tab.locator("#detail .side").nth(1).inner_text(), "scores are there all the same"
    wrong = tmp_path / "other.jsonl.gz"
    wrong.write_bytes(b"no gzip")
    tab.set_input_files("#beside", wrong)
    tab.wait_for_function("() => document.getElementById('told').textContent.includes('cannot be read')")
    others = {key: run_of("s", key[1], rows[:39]) for key in runs}
    wrong.write_bytes(report.files(view.build(*made(others)))[packing.SIDE_FILE])
    tab.set_input_files("#beside", wrong)
    tab.wait_for_function("() => document.getElementById('told').textContent.includes('another report')")
    tab.set_input_files("#beside", tmp_path / packing.SIDE_FILE)
    tab.wait_for_function("() => document.getElementById('told').textContent.includes('items read')")
    tab.fill("#search", "needle39")
    assert tab.locator("#shown").inner_text() == "1 of 40 items"
    assert "needle39" in tab.locator("#detail").inner_text()


def test_a_browser_that_cannot_unpack_says_so(chromium: Any, file: Path) -> None:
    context = chromium.new_context(offline=True)
    context.add_init_script("delete window.DecompressionStream")
    tab = context.new_page()
    tab.goto(file.resolve().as_uri())
    assert "This browser cannot unpack the items" in tab.locator("#items").inner_text()
    assert not tab.locator("#explorer").is_visible()
    context.close()


def test_a_report_without_items_says_so(page: Open, tmp_path: Path) -> None:
    path = tmp_path / "empty.html"
    conclusion, _, _ = fixtures.small()
    path.write_text(report.render(conclusion, {}, {}), encoding="utf-8")
    tab = page(path)
    tab.locator("#no-items").wait_for()
    assert not tab.locator("#explorer").is_visible()


def test_one_run_alone_can_be_looked_through(page: Open, tmp_path: Path) -> None:
    path = tmp_path / "alone.html"
    runs = {key: each for key, each in odd().items() if key[1] == "b"}
    path.write_text(report.render(Conclusion(created="", baseline="b", outcome="no_baseline", exit_code=12), runs, {}), "utf-8")
    tab = ready(page(path))
    assert counts(tab)["all"] == 5
    pick(tab, "drawn")
    assert tab.locator("#detail .side").count() == 1
