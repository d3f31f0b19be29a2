"""Thinking is told apart from the answer, whoever opened it, and however hostile the text is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.engines.reasoning import KNOWN, Stage, Tags, Thinking, find_tags, until_stop
from harness.engines.tokens import Tokens
from harness.errors import EngineError
from harness.records import Message, Request
from tests.harness.engines.conftest import Tiny

THINK = KNOWN[0]


class Letters:
    """A tokenizer of characters; those of ``special`` are one token each, and vanish where special tokens are skipped."""

    def __init__(self, special: Sequence[str] = ()) -> None:
        self.all_special_tokens = list(special)

    def encode(self, text: str) -> list[int]:
        ids = []
        while text:
            mark = next((each for each in self.all_special_tokens if text.startswith(each)), None)
            ids.append(-1 - self.all_special_tokens.index(mark) if mark else ord(text[0]))
            text = text[len(mark or text[0]) :]
        return ids

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool, clean_up_tokenization_spaces: bool) -> str:
        assert not clean_up_tokenization_spaces
        special = ["" if skip_special_tokens else each for each in self.all_special_tokens]
        return "".join(chr(each) if each >= 0 else special[-1 - each] for each in ids)


class Chunks(Letters):
    """Three characters to a token: tags begin and end inside tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.known: list[str] = []

    def encode(self, text: str) -> list[int]:
        parts = [text[start : start + 3] for start in range(0, len(text), 3)]
        self.known += parts
        return [self.known.index(part) for part in parts]

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool, clean_up_tokenization_spaces: bool) -> str:
        return "".join(self.known[each] for each in ids)


TOKENIZERS: dict[str, Callable[[], Any]] = {
    "tags of many tokens": Letters,
    "tags inside tokens": Chunks,
    "special tags": lambda: Letters(["<think>", "</think>"]),
}


@pytest.fixture(params=list(TOKENIZERS))
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return TOKENIZERS[request.param]()


CASES: list[tuple[str, Stage, str, str | None, bool]] = [
    # written                                      stage    text             reasoning         unfinished
    ("<think>\na\n</think>\n\nb", "may", "b", "a", False),
    ("\n <think>a</think>b", "may", "b", "a", False),
    ("a\n</think>\n\nb", "open", "b", "a", False),
    ("<think>a</think>b", "open", "b", "a", False),  # the model opens what the prompt has opened
    ("<think>\n\n</think>\n\nb", "may", "b", None, False),
    ("\n\n</think>\n\nb", "open", "b", None, False),
    ("<think>one two", "may", "", "one two", True),
    ("one two", "open", "", "one two", True),
    ("", "open", "", None, True),
    ("<think>", "may", "", None, True),
    ("</think>", "open", "", None, False),
    ("<think>a <think> b</think>c</think>d", "may", "c</think>d", "a <think> b", False),  # nested: the first end closes
    ("<think>a</think>b<think>c</think>d", "may", "b<think>c</think>d", "a", False),  # only the first block is thinking
    ("<think>用中文想一想。</think>答案是：四 👩‍👩‍👧", "may", "答案是：四 👩‍👩‍👧", "用中文想一想。", False),
    ("plain", "may", "plain", None, False),
    ("Write `<think>x</think>` in your code", "may", "Write `<think>x</think>` in your code", None, False),
    ("x</think>y", "may", "x</think>y", None, False),  # nobody opened it
    ("<think>a</think>b", "never", "<think>a</think>b", None, False),
    ("<thinka</thin", "may", "<thinka</thin", None, False),
    ("<think>a</thin k></ think>", "may", "", "a</thin k></ think>", True),
    ("<think>" * 2000 + "</think>" * 2000, "may", "</think>" * 1999, "<think>" * 1999, False),
]


@pytest.mark.parametrize(("written", "stage", "text", "reasoning", "unfinished"), CASES)
def test_thinking_and_answer(
    tokenizer: Any, written: str, stage: Stage, text: str, reasoning: str | None, unfinished: bool
) -> None:
    found = Thinking(tokenizer, THINK).split(tokenizer.encode(written), stage)
    gone = tokenizer.all_special_tokens  # what is special is not seen in a text, wherever it stands
    for tag in gone:
        text = text.replace(tag, "")
    assert (found.text, found.reasoning, found.unfinished) == (text, reasoning, unfinished)


def test_thinking_is_counted_in_tokens_up_to_its_end(tokenizer: Any) -> None:
    thinking = Thinking(tokenizer, THINK)
    block = "<think>abcdef</think>"
    ids = tokenizer.encode(block + "and the answer")
    count = thinking.split(ids, "may").tokens
    assert block in tokenizer.decode(ids[:count], skip_special_tokens=False, clean_up_tokenization_spaces=False)
    assert block not in tokenizer.decode(ids[: count - 1], skip_special_tokens=False, clean_up_tokenization_spaces=False)
    unfinished = tokenizer.encode("<think>abc")
    assert thinking.split(unfinished, "may").tokens == len(unfinished)
    assert thinking.split(tokenizer.encode("abc"), "may").tokens == 0


