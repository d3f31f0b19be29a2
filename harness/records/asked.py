"""Who is evaluated, what is asked of an engine, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from msgspec import Meta

from harness.records.record import Record

PerMillion = Annotated[float, Meta(ge=0, le=1e9)]


class Price(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Money for a million tokens that are read (``input``) and written (``output``), in one currency for all candidates."""

    input: PerMillion
    output: PerMillion


class Candidate(Record, frozen=True, kw_only=True):
    """Weights to evaluate and how they are served.

    ``options`` may change outputs (dtype, quantisation, context length) and are fingerprinted; ``resources`` change only
    speed and are not. ``reference`` names the candidate that forgetting is measured against (default: its own base, when that is a
    candidate too). ``recipe``: candidates of one recipe differ by their training seed, and are replicates of it. ``price``: what
    its tokens cost; it changes no answer, and may change without asking again.
    """

    name: str
    model: str = ""
    revision: str | None = None
    adapter: str | None = None
    engine: str = "vllm"
    options: dict[str, Any] = {}
    resources: dict[str, Any] = {}
    training_data: tuple[str, ...] = ()
    reference: str | None = None
    recipe: str | None = None
    price: Price | None = None


class Message(Record, frozen=True, kw_only=True, omit_defaults=True):
    """One chat turn, in OpenAI's words."""

    role: str
    content: str = ""
    name: str | None = None
    tool_calls: tuple[dict[str, Any], ...] = ()
    tool_call_id: str | None = None


class Request(Record, frozen=True, kw_only=True, omit_defaults=True):
    """One thing asked of an engine. Every sampling parameter is sent explicitly.

    ``generate`` answers ``messages`` (through the chat template) or ``prompt`` (raw text).
    ``score`` gives the log-probability of ``continuation`` after ``prompt`` or after ``messages`` + generation prompt.
    ``score_rolling`` gives the log-probability of all of ``prompt``, conditioned on BOS/EOS as in lm-eval.
    ``top_k = 0`` means off. ``to`` names another engine than the candidate's own (a judge, a simulated user).
    ``draw`` counts sampled answers to one item; it is part of the journal key. ``item`` is the key of the item that it belongs to,
    by which recorded answers are found; it does not enter the journal key, because no model sees it. ``overlong``: what does not
    fit the model's context is an error, or (as in lm-eval) loses its left end, which ``Completion.cut`` counts. ``greedy`` False:
    who asks for a score need not know whether the continuation is the most likely one, which spares some engines much work.
    ``after_space``: white space that ends the context stays there, as where an answer begins; else it belongs to the continuation,
    as in lm-eval.

    Defaults are left out of the encoded form, so that a field that is added later changes no journal key.
    """

    kind: Literal["generate", "score", "score_rolling"] = "generate"
    messages: tuple[Message, ...] = ()
    prompt: str | None = None
    continuation: str | None = None
    tools: tuple[dict[str, Any], ...] = ()
    schema: dict[str, Any] | None = None
    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int = 0
    continue_final: bool = False
    enable_thinking: bool | None = None
    overlong: Literal["error", "truncate_left"] = "error"
    greedy: bool = True
    after_space: bool = False
    to: str | None = None
    draw: int = 0
    item: str | None = None

    @property
    def contents(self) -> tuple[str, ...]:
        """What was asked, without roles and template: of every message its content, or the prompt."""
        return tuple(message.content for message in self.messages) or (self.prompt or "",)


class Frame(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A prompt as the model saw it, less what was asked: the chat template's own text, with the contents left out.

    ``parts``: a text as it stands there, or which of ``Request.contents`` stands there: ``n``, or ``-1 - n`` for it without the
    white space around it. So equal templates make equal frames. What a template changed is no content any more, but text.
    ``special``: the tokenizer's special tokens that occur in the whole, contents included. ``left_out``: of a text that was too
    long to be kept, the characters between its two parts.
    """

    parts: tuple[str | int, ...]
    special: tuple[str, ...] = ()
    left_out: int = 0

    def pieces(self, contents: Sequence[str]) -> list[tuple[str, bool]]:
        """The text piece by piece, each with whether it is a content. IndexError where there are not so many."""
        found: list[tuple[str, bool]] = []
        for part in self.parts:
            if isinstance(part, str):
                found.append((part, False))
            else:
                found.append((contents[part], True) if part >= 0 else (contents[-1 - part].strip(), True))
        return found

    def text(self, contents: Sequence[str]) -> str:
        """The whole."""
        return "".join([piece for piece, _ in self.pieces(contents)])


class Completion(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What an engine answered.

    Generation fills ``text``, ``token_ids`` (end-of-turn token stripped), ``finish``. Scoring fills ``logprob`` (nats, summed
    over the continuation), ``greedy`` (was every token the arg-max), ``tokens`` and ``bytes`` (of the continuation's text).
    ``tokens_in`` counts the prompt as the model saw it; ``tokens_out`` counts generated tokens, end of turn included, of which
    ``reasoning_tokens`` stood before the answer. ``cut`` counts prompt tokens that were dropped on the left to fit the context.
    ``boundary``: context and continuation, tokenised together, share a token; the score is lm-eval's, of the whole tokens after it.
    ``frame``: the prompt as it was tokenised, where the engine rendered it itself (of a score: the context); None where only a
    server knows.
    """

    text: str = ""
    reasoning: str | None = None
    tool_calls: tuple[dict[str, Any], ...] = ()
    token_ids: tuple[int, ...] = ()
    finish: Literal["stop", "length", "error"] = "stop"
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    first_token_seconds: float | None = None
    logprob: float | None = None
    greedy: bool | None = None
    tokens: int | None = None
    bytes: int | None = None
    reasoning_tokens: int = 0
    cut: int = 0
    boundary: bool = False
    frame: Frame | None = None
