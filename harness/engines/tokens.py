"""From requests to token ids, the same way for every engine that loads weights: chat template, pairs to score, stop tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import msgspec

from harness.checkpoints import chat_template, frozen_clock
from harness.engines.encoder import Encoder
from harness.engines.framing import Framing
from harness.engines.reasoning import Thinking, find_tags, until_stop
from harness.engines.serving import ModelOptions
from harness.engines.tools import ToolReader
from harness.errors import EngineError
from harness.records import Frame, Message, Request


class Pair(NamedTuple):
    """Token ids of a context and of the continuation that is scored after it. The context has at least one token.

    ``boundary``: the tokens of the whole text do not start with the context's. ``cut``: context tokens dropped on the left.
    ``frame``: the text whose tokens the context is. Where an answer is to be generated, there is no continuation.
    """

    context: list[int]
    continuation: list[int]
    boundary: bool = False
    cut: int = 0
    frame: Frame | None = None


class _Text(NamedTuple):
    """The text before an answer, whether the tokenizer may add its special tokens to it, and the frame."""

    text: str
    special: bool
    frame: Frame | None


_PLAIN = ModelOptions()


class Reply(NamedTuple):
    """What an answer's tokens say; ``stopped``: the answer was cut at a stop string."""

    text: str
    reasoning: str | None
    reasoning_tokens: int
    tool_calls: tuple[dict[str, Any], ...]
    stopped: bool


