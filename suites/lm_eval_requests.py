"""lm-eval's instances as our requests, our completions as its responses, and both as they are read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from harness.errors import ConfigError, EngineError
from harness.fingerprint import draw_seed
from harness.records import Answer, Completion, Message, Request
from suites.lm_eval_tasks import Document, Rendering

_LENGTHS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
_SAMPLING = ("top_p", "top_k", "min_p", "repetition_penalty")
_DEFAULT_TOKENS = 256  # what lm-eval's own backends generate when a task does not say


class Asking(NamedTuple):
    """What all requests of a task have in common: fields of ``Request``."""

    enable_thinking: bool | None
    overlong: Literal["error", "truncate_left"]
    greedy: bool


def requests_of(document: Document, asking: Asking, *, key: str, seed: int, where: str) -> tuple[Request, ...]:
    """All requests of one document, instance after instance, each as often as it is repeated (greedy repeats are asked once)."""
    found: list[Request] = []
    for instance in document.instances:
        match instance.request_type:
            case "loglikelihood":
                context, continuation = instance.args
                found.append(_after(context, kind="score", continuation=continuation, item=key, **asking._asdict()))
            case "loglikelihood_rolling":
                found.append(Request(kind="score_rolling", prompt=instance.args[0], item=key))
            case "generate_until":
                context, kwargs = instance.args
                settings = sampling(kwargs or {}, task=document.task, where=where)
                draws = instance.repeats if settings["temperature"] > 0 else 1
                common = asking._replace(greedy=True)._asdict()
                for draw in range(draws):
                    own = draw_seed(seed, key, draw) if settings["temperature"] > 0 else 0
                    found.append(_after(context, **settings, seed=own, draw=draw, item=key, **common))
            case other:
                raise ConfigError(f"task {document.task!r} makes requests of type {other!r}, which no engine answers", where=where)
    return tuple(found)


def _after(context: str, **fields: Any) -> Request:
    if isinstance(context, Rendering):
        messages = tuple(Message(role=role, content=content) for role, content in context.turns)
        return Request(messages=messages, continue_final=context.continue_final, **fields)
    return Request(prompt=context, **fields)


def sampling(kwargs: Mapping[str, Any], *, task: str, where: str) -> dict[str, Any]:
    """A task's ``generation_kwargs`` as fields of ``Request``, read as lm-eval reads them. ConfigError for what cannot be sent."""
    known = {"until", "do_sample", "temperature", *_LENGTHS, *_SAMPLING}
    unknown = sorted(set(kwargs) - known)
    if unknown:
        raise ConfigError(
            f"task {task!r}: generation_kwargs has {', '.join(unknown)}, which cannot be sent to every engine; known are "
            f"{', '.join(sorted(known))}",
            where=where,
        )
    until = kwargs.get("until") or []
    sampled = kwargs.get("do_sample") is not False
    return {
        "kind": "generate",
        "stop": tuple(text for text in (until if isinstance(until, list) else [until]) if text),
        "max_tokens": int(next((kwargs[name] for name in _LENGTHS if kwargs.get(name) is not None), _DEFAULT_TOKENS)),
        "temperature": float(kwargs.get("temperature") or 0.0) if sampled else 0.0,
        **{name: kwargs[name] for name in _SAMPLING if kwargs.get(name) is not None},
    }


def draws_of(document: Document) -> int:
    """How many different answers are asked for; greedy repeats are one."""
    first = document.instances[0]
    if first.request_type != "generate_until":
        return 1
    return first.repeats if sampling(first.args[1] or {}, task=document.task, where="")["temperature"] > 0 else 1


def check_scored(requests: Sequence[Request], completions: Sequence[Completion]) -> None:
    """EngineError where an engine answered a scoring request without what it was asked for: an error, never a zero."""
    for request, completion in zip(requests, completions, strict=True):
        if request.kind != "generate" and (completion.logprob is None or math.isnan(completion.logprob)):
            raise EngineError(f"the engine gave the log-probability {completion.logprob}; this task is scored by it")
        if request.kind == "score" and request.greedy and completion.greedy is None:
            raise EngineError("the engine did not say whether the continuation is its greedy choice, which this task needs")


def responses_of(document: Document, completions: Sequence[Completion]) -> list[list[Any]]:
    """Per instance lm-eval's responses: texts up to the first stop, ``(log-probability, greedy)`` or, rolling, the former alone."""
    waiting = iter(completions)
    found: list[list[Any]] = []
    for instance in document.instances:
        repeats = instance.repeats or 1
        if instance.request_type == "generate_until":
            settings = sampling(instance.args[1] or {}, task=document.task, where="")
            texts = [_until(next(waiting).text, settings["stop"]) for _ in range(repeats if settings["temperature"] > 0 else 1)]
            found.append(texts if len(texts) == repeats else texts * repeats)
            continue
        completion = next(waiting)
        scored = (
            completion.logprob
            if instance.request_type == "loglikelihood_rolling"
            else (completion.logprob, bool(completion.greedy))
        )
        found.append([scored] * repeats)
    return found


def _until(text: str, stop: Sequence[str]) -> str:
    for end in stop:
        text = text.split(end)[0]
    return text


def readable(document: Document) -> str:
    """The context, and beneath it the choices where several continuations share it."""
    first = document.instances[0]
    if first.request_type != "loglikelihood":
        return str(first.args[0])
    contexts = {str(instance.args[0]) for instance in document.instances}
    if len(contexts) > 1 or len(document.instances) == 1:
        return "\n---\n".join(f"{instance.args[0]}{instance.args[1]}" for instance in document.instances)
    return str(first.args[0]) + "\n" + "".join(f"\n· {str(instance.args[1]).strip()}" for instance in document.instances)


def outputs(document: Document, answer: Answer) -> tuple[str, ...]:
    """Generated texts; for choices the likeliest one. Nothing for texts that were only scored."""
    if document.instances[0].request_type == "generate_until":
        return tuple(completion.text for completion in answer.completions)
    if document.instances[0].request_type != "loglikelihood" or len(document.instances) == 1:
        return ()
    logprobs = [-math.inf if completion.logprob is None else completion.logprob for completion in answer.completions]
    likely = logprobs.index(max(logprobs))
    return (str(document.instances[likely].args[1]).strip(),)
