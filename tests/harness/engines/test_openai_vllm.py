"""The OpenAI engine against a real vLLM server on loopback: the same answers and scores as the transformers engine gives."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cli import main
from harness.engines.openai_api import OpenAI
from harness.errors import EngineError
from harness.records import Candidate, Completion, Message, Request
from tests.harness.engines.asking import answers, ask, shown
from tests.harness.engines.conftest import Tiny
from tests.harness.engines.served import vllm_server

pytestmark = [pytest.mark.models, pytest.mark.vllm]


@pytest.fixture(scope="module")
def url(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("vllm")
    adapters = ("--enable-lora", "--max-loras", "2", "--max-lora-rank", "8", "--lora-modules", f"one={tiny.adapters['one']}")
    with vllm_server(tiny.base, "tiny", tmp_path_factory.mktemp("server") / "log", *adapters) as address:
        yield address


def _candidates(url: str, **resources: object) -> list[Candidate]:
    options = {"base_url": url, "prefix": "<|im_end|>"}
    return [
        Candidate(name=name, engine="openai", model=served, options=options, resources=dict(resources))
        for name, served in (("base", "tiny"), ("one", "one"))
    ]


CHAT = (Message(role="user", content="what is 7 plus 5?"),)
REQUESTS = [
    Request(messages=CHAT, max_tokens=16),
    Request(prompt="The capital of France is", max_tokens=12),
    Request(messages=CHAT, max_tokens=12, temperature=0.9, top_k=1, seed=3),
    Request(kind="score", prompt="The capital of France is ", continuation="Paris, and it lies"),
    Request(kind="score", messages=CHAT, continuation="The answer is 12."),
    Request(kind="score", prompt="", continuation="red green blue"),
    Request(kind="score_rolling", prompt="用户：请用一句话介绍你自己。" * 3),
    Request(kind="score_rolling", prompt="red xq green blue zebra. " * 60),
]


def test_answers_and_scores_equal_those_of_transformers(url: str, tiny: Tiny) -> None:
    from harness.engines.transformers_engine import Transformers

    asked = [(name, request) for request in REQUESTS for name in ("base", "one")]
    with OpenAI(_candidates(url)) as engine:
        left = answers(engine, asked)
    base = Candidate(name="base", engine="transformers", model=str(tiny.base))
    one = Candidate(name="one", engine="transformers", model=str(tiny.base), adapter=str(tiny.adapters["one"]))
    with Transformers([base, one]) as engine:
        right = answers(engine, asked)
    generated = [index for index, (_, request) in enumerate(asked) if request.kind == "generate"]
    scored = [index for index in range(len(asked)) if index not in generated]
    # The server swallows characters that were left incomplete at the end; what it says must be how the reference's answer begins.
    for index in generated:
        assert right[index].text.replace("�", "").startswith(left[index].text.replace("�", "")[:8])
        assert (left[index].finish, left[index].tokens_in, left[index].tokens_out) == (
            right[index].finish, right[index].tokens_in, right[index].tokens_out,
        )  # fmt: skip
    for index in scored:
        assert left[index].logprob == pytest.approx(right[index].logprob, abs=1e-3)
        assert (left[index].greedy, left[index].tokens, left[index].bytes) == (
            right[index].greedy, right[index].tokens, right[index].bytes,
        )  # fmt: skip
    framed = [index for index in range(len(asked)) if left[index].frame is not None]
    assert [asked[index][1] for index in framed] == [
        request for request in REQUESTS if request.kind == "score" and request.messages
    ] * 2
    for index in framed:  # elsewhere only the server knows; here it told the text
        assert shown(asked[index][1], left[index]) == shown(asked[index][1], right[index])


def test_a_schema_binds_and_a_stream_is_timed(url: str) -> None:
    schema = {
        "type": "object",
        "properties": {"device": {"enum": ["fan", "lamp"]}},
        "required": ["device"],
        "additionalProperties": False,
    }
    with OpenAI(_candidates(url, stream=True)) as engine:
        bound, *plain = answers(
            engine,
            [
                ("base", Request(messages=CHAT, max_tokens=200, schema=schema)),
                *(
                    (name, Request(prompt=prompt, max_tokens=16))
                    for prompt in ("The", "red green", "什么")
                    for name in ("base", "one")
                ),
            ],
        )
    if bound.finish == "stop":
        assert json.loads(bound.text)["device"] in {"fan", "lamp"}
    spoken = [answer for answer in (bound, *plain) if answer.text]
    assert len(spoken) >= 2
    for answer in spoken:
        assert answer.first_token_seconds is not None
        assert 0 < answer.first_token_seconds <= answer.seconds
        assert answer.tokens_out > 0


def test_echo_gives_the_same_score_as_token_ids(url: str) -> None:
    request = Request(kind="score", prompt="The capital of France is", continuation=" Paris, and it lies")
    echo = Candidate(name="echo", engine="openai", model="tiny", options={"base_url": url, "dialect": "openai"})
    with OpenAI([*_candidates(url), echo]) as engine:
        direct, echoed = answers(engine, [("base", request), ("echo", request)])
    assert echoed.logprob == pytest.approx(direct.logprob, abs=1e-3)
    assert (echoed.tokens, echoed.greedy) == (direct.tokens, direct.greedy)


def test_what_the_server_refuses_is_an_error_in_its_own_words(url: str) -> None:
    unknown = Candidate(name="unknown", engine="openai", model="no-such-model", options={"base_url": url})
    with OpenAI([*_candidates(url), unknown]) as engine:
        long, missing, fine = ask(
            engine,
            [
                ("base", Request(prompt="word " * 2000)),
                ("unknown", Request(messages=CHAT)),
                ("base", Request(messages=CHAT, max_tokens=4)),
            ],
        )
    assert isinstance(long, EngineError)
    assert "256" in str(long)
    assert isinstance(missing, EngineError)
    assert "no-such-model" in str(missing)
    assert isinstance(fine, Completion)


def test_what_does_not_fit_is_cut_as_in_the_engines_of_this_process(url: str, tiny: Tiny) -> None:
    from harness.engines.transformers_engine import Transformers

    words = "The capital of France is Paris, and it lies on the river Seine. " * 40
    asked = [
        Request(prompt=words, max_tokens=6, overlong="truncate_left"),
        Request(messages=(Message(role="user", content=words),), max_tokens=6, overlong="truncate_left"),
        Request(kind="score", prompt=words, continuation=" Paris, and it lies", overlong="truncate_left"),
    ]
    with OpenAI(_candidates(url)) as engine:
        left = answers(engine, [("base", request) for request in asked])
    with Transformers([Candidate(name="base", engine="transformers", model=str(tiny.base))]) as engine:
        right = answers(engine, [("base", request) for request in asked])
    for mine, other in zip(left[:2], right[:2], strict=True):
        assert mine.cut > 0
        assert (mine.cut, mine.tokens_in, mine.tokens_out) == (other.cut, other.tokens_in, other.tokens_out)
        assert other.text.replace("\ufffd", "").startswith(mine.text.replace("\ufffd", "")[:8])
    shorter = Candidate(name="base", engine="transformers", model=str(tiny.base), options={"max_model_len": 255})
    with Transformers([shorter]) as engine:
        (scored,) = answers(engine, [("base", asked[2])])
    assert left[2].cut == scored.cut == right[2].cut + 1, "the server keeps room for one generated token"
    assert left[2].logprob == pytest.approx(scored.logprob, abs=1e-3)


def test_the_probe_before_the_run_passes_on_a_server_that_can_score(url: str) -> None:
    base = _candidates(url)[0]
    OpenAI.reach(base, [*REQUESTS])


def test_the_endpoint_example_runs_as_written(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(Path(__file__).parents[3] / "examples", tmp_path / "examples")
    monkeypatch.setenv("ENDPOINT", url)
    monkeypatch.setenv("OLD", "tiny")
    monkeypatch.setenv("NEW", "one")
    code = main(["run", str(tmp_path / "examples" / "endpoint.toml")])
    assert code in {0, 10, 11}, capsys.readouterr().err
    verdict = json.loads((tmp_path / "runs" / "endpoint" / "verdict.json").read_text())
    assert all(health["failed"] == 0 for health in verdict["health"])
    capsys.readouterr()
