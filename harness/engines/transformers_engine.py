"""Hugging Face transformers: the plain engine that the others are measured against. Slow, simple, and correct.

One model in memory serves the base and, through PEFT, its adapters; a batch holds requests of one of them. Serves every kind of
adapter that PEFT can load, those that vLLM refuses included.
"""

from __future__ import annotations

import contextlib
import gc
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from harness.checkpoints import resolve_model
from harness.engines import serving
from harness.engines.probes import BASE, check_adapters
from harness.engines.sampling import Grammars, Row, decode
from harness.engines.threads import torch_threads
from harness.engines.tokens import Pair, Tokens, fit_pair, fit_prompt
from harness.errors import EngineError
from harness.protocols import Answered, Asked
from harness.records import Candidate, Completion, Request

UNLIMITED = 1 << 30


class Options(serving.ModelOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``attention`` is transformers' ``attn_implementation``."""

    attention: str | None = None


class Resources(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes only speed. ``threads`` is for the CPU; unset, a small model gets one."""

    batch_size: int = 32
    threads: int | None = None


@dataclass
class _Job:
    """One ticket with its tokens: a row to generate, or pairs to score."""

    ticket: int
    candidate: str
    request: Request
    started: float
    row: Row | None
    pairs: list[Pair]

    @property
    def group(self) -> tuple[str, bool]:
        """What may share a batch."""
        return (self.candidate, self.row is not None)


class Transformers:
    """The engine ``transformers``; see the module's docstring."""

    @classmethod
    def check(cls, candidate: Candidate, *, where: str) -> None:
        """ConfigError for unknown options, before anything is loaded."""
        serving.read_options(candidate, Options, where=where)
        serving.read_resources(candidate, Resources, where=where)

    @classmethod
    def describe(cls, candidate: Candidate) -> Mapping[str, Any]:
        """Name, version, device, dtype, context and quantisation; imports nothing heavy."""
        options = serving.read_options(candidate, Options)
        return {
            **serving.facts(candidate, options, name="transformers", version=serving.installed_version(["transformers"])),
            "attention": options.attention,
        }

    def __init__(self, candidates: Sequence[Candidate], *, seed: int = 0) -> None:  # noqa: ARG002
        first = serving.one_family(candidates)
        self.candidates = tuple(candidates)
        self.options = serving.read_options(first, Options)
        self.resources = serving.read_resources(first, Resources)
        self.capacity = 4 * self.resources.batch_size
        self.folder = serving.model_folder(first)
        self.facts = serving.facts(first, self.options, name="transformers", version="")
        self.length: int = self.facts["max_model_len"] or UNLIMITED
        self.adapters: dict[str, Path] = {}
        for candidate in self.candidates:
            if candidate.adapter is not None:
                where = f"candidates.{candidate.name}.adapter"
                self.adapters[candidate.name] = resolve_model(candidate.adapter, where=where, what="adapter")
        self._model: Any = None
        self._threads = contextlib.ExitStack()
        self._tokens: dict[str, Tokens] = {}
        self._grammars: dict[str, Grammars] = {}
        self._jobs: list[_Job] = []
        self._ready: list[Answered] = []

    def __enter__(self) -> Self:
        serving.require("transformers", engine="transformers")
        try:
            self._threads.enter_context(torch_threads(self.resources.threads, self.folder, device=self.facts["device"]))
            self._load()
            noops = {
                candidate.name: serving.read_options(candidate, Options).noop
                for candidate in self.candidates
                if candidate.name in self.adapters
            }
            check_adapters(self._probe, noops, dtype=str(self.facts["dtype"]))
        except serving.load_failures() as error:
            self._release()
            raise EngineError(f"transformers cannot load {str(self.folder)!r}: {' '.join(str(error).split())}") from error
        except BaseException:
            self._release()
            raise
        return self

    def _load(self) -> None:
        import torch
        from transformers import AutoModelForCausalLM
        from transformers.utils import logging

        logging.disable_progress_bar()
        extra = {} if self.options.attention is None else {"attn_implementation": self.options.attention}
        if self.options.quantization is not None:
            raise EngineError(
                "the transformers engine reads quantisation from the model's own config; leave options.quantization out"
            )
        model: Any = AutoModelForCausalLM.from_pretrained(
            str(self.folder),
            dtype=getattr(torch, str(self.facts["dtype"])),
            trust_remote_code=self.options.trust_remote_code,
            **extra,
        )
        model = model.to(self.facts["device"])
        for index, folder in enumerate(self.adapters.values()):
            if index == 0:
                from peft import PeftModel

                model = PeftModel.from_pretrained(model, str(folder), adapter_name="adapter_0")
            else:
                model.load_adapter(str(folder), adapter_name=f"adapter_{index}")
        self._model = model.eval()
        for candidate in self.candidates:
            options = serving.read_options(candidate, Options)
            self._tokens[candidate.name] = self._read_tokens(self.adapters.get(candidate.name), options)
        self._tokens[BASE] = self._read_tokens(None, self.options)

    def _read_tokens(self, adapter: Path | None, options: Options) -> Tokens:
        return Tokens(self.folder, adapter, template=options.chat_template, trust_remote_code=options.trust_remote_code)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._release()

    def _release(self) -> None:
        self._model = None
        self._jobs.clear()
        self._threads.close()
        gc.collect()
        if self.facts["device"] == "cuda":
            import torch

            torch.cuda.empty_cache()

    # ------------------------------------------------------------------------------------------------------ asking

    def submit(self, asked: Sequence[Asked]) -> None:
        """Tokenise; a request that cannot be asked is answered with its EngineError at the next poll."""
        for entry in asked:
            try:
                self._jobs.append(self._job(entry))
            except EngineError as error:
                self._ready.append(Answered(ticket=entry.ticket, result=error))

    def _job(self, asked: Asked) -> _Job:
        if self._model is None:
            raise EngineError("this engine is closed")
        tokens = self._tokens.get(asked.candidate)
        if tokens is None:
            raise EngineError(f"this engine does not serve {asked.candidate!r}; it serves {', '.join(filter(None, self._tokens))}")
        request, row, pairs = asked.request, None, []
        if request.kind == "generate":
            row = self._row(asked.candidate, request, tokens)
        elif request.kind == "score_rolling":
            pairs = tokens.windows(request, self.length)
        else:
            pairs = [fit_pair(tokens.pair(request), request, self.length)]
        return _Job(asked.ticket, asked.candidate, request, time.monotonic(), row, pairs)

    def _row(self, name: str, request: Request, tokens: Tokens) -> Row:
        ids, cut = fit_prompt(tokens.prompt(request), request, self.length)
        if request.max_tokens < 1:
            raise EngineError(f"max_tokens must be at least 1, found {request.max_tokens}")
        grammar = None
        if request.schema is not None:
            if name not in self._grammars:
                self._grammars[name] = Grammars(tokens, int(self._model.config.vocab_size))
            grammar = self._grammars[name].start(json.dumps(request.schema))
        return Row(request, tokens, ids, min(request.max_tokens, self.length - len(ids)), grammar, cut=cut)

    def poll(self, timeout: float) -> Sequence[Answered]:  # noqa: ARG002
        """Run one batch of requests to the same candidate to its end, however long that takes; its answers come together."""
        if self._jobs and not self._ready:
            group = self._jobs[0].group
            batch = [job for job in self._jobs if job.group == group][: self.resources.batch_size]
            taken = {job.ticket for job in batch}
            self._jobs = [job for job in self._jobs if job.ticket not in taken]
            try:
                with self._serving(group[0]):
                    results = self._generate(batch) if group[1] else self._score(batch)
            except (RuntimeError, MemoryError) as error:
                failure = EngineError(f"transformers failed on a batch of {len(batch)}: {' '.join(str(error).split())[:600]}")
                results = [failure] * len(batch)
            self._ready += [Answered(ticket=job.ticket, result=result) for job, result in zip(batch, results, strict=True)]
        ready, self._ready = self._ready, []
        return ready

    @contextlib.contextmanager
    def _serving(self, name: str) -> Iterator[None]:
        """The model as the candidate: with its adapter, or with all adapters off."""
        if name in self.adapters:
            self._model.set_adapter(f"adapter_{list(self.adapters).index(name)}")
            yield
        elif self.adapters:
            with self._model.disable_adapter():
                yield
        else:
            yield

    def _generate(self, batch: Sequence[_Job]) -> list[Completion | EngineError]:
        rows = [job.row for job in batch if job.row is not None]
        decode(self._model, rows, pad=rows[0].tokens.stop_ids[0] if rows[0].tokens.stop_ids else 0)
        now = time.monotonic()
        return [
            Completion(
                text=row.text,
                token_ids=tuple(row.answer_ids),
                finish="length" if row.finish == "length" else "stop",
                tokens_in=len(row.prompt),
                tokens_out=len(row.generated),
                seconds=now - job.started,
                cut=row.cut,
            )
            for job, row in zip(batch, rows, strict=True)
        ]

    def _score(self, batch: Sequence[_Job]) -> list[Completion | EngineError]:
        pairs = [pair for job in batch for pair in job.pairs]
        scores: list[tuple[float, bool]] = []
        for start in range(0, len(pairs), self.resources.batch_size):
            scores += score_pairs(self._model, pairs[start : start + self.resources.batch_size])
        results: list[Completion | EngineError] = []
        for job in batch:
            own, scores = scores[: len(job.pairs)], scores[len(job.pairs) :]
            text = job.request.prompt if job.request.kind == "score_rolling" else job.request.continuation
            results.append(
                Completion(
                    logprob=sum(logprob for logprob, _ in own),
                    greedy=all(greedy for _, greedy in own),
                    tokens=sum(len(pair.continuation) for pair in job.pairs),
                    bytes=len((text or "").encode()),
                    tokens_in=sum(len(pair.context) + len(pair.continuation) for pair in job.pairs),
                    seconds=time.monotonic() - job.started,
                    cut=sum(pair.cut for pair in job.pairs),
                    boundary=any(pair.boundary for pair in job.pairs),
                )
            )
        return results

    def _probe(self, asked: Sequence[tuple[str, Request]]) -> list[float]:
        self.submit([Asked(ticket=ticket, candidate=name, request=request) for ticket, (name, request) in enumerate(asked)])
        found: dict[int, float] = {}
        while len(found) < len(asked):
            for answered in self.poll(0.0):
                if isinstance(answered.result, EngineError):
                    raise answered.result
                found[answered.ticket] = answered.result.logprob if answered.result.logprob is not None else float("nan")
        return [found[ticket] for ticket in range(len(asked))]


def score_pairs(model: Any, pairs: Sequence[Pair]) -> list[tuple[float, bool]]:
    """Summed log-probability in nats of each continuation after its context, and whether each token was the most likely one.

    Right-padded: in a causal model no real token sees the padding.
    """
    import torch

    whole = [pair.context + pair.continuation for pair in pairs]
    width = max(map(len, whole)) - 1
    ids = torch.zeros((len(pairs), width), dtype=torch.long)
    for index, tokens in enumerate(whole):
        ids[index, : len(tokens) - 1] = torch.tensor(tokens[:-1])
    with torch.inference_mode():
        logits = model(input_ids=ids.to(model.device), use_cache=False).logits
    results = []
    for pair, rows in zip(pairs, logits, strict=True):
        first = len(pair.context) - 1
        scores = rows[first : first + len(pair.continuation)].float().log_softmax(-1)
        wanted = torch.tensor(pair.continuation, device=scores.device)
        picked = scores.gather(1, wanted[:, None])[:, 0]
        results.append((float(picked.sum()), bool((scores.argmax(-1) == wanted).all())))
    return results
