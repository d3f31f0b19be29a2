"""A deterministic engine without a model, for tests and dry runs: it answers by rule, in order, at once. It can be told to fail."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal

import msgspec

from harness.engines import serving
from harness.engines.instant import Instant
from harness.engines.recorded import asked_text
from harness.errors import EngineError
from harness.protocols import Asked
from harness.records import Candidate, Completion, Request

REFUSAL = "I cannot help with that."


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``answers`` maps prompts to texts; all other prompts meet ``behaviour``. ``fail`` lists parts of prompts that raise
    EngineError, ``["*"]`` for all. A scored continuation is likely exactly if it is the answer.

    ``echo`` repeats the prompt, ``refuse`` declines, ``empty`` says nothing, ``truncate`` repeats the prompt but never ends.
    """

    answers: dict[str, str] = {}
    behaviour: Literal["echo", "refuse", "empty", "truncate"] = "echo"
    fail: list[str] = []


class Fake(Instant):
    """The engine ``fake``. ``sent`` holds everything that was asked of it, for tests to look at."""

    capacity = 64

    @classmethod
    def check(cls, candidate: Candidate, *, where: str) -> None:
        """ConfigError where an option is unknown or of a wrong type."""
        serving.read_options(candidate, Options, where=where)

    @classmethod
    def describe(cls, candidate: Candidate) -> Mapping[str, Any]:  # noqa: ARG003
        """Only its name: all that decides an answer is in the candidate's options."""
        return {"name": "fake"}

    def __init__(self, candidates: Sequence[Candidate], *, seed: int = 0) -> None:  # noqa: ARG002
        super().__init__()
        self.options = {candidate.name: serving.read_options(candidate, Options) for candidate in candidates}
        self.sent: list[Asked] = []

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ready.clear()

    def submit(self, asked: Sequence[Asked]) -> None:
        """Answer at once, and remember what was asked."""
        self.sent += asked
        super().submit(asked)

    def _answer(self, name: str, request: Request) -> Completion:
        options = self.options.get(name)
        if options is None:
            raise EngineError(f"this engine does not serve {name!r}; it serves {', '.join(self.options)}")
        prompt = asked_text(request)
        if any(part == "*" or part in prompt for part in options.fail):
            raise EngineError(f"the fake engine was told to fail on {prompt!r}")
        return _generated(request, prompt, options) if request.kind == "generate" else _scored(request, prompt, options)


def _generated(request: Request, prompt: str, options: Options) -> Completion:
    behaviours = {"echo": prompt, "refuse": REFUSAL, "empty": "", "truncate": prompt}
    text = options.answers.get(prompt, behaviours[options.behaviour])
    endless = prompt not in options.answers and options.behaviour == "truncate"
    for stop in request.stop:
        text = text.partition(stop)[0]
    words = text.split(" ") if text else []
    cut = len(words) > request.max_tokens
    text = " ".join(words[: request.max_tokens])
    length = cut or endless
    spent = min(len(words), request.max_tokens) + (not length)
    return Completion(text=text, finish="length" if length else "stop", tokens_in=len(prompt.split()), tokens_out=spent)


def _scored(request: Request, prompt: str, options: Options) -> Completion:
    text = prompt if request.kind == "score_rolling" else request.continuation or ""
    if not text:
        raise EngineError("there is no continuation to score")
    tokens = len(text.split()) or 1
    expected = options.answers.get(prompt)
    right = expected is not None and text.strip() == expected.strip()
    # Between 0 and 1, from the texts alone: two wrong continuations differ, and every run gives the same.
    jitter = int.from_bytes(hashlib.sha256(f"{prompt}\0{text}".encode()).digest()[:4], "big") / 2**32
    return Completion(
        logprob=-(0.1 if right else 1.0 + jitter) * tokens,
        greedy=right,
        tokens=tokens,
        bytes=len(text.encode()),
        tokens_in=len(prompt.split()) + tokens,
    )
