"""The JSON that goes to an OpenAI-compatible server and what its answers mean. No network here.

Two dialects. ``vllm`` sends every sampling parameter, those that OpenAI does not know included, so that the server's own defaults
(a model's ``generation_config.json`` among them) decide nothing. ``openai`` sends only what OpenAI accepts, and refuses a request
that needs more.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from harness.errors import EngineError
from harness.records import Completion, Message, Request

Dialect = Literal["vllm", "openai"]

NO_SCORES = "this endpoint gives no log-probabilities of a prompt, so it cannot be asked to score"


def chat_body(model: str, request: Request, dialect: Dialect) -> dict[str, Any]:
    """The body of a ``chat/completions`` request."""
    body = {**_sampling(request, dialect), "model": model, **conversation(request)}
    body["max_completion_tokens" if dialect == "openai" else "max_tokens"] = request.max_tokens
    if request.schema is not None:
        accepted = request.schema if dialect == "vllm" else _without_lengths(request.schema)
        schema = {"name": "answer", "schema": accepted, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def _without_lengths(schema: Mapping[str, Any]) -> dict[str, Any]:
    """OpenAI refuses ``maxLength`` for models of some ages, fine-tuned ones among them; max_tokens bounds an answer anyhow."""
    return {
        name: _without_lengths(value) if isinstance(value, Mapping) else value
        for name, value in schema.items()
        if name != "maxLength"
    }


def conversation(request: Request) -> dict[str, Any]:
    """What a vLLM server needs to render a conversation, the same for answering and for tokenising."""
    body: dict[str, Any] = {"messages": [_message(message) for message in request.messages]}
    if request.tools:
        body["tools"] = list(request.tools)
    if request.continue_final:
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    if request.enable_thinking is not None:
        body["chat_template_kwargs"] = {"enable_thinking": request.enable_thinking}
    return body


def prompt_body(model: str, request: Request, dialect: Dialect) -> dict[str, Any]:
    """The body of a ``completions`` request."""
    if request.tools:
        raise EngineError("tools are offered in a conversation; a raw prompt cannot carry them")
    body = {**_sampling(request, dialect), "model": model, "prompt": request.prompt, "max_tokens": request.max_tokens}
    if request.schema is not None:
        if dialect == "openai":
            raise EngineError("OpenAI's completions take no JSON schema; ask with messages instead of a raw prompt")
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": request.schema, "strict": True},
        }
    return body


def _sampling(request: Request, dialect: Dialect) -> dict[str, Any]:
    common: dict[str, Any] = {
        "n": 1,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "seed": request.seed,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
    }
    if request.stop:
        common["stop"] = list(request.stop)
    extended = {"top_k": request.top_k, "min_p": request.min_p, "repetition_penalty": request.repetition_penalty}
    if dialect == "vllm":
        return common | extended
    unheard = [name for name, value in extended.items() if value != (1.0 if name == "repetition_penalty" else 0)]
    unheard += ["continue_final"] if request.continue_final else []
    unheard += ["enable_thinking"] if request.enable_thinking is not None else []
    if unheard:
        raise EngineError(f"OpenAI's interface has no {', '.join(unheard)}; set options.dialect = 'vllm' if this server knows them")
    return common


def _message(message: Message) -> dict[str, Any]:
    """A message as OpenAI's API has it: content always there, arguments of tool calls as JSON texts."""
    found: dict[str, Any] = {"content": "", **msgspec.to_builtins(message)}
    for call in found.get("tool_calls") or ():
        function = call.get("function") or {}
        if isinstance(function.get("arguments"), dict):
            function["arguments"] = json.dumps(function["arguments"], ensure_ascii=False)
    return found


def read_answer(data: Mapping[str, Any], *, chat: bool) -> Completion:
    """The completion in a server's answer; EngineError where it is malformed, filtered, or given up by the server."""
    try:
        choice = data["choices"][0]
        usage = data.get("usage") or {}
        details = usage.get("completion_tokens_details") or {}
        message = choice["message"] if chat else {"content": choice["text"]}
        reason = choice["finish_reason"]
        text = message.get("content") or ""
        if not isinstance(text, str) or not isinstance(reason, str):
            raise TypeError(f"content is a {type(text).__name__}, finish_reason a {type(reason).__name__}")
        return Completion(
            text=text,
            reasoning=message.get("reasoning_content") or message.get("reasoning"),
            tool_calls=tuple(message.get("tool_calls") or ()),
            finish=_finish(reason),
            tokens_in=int(usage.get("prompt_tokens") or 0),
            tokens_out=int(usage.get("completion_tokens") or 0),
            reasoning_tokens=int(details.get("reasoning_tokens") or 0),
        )
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise EngineError(f"the server's answer is malformed ({type(error).__name__}: {error}): {str(data)[:300]}") from error