class Tokens:
    """One candidate's tokenizer, chat template and stop tokens.

    The vocabulary is the base model's. An adapter folder may bring its own chat template and end-of-turn token, as PEFT and TRL
    save them; ``options.chat_template`` replaces either template. Candidates of one family may share the base's ``encoder``.
    """

    def __init__(
        self, model: Path, adapter: Path | None = None, *, options: ModelOptions = _PLAIN, encoder: Encoder | None = None
    ) -> None:
        if encoder is None:
            from transformers import AutoTokenizer

            encoder = Encoder(AutoTokenizer.from_pretrained(str(model), trust_remote_code=options.trust_remote_code))
        self.encode = encoder
        self.tokenizer = encoder.tokenizer
        self.model = model
        self.template = self._template(adapter, options.chat_template)
        self.stop_ids = self._stop_ids(adapter)
        self.thinking = Thinking(self.tokenizer, find_tags(options.reasoning, self.template, self.tokenizer.get_vocab()))
        self._tools = None if options.tool_parser is None else ToolReader(options.tool_parser, self.tokenizer)
        self._clock = frozen_clock(options.template_date)
        self.framing = Framing(self.render, _special_tokens(self.tokenizer))
        prefix = self.tokenizer.bos_token_id
        self.prefix_id: int | None = self.tokenizer.eos_token_id if prefix is None else prefix

    def _template(self, adapter: Path | None, override: str | None) -> str | None:
        if override is not None:
            try:
                return Path(override).read_text(encoding="utf-8")
            except OSError as error:
                raise EngineError(f"the chat template {override!r} cannot be read: {error.strerror}") from error
        if adapter is not None:
            own = chat_template(adapter)
            if own is not None:
                return own
        found = self.tokenizer.chat_template
        return found.get("default") if isinstance(found, dict) else found

    def _stop_ids(self, adapter: Path | None) -> tuple[int, ...]:
        found: set[int] = set()
        vocabulary = self.tokenizer.get_vocab()
        for folder in (self.model, adapter):
            if folder is None:
                continue
            eos = _json(folder / "generation_config.json").get("eos_token_id")
            found.update([eos] if isinstance(eos, int) else eos or [])
            token = _json(folder / "tokenizer_config.json").get("eos_token")
            text = token.get("content") if isinstance(token, dict) else token
            if isinstance(text, str) and text in vocabulary:
                found.add(vocabulary[text])
        if self.tokenizer.eos_token_id is not None:
            found.add(self.tokenizer.eos_token_id)
        return tuple(sorted(found))

    def render(self, request: Request) -> str:
        """The request's messages as the text that the model sees, ready to be answered (or continued).

        A template that asks for the date is told ``options.template_date``.
        """
        if self.template is None:
            raise EngineError(
                f"{str(self.model)!r} has no chat template, and the request is a conversation. Set options.chat_template to a "
                "Jinja file, or ask with a raw prompt."
            )
        if request.tools and self._tools is not None:
            self._tools.request(request.tools)
        thinking = {} if request.enable_thinking is None else {"enable_thinking": request.enable_thinking}
        try:
            return str(
                self.tokenizer.apply_chat_template(
                    [_plain(message) for message in request.messages],
                    tools=list(request.tools) or None,
                    chat_template=self.template,
                    add_generation_prompt=not request.continue_final,
                    continue_final_message=request.continue_final,
                    tokenize=False,
                    strftime_now=self._clock,
                    **thinking,
                )
            )
        except (jinja2.TemplateError, ValueError, TypeError) as error:
            raise EngineError(f"the chat template refused the messages: {error}") from error

    def _text(self, request: Request) -> _Text:
        """As in lm-eval: a rendered template already holds the special tokens, and so does a raw prompt that starts with them."""
        if request.messages:
            text = self.render(request)
            return _Text(text, False, self.framing.of(request, text))
        if request.prompt is None:
            raise EngineError("a request needs messages or a prompt")
        prefix = self.tokenizer.decode([self.prefix_id]) if self.prefix_id is not None else ""
        special = not (prefix and request.prompt.startswith(prefix))
        before = (self._added if special else "") if request.prompt else prefix
        return _Text(request.prompt, special, None if before is None else self.framing.raw(before, request.prompt))

    @cached_property
    def _added(self) -> str | None:
        """What the tokenizer puts before a text that may have its special tokens; None where it does more than that."""
        alone, together = self.encode("x", False), self.encode("x", True)
        added = len(together) - len(alone)
        return str(self.tokenizer.decode(together[:added])) if together[added:] == alone else None

    def prompt(self, request: Request) -> Pair:
        """What is to be answered; the context is never empty."""
        text, special, frame = self._text(request)
        ids = self.encode(text, special)
        self._refuse_two_bos(ids, text, request)
        return Pair(ids or [self._prefix()], [], frame=frame)

    def _refuse_two_bos(self, ids: Sequence[int], text: str, request: Request) -> None:
        """EngineError for a prompt that begins with two BOS tokens: models were not trained on that, and answer worse, silently."""
        token = self.tokenizer.bos_token_id
        if token is None or list(ids[:2]) != [token, token]:
            return
        bos = self.tokenizer.bos_token
        if not text.startswith(bos + bos):
            cause = "one stands in its text, the other is added by the tokenizer: remove it from the text"
        elif request.messages:
            cause = "both are written by the chat template, or one by it and one by the first message: remove it from one of them"
        else:
            cause = "both stand in its text: remove one"
        raise EngineError(f"the prompt begins with two BOS tokens ({bos!r}); {cause}.")

    def _prefix(self) -> int:
        if self.prefix_id is None:
            raise EngineError(f"{str(self.model)!r} has neither a BOS nor an EOS token to stand before an empty context")
        return self.prefix_id

    def pair(self, request: Request) -> Pair:
        """Context and continuation of a request to score; see ``split_pair``."""
        return self._split(request, *self._text(request))

    def _split(self, request: Request, text: str, special: bool, frame: Frame | None) -> Pair:
        pair = split_pair(self.encode, text, request.continuation or "", special, self._prefix, after_space=request.after_space)
        self._refuse_two_bos(pair.context, text, request)
        return pair._replace(frame=frame)

    def pairs(self, requests: Sequence[Request]) -> list[Pair | EngineError]:
        """``pair`` of each request, or its error. Texts are tokenised in one go; choices of one conversation are rendered once."""
        texts: list[_Text | EngineError] = []
        before: Request | None = None
        for request in requests:
            asked = msgspec.structs.replace(request, continuation=None)
            if asked != before:
                try:
                    text: _Text | EngineError = self._text(request)
                except EngineError as error:
                    text = error
            before = asked
            texts.append(text)
        ready = [(request, text) for request, text in zip(requests, texts, strict=True) if not isinstance(text, EngineError)]
        self.encode.learn(
            part
            for request, text in ready
            for part in pair_texts(text[0], request.continuation or "", text[1], after_space=request.after_space)
        )
        found: list[Pair | EngineError] = []
        for request, text in zip(requests, texts, strict=True):
            try:
                found.append(text if isinstance(text, EngineError) else self._split(request, *text))
            except EngineError as error:
                found.append(error)
        return found

    def windows(self, request: Request, length: int) -> list[Pair]:
        """The request's prompt cut into windows for a model with a context of ``length`` tokens; see ``cut_windows``."""
        text, special, _ = self._text(request)
        ids = self.encode(text, special)
        if not ids:
            raise EngineError("there is no text to score")
        return cut_windows(ids, self._prefix(), length)

    def read(self, request: Request, prompt: Sequence[int], ids: Sequence[int]) -> Reply:
        """What generated ids (end-of-turn token left out) say: thinking, tool calls, and the answer up to a stop string."""
        found = self.thinking.split(ids, self.thinking.stage(request, prompt))
        text, stopped = until_stop(found.text, request.stop)
        calls: tuple[dict[str, Any], ...] = ()
        if request.tools and self._tools is not None:
            marked = until_stop(self.thinking.marked(ids, found), request.stop)[0]
            text, calls = self._tools.read(marked, request.tools) or (text, ())
        return Reply(text, found.reasoning, found.tokens, calls, stopped)


