"""Hugging Face transformers: the engine that the others are measured against. It generates plainly, and scores choices at the cost
of the model (``harness.engines.scoring``).

One model in memory serves the base and, through PEFT, its adapters; a batch holds requests of one of them. Serves every kind of
adapter that PEFT can load, those that vLLM refuses included.
"""

from __future__ import annotations

import contextlib
import gc
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Self

import msgspec

from harness.checkpoints import resolve_model
from harness.engines import serving
from harness.engines.adapters import kind_of
from harness.engines.probes import BASE, PROBES, check_adapters, check_base
from harness.engines.sampling import Grammars, Row, decode
from harness.engines.scoring import Scorer, score_pairs
from harness.engines.scoring_round import Round, Scoring
from harness.engines.scoring_way import Found, find_way, probe_pairs
from harness.engines.switching import Switch
from harness.engines.threads import torch_threads
from harness.engines.tokens import Pair, Tokens, fit_pair, fit_prompt
from harness.errors import EngineError
from harness.protocols import Answered, Asked
from harness.records import Candidate, Completion, Request

UNLIMITED = 1 << 30

QUEUE = 1024
"""Requests to hold at least: what is queued together can share its contexts."""

_BATCH_TOKENS = {"cpu": 1024, "cuda": 16384}


class Options(serving.ModelOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``attention`` is transformers' ``attn_implementation``."""

    attention: str | None = None


class Resources(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes only speed. ``batch_size``: answers generated at once; ``batch_tokens``: tokens scored at once, unset 1,024 on
    a CPU and 16,384 on a GPU. ``threads`` is for the CPU; unset, a small model gets one."""

    batch_size: int = 32
    batch_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    threads: int | None = None


@dataclass
class _Generating:
    """One ticket with the row to generate."""

    ticket: int
    request: Request
    row: Row
    started: float


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
            **({"peft": serving.installed_version(["peft"])} if candidate.adapter else {}),
        }

    def __init__(self, candidates: Sequence[Candidate], *, seed: int = 0) -> None:  # noqa: ARG002
        first = serving.one_family(candidates)
        self.candidates = tuple(candidates)
        self.options = serving.read_options(first, Options)
        self.resources = serving.read_resources(first, Resources)
        self.capacity = max(QUEUE, 4 * self.resources.batch_size)
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
        self._generating: dict[str, list[_Generating]] = {}  # by candidate, oldest first
        self._scoring: dict[str, list[Scoring]] = {}
        self._scorer: Any = None
        self._switch: Any = None
        self._ways: dict[str, Found] = {}
        self._round: tuple[str, Round] | None = None
        self._boundaries = 0
        self._ready: list[Answered] = []

    def __enter__(self) -> Self:
        serving.require("transformers", engine="transformers")
        try:
            self._threads.enter_context(torch_threads(self.resources.threads, self.folder, device=self.facts["device"]))
            self._read_tokens()  # first: a template or a tool parser that does not fit is told before the weights are loaded
            self._load()
            noops = {
                candidate.name: serving.read_options(candidate, Options).noop
                for candidate in self.candidates
                if candidate.name in self.adapters
            }
            check_adapters(self._probe, noops, dtype=str(self.facts["dtype"]))
            self._boundaries = 0
        except serving.load_failures() as error:
            self._release()
            raise EngineError(f"transformers cannot load {str(self.folder)!r}: {' '.join(str(error).split())}") from error
        except BaseException:
            self._release()
            raise
        return self

    def _read_tokens(self) -> None:
        self._tokens[BASE] = Tokens(self.folder, options=self.options)
        for candidate in self.candidates:
            options = serving.read_options(candidate, Options)
            adapter = self.adapters.get(candidate.name)
            self._tokens[candidate.name] = Tokens(self.folder, adapter, options=options, encoder=self._tokens[BASE].encode)

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
        before = self._scored(model)
        for index, folder in enumerate(self.adapters.values()):
            if index == 0:
                from peft import PeftModel

                model = PeftModel.from_pretrained(model, str(folder), adapter_name="adapter_0")
            else:
                model.load_adapter(str(folder), adapter_name=f"adapter_{index}")
        self._model = model.eval()
        self._switch = Switch(self._model)
        if before:
            self._serve(BASE)
            check_base(before, self._scored(self._model), dtype=str(self.facts["dtype"]))
        self._scorer = Scorer(self._model, tokens=self.resources.batch_tokens or _BATCH_TOKENS[self.facts["device"]])

    def _scored(self, model: Any) -> list[float]:
        """How the base scores the probe prompts; nothing where no adapter could have changed it for others."""
        if not self.adapters or len(self.candidates) < 2:
            return []
        return [score.logprob for score in score_pairs(model, [self._tokens[BASE].pair(probe) for probe in PROBES])]

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._release()

    def _release(self) -> None:
        self._model = self._scorer = self._switch = self._round = None
        self._generating.clear()
        self._scoring.clear()
        self._threads.close()
        gc.collect()
        if self.facts["device"] == "cuda":
            import torch

            torch.cuda.empty_cache()

    # ------------------------------------------------------------------------------------------------------ asking

    def submit(self, asked: Sequence[Asked]) -> None:
        """Tokenise, all texts of a candidate at once. What cannot be asked is answered with its EngineError at the next poll."""
        started = time.monotonic()
        pairs = self._pairs(asked)
        for entry in asked:
            try:
                self._queue(entry, pairs.get(entry.ticket), started)
            except EngineError as error:
                self._ready.append(Answered(ticket=entry.ticket, result=error))

    def _pairs(self, asked: Sequence[Asked]) -> dict[int, Pair | EngineError]:
        """What is to be scored, by ticket."""
        entries: dict[str, list[Asked]] = {}
        for entry in asked:
            if entry.request.kind == "score" and entry.candidate in self._tokens:
                entries.setdefault(entry.candidate, []).append(entry)
        return {
            entry.ticket: pair
            for name, own in entries.items()
            for entry, pair in zip(own, self._tokens[name].pairs([entry.request for entry in own]), strict=True)
        }

    def _queue(self, asked: Asked, pair: Pair | EngineError | None, started: float) -> None:
        if self._model is None:
            raise EngineError("this engine is closed")
        tokens = self._tokens.get(asked.candidate)
        if tokens is None:
            raise EngineError(f"this engine does not serve {asked.candidate!r}; it serves {', '.join(filter(None, self._tokens))}")
        if isinstance(pair, EngineError):
            raise pair
        ticket, request = asked.ticket, asked.request
        if request.kind == "generate":
            row = self._row(asked.candidate, request, tokens)
            self._generating.setdefault(asked.candidate, []).append(_Generating(ticket, request, row, started))
            return
        windows = tokens.windows(request, self.length) if pair is None else [fit_pair(pair, request, self.length)]
        self._boundaries += sum(window.boundary for window in windows)
        self._scoring.setdefault(asked.candidate, []).append(Scoring(ticket, request, windows, started))

    def _row(self, name: str, request: Request, tokens: Tokens) -> Row:
        prompt = tokens.prompt(request)
        ids, cut = fit_prompt(prompt.context, request, self.length)
        if name in self.adapters and self._model.peft_config[self._adapter(name)].peft_type == "PREFIX_TUNING":
            raise EngineError("PEFT forgets what was generated before with a prefix-tuning adapter: it can be scored, not generate")
        if request.max_tokens < 1:
            raise EngineError(f"max_tokens must be at least 1, found {request.max_tokens}")
        grammar = None
        if request.schema is not None:
            if name not in self._grammars:
                self._grammars[name] = Grammars(tokens, int(self._model.config.vocab_size))
            grammar = self._grammars[name].start(json.dumps(request.schema))
        return Row(request, tokens, ids, min(request.max_tokens, self.length - len(ids)), grammar, cut=cut, frame=prompt.frame)

    def poll(self, timeout: float) -> Sequence[Answered]:
        """Run one batch of requests to the same candidate to its end, however long that takes; its answers come together. With a
        timeout of 0 nothing is run.

        What is queued to score for a candidate is planned as a whole and scored batch by batch before the next one's turn comes: of
        candidates, and of generating and scoring, the one that has waited longest.
        """
        if timeout > 0 and not self._ready:
            if self._round is None:
                self._begin()
            if self._round is not None:
                self._step(*self._round)
        ready, self._ready = self._ready, []
        return ready

    def _begin(self) -> None:
        """Generate a batch, or plan a round of scoring: what has waited longest."""
        queues: list[tuple[str, Sequence[_Generating | Scoring]]] = [*self._generating.items(), *self._scoring.items()]
        if not queues:
            return
        name, oldest = min(queues, key=lambda queue: queue[1][0].started)
        if oldest is self._generating.get(name):
            queued = self._generating.pop(name)
            batch, rest = queued[: self.resources.batch_size], queued[self.resources.batch_size :]
            if rest:
                self._generating[name] = rest
            self._generate_all(name, batch)
            return
        who = self._owner(name)
        if who not in self._ways:
            try:
                self._serve(name)
                self._ways[who] = self._find_way(name, who)
            except (RuntimeError, MemoryError) as error:
                raise EngineError(f"transformers cannot score the probe prompts: {' '.join(str(error).split())[:600]}") from error
        self._round = (name, Round(self._scorer, who, self._ways[who].way, self._scoring.pop(name)))

    def _find_way(self, name: str, who: str) -> Found:
        """What the probe shows, or has shown for an adapter of the same kind: its weights do not decide how it may be scored."""
        if name in self.adapters:
            kind = kind_of(self.adapters[name])
            for other, found in self._ways.items():
                if other in self.adapters and kind_of(self.adapters[other]) == kind:
                    return found
        pairs = probe_pairs(self._tokens[name], self.length)
        return find_way(self._scorer, who, pairs, str(self.facts["dtype"]))

    def _step(self, name: str, current: Round) -> None:
        self._serve(name)
        self._ready += [Answered(ticket=ticket, result=result) for ticket, result in current.step()]
        if not current:
            self._round = None

    def _adapter(self, name: str) -> str:
        """What PEFT calls a candidate's adapter."""
        return f"adapter_{list(self.adapters).index(name)}"

    def _owner(self, name: str) -> str:
        """Whose weights answer for a candidate: its adapter's, or the base's."""
        return name if name in self.adapters else BASE

    @property
    def notes(self) -> list[str]:
        """How choices were scored, where that is worth knowing."""
        notes = []
        for found in dict.fromkeys(found for found in self._ways.values() if found.reason):
            names = [candidate.name for candidate in self.candidates if self._ways.get(self._owner(candidate.name)) == found]
            how = "one by one" if found.way == "separate" else "plainly, every token through the LM head"
            if names:
                notes.append(f"transformers scores {', '.join(names)} {how}, without sharing contexts: {found.reason}")
        if self._boundaries:
            notes.append(
                f"{self._boundaries} continuations share a token with their context: scored, as lm-eval does, from the first token "
                "that is all theirs"
            )
        return notes

    def _serve(self, name: str) -> None:
        """Make the model answer as the candidate: with its adapter, or with all adapters off."""
        self._switch.to(self._adapter(name) if name in self.adapters else None)

    def _generate_all(self, name: str, batch: Sequence[_Generating]) -> None:
        results: Sequence[Completion | EngineError]
        try:
            self._serve(name)
            results = self._generate(batch)
        except (RuntimeError, MemoryError) as error:
            failure = EngineError(f"transformers failed on a batch of {len(batch)}: {' '.join(str(error).split())[:600]}")
            results = [failure] * len(batch)
        self._ready += [Answered(ticket=job.ticket, result=result) for job, result in zip(batch, results, strict=True)]

    def _generate(self, batch: Sequence[_Generating]) -> list[Completion]:
        rows = [job.row for job in batch]
        decode(self._model, rows, pad=rows[0].tokens.stop_ids[0] if rows[0].tokens.stop_ids else 0)
        now = time.monotonic()
        replies = [row.read() for row in rows]
        return [
            Completion(
                text=reply.text,
                reasoning=reply.reasoning,
                reasoning_tokens=reply.reasoning_tokens,
                tool_calls=reply.tool_calls,
                token_ids=tuple(row.answer_ids),
                finish="length" if row.finish == "length" else "stop",
                tokens_in=len(row.prompt),
                tokens_out=len(row.generated),
                seconds=now - job.started,
                cut=row.cut,
                frame=row.frame,
            )
            for job, row, reply in zip(batch, rows, replies, strict=True)
        ]

    def _probe(self, asked: Sequence[tuple[str, Request]]) -> list[float]:
        self.submit([Asked(ticket=ticket, candidate=name, request=request) for ticket, (name, request) in enumerate(asked)])
        found: dict[int, float] = {}
        while len(found) < len(asked):
            for answered in self.poll(1.0):
                if isinstance(answered.result, EngineError):
                    raise answered.result
                found[answered.ticket] = answered.result.logprob if answered.result.logprob is not None else float("nan")
        return [found[ticket] for ticket in range(len(asked))]