def test_what_stands_after_a_tag_inside_a_token_is_kept() -> None:
    tokenizer = Chunks()
    ids = tokenizer.encode("<think>ab</think>four")
    (shared,) = [part for part in tokenizer.known if part.endswith(">f")]
    assert shared == "k>f"
    assert Thinking(tokenizer, THINK).split(ids, "may").text == "four"


PIECES = ["<think>", "</think>", "<think", "think>", "</", "\n", " ", "a", "答", "é", "👩‍👧", "`", "<tool_call>", "\x00"]


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=30), stage=st.sampled_from(["never", "may", "open"]))
def test_what_is_thinking_does_not_depend_on_how_it_was_tokenised(pieces: list[str], stage: Stage) -> None:
    written = "".join(pieces)
    found = []
    for tokenizer in (Letters(), Chunks()):
        ids = tokenizer.encode(written)
        split = Thinking(tokenizer, THINK).split(ids, stage)
        found.append((split.text, split.reasoning, split.unfinished))
        assert 0 <= split.tokens <= len(ids)
        assert split.text in written
        assert (split.reasoning or "") in written
        assert Thinking(tokenizer, THINK).marked(ids, split) == split.text
    assert found[0] == found[1]


@pytest.mark.models
def test_tags_whose_characters_are_split_over_tokens_are_found(tiny: Tiny) -> None:
    tokenizer = Tokens(tiny.base).tokenizer
    for tags in KNOWN:
        written = f"{tags.start}想一想 é{tags.end}\n答案 👩‍👧"
        ids = tokenizer.encode(written)
        assert len(ids) > len(written)  # bytes, not characters
        split = Thinking(tokenizer, tags).split(ids, "may")
        assert (split.text, split.reasoning) == ("答案 👩‍👧", "想一想 é")
        assert tokenizer.decode(ids[: split.tokens]) == f"{tags.start}想一想 é{tags.end}"


CHAT = (Message(role="user", content="?"),)


@pytest.mark.parametrize(
    ("prompt", "request_", "stage"),
    [
        ("user\nhi\nassistant\n", Request(messages=CHAT), "may"),
        ("user\nhi\nassistant\n<think>\n", Request(messages=CHAT), "open"),
        ("user\nhi\nassistant\n<think>\n\n</think>\n\n", Request(messages=CHAT), "never"),  # enable_thinking = False
        ("user\nwhat is <think>\nassistant\n", Request(messages=CHAT), "may"),  # the user's tag opens nothing
        ("<think>\n", Request(messages=CHAT, schema={"type": "object"}), "never"),
        ("Q: 1+1? <think>", Request(prompt="Q: 1+1? <think>"), "open"),
        (
            "assistant\n<think>\nwell",
            Request(messages=(*CHAT, Message(role="assistant", content="<think>\nwell")), continue_final=True),
            "open",
        ),
        (
            "assistant\n<think>a</think>so",
            Request(messages=(*CHAT, Message(role="assistant", content="<think>a</think>so")), continue_final=True),
            "never",
        ),
        ("assistant\nso", Request(messages=(*CHAT, Message(role="assistant", content="so")), continue_final=True), "never"),
    ],
)
def test_who_opens_thinking_is_read_from_the_prompt(tokenizer: Any, prompt: str, request_: Request, stage: Stage) -> None:
    assert Thinking(tokenizer, THINK).stage(request_, tokenizer.encode(prompt)) == stage
    assert Thinking(tokenizer, None).stage(request_, tokenizer.encode(prompt)) == "never"


def test_tags_are_found_in_the_template_or_in_the_vocabulary() -> None:
    assert find_tags("auto", None, {"a"}) is None
    assert find_tags("auto", None, {"<think>", "</think>"}) == THINK
    assert find_tags("auto", "{{ content.split('</think>') }}", set()) == THINK
    assert find_tags("auto", None, {"[THINK]", "[/THINK]"}) == Tags(start="[THINK]", end="[/THINK]")
    assert find_tags("off", "<think></think>", {"<think>", "</think>"}) is None
    own = Tags(start="((", end="))")
    assert find_tags(own, None, set()) == own
    for bad in (Tags(start="", end="x"), Tags(start="x", end=" "), Tags(start="</a>", end="</a>")):
        with pytest.raises(EngineError, match=r"options\.reasoning"):
            find_tags(bad, None, set())


def test_an_answer_ends_at_the_first_stop_string() -> None:
    assert until_stop("a;b.c", (".", ";")) == ("a", True)
    assert until_stop("abc", (";",)) == ("abc", False)
    assert until_stop("abc", ()) == ("abc", False)
