"""One request inside vLLM: the sampling parameters it goes in with, and what comes out read as a completion."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import Any

from harness.engines.reasoning import until_stop
from harness.engines.tokens import Pair, Tokens
from harness.errors import EngineError
from harness.records import Completion, Frame, Request


@dataclass
class Flight:
    """A ticket on its way: its parts (windows of a rolling score) still out, and what came back so far."""

    ticket: int
    request: Request
    started: float
    tokens: Tokens
    lora: Any = None
    parts: dict[str, Pair] = field(default_factory=dict)
    logprob: float = 0.0
    greedy: bool | None = True
    scored: int = 0
    tokens_in: int = 0
    cut: int = 0
    boundary: bool = False
    frame: Frame | None = None

    def add(self, pair: Pair) -> None:
        """Count one more part."""
        self.tokens_in += len(pair.context) + len(pair.continuation)
        self.cut += pair.cut
        self.boundary = self.boundary or pair.boundary
        self.frame = pair.frame


def generation(request: Request, stop_ids: tuple[int, ...], *, stops: bool) -> Any:
    """The request's sampling, with nothing left to a default that a model or a release could change.

    ``stops`` False: stop strings are not sent, because vLLM would look for them in thinking too. Generation goes on to the end of
    the turn then, and ``read_answer`` cuts.
    """
    from vllm.sampling_params import RequestOutputKind, SamplingParams, StructuredOutputsParams

    schema = request.schema
    stop = list(request.stop) if stops else []
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
            stop=stop,
            stop_token_ids=list(stop_ids),
            ignore_eos=False,
            max_tokens=request.max_tokens,
            min_tokens=0,
            skip_special_tokens=True,
            spaces_between_special_tokens=True,
            include_stop_str_in_output=False,
            detokenize=bool(stop),
            output_kind=RequestOutputKind.FINAL_ONLY,
            structured_outputs=None if schema is None else StructuredOutputsParams(json=schema),
        )
    except refusals() as error:
        raise EngineError(f"vLLM refused the sampling parameters: {words(error)}") from error


def scoring(pair: Pair, *, cached: bool) -> Any:
    """Score all but the last token of the continuation as prompt, the last as what would be generated next.

    ``cached``: only the continuation's own log-probabilities are computed, after a context that vLLM may take from its prefix
    cache; whether they are the most likely ones is not told. It needs vLLM's V2 model runner. Otherwise ``prompt_logprobs``
    are computed for the whole prompt, without the cache.
    """
    from vllm.sampling_params import RequestOutputKind, SamplingParams

    several = len(pair.continuation) > 1
    how: dict[str, Any] = {"prompt_logprobs": 0} if several else {}
    if several and cached:
        how = {
            "prompt_logprob_token_ids": [[token] for token in pair.continuation[:-1]],
            "prompt_logprob_start": len(pair.context) - 1,
            "skip_reading_prefix_cache": False,
        }
    return SamplingParams(
        temperature=0.0,
        max_tokens=1,
        logprob_token_ids=[pair.continuation[-1]],
        flat_logprobs=True,
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
        **how,
    )


def wants_slow(pair: Pair, output: Any) -> bool:
    """Must a finished part be asked again without the cache? vLLM drops the scores where the cached prefix reached into the
    continuation, as it does for a text that was scored before."""
    several = len(pair.continuation) > 1
    return several and output.prompt_logprobs is None and getattr(output, "prompt_token_id_logprobs", None) is None


def stopped_early(flight: Flight, output: Any) -> bool:
    """Must a generation be asked again without stop strings? The one that ended it stands in, or right after, its thinking."""
    generated = output.outputs[0]
    thinking = flight.tokens.thinking
    if thinking.tags is None or not isinstance(generated.stop_reason, str):
        return False
    found = thinking.split(generated.token_ids, thinking.stage(flight.request, output.prompt_token_ids))
    return found.tokens > 0 and not until_stop(found.text, flight.request.stop)[1]


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
    reply = flight.tokens.read(flight.request, output.prompt_token_ids, answer)
    return Completion(
        text=reply.text,
        reasoning=reply.reasoning,
        reasoning_tokens=reply.reasoning_tokens,
        tool_calls=reply.tool_calls,
        token_ids=tuple(answer),
        finish="stop" if stopped or reply.stopped else "length",
        tokens_in=flight.tokens_in,
        tokens_out=len(ids),
        seconds=time.monotonic() - flight.started,
        first_token_seconds=first,
        cut=flight.cut,
        frame=flight.frame,
    )


def add_scores(flight: Flight, pair: Pair, output: Any) -> None:
    """Add the scores of one finished part: its last token was generated, the others stood in the prompt.

    They come as ``prompt_token_id_logprobs``, float32 of shape (continuation − 1, 1), or as ``prompt_logprobs``, a row per prompt
    token. The first say nothing about ranks, so ``greedy`` is then unknown, unless the last token already decides it.
    """
    last = pair.continuation[-1]
    generated = output.outputs[0]
    logprob = float(generated.logprobs[0][last].logprob)
    greedy: bool | None = generated.token_ids[0] == last
    cached = getattr(output, "prompt_token_id_logprobs", None)
    if len(pair.continuation) > 1 and cached is not None:
        logprob += float(cached.sum(dtype="float64"))
        greedy = None if greedy else False
    elif len(pair.continuation) > 1:
        start = len(pair.context)
        for token, row in zip(pair.continuation[:-1], output.prompt_logprobs[start:], strict=True):
            logprob += row[token].logprob
            greedy = greedy and row[token].rank == 1
    flight.logprob += logprob
    flight.greedy = _both(flight.greedy, greedy)
    flight.scored += len(pair.continuation)


def _both(one: bool | None, other: bool | None) -> bool | None:
    """Are both true? False where one is not, None where that is not known."""
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


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
        frame=flight.frame,
    )


def refusals(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """What vLLM raises for a request, or for settings, that it does not accept. Its own errors are known once it is imported."""
    own = getattr(sys.modules.get("vllm.exceptions"), "VLLMError", None)
    return (*others, ValueError, TypeError) if own is None else (*others, own, ValueError, TypeError)


def words(error: BaseException) -> str:
    """An exception of vLLM as one line, with what to lower where memory ran out."""
    text = " ".join(str(error).split()) or type(error).__name__
    short, small = text if len(text) <= 600 else text[:600] + " …", text.lower()
    if "memory for the cache" in small or "kv cache is needed" in small:
        return f"{short} Raise resources.gpu_memory_utilization (on a CPU resources.kv_cache_gib), or lower options.max_model_len."
    if isinstance(error, MemoryError) or any(sign in small for sign in OUT_OF_MEMORY):
        return f"out of memory: {short} {LOWER}"
    if "failed core proc" in small:
        return f"its process died while starting: {short} {LOWER} VLLM_LOGGING_LEVEL=ERROR in the environment shows its own words."
    return short


OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "free memory on device")

LOWER = (
    "Lower resources.gpu_memory_utilization, max_num_seqs, max_num_batched_tokens or max_loras, or options.max_model_len, or raise "
    "resources.tensor_parallel_size."
)
