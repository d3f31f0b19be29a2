"""Any OpenAI-compatible server, over HTTP, many requests at once.

What fails for a while (429, 5xx, time-outs, broken connections) is tried again with growing pauses; when the attempts run out, the
answer is an EngineError, never an empty text. Any other 4xx is an error at once. The API key comes from the environment variable
that ``options.api_key_env`` names, and appears nowhere else.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from types import TracebackType
from typing import Any, Self

import msgspec

from harness.engines import serving
from harness.engines.framing import Framing
from harness.engines.tokens import Pair, cut_windows, fit_pair, fit_prompt, split_pair
from harness.engines.transport import Endpoint, Patience, Refusal, Reply
from harness.engines.wire import (
    Dialect,
    chat_body,
    conversation,
    join_stream,
    prompt_body,
    read_answer,
    read_echo_scores,
    read_prompt_scores,
)
from harness.errors import ConfigError, EngineError
from harness.protocols import Answered, Asked
from harness.records import Candidate, Completion, Message, Request

NO_CUTTING = (
    "If the prompt was too long: the suite's overlong = 'truncate_left' needs a server that tells its tokens, as vLLM's does, and "
    "this one does not; shorten the items, or serve the model with vLLM."
)


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``base_url`` ends where ``/chat/completions`` begins. ``dialect`` ``vllm`` sends every sampling parameter, ``openai`` only
    those that OpenAI knows. ``prefix`` is the text of the model's BOS (or EOS) token, on which rolling scores are conditioned.
    ``extra_body`` goes into every request as it is.
    """

    base_url: str
    api_key_env: str | None = None
    dialect: Dialect = "vllm"
    prefix: str | None = None
    extra_body: dict[str, Any] = {}


