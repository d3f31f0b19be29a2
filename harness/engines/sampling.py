"""Plain decoding with a Hugging Face model: every row has its own parameters, its own generator and its own grammar.

So a row's answer does not depend on what shares its batch. The order of operations is vLLM's: grammar, repetition penalty,
temperature, min-p, top-k, top-p.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.engines.reasoning import Stage, until_stop
from harness.engines.tokens import Reply, Tokens
from harness.errors import EngineError
from harness.records import Frame, Request


@dataclass
class Row:
    """One answer in the making. ``room`` is how many tokens it may still generate; ``cut`` how many prompt tokens were dropped."""

    request: Request
    tokens: Tokens
    prompt: list[int]
    room: int
    grammar: Any = None
    generated: list[int] = field(default_factory=list)
    finish: str | None = None
    generator: Any = None
    cut: int = 0
    frame: Frame | None = None
    stage: Stage = field(init=False)

    def __post_init__(self) -> None:
        self.stage = self.tokens.thinking.stage(self.request, self.prompt)

    def take(self, token: int) -> None:
        """Accept a token; find out whether the answer ends with it."""
        self.generated.append(token)
        self.room -= 1
        complete = self.grammar is not None and self.grammar.accept(token)
        if complete or token in self.tokens.stop_ids or self._stopped():
            self.finish = "stop"
        elif self.room <= 0:
            self.finish = "length"

    def _stopped(self) -> bool:
        if not self.request.stop:
            return False
        return until_stop(self.tokens.thinking.split(self.generated, self.stage).text, self.request.stop)[1]

    def read(self) -> Reply:
        """The answer: without thinking, end-of-turn token, and stop string."""
        return self.tokens.read(self.request, self.prompt, self.answer_ids)

    @property
    def answer_ids(self) -> list[int]:
        """The generated ids without the end-of-turn token."""
        ended = bool(self.generated) and self.generated[-1] in self.tokens.stop_ids
        return self.generated[:-1] if ended else self.generated


def choose(row: Row, logits: Any) -> int:
    """The next token of one row. ``logits``: float32, shape (vocabulary,); changed in place."""
    import torch

    request = row.request
    if row.grammar is not None:
        row.grammar.mask(logits)
    if request.repetition_penalty != 1.0:
        seen = torch.tensor(sorted({*row.prompt, *row.generated}), device=logits.device)
        values = logits[seen]
        logits[seen] = torch.where(values > 0, values / request.repetition_penalty, values * request.repetition_penalty)
    if request.temperature < 1e-5:
        return int(logits.argmax())
    logits = _filtered(logits / request.temperature, request)
    if row.generator is None:
        row.generator = torch.Generator(device="cpu").manual_seed(request.seed)
    return int(torch.multinomial(logits.softmax(-1).cpu(), 1, generator=row.generator))


def _filtered(logits: Any, request: Request) -> Any:
    """min-p, then top-k, then top-p: what falls out gets minus infinity."""
    import torch

    never = float("-inf")
    if request.min_p > 0:
        probabilities = logits.softmax(-1)
        logits = logits.masked_fill(probabilities < request.min_p * probabilities.max(), never)
    if request.top_k > 0:
        kept = min(request.top_k, logits.shape[-1])
        logits = logits.masked_fill(logits < logits.topk(kept).values[-1], never)
    if request.top_p < 1:
        ordered, order = logits.sort(descending=True)
        before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
        dropped = torch.zeros_like(logits, dtype=torch.bool)
        dropped[order] = before >= request.top_p
        logits = logits.masked_fill(dropped, never)
    return logits


def decode(model: Any, rows: Sequence[Row], pad: int) -> None:
    """Generate until every row has finished: one left-padded batch with a key-value cache, finished rows dropped from it."""
    import torch

    width = max(len(row.prompt) for row in rows)
    ids = torch.full((len(rows), width), pad, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, width - len(row.prompt) :] = torch.tensor(row.prompt)
        mask[index, width - len(row.prompt) :] = 1
    ids, mask = ids.to(model.device), mask.to(model.device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    active, cache = list(rows), None
    while True:
        with torch.inference_mode():
            output = model(
                input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True, logits_to_keep=1
            )
        cache, logits = output.past_key_values, output.logits[:, -1].float()
        for row, scores in zip(active, logits, strict=True):
            row.take(choose(row, scores.clone()))
        kept = [index for index, row in enumerate(active) if row.finish is None]
        if not kept:
            return
        if len(kept) < len(active):
            chosen = torch.tensor(kept, device=mask.device)
            cache.batch_select_indices(chosen)
            mask, positions = mask[chosen], positions[chosen]
            active = [active[index] for index in kept]
        ids = torch.tensor([[row.generated[-1]] for row in active], device=mask.device)
        mask = torch.cat([mask, mask.new_ones((len(active), 1))], dim=1)
        positions = positions[:, -1:] + 1


class Grammars:
    """JSON schemas compiled by xgrammar for one tokenizer. No white space: a small model would fill its budget with it."""

    def __init__(self, tokens: Tokens, vocabulary: int) -> None:
        try:
            import xgrammar
        except ImportError as error:
            raise EngineError(
                "an answer that must fit a JSON schema needs the package 'xgrammar', which is not installed"
            ) from error
        self._xgrammar = xgrammar
        information = xgrammar.TokenizerInfo.from_huggingface(
            tokens.tokenizer, vocab_size=vocabulary, stop_token_ids=list(tokens.stop_ids)
        )
        self._compiler = xgrammar.GrammarCompiler(information, max_threads=1)
        self._vocabulary = vocabulary

    def start(self, schema: str) -> Grammar:
        """A fresh grammar for one answer. EngineError where the schema cannot be compiled."""
        try:
            compiled = self._compiler.compile_json_schema(schema, any_whitespace=False, separators=(",", ":"))
        except (RuntimeError, ValueError) as error:
            raise EngineError(f"the JSON schema cannot be used: {error}") from error
        return Grammar(self._xgrammar, compiled, self._vocabulary)


class Grammar:
    """Which tokens may come next in one answer."""

    def __init__(self, xgrammar: Any, compiled: Any, vocabulary: int) -> None:
        self._xgrammar = xgrammar
        self._matcher = xgrammar.GrammarMatcher(compiled)
        self._allowed = xgrammar.allocate_token_bitmask(1, vocabulary)

    def mask(self, logits: Any) -> None:
        """Set the logits of forbidden tokens to minus infinity, in place."""
        self._matcher.fill_next_token_bitmask(self._allowed)
        self._xgrammar.apply_token_bitmask_inplace(logits.unsqueeze(0), self._allowed.to(logits.device))

    def accept(self, token: int) -> bool:
        """Move on by one token; is the answer complete?"""
        if not self._matcher.accept_token(token):
            raise EngineError(f"token {token} was chosen against the JSON schema")
        return bool(self._matcher.is_terminated())
