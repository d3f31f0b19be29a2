"""JSONL files -> conversations. Bad rows are named by file and line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from harness.errors import ConfigError


class Conversation(NamedTuple):
    """One row of a file. ``trained`` are the indices of the assistant messages to learn."""

    messages: list[dict[str, Any]]
    trained: tuple[int, ...]
    tools: list[dict[str, Any]] | None
    line: int


def read_conversations(path: str | Path) -> Iterator[Conversation]:
    """The conversations of a JSONL file: ``{"messages": [...], "tools"?}`` or ``{"prompt", "completion"}`` (texts or messages).

    ConfigError (file:line) for what is not JSON, has other keys, an unknown shape, or nothing that an assistant says.
    """
    path = Path(path)
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(path)) from error
    silent = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            conversation = _conversation(msgspec.json.decode(line), number)
        except (msgspec.DecodeError, ValueError) as error:
            raise ConfigError(str(error), file=f"{path}:{number}") from error
        if conversation.trained:
            yield conversation
        else:
            silent.append(number)
    if silent:
        raise ConfigError(
            f"{len(silent)} rows hold no assistant turn, so nothing of them could be trained (lines {_some(silent)}). "
            "Remove or mend them.",
            file=str(path),
        )


def _conversation(raw: Any, line: int) -> Conversation:
    if not isinstance(raw, dict):
        raise ValueError(f"expected an object, found {type(raw).__name__}")
    if "messages" in raw:
        messages = _messages(raw["messages"], "messages")
        trained = tuple(i for i, message in enumerate(messages) if message["role"] == "assistant")
    elif "prompt" in raw and "completion" in raw:
        asked = _messages(raw["prompt"], "prompt", role="user")
        answered = _messages(raw["completion"], "completion", role="assistant")
        messages = asked + answered
        trained = tuple(i for i in range(len(asked), len(messages)) if messages[i]["role"] == "assistant")
    else:
        raise ValueError(
            f"expected the key 'messages', or 'prompt' and 'completion'; found {', '.join(map(repr, raw)) or 'nothing'}"
        )
    tools = raw.get("tools") or None
    if tools is not None and not isinstance(tools, list):
        raise ValueError(f"'tools' is a list of JSON schemas, not {type(tools).__name__}")
    return Conversation(messages, trained, tools, line)


def _messages(raw: Any, key: str, *, role: Literal["user", "assistant", ""] = "") -> list[dict[str, Any]]:
    if isinstance(raw, str) and role:
        return [{"role": role, "content": raw}]
    if not isinstance(raw, list) or not raw:
        raise ValueError(f"{key!r} is a list of messages{' or a text' if role else ''}; found {raw!r:.80}")
    for index, message in enumerate(raw):
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            raise ValueError(f"{key}[{index}] needs a 'role' and 'content'; found {message!r:.80}")
        content = message.get("content")
        if not isinstance(content, str) and not (content is None and message.get("tool_calls")):
            raise ValueError(f"{key}[{index}].content is a text; found {content!r:.80}")
    return [{**message, "content": message.get("content") or ""} for message in raw]


def _some(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:5])) + (" ..." if len(numbers) > 5 else "")
