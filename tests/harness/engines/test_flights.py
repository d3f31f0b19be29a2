"""What vLLM returns is read the same way whichever of its two ways scored it; and its errors say what to do.

The outputs here are made by hand in the shapes of vLLM 0.32's ``RequestOutput``; the second way runs on a GPU only (tests/gpu).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness.engines.child import last_words
from harness.engines.flights import Flight, add_scores, read_score, scoring, wants_slow, words
from harness.engines.tokens import Pair, Tokens
from harness.records import Candidate, Request
from tests.harness.engines.asking import answers
from tests.harness.engines.conftest import Tiny

PAIR = Pair([11, 12, 13], [21, 22, 23])
PLAIN = [None, (-1.0, 5), (-2.0, 7), (-0.25, 1), (-0.5, 2)]
"""Log-probability and rank of every prompt token but the first: two of the context, then 21 and 22."""


def _output(*, cached: bool, last: int = 23, logprob: float = -0.125, plain: list[Any] = PLAIN) -> Any:
    """A finished part: prompt 11 12 13 21 22, one token generated."""
    numpy = pytest.importorskip("numpy")
    ids = (PAIR.context + PAIR.continuation)[:-1]
    rows = [
        None if row is None else {token: SimpleNamespace(logprob=row[0], rank=row[1])}
        for token, row in zip(ids, plain, strict=True)
    ]
    scores = numpy.array([[row[0]] for row in plain[len(PAIR.context) :]], dtype=numpy.float32)
    best = {last: SimpleNamespace(logprob=0.0)} | {23: SimpleNamespace(logprob=logprob)}
    generated = SimpleNamespace(token_ids=[last], finish_reason="length", stop_reason=None, logprobs=[best])
    return SimpleNamespace(
        outputs=[generated], prompt_logprobs=None if cached else rows, prompt_token_id_logprobs=scores if cached else None
    )


def _score(*outputs: Any, greedy: bool = True) -> Any:
    flight = Flight(1, Request(kind="score", prompt="x", continuation="abc", greedy=greedy), 0.0, None)  # type: ignore[arg-type]
    for output in outputs:
        add_scores(flight, PAIR, output)
    return read_score(flight)


def test_both_ways_give_the_same_number() -> None:
    slow, cached = _score(_output(cached=False)), _score(_output(cached=True))
    assert slow.logprob == cached.logprob == pytest.approx(-0.875)
    assert slow.tokens == cached.tokens == 3


def test_only_the_slow_way_knows_whether_the_continuation_is_greedy() -> None:
    best = [None, (-1.0, 5), (-2.0, 7), (-0.25, 1), (-0.5, 1)]
    assert _score(_output(cached=False)).greedy is False
    assert _score(_output(cached=False, plain=best)).greedy is True
    assert _score(_output(cached=True, plain=best)).greedy is None
    assert _score(_output(cached=True, plain=best, last=99)).greedy is False
    assert _score(_output(cached=True, plain=best), _output(cached=False)).greedy is False
    assert _score(_output(cached=False, plain=best), _output(cached=True)).greedy is None


def test_a_part_whose_scores_were_dropped_is_asked_again() -> None:
    dropped = _output(cached=True)
    dropped.prompt_token_id_logprobs = None
    assert wants_slow(PAIR, dropped)
    assert not wants_slow(PAIR, _output(cached=True))
    assert not wants_slow(PAIR, _output(cached=False))
    assert not wants_slow(Pair([11], [21]), dropped)
    assert not wants_slow(Pair([11], []), dropped)


@pytest.mark.vllm
def test_the_parameters_are_those_that_vllm_reads() -> None:
    """vLLM wants a row per prompt token after ``prompt_logprob_start``, but for the last; the prompt ends before token 23."""
    pytest.importorskip("vllm")
    cached, slow = scoring(PAIR, cached=True), scoring(PAIR, cached=False)
    prompt = len(PAIR.context) + len(PAIR.continuation) - 1
    assert len(cached.prompt_logprob_token_ids) == prompt - 1 - cached.prompt_logprob_start == 2
    assert cached.prompt_logprob_token_ids == [[21], [22]]
    assert cached.skip_reading_prefix_cache is False
    assert cached.prompt_logprobs is None
    assert slow.prompt_logprobs == 0
    assert slow.skip_reading_prefix_cache is True
    assert cached.logprob_token_ids == slow.logprob_token_ids == [23]
    assert scoring(Pair([11], [21]), cached=True) == scoring(Pair([11], [21]), cached=False)
    assert scoring(Pair([11], [21]), cached=True).skip_reading_prefix_cache is False


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "Lower resources.gpu_memory_utilization"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "max_num_batched_tokens"),
        (MemoryError(), "Lower resources"),
        (ValueError("Free memory on device cuda:0 (3/80 GiB) on startup is less than desired"), "out of memory"),
        (ValueError("No available memory for the cache blocks."), "Raise resources.gpu_memory_utilization"),
        (RuntimeError("Engine core initialization failed. Failed core proc(s): {'EngineCore_DP0': -9}"), "died while starting"),
    ],
)
def test_memory_that_ran_out_is_told_with_what_to_change(error: Exception, advice: str) -> None:
    assert advice in words(error)


def test_other_errors_are_one_line_and_not_too_long() -> None:
    assert words(ValueError("a\n  b")) == "a b"
    assert words(KeyError()) == "KeyError"
    assert len(words(ValueError("x" * 5000))) < 700


@pytest.mark.parametrize(("code", "said"), [(-9, "was killed"), (1, "ended with code 1"), (0, "ended by itself")])
def test_how_a_child_process_ended_is_told(code: int, said: str) -> None:
    manager = SimpleNamespace(finished_procs=lambda: {"EngineCore": code})
    found = last_words(SimpleNamespace(resources=SimpleNamespace(engine_manager=manager)))
    assert said in found
    assert "max_num_seqs" in found
    assert "VLLM_LOGGING_LEVEL" in found


class _FakeCore:
    """vLLM as far as scoring needs it: remembers what it was asked, and answers as it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[int], Any]] = []
        self.model_config = SimpleNamespace(max_model_len=64)
        self.engine_core = SimpleNamespace()
        self.dropping = False

    def add_request(self, identity: str, prompt: dict[str, Any], parameters: Any, lora_request: Any = None) -> None:
        self.asked.append((identity, prompt["prompt_token_ids"], parameters))

    def step(self) -> list[Any]:
        identity, _, parameters = self.asked[-1]
        cached = parameters.prompt_logprob_token_ids is not None
        output = _output(cached=cached)
        if cached and self.dropping:
            output.prompt_token_id_logprobs = None
        output.request_id, output.finished = identity, True
        return [output]


