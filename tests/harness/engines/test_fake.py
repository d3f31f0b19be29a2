"""The fake engine answers by rule, and fails when told to."""

from __future__ import annotations

import pytest

from harness.engines.fake import REFUSAL, Fake
from harness.errors import ConfigError, EngineError
from harness.records import Candidate, Message, Request
from tests.harness.engines.asking import answers, ask


def _candidate(**options: object) -> Candidate:
    return Candidate(name="it", engine="fake", options=dict(options))


def _question(text: str, **fields: object) -> Request:
    return Request(messages=(Message(role="user", content=text),), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("behaviour", "text", "finish"),
    [("echo", "how are you", "stop"), ("refuse", REFUSAL, "stop"), ("empty", "", "stop"), ("truncate", "how are you", "length")],
)
def test_behaviours(behaviour: str, text: str, finish: str) -> None:
    with Fake([_candidate(behaviour=behaviour)]) as engine:
        (found,) = answers(engine, [("it", _question("how are you"))])
    assert (found.text, found.finish) == (text, finish)


def test_declared_answers_win_and_budgets_and_stops_are_kept() -> None:
    with Fake([_candidate(answers={"q": "one two three"})]) as engine:
        found = answers(
            engine, [("it", _question("q")), ("it", _question("q", max_tokens=2)), ("it", _question("q", stop=(" t",)))]
        )
    assert [(answer.text, answer.finish) for answer in found] == [
        ("one two three", "stop"),
        ("one two", "length"),
        ("one", "stop"),
    ]
    assert len(engine.sent) == 3


def test_the_declared_answer_is_the_likeliest_continuation_every_time() -> None:
    requests = [("it", Request(kind="score", prompt="q", continuation=text)) for text in (" wrong", " right", " other")]
    runs = []
    for _ in range(2):
        with Fake([_candidate(answers={"q": "right"})]) as engine:
            runs.append([answer.logprob for answer in answers(engine, requests)])
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 3
    assert max(range(3), key=lambda index: runs[0][index] or -99.0) == 1


def test_it_fails_where_it_is_told_to() -> None:
    with Fake([_candidate(fail=["bad"])]) as engine:
        results = ask(engine, [("it", _question("a bad one")), ("it", _question("a good one")), ("nobody", _question("x"))])
    assert isinstance(results[0], EngineError)
    assert not isinstance(results[1], EngineError)
    assert isinstance(results[2], EngineError)
    assert "'nobody'" in str(results[2])


def test_an_unknown_option_is_a_config_error_that_says_what_was_meant() -> None:
    with pytest.raises(ConfigError, match="behaviour") as caught:
        Fake.check(_candidate(behavior="echo"), where="candidates[1]")
    assert caught.value.where == "candidates[1].options.behavior"