def _special_tokens(tokenizer: Any) -> set[str]:
    added = getattr(tokenizer, "added_tokens_decoder", {}).values()
    return {*tokenizer.all_special_tokens, *(token.content for token in added if token.special)}


def pair_texts(context: str, continuation: str, special: bool, *, after_space: bool = False) -> list[tuple[str, bool]]:
    """What ``split_pair`` tokenises: the context, ``after_space`` or without the spaces that end it, and the whole text."""
    if not context:
        return [(continuation, False)]
    head = context if after_space else context.rstrip() or context
    return [(head, special), (context + continuation, special)]


def split_pair(
    encode: Callable[[str, bool], list[int]],
    context: str,
    continuation: str,
    special: bool,
    prefix: Callable[[], int],
    *,
    after_space: bool = False,
) -> Pair:
    """Token ids of context and continuation, split as lm-eval does.

    Spaces that end the context belong to the continuation (not with ``after_space``), and the continuation is what the tokens of
    the whole text have beyond the context's. An empty context becomes the ``prefix`` token. ``encode(text, special)`` tokenises;
    ``special`` says whether the tokenizer adds its special tokens to the context.
    """
    if not continuation:
        raise EngineError("there is no continuation to score")
    parts = [encode(*part) for part in pair_texts(context, continuation, special, after_space=after_space)]
    if not context:
        ids, first = parts[0], prefix()
        if not ids:
            raise EngineError(f"the continuation {continuation!r} has no tokens, so it cannot be scored")
        return Pair([first], ids) if ids[0] != first or len(ids) < 2 else Pair(ids[:1], ids[1:])
    head, whole = parts
    if len(whole) <= len(head) or not head:
        raise EngineError(f"the continuation {continuation!r} has no tokens of its own after its context, so it cannot be scored")
    return Pair(head, whole[len(head) :], boundary=whole[: len(head)] != head)


def fit_pair(pair: Pair, request: Request, length: int) -> Pair:
    """The pair in a context of ``length`` tokens: as it is, or cut on the left where the request allows it; else EngineError."""
    total = len(pair.context) + len(pair.continuation)
    if total <= length:
        return pair
    if request.overlong == "error" or len(pair.continuation) >= length:
        raise EngineError(f"context and continuation have {total} tokens, the model's context only {length}. {_SHORTER}")
    return pair._replace(context=pair.context[total - length :], cut=total - length)


def fit_prompt(ids: list[int], request: Request, length: int) -> tuple[list[int], int]:
    """The prompt, and how many of its first tokens were dropped to leave room for ``max_tokens`` in a context of ``length``.

    Where the request does not allow dropping, a prompt that leaves room for at least one token stays as it is; else EngineError.
    """
    if request.overlong == "error":
        if len(ids) >= length:
            raise EngineError(f"the prompt has {len(ids)} tokens, which leaves no room in a context of {length}. {_SHORTER}")
        return ids, 0
    room = length - request.max_tokens
    if room < 1:
        raise EngineError(f"max_tokens = {request.max_tokens} leaves no room for a prompt in a context of {length}; lower it")
    cut = max(0, len(ids) - room)
    return ids[cut:], cut


_SHORTER = "Shorten the item, raise options.max_model_len, or set the suite's option overlong = 'truncate_left'."


def cut_windows(ids: list[int], prefix: int, length: int) -> list[Pair]:
    """A text cut into windows that fit a context of ``length`` tokens, each token predicted exactly once.

    A window holds ``length - 1`` tokens, the first of which is only seen: a server wants room for one generated token.

    The first window is conditioned on the ``prefix`` token, as in lm-eval's ``loglikelihood_rolling``; every later one on as many
    of the tokens before it as fit, at least one.
    """
    most = length - 2
    pairs = [Pair([prefix], ids[:most])]
    for start in range(most, len(ids), most):
        end = min(start + most, len(ids))
        pairs.append(Pair(ids[max(0, end - most - 1) : start], ids[start:end]))
    return pairs


def _plain(message: Message) -> dict[str, Any]:
    """A message as chat templates expect it: content always there, arguments of tool calls as objects."""
    plain: dict[str, Any] = {"content": "", **msgspec.to_builtins(message)}
    for call in plain.get("tool_calls") or ():
        function = call.get("function") or {}
        if isinstance(function.get("arguments"), str):
            try:
                function["arguments"] = json.loads(function["arguments"])
            except ValueError:
                continue
    return plain


def _json(path: Path) -> dict[str, Any]:
    """A JSON object, or an empty one where the file is absent."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise EngineError(f"{str(path)!r} is not valid JSON: {error}") from error
    return content if isinstance(content, dict) else {}