@pytest.mark.models
@pytest.mark.vllm
@pytest.mark.parametrize(
    ("greedy", "dropping", "ways"), [(True, False, [False]), (False, False, [True]), (False, True, [True, False])]
)
def test_the_cache_is_used_where_nobody_needs_greedy_and_given_up_where_it_drops_scores(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, greedy: bool, dropping: bool, ways: list[bool]
) -> None:
    pytest.importorskip("vllm")
    from harness.engines import vllm

    engine = vllm.Vllm([Candidate(name="base", model=str(tiny.base))])
    core = _FakeCore()
    core.dropping = dropping
    tokens = Tokens(tiny.base)
    monkeypatch.setattr(tokens, "pair", lambda request: PAIR)
    engine._engine, engine._cached_scoring = core, True
    engine._served["base"] = vllm._Served(tokens)
    request = Request(kind="score", prompt="x", continuation="abc", greedy=greedy)
    (found,) = answers(engine, [("base", request)])
    assert [parameters.prompt_logprob_token_ids is not None for _, _, parameters in core.asked] == ways
    assert {tuple(ids) for _, ids, _ in core.asked} == {(11, 12, 13, 21, 22)}
    assert found.logprob == pytest.approx(-0.875)
    assert found.greedy is (None if ways == [True] else False)


@pytest.mark.vllm
@pytest.mark.parametrize(("cached", "kept"), [(0, True), (2, True), (3, False)])
def test_vllms_own_worker_fills_the_rows_that_we_read(monkeypatch: pytest.MonkeyPatch, cached: int, kept: bool) -> None:
    """The worker of the V2 runner, on logits made here; only its Triton kernel is replaced. The prefix cache may hold the context
    but for its last token, whose logits score the first of the continuation; one token more, and the scores are dropped."""
    pytest.importorskip("vllm")
    import numpy as np
    import torch
    from vllm.v1.worker.gpu.sample import prompt_logprob

    def plain(logits: Any, ids: Any) -> Any:
        return logits.float().log_softmax(-1).gather(-1, ids)

    def copied(array: Any, device: Any, dtype: Any) -> Any:
        return torch.as_tensor(array, device=device, dtype=dtype)

    monkeypatch.setattr(prompt_logprob, "compute_token_logprobs", plain)
    monkeypatch.setattr(prompt_logprob, "async_tensor_h2d", copied)
    torch.manual_seed(0)
    logits = torch.randn(5, 32)  # of every token of the prompt 11 12 13 21 22
    parameters = scoring(PAIR, cached=True)
    parameters.prompt_logprob_token_ids = np.asarray(parameters.prompt_logprob_token_ids, dtype=np.int32)
    worker = prompt_logprob.PromptLogprobsWorker(4, torch.device("cpu"))
    worker.add_request("1.0", 0, parameters)
    batch = SimpleNamespace(
        req_ids=["1.0"], idx_mapping_np=np.array([0]), num_computed_prefill_tokens_np=np.array([cached]),
        num_scheduled_tokens=np.array([5 - cached]), prefill_len_np=np.array([5]), query_start_loc_np=np.array([0, 5 - cached]),
    )  # fmt: skip
    found = worker.compute_prompt_token_id_logprobs(lambda hidden: hidden, logits[cached:], batch, np.array([5]))
    assert bool(found) is kept
    if kept:
        output = _output(cached=True, logprob=-0.5)
        output.prompt_token_id_logprobs = found["1.0"].numpy()
        scores = logits.log_softmax(-1)
        assert _score(output).logprob == pytest.approx(float(scores[2, 21] + scores[3, 22]) - 0.5, abs=1e-5)
