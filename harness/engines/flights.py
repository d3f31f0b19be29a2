"""One request inside vLLM: the sampling parameters it goes in with, and what comes out read as a completion."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import Any

from harness.engines.tokens import Pair, Tokens
from harness.errors import EngineError
from harness.records import Completion, Request


@dataclass
class Flight:
    """A ticket on its way: its parts (windows of a rolling score) still out, and what came back so far."""

    ticket: int
    request: Request
    started: float
    tokens: Tokens
    parts: dict[str, Pair] = field(default_factory=dict)
    logprob: float = 0.0
    greedy: bool = True
    scored: int = 0
    tokens_in: int = 0
    cut: int = 0
    boundary: bool = False

    def add(self, pair: Pair) -> None:
        """Count one more part."""
        self.tokens_in += len(pair.context) + len(pair.continuation)
        self.cut += pair.cut
        self.boundary = self.boundary or pair.boundary


def generation(request: Request, stop_ids: tuple[int, ...]) -> Any:
    """The request's sampling, with nothing left to a default that a model or a release could change."""
    from vllm.sampling_params import RequestOutputKind, SamplingParams, StructuredOutputsParams

    schema = request.schema
    try:
        return SamplingParams(
            n=1,
            presence_penalty=0.0,
            frequency_penalty=0.0,
            repetition_penalty=request.repetition_penalty,
            temperature=request.temperature,
            top_p=request.top_p,
            top_k=request.top_k,
            min_p=request.min_p,
            seed=request.seed,
            stop=list(request.stop),
            stop_token_ids=list(stop_ids),
            ignore_eos=False,
            max_tokens=request.max_tokens,
            min_tokens=0,
            skip_special_tokens=True,
            spaces_between_special_tokens=True,
            include_stop_str_in_output=False,
            detokenize=bool(request.stop),
            output_kind=RequestOutputKind.FINAL_ONLY,
            structured_outputs=None if schema is None else StructuredOutputsParams(json=schema),
        )
    except refusals() as error:
        raise EngineError(f"vLLM refused the sampling parameters: {words(error)}") from error


def scoring(pair: Pair) -> Any:
    """Score all but the last token of the continuation as prompt, the last as what would be generated next."""
    from vllm.sampling_params import RequestOutputKind, SamplingParams

    return SamplingParams(
        temperature=0.0,
        max_tokens=1,
        prompt_logprobs=0 if len(pair.continuation) > 1 else None,
        logprob_token_ids=[pair.continuation[-1]],
        flat_logprobs=True,
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def read_answer(flight: Flight, output: Any) -> Completion:
    """A finished generation: the stop token leaves the ids, the text has neither it nor a stop string.

    The text is decoded here, all at once: vLLM's own is made token by token and swallows characters that were left incomplete.
    """
    generated = output.outputs[0]
    ids = list(generated.token_ids)
    stopped = generated.finish_reason == "stop"
    ended = stopped and not isinstance(generated.stop_reason, str) and ids and ids[-1] in flight.tokens.stop_ids
    answer = ids[:-1] if ended else ids
    first = getattr(output.metrics, "first_token_latency", 0.0) or None
    return Completion(
        text=flight.tokens.decode_until(answer, flight.request.stop)[0],
        token_ids=tuple(answer),
        finish="stop" if stopped else "length",
        tokens_in=flight.tokens_in,
        tokens_out=len(ids),
        seconds=time.monotonic() - flight.started,
        first_token_seconds=first,
        cut=flight.cut,
    )


def add_scores(flight: Flight, pair: Pair, output: Any) -> None:
    """Add the scores of one finished part: its last token was generated, the others stood in the prompt."""
    last = pair.continuation[-1]
    generated = output.outputs[0]
    logprob = generated.logprobs[0][last].logprob
    greedy = generated.token_ids[0] == last
    if len(pair.continuation) > 1:
        start = len(pair.context)
        for token, row in zip(pair.continuation[:-1], output.prompt_logprobs[start:], strict=True):
            logprob += row[token].logprob
            greedy = greedy and row[token].rank == 1
    flight.logprob += logprob
    flight.greedy = flight.greedy and greedy
    flight.scored += len(pair.continuation)


def read_score(flight: Flight) -> Completion:
    """The completion of a scoring request, once all its parts have come back."""
    request = flight.request
    text = request.prompt if request.kind == "score_rolling" else request.continuation
    return Completion(
        tokens_in=flight.tokens_in,
        seconds=time.monotonic() - flight.started,
        logprob=flight.logprob,
        greedy=flight.greedy,
        tokens=flight.scored,
        bytes=len((text or "").encode()),
        cut=flight.cut,
        boundary=flight.boundary,
    )


def refusals(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """What vLLM raises for a request, or for settings, that it does not accept. Its own errors are known once it is imported."""
    own = getattr(sys.modules.get("vllm.exceptions"), "VLLMError", None)
    return (*others, ValueError, TypeError) if own is None else (*others, own, ValueError, TypeError)


def words(error: BaseException) -> str:
    """An exception of vLLM as one line, with a hint where memory ran out."""
    text = " ".join(str(error).split()) or type(error).__name__
    short = text if len(text) <= 600 else text[:600] + " …"
    if isinstance(error, MemoryError) or "out of memory" in text.lower():
        return f"out of memory: {short} Lower resources.gpu_memory_utilization or max_num_seqs, or options.max_model_len."
    return short
