"""What would tell one model from another at no gain is taken away; what may name one is reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.records import Candidate
from reports.blind.cleaning import MASK, leaks, masked, names_of, tidy
from tests.reports.blind.sides import measured, packed


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("  a \r\n b\rc \n", "a\n b\nc"),
        ("a\x00b\x1b[31mc\x7f", "ab[31mc"),
        ("\ufeffa\u200bb\u00adc\u2060", "abc"),
        ("a\u00a0b\u2009c\u202fd", "a b c d"),
        ("a\t \n\n\n\n\nb", "a\n\nb"),
        ("if x:\n    y = 1\n\tz", "if x:\n    y = 1\n\tz"),
        # joiners spell words and emoji; a full-width space indents Chinese paragraphs; both stay
        ("\u0645\u06cc\u200c\u062e 👩\u200d💻", "\u0645\u06cc\u200c\u062e 👩\u200d💻"),
        ("第一\n\u3000\u3000第二", "第一\n\u3000\u3000第二"),
        # line ends of other systems part lines: nothing runs together
        ("a\u2028b\x0bc\x0cd\x85e\u2029f", "a\nb\nc\nd\ne\nf"),
        ("一\u3000\n二\u3000\t\u3000\n三 \u3000", "一\n二\n三"),
        # a watermark of tags is unseen; the tags of a flag are the flag
        ("a\U000e0001\U000e0061\U000e007fb", "ab"),
        ("\U0001f3f4\U000e0067\U000e0062\U000e007f", "\U0001f3f4\U000e0067\U000e0062\U000e007f"),
        ("a\u2062b\u3164c\u180ed\ufffbe", "abcde"),
        # one letter, spelt two ways
        ("e\u0301\u200b\u0323", "\u1eb9\u0301"),
        # code keeps its shape, wherever it begins
        ("\n    if x:\n        return 1\n\n    return 2\n", "if x:\n    return 1\n\nreturn 2"),
        ("  first\nsecond\n    third", "first\nsecond\n    third"),
        ("\u3000\u3000第一\n\u3000\u3000第二", "第一\n第二"),
        ("", ""),
        (" \u00a0\n\t\n", ""),
    ],
)
def test_white_space_and_unseen_signs_that_betray_a_model_are_gone(text: str, shown: str) -> None:
    assert tidy(text) == shown
    assert tidy(shown) == shown


@pytest.mark.parametrize(
    ("one", "other", "question", "found"),
    [
        ("I am Qwen, made by Alibaba.", "I am an assistant.", "Who are you?", ("alibaba", "qwen")),
        ("As GPT4, I cannot.", "No.", "Can you?", ("gpt",)),
        ("我是通义千问。", "我是助手。", "你是谁？", ("千问", "通义")),
        ("yes<|im_end|>", "yes</s>", "?", ("</s>", "<|im_end|>")),
        ("I am week47.", "I am prod.", "Name?", ("week47",)),
        # both say it, or the question does: it tells nothing
        ("I am Claude.", "I am Claude, too.", "?", ()),
        ("Llamas eat grass; a llama is an animal.", "They are animals.", "What is a llama?", ()),
        # parts of longer words are not names
        ("The philosopher's gemination", "x", "?", ()),
        ("", "", "", ()),
    ],
)
def test_what_only_one_answer_says_of_models_is_found(one: str, other: str, question: str, found: tuple[str, ...]) -> None:
    names = names_of(Candidate(name="prod", model="x/base"), Candidate(name="week47", model="x/base", adapter="out/week47/"))
    assert leaks(question, one, other, names=names) == found
    assert leaks(question, other, one, names=names) == found


def test_ordinary_words_are_no_names_of_candidates() -> None:
    names = names_of(Candidate(name="base", model="Qwen/Qwen2.5-7B-Instruct"), Candidate(name="v2", model="C:\\models\\our-7b"))
    assert names == ("our-7b", "qwen2.5-7b-instruct")


def test_finding_names_takes_linear_time() -> None:
    assert leaks("", "qwenqwen" * 20_000, "<|" * 50_000, names=("week47",)) == ()


def test_items_that_may_name_a_model_are_flagged_or_left_out(tmp_path: Path) -> None:
    sides = measured("prod", ["a", "b", "c"]), measured("week47", ["I am Qwen.", "x", "y"])
    _, key = packed(tmp_path, sides)
    assert {entry.item: entry.leaks for entry in key.items} == {"item0": ("qwen",), "item1": (), "item2": ()}
    assert key.leaking == 0
    _, key = packed(tmp_path, sides, leaks="omit")
    assert {entry.item for entry in key.items} == {"item1", "item2"}
    assert key.leaking == 1


@pytest.mark.parametrize(
    ("text", "found", "shown"),
    [
        ("I am Qwen2.5-7B-Instruct, made by Alibaba Cloud.", ("qwen", "alibaba"), "I am ▮▮▮, made by ▮▮▮ Cloud."),
        ("I am GPT-4o. GPT4o!", ("gpt",), "I am ▮▮▮. ▮▮▮!"),
        ("CLAUDE 3.5 says", ("claude",), "▮▮▮ says"),
        ("我是通义千问。", ("通义", "千问"), "我是▮▮▮。"),
        ("yes<|im_end|></s>", ("<|im_end|>", "</s>"), "yes▮▮▮"),
        # of longer words nothing is taken
        ("The philosopher asked phi-4.", ("phi",), "The philosopher asked ▮▮▮."),
        ("our-7b is a our-7b", ("our-7b",), "▮▮▮ is a ▮▮▮"),
        ("nothing", (), "nothing"),
    ],
)
def test_a_mask_leaves_nothing_of_a_name(text: str, found: tuple[str, ...], shown: str) -> None:
    assert masked(text, found) == shown
    assert masked(shown, found) == shown


def test_masking_takes_linear_time() -> None:
    assert masked("qwen1" + "1" * 200_000 + "-a" * 50_000, ("qwen",)) == MASK
    assert masked("qwenqwen" * 20_000, ("qwen",)) == "qwenqwen" * 20_000


def test_masks_stand_in_both_answers_alike_and_raters_are_told(tmp_path: Path) -> None:
    """What only one side says is masked on whichever side it stands; what both say, or the question asks, stays."""
    old = measured("prod", ["I am Llama 3.", "both say Claude", "I am GPT.", "plain"])
    new = measured("week47", ["I am week47 by Alibaba.", "Claude, said by both", "I am Gemini.", "simple"])
    files = ("html", "label-studio", "argilla", "potato")
    package, key = packed(tmp_path, (old, new), leaks="mask", formats=files)
    texts = {entry.item: {entry.baseline_text, entry.candidate_text} for entry in key.items}
    assert texts == {
        "item0": {"I am ▮▮▮.", "I am ▮▮▮ by ▮▮▮."},
        "item1": {"both say Claude", "Claude, said by both"},
        "item3": {"plain", "simple"},
    }
    assert key.leaking == 1, "behind their masks the answers to item2 are the same, so there is nothing to choose"
    assert {entry.item: entry.leaks for entry in key.items}["item0"] == ("alibaba", "llama", "week47")
    said = "stands for a name or a sign"
    places = ("review.html", "INSTRUCTIONS.md", "label-studio/config.xml", "argilla/.argilla/settings.json", "potato/config.yaml")
    assert all(said in (package / place).read_text(encoding="utf-8") for place in places)
    other, _ = packed(tmp_path, (old, new), formats=("html",), leaks="omit")
    assert said not in (other / "INSTRUCTIONS.md").read_text(encoding="utf-8")
