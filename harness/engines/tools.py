"""Tool calls in what a model generated, read by vLLM's tool parsers, in this process and without its server.

The parsers give random ids; ours count (``call00000``: nine letters and digits, as Mistral's templates ask for), so that the same
answer is the same in every journal. A parser that raises, and one that finds nothing, leave the text as it is: a malformed call is
a bad answer, not an error.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import Any

from harness.engines import serving
from harness.errors import EngineError
from harness.plugins import did_you_mean

_ASKED = [{"role": "user", "content": ""}]
"""vLLM's request needs a conversation; its parsers look at the tools only."""


class ToolReader:
    """One of vLLM's tool parsers for one tokenizer. EngineError where vLLM, the parser, or a token that it needs, is missing."""

    def __init__(self, name: str, tokenizer: Any) -> None:
        serving.require("vllm", engine=f"options.tool_parser = {name}")
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "CRITICAL")  # parsers log a traceback for every malformed call
        from vllm.tokenizers.hf import get_cached_tokenizer
        from vllm.tool_parsers import ToolParserManager

        known = {*ToolParserManager.lazy_parsers, *ToolParserManager.tool_parsers}
        if name not in known:
            raise EngineError(f"vLLM has no tool parser {name!r}. {did_you_mean(name, known)}")
        self._parser = ToolParserManager.get_tool_parser(name)
        self._tokenizer = get_cached_tokenizer(tokenizer)
        try:
            self._parser(self._tokenizer)
        except Exception as error:  # a parser may refuse a vocabulary in any way
            raise EngineError(f"options.tool_parser = {name!r} does not fit this model: {' '.join(str(error).split())}") from error

    def request(self, tools: Sequence[dict[str, Any]]) -> Any:
        """The request that the parsers are told about. EngineError for tools that are not in OpenAI's form."""
        from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest

        try:
            return ChatCompletionRequest(model="", messages=_ASKED, tools=list(tools))
        except ValueError as error:
            raise EngineError(f"the tools are not in OpenAI's form: {' '.join(str(error).split())[:400]}") from error

    def read(self, marked: str, tools: Sequence[dict[str, Any]]) -> tuple[str, tuple[dict[str, Any], ...]] | None:
        """The text beside the calls, and the calls in OpenAI's form; None where there are none.

        ``marked`` is the answer with its special tokens: some models write their calls between such.
        """
        request = self.request(tools)
        with contextlib.suppress(Exception):  # what a model wrote is hostile text, and a parser is other people's code
            found = self._parser(self._tokenizer, request.tools).extract_tool_calls(marked, request)
            calls = tuple(_call(index, call.function) for index, call in enumerate(found.tool_calls))
            if calls:
                return (found.content or "").strip(), calls
        return None


def _call(index: int, function: Any) -> dict[str, Any]:
    named = {"name": str(function.name), "arguments": str(function.arguments)}
    return {"id": f"call{index:05d}", "type": "function", "function": named}
