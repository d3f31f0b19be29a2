"""Conversations -> rows of tokens, with what is trained marked. Bad rows are named by file and line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from harness.errors import ConfigError
from trainers.data.conversations import Conversation, read_conversations
from trainers.data.masks import Rendered, Template, Tokens, marked_text, tokenize

Progress = Callable[[str, int, int], None]
_CHUNK = 512


class Row(NamedTuple):
    """One training row: token ``ids`` (int64) and the ``weights`` (float32) of their losses, both of the row's length.

    A weight of 0 is a token that is not trained; without any weighting the others are 1. The first is 0: nothing predicts it.
    ``replayed``: the row is there against forgetting.
    """

    ids: np.ndarray[Any, np.dtype[np.int64]]
    weights: np.ndarray[Any, np.dtype[np.float32]]
    replayed: bool = False

    @property
    def trained(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which tokens have a loss."""
        return self.weights > 0


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
                rows.append(Row(np.asarray(tokens.ids, dtype=np.int64), np.asarray(tokens.trained, dtype=np.float32)))
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
