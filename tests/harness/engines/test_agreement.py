"""vLLM against transformers: the same answers from a base and three adapters asked in one mixed batch, float32."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest

from harness.records import Candidate, Completion, Message, Request
from tests.harness.engines.asking import answers
from tests.harness.engines.conftest import Tiny

pytestmark = [pytest.mark.models, pytest.mark.vllm]

SCHEMA = {
    "type": "object",
    "properties": {"device": {"enum": ["fan", "lamp"]}, "value": {"type": "integer", "minimum": 0, "maximum": 99}},
    "required": ["device", "value"],
    "additionalProperties": False,
}
QUESTIONS = [
    "what is 7 plus 5?",
    "List the words in reverse order: red green blue.",
    "用户：请用一句话介绍你自己。",
    "Answer with JSON: fan up 15",
]


class Asked(NamedTuple):
    """What was asked, by kind, and what each engine answered."""

    names: list[str]
    requests: dict[str, list[tuple[str, Request]]]
    vllm: dict[str, list[Completion]]
    transformers: dict[str, list[Completion]]


def _requests(names: list[str]) -> dict[str, list[tuple[str, Request]]]:
    chat = [(Message(role="user", content=question),) for question in QUESTIONS]
    return {
        "chat": [(name, Request(messages=messages, max_tokens=24)) for messages in chat for name in names],
        "raw": [(name, Request(prompt=f"{question} The", max_tokens=16)) for question in QUESTIONS for name in names],
        "stop": [(name, Request(messages=messages, max_tokens=24, stop=("e", "，"))) for messages in chat for name in names],
        "penalty": [(name, Request(messages=chat[0], max_tokens=24, repetition_penalty=1.3)) for name in names],
        "single": [
            (name, Request(kind="score", prompt=question, continuation=letter))
            for question in QUESTIONS
            for letter in "ABC"
            for name in names
        ],
        "pairs": [
            (name, Request(kind="score", prompt=f"{question} ", continuation=text))
            for question in QUESTIONS
            for text in ("the answer is 12.", "一个语言模型", "Paris")
            for name in names
        ],
        "after chat": [(name, Request(kind="score", messages=chat[1], continuation="blue green red")) for name in names],
        "empty context": [(name, Request(kind="score", prompt="", continuation="The capital of France")) for name in names],
        "rolling": [(name, Request(kind="score_rolling", prompt="The capital of France is Paris. " * 3)) for name in names],
        "rolling windows": [(name, Request(kind="score_rolling", prompt="red xq green blue zebra. " * 60)) for name in names],
        "schema": [(name, Request(messages=chat[3], max_tokens=60, schema=SCHEMA)) for name in names],
    }


@pytest.fixture(scope="module")
def asked(tiny: Tiny) -> Asked:
    pytest.importorskip("vllm")
    from harness.engines.transformers_engine import Transformers
    from harness.engines.vllm import Vllm

    names = ["base", *tiny.adapters]
    requests = _requests(names)
    everything = [pair for group in requests.values() for pair in group]
    both = {}
    for kind, use in (("vllm", Vllm), ("transformers", Transformers)):
        candidates = [Candidate(name="base", engine=kind, model=str(tiny.base))]
        candidates += [
            Candidate(name=name, engine=kind, model=str(tiny.base), adapter=str(path)) for name, path in tiny.adapters.items()
        ]
        with use(candidates) as engine:
            found = iter(answers(engine, everything))
            both[kind] = {group: [next(found) for _ in pairs] for group, pairs in requests.items()}
    return Asked(names, requests, both["vllm"], both["transformers"])


@pytest.mark.parametrize("group", ["chat", "raw", "stop", "penalty", "schema"])
def test_greedy_answers_are_the_same(asked: Asked, group: str) -> None:
    left, right = asked.vllm[group], asked.transformers[group]
    assert [answer.text for answer in left] == [answer.text for answer in right]
    assert [answer.token_ids for answer in left] == [answer.token_ids for answer in right]
    assert [answer.finish for answer in left] == [answer.finish for answer in right]
    assert [(answer.tokens_in, answer.tokens_out) for answer in left] == [(answer.tokens_in, answer.tokens_out) for answer in right]


@pytest.mark.parametrize("group", ["single", "pairs", "after chat", "empty context", "rolling", "rolling windows"])
def test_log_probabilities_agree_within_a_thousandth_of_a_nat(asked: Asked, group: str) -> None:
    left, right = asked.vllm[group], asked.transformers[group]
    distances = [
        abs(a.logprob - b.logprob) for a, b in zip(left, right, strict=True) if a.logprob is not None and b.logprob is not None
    ]
    assert len(distances) == len(left) > 0
    print(f"{group}: max |difference| {max(distances):.2e} nats over {len(distances)}")
    assert max(distances) <= 1e-3
    assert [answer.greedy for answer in left] == [answer.greedy for answer in right]
    assert [(answer.tokens, answer.bytes) for answer in left] == [(answer.tokens, answer.bytes) for answer in right]


def test_every_candidate_answers_for_itself(asked: Asked) -> None:
    """Otherwise the agreement above would say nothing about adapters."""
    count = len(asked.names)
    by_name = [tuple(round(answer.logprob or 0.0, 3) for answer in asked.vllm["pairs"][start::count]) for start in range(count)]
    assert len(set(by_name)) == count
    texts = [tuple(answer.text for answer in asked.vllm["chat"][start::count]) for start in range(count)]
    assert len(set(texts)) == count


def test_answers_bound_to_a_schema_fit_it(asked: Asked) -> None:
    for answer in [*asked.vllm["schema"], *asked.transformers["schema"]]:
        if answer.finish == "stop":
            parsed = json.loads(answer.text)
            assert set(parsed) == {"device", "value"}
            assert parsed["device"] in {"fan", "lamp"}
            assert isinstance(parsed["value"], int)
    assert any(answer.finish == "stop" for answer in asked.vllm["schema"])
