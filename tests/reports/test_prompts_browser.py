"""Prompts as the models saw them, in a real browser: every character, nothing that runs, and both sides where they differ."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.records import Frame, Rendered, Sample
from reports import page as report
from tests.reports.answered import HOSTILE
from tests.reports.test_explorer import run_of, sample
from tests.reports.test_items_browser import fresh, made, pick

pytestmark = pytest.mark.browser
Open = Callable[..., Any]

NASTY = "</script><img src=x onerror='window.hacked=1'>"
CHAT = Frame(parts=("<s>user ", 0, "</s>assistant "), special=("</s>", "<s>"))
TRIMS = Frame(parts=(f"[.*+?^${{}}()|\\/-] {NASTY} ", -1, " !"), special=("[.*+?^${}()|\\/-]", NASTY, "-->"))
SYSTEM = Frame(parts=("<s>system ", 0, "</s>user ", 1, "</s>assistant "), special=("</s>", "<s>"))
TURNS = "system: 𝒳 be brief\n\nuser: 𝒴 what?"
FRAMES = (CHAT, TRIMS, SYSTEM)
ASKED = {
    **{f"hostile-{number}": ("<s>\n --> x".join(HOSTILE[number::4]), 0) for number in range(4)},
    "around": ("\x1c\x85\u3000 \ufeffkept\u200b\ufeff\u2029\x1f\t", 1),
    "around again": (f" {NASTY} ", 1),
    "empty": ("", 0),
    "astral": ("𝒳 𝒴 <s>𝒵 <s>", 0),
    "huge": ("word " * 9000, 0),
}


def framed(key: str, value: float, prompt: str, frame: int | Frame, *contents: Any, **more: Any) -> Sample:
    return msgspec.structs.replace(sample(key, value, prompt=prompt, **more), rendered=Rendered(frame=frame, contents=contents))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    before = [framed(key, 1, prompt, frame) for key, (prompt, frame) in ASKED.items()]
    after = [framed(key, 0, prompt, frame) for key, (prompt, frame) in ASKED.items()]
    before += [
        framed("otherwise", 1, "what is 7 plus 5?", 2, "be brief", (0, 17)),
        framed("otherwise too", 1, "what is 7 plus 6?", 2, "be brief", (0, 17)),
        framed("turns", 1, TURNS, 2, (8, 18), (26, 33)),
        framed("one side", 1, "p", 0),
        sample("no side", 1, prompt="p"),
        framed("cut", 1, "p", 0),
        framed("own", 1, "p", Frame(parts=("once <s> ", 0), special=("<s>",))),
        framed("gap", 1, "p", Frame(parts=("beginning", "end"), left_out=1234)),
    ]
    after += [
        framed("otherwise", 0, "what is 7 plus 5?", 0),
        framed("otherwise too", 0, "what is 7 plus 6?", 0),
        framed("turns", 0, TURNS, 2, (8, 18), (26, 33)),
        framed("turns again", 0, TURNS, 2, (8, 18), (26, 33)),
        sample("one side", 0, prompt="p"),
        sample("no side", 0, prompt="p"),
        framed("cut", 0, "p", 0, flags=("context_cut",)),
        framed("own", 0, "p", Frame(parts=("once <s> ", 0), special=("<s>",))),
        framed("gap", 0, "p", Frame(parts=("beginning", "end"), left_out=1234)),
    ]
    runs = {("s", name): run_of("s", name, rows, frames=FRAMES) for name, rows in (("b", before), ("c", after))}
    path = tmp_path_factory.mktemp("prompts") / "report.html"
    path.write_text(report.render(*made(runs)), encoding="utf-8")
    return path


def opened(tab: Any, key: str) -> list[str]:
    """What the open folds say, character by character."""
    pick(tab, key)
    tab.locator("#detail details.saw summary").first.click()
    tab.wait_for_function(
        "() => Array.from(document.querySelectorAll('#detail details.saw')).every((each) => each.querySelector('pre'))"
    )
    return list(tab.locator("#detail details.saw pre").evaluate_all("(all) => all.map((each) => each.textContent)"))


def marks(tab: Any, kind: str) -> list[str]:
    found: list[str] = tab.locator(f"#detail details.saw {kind}").evaluate_all("(all) => all.map((each) => each.textContent)")
    return found


def test_every_character_is_there_and_nothing_runs(kept: Open, file: Path) -> None:
    tab = fresh(kept(file))
    for key, (prompt, frame) in ASKED.items():
        if key == "huge":
            continue
        assert opened(tab, key) == [FRAMES[frame].text((prompt,))], key
    assert tab.evaluate("window.hacked") is None
    assert tab.locator("#detail img, #detail script, #detail a, #detail svg").count() == 0


def test_contents_are_found_in_a_prompt_of_several_turns_whatever_their_characters(kept: Open, file: Path) -> None:
    tab = fresh(kept(file))
    assert opened(tab, "turns") == ["<s>system 𝒳 be brief</s>user 𝒴 what?</s>assistant "]


def test_special_tokens_stand_out_wherever_they_are(kept: Open, file: Path) -> None:
    tab = fresh(kept(file))
    opened(tab, "astral")
    assert marks(tab, ".token") == ["<s>", "<s>", "<s>", "</s>"]
    assert "".join(marks(tab, "bdi:not(.own):not(.token)")) == "𝒳 𝒴 𝒵 "
    opened(tab, "around again")
    assert marks(tab, ".token") == ["[.*+?^${}()|\\/-]", NASTY, NASTY]
    opened(tab, "own")
    assert marks(tab, ".token") == ["<s>"]


def test_prompts_that_differ_stand_side_by_side_with_what_differs_marked(kept: Open, file: Path) -> None:
    tab = fresh(kept(file))
    left, right = opened(tab, "otherwise")
    assert left == "<s>system be brief</s>user what is 7 plus 5?</s>assistant "
    assert right == "<s>user what is 7 plus 5?</s>assistant "
    text = tab.locator("#detail").inner_text()
    assert "The models saw different prompts" in text
    assert "As b saw it (58 characters)" in text
    assert "As c saw it (39 characters)" in text
    assert "system be brief" in "".join(marks(tab, "del"))
    assert marks(tab, "ins") == []
    tab.locator("#detail details.saw summary").last.click()
    tab.wait_for_function("() => !document.querySelector('#detail details.saw[open]')")
    assert opened(tab, "astral")
    assert "different prompts" not in tab.locator("#detail").inner_text()


def test_where_nobody_here_knows_the_page_says_so(kept: Open, file: Path) -> None:
    tab = fresh(kept(file))
    pick(tab, "no side")
    assert "How the models saw the prompt is not known" in tab.locator("#detail").inner_text()
    assert tab.locator("#detail details.saw").count() == 0
    assert opened(tab, "one side") == ["<s>user p</s>assistant "]
    assert "As b saw it" in tab.locator("#detail").inner_text()
    assert "How c saw the prompt is not known" in tab.locator("#detail").inner_text()
    opened(tab, "astral")
    assert "not known" not in tab.locator("#detail").inner_text()


def test_what_was_cut_off_or_left_out_is_told(kept: Open, file: Path) -> None:
    tab = fresh(kept(file))
    assert opened(tab, "cut") == ["<s>user p</s>assistant "] * 2
    assert "different prompts" not in tab.locator("#detail").inner_text()
    assert tab.locator("#detail details.saw").first.locator(".note").count() == 0
    assert "did not fit the model’s context" in tab.locator("#detail details.saw").last.inner_text()
    assert opened(tab, "gap") == ["beginning\n… 1,234 characters left out …\nend"]
    (huge,) = opened(tab, "huge")
    assert huge.startswith("<s>user word word")
    assert "\n… 29,000 characters left out …\n" in huge
    assert huge.endswith("word </s>assistant ")


def test_a_copy_is_the_text_itself_and_says_where_it_is_not_whole(kept: Open, file: Path) -> None:
    tab = fresh(kept(file))
    tab.evaluate("() => { navigator.clipboard.writeText = async (text) => { window.taken = text; }; }")
    for key, says in (("astral", "the prompt as the model saw it"), ("huge", "only beginning and end")):
        (shown,) = opened(tab, key)
        tab.locator("#detail details.saw button").click()
        tab.wait_for_function("(says) => document.getElementById('told').textContent.includes(says)", arg=says)
        assert tab.evaluate("window.taken") == shown
