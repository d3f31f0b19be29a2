"""A candidate's tokenizer and chat template without its weights: what a request looks like to the model."""

from __future__ import annotations

from dataclasses import dataclass

from harness.checkpoints import answering, resolve_model
from harness.engines import serving
from harness.engines.tokens import Tokens
from harness.errors import ConfigError, EngineError
from harness.records import Candidate, Request
from harness.strict import convert

LOADING = ("vllm", "transformers")
"""Engines that load weights, and so read a tokenizer that is here."""


@dataclass(frozen=True)
class Seen:
    """A request as the model sees it, special tokens included: its text, how many tokens, and of which the answer is scored."""

    text: str
    tokens: int
    scored: str | None = None
    begins_with_bos: bool = False


@dataclass(frozen=True)
class Reader:
    """Whose eyes, and the tokens of context that they have."""

    name: str
    tokens: Tokens
    context: int | None

    def see(self, request: Request) -> Seen:
        """EngineError for what the template refuses, and for two BOS tokens."""
        scored = None
        if request.kind == "generate":
            ids = self.tokens.prompt(request).context
        elif request.kind == "score":
            pair = self.tokens.pair(request)
            ids, scored = pair.context + pair.continuation, self._text(pair.continuation)
            return Seen(self._text(pair.context), len(ids), scored, self._bos(ids))
        else:
            ids = self.tokens.encode(request.prompt or "", False)
        return Seen(self._text(ids), len(ids), scored, self._bos(ids))

    def count(self, text: str) -> int:
        """Tokens of a text of its own."""
        return len(self.tokens.encode(text, False))

    def _text(self, ids: list[int]) -> str:
        return str(self.tokens.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def _bos(self, ids: list[int]) -> bool:
        bos = self.tokens.tokenizer.bos_token_id
        return bos is not None and ids[:1] == [bos]


def read_by(candidate: Candidate) -> Reader | str:
    """How a candidate reads; or a sentence that says why that cannot be known here."""
    asked = answering(candidate)
    if asked.engine not in LOADING:
        return f"{candidate.name} is served by {asked.engine!r}, which renders prompts elsewhere"
    known = {name: value for name, value in asked.options.items() if name in serving.ModelOptions.__struct_fields__}
    try:
        options = convert(known, serving.ModelOptions, where=f"candidates.{candidate.name}.options")
        folder = serving.model_folder(asked)
        place = f"candidates.{candidate.name}.adapter"
        adapter = None if asked.adapter is None else resolve_model(asked.adapter, where=place, what="adapter")
        serving.require("transformers", engine="transformers")
        context = serving.resolve_length(options.max_model_len, serving.model_config(folder))
        return Reader(candidate.name, Tokens(folder, adapter, options=options), context)
    except (ConfigError, EngineError) as error:
        return f"{candidate.name} cannot be read: {error}"
    except (OSError, ValueError) as error:  # what transformers raises for a tokenizer that is none
        return f"the tokenizer of {candidate.name} cannot be read: {' '.join(str(error).split())[:300]}"
