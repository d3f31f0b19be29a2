"""Recorded answers: found by key, then by prompt; never guessed, never silently unused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.engines.recorded import Recorded
from harness.errors import ConfigError, EngineError
from harness.records import Candidate, Completion, Message, Request
from tests.harness.engines.asking import answers, ask


def _candidate(folder: Path, *rows: object, name: str = "old") -> Candidate:
    path = folder / f"{name}.jsonl"
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8")
    return Candidate(name=name, engine="recorded", model=str(path))


def _question(text: str, *, item: str | None = None, draw: int = 0) -> Request:
    return Request(messages=(Message(role="system", content="Be brief."), Message(role="user", content=text)), item=item, draw=draw)


def test_rows_answer_by_key_and_by_prompt(tmp_path: Path) -> None:
    candidate = _candidate(
        tmp_path,
        {"key": "a", "response": "by key", "tokens_out": 7},
        {"prompt": "what is 7 plus 5?", "response": "12", "finish": "length"},
        "",
        {"key": 3, "response": "数字键"},
    )
    with Recorded([candidate]) as engine:
        found = answers(
            engine,
            [("old", _question("anything", item="a")), ("old", _question("what is 7 plus 5?")), ("old", _question("x", item="3"))],
        )
    assert found[0] == Completion(text="by key", tokens_out=7)
    assert (found[1].text, found[1].finish) == ("12", "length")
    assert found[2].text == "数字键"
    assert engine.unused == []


def test_thinking_and_tool_calls_are_recorded_beside_the_answer(tmp_path: Path) -> None:
    call = {"id": "call00000", "type": "function", "function": {"name": "set", "arguments": "{}"}}
    row = {"key": "a", "response": "", "reasoning": "hm", "reasoning_tokens": 3, "tool_calls": [call]}
    with Recorded([_candidate(tmp_path, row)]) as engine:
        (found,) = answers(engine, [("old", _question("q", item="a"))])
    assert (found.reasoning, found.reasoning_tokens, found.tool_calls) == ("hm", 3, (call,))


def test_a_raw_prompt_is_matched_as_it_is(tmp_path: Path) -> None:
    with Recorded([_candidate(tmp_path, {"prompt": "Once upon", "response": " a time"})]) as engine:
        assert answers(engine, [("old", Request(prompt="Once upon"))])[0].text == " a time"


def test_draws_of_one_item_are_told_apart(tmp_path: Path) -> None:
    candidate = _candidate(tmp_path, {"key": "a", "response": "one"}, {"key": "a", "response": "two", "draw": 1})
    with Recorded([candidate]) as engine:
        found = answers(engine, [("old", _question("q", item="a", draw=1)), ("old", _question("q", item="a"))])
    assert [answer.text for answer in found] == ["two", "one"]


def test_a_request_that_no_row_answers_is_an_error_that_names_its_key(tmp_path: Path) -> None:
    with Recorded([_candidate(tmp_path, {"key": "a", "response": "x"})]) as engine:
        results = ask(engine, [("old", _question("q", item="b")), ("old", _question("nothing like it"))])
    assert isinstance(results[0], EngineError)
    assert "key 'b'" in str(results[0])
    assert isinstance(results[1], EngineError)
    assert "nothing like it" in str(results[1])


def test_rows_that_answered_nothing_are_named_at_close(tmp_path: Path) -> None:
    with Recorded([_candidate(tmp_path, {"key": "a", "response": "x"}, {"key": "b", "response": "y"})]) as engine:
        answers(engine, [("old", _question("q", item="a"))])
    assert engine.unused == ["old: line 2 (key 'b')"]


def test_every_candidate_has_its_own_file(tmp_path: Path) -> None:
    first = _candidate(tmp_path, {"key": "a", "response": "old answer"})
    second = _candidate(tmp_path, {"key": "a", "response": "new answer"}, name="new")
    with Recorded([first, second]) as engine:
        found = answers(engine, [("new", _question("q", item="a")), ("old", _question("q", item="a"))])
    assert [answer.text for answer in found] == ["new answer", "old answer"]
    assert Recorded.describe(first) != Recorded.describe(second)


def test_scores_cannot_be_recorded(tmp_path: Path) -> None:
    with Recorded([_candidate(tmp_path, {"key": "a", "response": "x"})]) as engine:
        (result,) = ask(engine, [("old", Request(kind="score", prompt="p", continuation="c", item="a"))])
    assert isinstance(result, EngineError)
    assert "log-probabilities" in str(result)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"key": "a", "response": "x"}, {"key": "b", "response": "y"}, {"key": "a", "response": "z"}], ["lines 1 and 3", "'a'"]),
        ([{"prompt": "p", "response": "x"}, {"prompt": "p", "response": "x"}], ["lines 1 and 2", "prompt 'p'"]),
        ([{"key": "a", "response": "x"}, {"key": "b"}], ["line 2", "response"]),
        ([{"key": "a", "response": None}], ["line 1", "response"]),
        ([{"response": "x"}], ["line 1", "neither 'key' nor 'prompt'"]),
        ([{"key": "a", "response": "x", "answer": "y"}], ["line 1", "answer"]),
        (["{not json"], ["line 1"]),
        ([""], ["no recorded answer"]),
    ],
)
def test_a_malformed_or_doubled_row_is_a_config_error(tmp_path: Path, rows: list[object], words: list[str]) -> None:
    candidate = _candidate(tmp_path, *rows)
    with pytest.raises(ConfigError) as caught:
        Recorded.check(candidate, where="candidates[0]")
    assert caught.value.where == "candidates[0].model"
    for word in words:
        assert word in str(caught.value)
    with pytest.raises(ConfigError):
        Recorded([candidate])


def test_a_missing_file_and_unknown_options_are_config_errors(tmp_path: Path) -> None:
    missing = Candidate(name="old", engine="recorded", model=str(tmp_path / "nothing.jsonl"))
    with pytest.raises(ConfigError):
        Recorded([missing])
    with pytest.raises(ConfigError, match="temperature"):
        Recorded.check(Candidate(name="old", engine="recorded", options={"temperature": 1}), where="candidates[0]")
