"""Tasks and prose as token ids with a mask of what is learned: the assistant's words of a chat, all words of plain text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from trainers.lab.tasks import Task
from trainers.lab.vocabulary import END, END_OF_TEXT, START


class Document(NamedTuple):
    """``learned[i]``: token ``i`` is predicted and its loss counts."""

    ids: list[int]
    learned: list[bool]


class Turn(NamedTuple):
    """One chat turn; ``learned`` only makes sense for the assistant's."""

    role: str
    content: str
    learned: bool = False


def turns_of(task: Task) -> list[Turn]:
    """A question and its answer, the answer learned."""
    return [Turn("user", task.prompt), Turn("assistant", task.answer, learned=True)]


def encode_chats(tokenizer: Any, chats: Sequence[Sequence[Turn]]) -> list[Document]:
    """Chats as the chat template renders them. The end-of-turn token is learned with the answer, the line break after it is not."""
    pieces: list[str] = []
    marks: list[bool] = []
    ends: list[int] = []
    for chat in chats:
        for turn in chat:
            pieces += [f"{START}{turn.role}\n", f"{turn.content}{END}", "\n"]
            marks += [False, turn.learned, False]
        ends.append(len(pieces))
    encoded = tokenizer.backend_tokenizer.encode_batch(pieces, add_special_tokens=False)
    documents: list[Document] = []
    start = 0
    for end in ends:
        ids: list[int] = []
        learned: list[bool] = []
        for piece, mark in zip(encoded[start:end], marks[start:end], strict=True):
            ids += piece.ids
            learned += [mark] * len(piece.ids)
        documents.append(Document(ids, learned))
        start = end
    return documents


def encode_prose(tokenizer: Any, texts: Iterable[str]) -> list[Document]:
    """Plain texts between two ``<|endoftext|>``; all but the first is learned."""
    encoded = tokenizer.backend_tokenizer.encode_batch([f"{END_OF_TEXT}{t}{END_OF_TEXT}" for t in texts], add_special_tokens=False)
    return [Document(list(e.ids), [False] + [True] * (len(e.ids) - 1)) for e in encoded]