class Resources(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes only speed and patience. ``stream`` measures the time to the first token."""

    concurrency: int = 16
    timeout_seconds: float = 600.0
    retries: int = 6
    pause_seconds: float = 0.5
    stream: bool = False


class OpenAI:
    """The engine ``openai``. The candidate's ``model`` is the name under which the server serves it."""

    @classmethod
    def check(cls, candidate: Candidate, *, where: str) -> None:
        """ConfigError for wrong options, a URL that is none, or an API key that the environment does not hold."""
        options = serving.read_options(candidate, Options, where=where)
        serving.read_resources(candidate, Resources, where=where)
        if not options.base_url.startswith(("http://", "https://")):
            raise ConfigError(
                f"{options.base_url!r} is not a URL; expected one such as 'http://localhost:8000/v1'",
                where=f"{where}.options.base_url",
            )
        _key(options, where=f"{where}.options.api_key_env")

    @classmethod
    def reach(cls, candidate: Candidate, asked: Sequence[Request] = ()) -> None:
        """EngineError where nobody answers at the endpoint, or where it cannot score and ``asked`` (a first request of each suite)
        wants that: before other engines have spent an hour."""
        server = Server(candidate)
        try:
            server.endpoint.reach()
            for probe in dict.fromkeys(_probe(request) for request in asked if request.kind != "generate"):
                server.probe(probe)
        finally:
            server.endpoint.close()

    @classmethod
    def describe(cls, candidate: Candidate) -> Mapping[str, Any]:
        """Name and dialect. What runs behind the URL cannot be known; ``revision`` is where a user declares it."""
        return {"name": "openai", "dialect": serving.read_options(candidate, Options).dialect}

    def __init__(self, candidates: Sequence[Candidate], *, seed: int = 0) -> None:  # noqa: ARG002
        for candidate in candidates:
            self.check(candidate, where=f"candidates.{candidate.name}")
        self.candidates = {candidate.name: candidate for candidate in candidates}
        resources = [serving.read_resources(candidate, Resources) for candidate in candidates]
        self.concurrency = max((entry.concurrency for entry in resources), default=1)
        self.capacity = 2 * self.concurrency
        self._servers: dict[str, Server] = {}
        self._tell: Callable[[str], None] | None = None
        self._waiting: queue.SimpleQueue[Asked | None] | None = None  # None ends a thread
        self._ready: queue.SimpleQueue[Answered] = queue.SimpleQueue()
        self._out = 0

    def tell(self, note: Callable[[str], None]) -> None:
        """Whom to tell why it takes long, while it does; before entering."""
        self._tell = note

    def __enter__(self) -> Self:
        self._servers = {name: Server(candidate, tell=self._tell) for name, candidate in self.candidates.items()}
        try:
            for server in self._servers.values():
                server.endpoint.reach()
        except EngineError:
            self._close()
            raise
        self._waiting = queue.SimpleQueue()
        for number in range(self.concurrency):  # daemons: after Ctrl-C nobody waits for what a server has not answered yet
            threading.Thread(target=self._serve, args=(self._waiting,), name=f"openai_{number}", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()

    def _close(self) -> None:
        for server in self._servers.values():
            server.endpoint.close()
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            with suppress(queue.Empty):
                while True:
                    waiting.get_nowait()
            for _ in range(self.concurrency):
                waiting.put(None)

    def submit(self, asked: Sequence[Asked]) -> None:
        """Hand over to the threads."""
        for entry in asked:
            self._out += 1
            if self._waiting is None:
                self._ready.put(Answered(ticket=entry.ticket, result=EngineError("this engine is closed")))
            else:
                self._waiting.put(entry)

    def _serve(self, waiting: queue.SimpleQueue[Asked | None]) -> None:
        while (asked := waiting.get()) is not None:
            self._work(asked)

    def _work(self, asked: Asked) -> None:
        result: Completion | EngineError
        try:
            server = self._servers.get(asked.candidate)
            if server is None:
                raise EngineError(f"this engine does not serve {asked.candidate!r}; it serves {', '.join(self._servers)}")
            result = server.answer(asked.request)
        except EngineError as error:
            result = error
        except Exception as error:  # in a thread: without this the ticket would never be answered
            result = EngineError(f"the request failed unexpectedly: {type(error).__name__}: {error}")
        self._ready.put(Answered(ticket=asked.ticket, result=result))

    def poll(self, timeout: float) -> Sequence[Answered]:
        """All that is ready; where nothing is, the first answer within ``timeout`` seconds."""
        found: list[Answered] = []
        while self._out:
            try:
                found.append(self._ready.get(block=not found, timeout=timeout))
            except queue.Empty:
                break
            self._out -= 1
        return found


class Server:
    """One candidate at its endpoint."""

    def __init__(self, candidate: Candidate, *, tell: Callable[[str], None] | None = None) -> None:
        self.model = candidate.model
        self.options = serving.read_options(candidate, Options)
        self.resources = serving.read_resources(candidate, Resources)
        patience = Patience(self.resources.timeout_seconds, self.resources.retries, self.resources.pause_seconds)
        self.endpoint = Endpoint(self.options.base_url, _key(self.options), patience, self.resources.concurrency, tell=tell)
        self._encode = lru_cache(maxsize=4096)(self._encode_now)
        self._render = lru_cache(maxsize=1024)(self._render_now)
        self._framing = Framing()

    def answer(self, request: Request) -> Completion:
        """The completion; EngineError where there is none."""
        if request.kind == "generate":
            return self._generate(request)
        return self._score(request) if self.options.dialect == "vllm" else self._score_by_echo(request)

    def probe(self, request: Request) -> None:
        """EngineError, with what to do, where the endpoint cannot answer a small request to score."""
        try:
            self.answer(request)
        except EngineError as error:
            what = "a text" if request.kind == "score_rolling" else "choices"
            raise EngineError(
                f"a suite scores {what} by log-probabilities, and {self.model!r} at {self.endpoint.url} could not give any: "
                f"{error}. Serve the model with vLLM (dialect = 'vllm'), load its weights here (engine 'vllm' or 'transformers'), "
                "or ask this endpoint only suites that generate."
            ) from error

    def _generate(self, request: Request) -> Completion:
        chat = bool(request.messages)
        if not chat and request.prompt is None:
            raise EngineError("a request needs messages or a prompt")
        body = (chat_body if chat else prompt_body)(self.model, request, self.options.dialect) | self.options.extra_body
        cut = 0
        try:
            reply = self._send(body, chat=chat)
        except Refusal as refusal:
            if request.overlong == "error":
                raise
            kept, cut = self._room(request, refusal)
            reply = self._send(body | {"truncate_prompt_tokens": kept, "truncation_side": "left"}, chat=chat)
        completion = read_answer(reply.data, chat=chat)
        return msgspec.structs.replace(completion, seconds=reply.seconds, first_token_seconds=reply.first_token_seconds, cut=cut)

    def _send(self, body: dict[str, Any], *, chat: bool) -> Reply:
        path = "chat/completions" if chat else "completions"
        if self.resources.stream:
            return self.endpoint.stream(path, body, partial(join_stream, chat=chat))
        return self.endpoint.post(path, body)

    def _room(self, request: Request, refusal: Refusal) -> tuple[int, int]:
        """How many prompt tokens of a refused request to keep and to drop; EngineError where its length was not the reason, or
        where the endpoint does not tell its tokens: what does not fit is then an error and nothing is cut unseen."""
        if self.options.dialect != "vllm":
            raise EngineError(f"{refusal} {NO_CUTTING}") from refusal
        try:
            body = self._rendering(request) if request.messages else {"prompt": request.prompt, "add_special_tokens": True}
            length, ids = self._read_tokens(self._beside("tokenize", {"model": self.model, **body}))
        except EngineError as error:
            raise EngineError(f"{refusal} {NO_CUTTING} ({error})") from refusal
        left, cut = fit_prompt(list(ids), request, length)
        if not cut:
            raise refusal
        return len(left), cut

    def _rendering(self, request: Request) -> dict[str, Any]:
        """What decides how the server renders a conversation, ``extra_body`` included: tokenised must be what is answered."""
        extra = {name: value for name, value in self.options.extra_body.items() if name.startswith("chat_template")}
        return conversation(request) | extra

    # ----------------------------------------------------------------------------- scores from a vLLM server, by token ids

    def _score(self, request: Request) -> Completion:
        """Split into tokens by the server's own tokenizer, exactly as the engines in this process do."""
        frame = None
        if request.messages:
            text, special = self._render(msgspec.json.encode(self._rendering(request), order="sorted")), False
            frame = self._framing.of(request, text)
        else:
            text = request.prompt or ""
            special = not (self.options.prefix and text.startswith(self.options.prefix))
        if request.kind == "score_rolling":
            length, ids = self._encode(text, special)
            if not ids:
                raise EngineError("there is no text to score")
            pairs, scored = cut_windows(list(ids), self._prefix(), length), text
        else:
            scored = request.continuation or ""
            encode = self._encode
            pair = split_pair(
                lambda part, adding: list(encode(part, adding)[1]), text, scored, special, self._prefix,
                after_space=request.after_space,
            )  # fmt: skip
            pairs = [fit_pair(pair, request, encode(scored, False)[0] - 1)]  # the server wants room for one generated token
        results = [self._score_pair(pair) for pair in pairs]
        return Completion(
            logprob=sum(logprob for (logprob, _), _ in results),
            greedy=all(greedy for (_, greedy), _ in results),
            tokens=sum(len(pair.continuation) for pair in pairs),
            bytes=len(scored.encode()),
            tokens_in=sum(len(pair.context) + len(pair.continuation) for pair in pairs),
            seconds=sum(reply.seconds for _, reply in results),
            cut=sum(pair.cut for pair in pairs),
            boundary=any(pair.boundary for pair in pairs),
            frame=frame,
        )

    def _score_pair(self, pair: Pair) -> tuple[tuple[float, bool], Reply]:
        body = {
            "model": self.model,
            "prompt": pair.context + pair.continuation,
            "max_tokens": 1,
            "temperature": 0.0,
            "prompt_logprobs": 0,
        }
        reply = self.endpoint.post("completions", body | self.options.extra_body)
        return read_prompt_scores(reply.data, pair.continuation), reply

    def _prefix(self) -> int:
        if self.options.prefix is None:
            raise EngineError(
                "a score without context needs the token that stands before a text: set options.prefix to the text of the model's "
                "BOS (or EOS) token, such as '<|endoftext|>'"
            )
        ids = self._encode(self.options.prefix, False)[1]
        if len(ids) != 1:
            raise EngineError(f"options.prefix must be one token, {self.options.prefix!r} is {len(ids)}")
        return ids[0]

    def _encode_now(self, text: str, special: bool) -> tuple[int, tuple[int, ...]]:
        """The context length of the served model, and the token ids of ``text``."""
        body = {"model": self.model, "prompt": text, "add_special_tokens": special}
        return self._read_tokens(self._beside("tokenize", body))

    def _render_now(self, body: bytes) -> str:
        """A conversation as the text that the served model sees, ready to be answered. ``body``: what ``_rendering`` says."""
        _, ids = self._read_tokens(self._beside("tokenize", {"model": self.model, **msgspec.json.decode(body)}))
        text = self._beside("detokenize", {"model": self.model, "tokens": list(ids)}).get("prompt")
        if not isinstance(text, str):
            raise EngineError("this endpoint does not detokenise, so a conversation cannot be scored on it")
        return text

    def _beside(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """vLLM's tokenizer lies beside ``/v1``, not below it."""
        return self.endpoint.post(f"{self.endpoint.url.removesuffix('/v1')}/{path}", body).data

    @staticmethod
    def _read_tokens(data: Mapping[str, Any]) -> tuple[int, tuple[int, ...]]:
        try:
            return int(data["max_model_len"]), tuple(map(int, data["tokens"]))
        except (KeyError, TypeError, ValueError) as error:
            raise EngineError(
                f"this endpoint does not tokenise as a vLLM server does, so it cannot be asked to score: {data}"
            ) from error

    # --------------------------------------------------------------------------------- scores from OpenAI's echo, by text

    def _score_by_echo(self, request: Request) -> Completion:
        if request.kind != "score" or request.messages or not request.prompt:
            raise EngineError(
                "in the 'openai' dialect only a raw, non-empty prompt's continuation can be scored; use dialect = 'vllm'"
            )
        bare = request.prompt if request.after_space else request.prompt.rstrip() or request.prompt
        continuation = request.continuation or ""
        if not continuation:
            raise EngineError("there is no continuation to score")
        body = {
            "model": self.model,
            "prompt": request.prompt + continuation,
            "max_tokens": 0,
            "temperature": 0.0,
            "echo": True,
            "logprobs": 1,
        }
        try:
            reply = self.endpoint.post("completions", body | self.options.extra_body)
        except Refusal as refusal:
            raise EngineError(str(refusal) if request.overlong == "error" else f"{refusal} {NO_CUTTING}") from refusal
        logprob, greedy, tokens = read_echo_scores(reply.data, bare)
        return Completion(logprob=logprob, greedy=greedy, tokens=tokens, bytes=len(continuation.encode()), seconds=reply.seconds)


def _probe(request: Request) -> Request:
    """A request of the same kind about next to nothing."""
    if request.kind == "score_rolling":
        return Request(kind="score_rolling", prompt="one two")
    if request.messages:
        return Request(kind="score", messages=(Message(role="user", content="one"),), continuation="two three")
    return Request(kind="score", prompt="one", continuation=" two")


def _key(options: Options, *, where: str = "") -> str | None:
    """The API key from the environment; ConfigError where it is declared and not there."""
    if options.api_key_env is None:
        return None
    key = os.environ.get(options.api_key_env)
    if not key:
        raise ConfigError(f"the environment variable {options.api_key_env!r} is not set; it should hold the API key", where=where)
    return key
