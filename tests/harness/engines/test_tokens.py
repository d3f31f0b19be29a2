"""Requests become tokens as lm-eval would make them, and every token of a long text is scored exactly once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.engines.serving import ModelOptions
from harness.engines.tokens import Pair, Tokens, cut_windows, split_pair
from harness.errors import ConfigError, EngineError
from harness.records import Message, Request
from harness.strict import convert
from tests.harness.engines.conftest import Tiny


@pytest.mark.parametrize(("tokens", "length"), [(1, 8), (6, 8), (7, 8), (40, 8), (41, 9), (5, 3)])
def test_windows_predict_every_token_once_and_fit_the_context(tokens: int, length: int) -> None:
    ids = list(range(100, 100 + tokens))
    pairs = cut_windows(ids, 1, length)
    assert [token for pair in pairs for token in pair.continuation] == ids
    for pair in pairs:
        assert pair.context
        assert len(pair.context) + len(pair.continuation) <= length - 1
    assert pairs[0].context == [1]
    for pair in pairs[1:]:
        position = ids.index(pair.continuation[0])
        assert pair.context == ids[position - len(pair.context) : position]


def _letters(text: str, special: bool) -> list[int]:
    """A tokenizer of letters, with 0 for a BOS token."""
    return [0] * special + [ord(letter) for letter in text]


def test_spaces_at_the_end_of_a_context_belong_to_the_continuation() -> None:
    pair = split_pair(_letters, "a  ", "b", True, lambda: 0)
    assert pair == Pair([0, ord("a")], [ord(" "), ord(" "), ord("b")])


def test_an_empty_context_becomes_the_prefix_token() -> None:
    assert split_pair(_letters, "", "ab", True, lambda: 7) == Pair([7], [ord("a"), ord("b")])
    assert split_pair(_letters, "", "ab", True, lambda: ord("a")) == Pair([ord("a")], [ord("b")])


def test_an_answer_begins_after_the_white_space_that_a_template_ends_with() -> None:
    pair = split_pair(_letters, "a  ", "b", True, lambda: 0, after_space=True)
    assert pair == Pair([0, ord("a"), ord(" "), ord(" ")], [ord("b")])


def test_a_continuation_without_tokens_of_its_own_is_an_error() -> None:
    with pytest.raises(EngineError, match="no continuation"):
        split_pair(_letters, "a", "", True, lambda: 0)
    with pytest.raises(EngineError, match="no tokens of its own"):
        split_pair(lambda text, special: [1], "a", "b", True, lambda: 0)


@pytest.mark.models
@pytest.mark.parametrize("context", ["The capital of France is", "Answer: ", "what is 7 plus 5?\n", "用户：", "", "x"])
@pytest.mark.parametrize("continuation", [" Paris", "12", "\n\n", "我是一个", "<|im_end|>"])
def test_pairs_equal_those_of_lm_eval(tiny: Tiny, context: str, continuation: str) -> None:
    pytest.importorskip("lm_eval")
    from lm_eval.api.model import TemplateLM

    tokens = Tokens(tiny.base)
    seen: list[tuple[list[int], list[int]]] = []

    class Reference(TemplateLM):
        backend = "causal"

        @property
        def eot_token_id(self) -> int:
            return int(tokens.tokenizer.eos_token_id)

        def tok_encode(self, string: str, add_special_tokens: bool | None = None, **kwargs: object) -> list[int]:
            return list(tokens.tokenizer.encode(string))

        def _loglikelihood_tokens(
            self, requests: list[tuple[object, list[int], list[int]]], **kwargs: object
        ) -> list[tuple[float, bool]]:
            seen.extend((head, tail) for _, head, tail in requests)
            return [(0.0, False)] * len(requests)

        def loglikelihood_rolling(self, requests: object, disable_tqdm: bool = False) -> list[float]:
            return []

        def generate_until(self, requests: object, disable_tqdm: bool = False) -> list[str]:
            return []

    class Instance:
        args = (context, continuation)

    Reference().loglikelihood([Instance()], disable_tqdm=True)
    if not seen[0][1]:  # the continuation is the prefix token alone: lm-eval would score nothing, we score it
        seen = [(seen[0][0], seen[0][0])]
    assert tokens.pair(Request(kind="score", prompt=context, continuation=continuation))[:2] == seen[0]


@pytest.mark.models
def test_a_conversation_goes_through_the_template_and_special_tokens_are_not_doubled(tiny: Tiny) -> None:
    tokens = Tokens(tiny.base)
    request = Request(messages=(Message(role="user", content="hi"),))
    assert tokens.render(request) == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    ids = tokens.prompt(request).context
    assert ids.count(tokens.tokenizer.convert_tokens_to_ids("<|im_start|>")) == 2
    assert tokens.stop_ids == (tokens.tokenizer.convert_tokens_to_ids("<|im_end|>"),)


@pytest.mark.models
def test_a_final_message_can_be_continued(tiny: Tiny) -> None:
    messages = (Message(role="user", content="hi"), Message(role="assistant", content="well,"))
    text = Tokens(tiny.base).render(Request(messages=messages, continue_final=True))
    assert text.endswith("<|im_start|>assistant\nwell,")


@pytest.mark.models
def test_a_missing_or_refusing_template_is_an_error_for_its_request(tiny: Tiny, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(tiny.base, bare)
    (bare / "chat_template.jinja").unlink()
    request = Request(messages=(Message(role="system", content="s"), Message(role="user", content="hi")))
    with pytest.raises(EngineError, match="no chat template"):
        Tokens(bare).prompt(request)
    assert Tokens(bare).prompt(Request(prompt="hi"))
    strict = tmp_path / "strict.jinja"
    strict.write_text("{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}ok")
    with pytest.raises(EngineError, match="System role not supported"):
        Tokens(bare, options=ModelOptions(chat_template=str(strict))).prompt(request)
    strict.write_text("{{ messages[1]['content'] + 1 }}")
    with pytest.raises(EngineError, match="the chat template refused the messages: can only concatenate"):
        Tokens(bare, options=ModelOptions(chat_template=str(strict))).prompt(request)
    with pytest.raises(EngineError, match="cannot be read"):
        Tokens(bare, options=ModelOptions(chat_template=str(tmp_path / "nothing.jinja")))


@pytest.mark.models
def test_an_adapter_brings_its_own_template_and_end_of_turn(tiny: Tiny, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "chat_template.jinja").write_text("{{ messages[0]['content'] }}!")
    (adapter / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|endoftext|>"}))
    tokens = Tokens(tiny.base, adapter)
    assert tokens.render(Request(messages=(Message(role="user", content="hi"),))) == "hi!"
    names = {tokens.tokenizer.convert_ids_to_tokens(identity) for identity in tokens.stop_ids}
    assert names == {"<|im_end|>", "<|endoftext|>"}


DATED = "{{ strftime_now('%d %b %Y, %A') }}{% if strftime_now is defined %}; {{ messages[0]['content'] }}{% endif %}"


@pytest.mark.models
def test_a_template_that_asks_for_the_date_is_told_a_frozen_one(tiny: Tiny, tmp_path: Path) -> None:
    dated = tmp_path / "dated.jinja"
    dated.write_text(DATED)
    request = Request(messages=(Message(role="user", content="hi"),))
    options = ModelOptions(chat_template=str(dated))
    assert Tokens(tiny.base, options=options).render(request) == "01 Jan 2026, Thursday; hi"
    other = convert({"chat_template": str(dated), "template_date": "2024-07-26"}, ModelOptions)
    assert Tokens(tiny.base, options=other).render(request) == "26 Jul 2024, Friday; hi"
    asked = Request(messages=request.messages, tools=({"type": "function", "function": {"name": "f", "parameters": {}}},))
    assert Tokens(tiny.base, options=other).render(asked) == "26 Jul 2024, Friday; hi"


@pytest.mark.parametrize(("given", "says"), [("tomorrow", "template_date"), (20260101, "template_date")])
def test_a_date_that_is_none_is_refused(given: object, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        convert({"template_date": given}, ModelOptions, where="candidates.a.options")


def _with_bos(tiny: Tiny, folder: Path) -> Path:
    """A model whose tokenizer puts a BOS token before what it encodes, as Llama's does."""
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer

    shutil.copytree(tiny.base, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"bos_token": "<|start|>"})
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|start|> $A", pair="<|start|> $A $B", special_tokens=[("<|start|>", tokenizer.bos_token_id)]
    )
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.models
def test_one_bos_token_stands_before_a_prompt_and_two_are_refused(tiny: Tiny, tmp_path: Path) -> None:
    model = _with_bos(tiny, tmp_path / "bos")
    file = tmp_path / "template.jinja"

    def tokens(template: str) -> Tokens:
        file.write_text(template)
        return Tokens(model, options=ModelOptions(chat_template=str(file)))

    writes = tokens("{{ bos_token }}{{ messages[0]['content'] }}")
    bos = writes.tokenizer.bos_token_id

    def asked(text: str) -> Request:
        return Request(messages=(Message(role="user", content=text),))

    for request in (asked("hi"), Request(prompt="hi"), Request(prompt="<|start|>hi"), Request(prompt="hi <|start|><|start|>")):
        ids, _, _, _, frame = writes.prompt(request)
        assert ids[0] == bos
        assert ids[1] != bos
        assert frame is not None
        assert writes.encode(frame.text(request.contents), False) == ids, "what is shown is what is asked"
        assert frame.special == ("<|start|>",)
    assert writes.pair(Request(kind="score", messages=asked("hi").messages, continuation=" you")).context.count(bos) == 1
    with pytest.raises(EngineError, match=r"two BOS tokens.*by it and one by the first message"):
        writes.prompt(asked("<|start|>hi"))
    with pytest.raises(EngineError, match=r"two BOS tokens.*both stand in its text"):
        writes.prompt(Request(prompt="<|start|><|start|>hi"))
    with pytest.raises(EngineError, match=r"two BOS tokens.*the chat template"):
        tokens("{{ bos_token }}{{ bos_token }}x").prompt(asked("hi"))
    with pytest.raises(EngineError, match="two BOS tokens"):
        writes.pair(Request(kind="score", messages=asked("<|start|>hi").messages, continuation=" you"))