def _finish(reason: str) -> Literal["stop", "length"]:
    if reason == "length":
        return "length"
    if reason in {"stop", "tool_calls", "function_call", "eos"}:
        return "stop"
    raise EngineError(f"the server did not let the model finish (finish_reason {reason!r}); that is no answer of the model")


def join_stream(events: Iterable[Mapping[str, Any]], *, chat: bool) -> dict[str, Any]:
    """The chunks of a streamed answer as the one object that an unstreamed answer would have been."""
    text, reasoning, calls, reason, usage = [], [], dict[int, dict[str, Any]](), None, None
    for event in events:
        usage = event.get("usage") or usage
        for choice in event.get("choices") or ():
            delta = choice.get("delta") or {} if chat else {"content": choice.get("text")}
            text.append(delta.get("content") or "")
            reasoning.append(delta.get("reasoning_content") or delta.get("reasoning") or "")
            for call in delta.get("tool_calls") or ():
                _add_call(calls, call)
            reason = choice.get("finish_reason") or reason
    content: dict[str, Any] = {"content": "".join(text), "reasoning_content": "".join(reasoning) or None}
    content["tool_calls"] = [calls[index] for index in sorted(calls)]
    choice = {"message": content, "text": content["content"], "finish_reason": reason}
    return {"choices": [choice], "usage": usage}


def _add_call(calls: dict[int, dict[str, Any]], call: Mapping[str, Any]) -> None:
    known = calls.setdefault(int(call.get("index") or 0), {"type": "function", "function": {"name": "", "arguments": ""}})
    if call.get("id"):
        known["id"] = call["id"]
    function = call.get("function") or {}
    known["function"]["name"] += function.get("name") or ""
    known["function"]["arguments"] += function.get("arguments") or ""


def read_prompt_scores(data: Mapping[str, Any], continuation: list[int]) -> tuple[float, bool]:
    """From vLLM's ``prompt_logprobs``: the summed log-probability of the prompt's last tokens, and whether all were most likely."""
    try:
        rows = data["choices"][0]["prompt_logprobs"][-len(continuation) :]
        entries = [row[str(token)] for token, row in zip(continuation, rows, strict=True)]
        return _sum([entry["logprob"] for entry in entries]), all(entry["rank"] == 1 for entry in entries)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise EngineError(f"{NO_SCORES}: {str(data)[:200]}") from error


def _sum(logprobs: Sequence[Any]) -> float:
    """The sum of log-probabilities that a server gave; EngineError where one of them is not a number."""
    wrong = [value for value in logprobs if value is None or math.isnan(value)]
    if wrong:
        raise EngineError(
            f"the server gave {wrong[0]} as the log-probability of {len(wrong)} of {len(logprobs)} tokens; nothing can be scored "
            "by that. Numbers that overflow its dtype are the usual cause: serve the model in bfloat16 or float32."
        )
    return float(sum(logprobs))


def read_echo_scores(data: Mapping[str, Any], context: str) -> tuple[float, bool, int]:
    """From OpenAI's ``echo`` with ``logprobs``: sum, greedy and number of the tokens after ``context``."""
    try:
        found = data["choices"][0]["logprobs"]
        offsets, values, tops = found["text_offset"], found["token_logprobs"], found["top_logprobs"]
        inside = [index for index, offset in enumerate(offsets) if offset >= len(context)]
        logprobs = [values[index] for index in inside]
        total = _sum(logprobs)
        greedy = all(value >= max(tops[index].values()) for index, value in zip(inside, logprobs, strict=True))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise EngineError(f"{NO_SCORES}: {str(data)[:200]}") from error
    if not inside or offsets[inside[0]] != len(context):
        raise EngineError("a token reaches from the context into the continuation, so the continuation has no score of its own")
    return total, greedy, len(inside)
