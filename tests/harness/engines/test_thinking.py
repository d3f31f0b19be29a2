"""Thinking and tool calls of a model that was really trained to think, through both engines, alike."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.engines import serving
from harness.engines.reasoning import KNOWN, Thinking
from harness.engines.threads import torch_threads
from harness.engines.tools import ToolReader
from harness.engines.transformers_engine import Transformers
from harness.errors import EngineError
from harness.journal import Journal
from harness.pipeline.grading import bad_answer_flags
from harness.protocols import Engine
from harness.records import Answer, Candidate, Completion, Message, Request
from harness.schedule import Desk, Talk, drive
from suites.prompted import Prompted
from tests.harness.engines.asking import answers, ask
from tests.harness.engines.thinker import CALL, LESSONS, TOOL, build

pytestmark = [pytest.mark.models, pytest.mark.vllm]

KINDS = ("transformers", "vllm")


def asked(question: str, **how: Any) -> Request:
    return Request(messages=(Message(role="user", content=question),), max_tokens=how.pop("max_tokens", 100), **how)


@pytest.fixture(scope="module")
def thinker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch")
    with torch_threads(1, tmp_path_factory.mktemp("none"), device="cpu"):
        return build(tmp_path_factory.mktemp("thinker"))


def _candidates(kind: str, thinker: Path) -> dict[str, Candidate]:
    """One that opens its thinking itself, and one whose template does; only the first reads tool calls."""
    own = {"tool_parser": "hermes"}
    opened = {"chat_template": str(thinker / "opening.jinja")}
    return {
        name: Candidate(name=name, engine=kind, model=str(thinker), options=options)
        for name, options in {"own": own, "opened": opened}.items()
    }


def _engine(*candidates: Candidate) -> Engine:
    pytest.importorskip("vllm")
    from harness.engines.vllm import Vllm

    return Vllm(candidates) if candidates[0].engine == "vllm" else Transformers(candidates)


@pytest.fixture(scope="module", params=KINDS)
def family(request: pytest.FixtureRequest, thinker: Path) -> Iterator[Mapping[str, Engine]]:
    with _engine(*_candidates(request.param, thinker).values()) as engine:
        yield {"own": engine, "opened": engine}


@pytest.fixture(params=["own", "opened"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize(
    ("question", "text", "reasoning"),
    [
        ("sum?", "twelve; it is", "seven; and five"),
        ("中文?", "答案；是十二", "想一想；好"),
        ("empty?", "red", None),
        ("twice?", "green</think>blue", "one <think> two"),
    ],
)
def test_the_answer_is_what_stands_after_the_thinking(
    family: Mapping[str, Engine], name: str, question: str, text: str, reasoning: str | None
) -> None:
    (found,) = answers(family[name], [(name, asked(question))])
    assert (found.text, found.reasoning, found.finish) == (text, reasoning, "stop")
    assert 0 < found.reasoning_tokens < found.tokens_out
    assert len(found.token_ids) == found.tokens_out - 1  # what was generated, without the end of the turn


def test_a_budget_that_ends_inside_the_thinking_leaves_no_answer(family: Mapping[str, Engine], name: str) -> None:
    (found,) = answers(family[name], [(name, asked("for ever?", max_tokens=40))])
    assert (found.text, found.finish, found.tokens_out, found.reasoning_tokens) == ("", "length", 40, 40)
    assert (found.reasoning or "").startswith("again and again")
    assert bad_answer_flags([found], ("truncated", "empty")) == ["truncated", "empty"]


def test_stop_strings_end_answers_and_not_thinking(family: Mapping[str, Engine], name: str) -> None:
    requests = [
        asked("sum?", stop=(";",)),
        asked("sum?", stop=("\n\n",)),  # stands between thinking and answer, and ends neither
        asked("中文?", stop=("；",)),
        asked("for ever?", stop=("again",), max_tokens=30),
        asked("sum?", stop=(" it",)),
    ]
    cut, uncut, chinese, endless, later = answers(family[name], [(name, request) for request in requests])
    assert (cut.text, cut.reasoning, cut.finish) == ("twelve", "seven; and five", "stop")
    assert (uncut.text, uncut.reasoning, uncut.finish) == ("twelve; it is", "seven; and five", "stop")
    assert (chinese.text, chinese.reasoning) == ("答案", "想一想；好")
    assert (endless.text, endless.finish) == ("", "length")
    assert (later.text, later.finish) == ("twelve;", "stop")


def test_thinking_that_was_switched_off_is_none(family: Mapping[str, Engine], name: str) -> None:
    (found,) = answers(family[name], [(name, asked("sum?", enable_thinking=False, stop=(" ",)))])
    assert (found.text, found.reasoning, found.reasoning_tokens) == ("at", None, 0)


def test_a_raw_prompt_may_open_thinking_too(family: Mapping[str, Engine]) -> None:
    prompt = "<|im_start|>user\nsum?<|im_end|>\n<|im_start|>assistant\n"
    requests = [Request(prompt=text, max_tokens=60, stop=(";",)) for text in (prompt, prompt + "<think>\n")]
    shut, opened = answers(family["own"], [("own", request) for request in requests])
    assert (shut.text, opened.text) == ("twelve", "twelve")
    assert shut.reasoning == opened.reasoning == "seven; and five"


def _call(index: int) -> dict[str, Any]:
    return {"id": f"call0000{index}", "type": "function", "function": {"name": "set", "arguments": '{"x": 1}'}}


def test_tool_calls_are_read_and_their_ids_count(family: Mapping[str, Engine]) -> None:
    questions = ("fan?", "fans?", "broken?", "none?")
    fan, fans, broken, none = answers(family["own"], [("own", asked(question, tools=(TOOL,))) for question in questions])
    assert (fan.text, fan.reasoning, fan.tool_calls) == ("Here:", "the fan", (_call(0),))
    assert (fans.text, fans.tool_calls) == ("", (_call(0), _call(1)))
    assert (broken.tool_calls, broken.text) == ((), '<tool_call>\n{"name": "set", "arguments": [')
    assert (none.tool_calls, none.text) == ((), "no tool fits")
    assert bad_answer_flags([fans], ("truncated", "empty")) == []


def test_without_a_parser_calls_stay_in_the_text(family: Mapping[str, Engine]) -> None:
    (found,) = answers(family["opened"], [("opened", asked("fan?", tools=(TOOL,)))])
    assert (found.text, found.tool_calls) == (f"Here: {CALL}", ())


def test_tools_that_are_none_are_an_error_of_their_request(family: Mapping[str, Engine]) -> None:
    bad, fine = ask(family["own"], [("own", asked("fan?", tools=({"type": "function"},))), ("own", asked("sum?"))])
    assert isinstance(bad, EngineError)
    assert "OpenAI's form" in str(bad)
    assert isinstance(fine, Completion)


def test_a_prompt_that_does_not_fit_is_refused_or_cut_and_counted(family: Mapping[str, Engine], tmp_path: Path, jsonl: Any) -> None:
    long = "red green blue " * 200 + "sum?"
    path = jsonl([{"key": "long", "prompt": long, "target": "x"}, {"key": "short", "prompt": "sum?", "target": "twelve; it is"}])

    def run(**options: Any) -> dict[str, Answer | str]:
        suite = _prompted(path, tmp_path, **options)
        return _drive(suite, {"own": family["own"]})[0]

    refused = run()
    assert "context of 256" in str(refused[("long", "own")])
    assert "overlong = 'truncate_left'" in str(refused[("long", "own")])
    cut = run(overlong="truncate_left")
    (completion,) = cut[("long", "own")].completions
    assert completion.cut > 0
    assert completion.tokens_in == 256 - 60
    assert "context_cut" in bad_answer_flags([completion], ())
    for found in (refused, cut):
        (short,) = found[("short", "own")].completions
        assert (short.text, short.cut) == ("twelve; it is", 0)


# ------------------------------------------------------------------------------------------------------ through a suite


@pytest.fixture
def jsonl(tmp_path: Path) -> Any:
    def write(rows: Sequence[Mapping[str, Any]]) -> Path:
        path = tmp_path / "items.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
        return path

    return write


def _prompted(path: Path, folder: Path, **options: Any) -> Prompted:
    chosen = Prompted.Options(items=str(path), max_tokens=options.pop("max_tokens", 60), **options)
    return Prompted("mine", chosen, seed=7, folder=folder, where="suites[0]")


def _drive(suite: Prompted, engines: Mapping[str, Engine], journal: Journal | None = None) -> tuple[dict[Any, Any], int]:
    """Every item asked of every engine: answers (or errors) by item and engine, and how many requests were sent."""
    desk = Desk({name: lambda engine=engine: _Open(engine) for name, engine in engines.items()})
    talks = [Talk(id=(item.key, name), candidate=name, conversation=suite.ask(item)) for item in suite.items() for name in engines]
    found, sent = {}, 0
    with desk:
        for done in drive(talks, desk, journal=journal, asked=dict.fromkeys(engines, "a" * 64)):
            found[done.id] = done.error or done.value
            sent += done.sent
    return found, sent


class _Open:
    """An engine that is open already, and stays so."""

    def __init__(self, engine: Engine) -> None:
        self.capacity, self.submit, self.poll = engine.capacity, engine.submit, engine.poll

    def __enter__(self) -> _Open:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def test_tool_calls_and_thinking_come_back_from_the_journal_as_they_went_in(
    family: Mapping[str, Engine], tmp_path: Path, jsonl: Any
) -> None:
    target = {"name": "set", "arguments": {"x": 1}}
    suite = _prompted(
        jsonl([{"key": key, "prompt": key, "tools": [TOOL], "target": target} for key in ("fan?", "broken?", "none?")]),
        tmp_path, score="tool_call", max_tokens=100,
    )  # fmt: skip
    with Journal(tmp_path / "journal.sqlite") as journal:
        first, sent = _drive(suite, {"own": family["own"]}, journal)
        again, resent = _drive(suite, {"own": family["own"]}, journal)
    assert (sent, resent) == (3, 0)
    assert again == first
    assert first[("fan?", "own")].completions[0].tool_calls == (_call(0),)
    graded = {sample.key: sample for sample in suite.grade(list(first.values()), {}, {})}
    assert {key: sample.scores for key, sample in graded.items()} == {
        "fan?": {"tool_call": 1.0},
        "broken?": {"tool_call": 0.0},
        "none?": {"tool_call": 0.0},
    }
    assert graded["fan?"].outputs == ('Here:\nset({"x": 1})',)


def test_a_conversation_goes_on_without_its_thinking(family: Mapping[str, Engine], tmp_path: Path, jsonl: Any) -> None:
    suite = _prompted(jsonl([{"key": "k", "turns": ["sum?", "empty?"], "target": "red"}]), tmp_path)
    found, _ = _drive(suite, {"own": family["own"]})
    first, second = found[("k", "own")].completions
    assert first.text == "twelve; it is"
    history = (Message(role="user", content="sum?"), Message(role="assistant", content="twelve; it is"))
    alone = Request(messages=(*history, Message(role="user", content="empty?")), max_tokens=60)
    assert answers(family["own"], [("own", alone)])[0].token_ids == second.token_ids


@pytest.fixture(scope="module")
def lab_engines(lab_test: Any) -> Iterator[dict[str, Engine]]:
    candidates = {kind: Candidate(name=kind, engine=kind, model=str(lab_test.base)) for kind in KINDS}
    with _engine(candidates["vllm"]) as fast, _engine(candidates["transformers"]) as plain:
        yield {"vllm": fast, "transformers": plain}


@pytest.mark.parametrize("history", ["own", "gold"])
def test_both_engines_hold_the_same_conversation_with_the_lab_model(
    lab_engines: dict[str, Engine], lab_test: Any, tmp_path: Path, jsonl: Any, history: str
) -> None:
    lines = (lab_test.data / "general.validation.jsonl").read_text(encoding="utf-8").splitlines()[:36]
    chats = [json.loads(line)["messages"] for line in lines]
    rows = [
        {
            "turns": [chat[-2]["content"] for chat in three],
            "replies": [chat[-1]["content"] for chat in three[:-1]],
            "target": three[-1][-1]["content"],
        }
        for three in (chats[start : start + 3] for start in range(0, 36, 3))
    ]
    suite = _prompted(jsonl(rows), tmp_path, history=history, max_tokens=40)
    found, sent = _drive(suite, lab_engines)
    turns = 3 if history == "own" else 1
    assert sent == 2 * 12 * turns
    for item in suite.items():
        left, right = (found[(item.key, kind)].completions for kind in KINDS)
        assert len(left) == turns
        assert [(each.text, each.token_ids) for each in left] == [(each.text, each.token_ids) for each in right]
    texts = [completion.text for answer in found.values() for completion in answer.completions]
    assert len(set(texts)) > 3


@pytest.mark.parametrize("parser", ["deepseek_r1", "qwen3"])
def test_well_formed_thinking_is_read_as_vllms_own_parsers_read_it(thinker: Path, parser: str) -> None:
    pytest.importorskip("vllm")
    from transformers import AutoTokenizer
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
    from vllm.reasoning import ReasoningParserManager

    tokenizer = AutoTokenizer.from_pretrained(thinker)
    theirs = ReasoningParserManager.get_reasoning_parser(parser)(tokenizer)
    request = ChatCompletionRequest(model="", messages=[{"role": "user", "content": ""}])
    ours = Thinking(tokenizer, KNOWN[0])
    for _, written, _ in LESSONS:
        if written.count("<think>") > 1:
            continue  # theirs drop a second start tag, or all that stands before it
        for text, stage in ((written, "may"), (written.removeprefix("<think>\n"), "open")):
            thought, answer = theirs.extract_reasoning(text, request)
            found = ours.split(tokenizer.encode(text), stage)
            assert found.reasoning == ((thought or "").strip() or None)
            assert found.text == (answer or "").lstrip("\n")


# ------------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_parser_and_one_that_does_not_fit_are_refused_before_the_weights_are_loaded(
    thinker: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loads(*_: object) -> None:
        raise AssertionError("the weights are loaded")

    for parser, says in (("hermse", "'hermes'"), ("mistral", "does not fit this model")):
        engine = _engine(Candidate(name="a", engine=kind, model=str(thinker), options={"tool_parser": parser}))
        monkeypatch.setattr(engine, {"vllm": "_start", "transformers": "_load"}[kind], loads)
        with pytest.raises(EngineError, match=says), engine:
            pass


def test_without_vllm_a_tool_parser_is_refused_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    find = serving.importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *rest: None if name == "vllm" else find(name, *rest))
    with pytest.raises(EngineError, match=r"tool_parser = hermes.*needs the package 'vllm'"):
        ToolReader("hermes", object())


def test_a_parser_that_raises_leaves_the_text(thinker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoTokenizer

    reader = ToolReader("hermes", AutoTokenizer.from_pretrained(thinker))
    hostile = (
        "<tool_call>" * 3000,
        "<tool_call>{}</tool_call>",
        "<tool_call>[1]</tool_call>",
        "<tool_call>" + "[" * 50_000,
        "\x00",
        "",
    )
    for text in hostile:
        assert reader.read(text, (TOOL,)) is None

    def raises(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(sys.modules["vllm.tool_parsers.hermes_tool_parser"].Hermes2ProToolParser, "extract_tool_calls", raises)
    assert reader.read(CALL, (TOOL,)) is None
