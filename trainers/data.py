"""JSONL files -> conversations -> rows of tokens, with what is trained marked. Bad rows are named by file and line."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np

from harness.errors import ConfigError
from trainers.masks import Rendered, Template, Tokens, marked_text, tokenize

Progress = Callable[[str, int, int], None]
_CHUNK = 512


class Conversation(NamedTuple):
    """One row of a file. ``trained`` are the indices of the assistant messages to learn."""

    messages: list[dict[str, Any]]
    trained: tuple[int, ...]
    tools: list[dict[str, Any]] | None
    line: int


class Row(NamedTuple):
    """What one training row is made of: ``ids`` (int64) and ``trained`` (bool), both of the row's length."""

    ids: np.ndarray[Any, np.dtype[np.int64]]
    trained: np.ndarray[Any, np.dtype[np.bool_]]


class Rows(NamedTuple):
    """The rows of one data set, how many too long ones were left out, and two or three shown as text."""

    rows: list[Row]
    conversations: int
    dropped: int
    shown: tuple[str, ...]

    @property
    def lengths(self) -> list[int]:
        """Tokens of each row."""
        return [len(row.ids) for row in self.rows]


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


def load_rows(
    paths: Sequence[str],
    template: Template,
    *,
    max_length: int,
    too_long: Literal["refuse", "drop"] = "refuse",
    shown: int = 0,
    progress: Progress | None = None,
) -> Rows:
    """Tokenised rows of several files. ``shown`` first rows are also given as text.

    ConfigError for bad rows (file:line), rows beyond ``max_length`` unless they are dropped, and when nothing is left.
    """
    rows: list[Row] = []
    texts: list[str] = []
    conversations, long = 0, []
    for path in paths:
        pending = list(read_conversations(path))
        conversations += len(pending)
        for start in range(0, len(pending), _CHUNK):
            chunk = pending[start : start + _CHUNK]
            for line, tokens in _tokens(template, chunk, path):
                if len(tokens.ids) > max_length:
                    long.append((path, line, len(tokens.ids)))
                    continue
                _assert_taught(tokens, template, path, line)
                if len(texts) < shown:
                    texts.append(marked_text(template, tokens))
                rows.append(Row(np.asarray(tokens.ids, dtype=np.int64), np.asarray(tokens.trained, dtype=np.bool_)))
            if progress:
                progress(f"read {Path(path).name}", start + len(chunk), len(pending))
    if long and too_long == "refuse":
        path, line, length = long[0]
        raise ConfigError(
            f"{len(long)} rows are longer than {max_length} tokens (line {line}: {length}). Raise data.max_length and "
            'data.tokens_per_batch to at least that, or set data.too_long = "drop".',
            file=path,
        )
    if not rows:
        left = f": all {len(long)} rows are longer than {max_length} tokens" if long else ""
        raise ConfigError(f"there is nothing to train on{left}", file=", ".join(paths))
    return Rows(rows, conversations, len(long), tuple(texts))


def _tokens(template: Template, chunk: Sequence[Conversation], path: str) -> Iterator[tuple[int, Tokens]]:
    lines: list[int] = []
    rendered: list[Rendered] = []
    for conversation in chunk:
        try:
            rows = template.rows(conversation.messages, conversation.trained, tools=conversation.tools)
        except ConfigError as error:
            raise ConfigError(str(error), file=f"{path}:{conversation.line}") from error
        rendered += rows
        lines += [conversation.line] * len(rows)
    return zip(lines, tokenize(template, rendered), strict=True)


def _assert_taught(tokens: Tokens, template: Template, path: str, line: int) -> None:
    """Something is trained, and every trained stretch ends with the end-of-turn token."""
    if not any(tokens.trained):
        raise ConfigError("no token of this row would be trained. Remove or mend it.", file=f"{path}:{line}")
    for index, wanted in enumerate(tokens.trained):
        last = index + 1 == len(tokens.ids) or not tokens.trained[index + 1]
        if wanted and last and tokens.ids[index] != template.end_id:
            found = template.tokenizer.decode([tokens.ids[index]])
            raise ConfigError(f"a trained turn ends with {found!r}, not with {template.end!r}", file=f"{path}:{line}")


def replayed(lengths: Sequence[int], tokens: int, *, seed: int, epoch: int) -> list[int]:
    """Indices of replay rows of about ``tokens`` tokens for one epoch.

    Epochs walk on through one shuffled circle of the replay rows, so that all of them are seen before any is seen again.
    """
    if tokens <= 0 or not lengths:
        return []
    order = list(range(len(lengths)))
    random.Random(seed).shuffle(order)
    whole = sum(lengths)
    start, at, skip = 0, 0, (tokens * epoch) % whole
    while at < skip:
        at += lengths[order[start]]
        start += 1
    taken: list[int] = []
    total = 0
    while total < tokens:
        index = order[(start + len(taken)) % len(order)]
        taken.append(index)
        total += lengths[index]
    return taken
