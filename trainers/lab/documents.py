"""Tasks and prose as token ids with a mask of what is learned: the assistant's words of a chat, all words of plain text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
    """Chats as the chat template renders them, up to the last end of turn, which is learned with the answer."""
    texts = ["\n".join(f"{START}{t.role}\n{t.content}{END}" for t in chat) for chat in chats]
    start, end, line = tokenizer.convert_tokens_to_ids([START, END]) + tokenizer.encode("\n")
    return [
        Document(ids, _learned(ids, chat, start, end, line)) for ids, chat in zip(_encoded(tokenizer, texts), chats, strict=True)
    ]


def _encoded(tokenizer: Any, texts: Sequence[str], *, part: int = 4000) -> Iterator[list[int]]:
    """The token ids of every text, a part at a time: what the tokenizer tells beside the ids is large."""
    for start in range(0, len(texts), part):
        for encoding in tokenizer.backend_tokenizer.encode_batch(texts[start : start + part], add_special_tokens=False):
            yield encoding.ids


def _learned(ids: Sequence[int], chat: Sequence[Turn], start: int, end: int, line: int) -> list[bool]:
    """Which tokens are words of learned turns: from behind the line break after the role to the end of the turn."""
    learned = [False] * len(ids)
    place = -1
    for turn in chat:
        head = ids.index(line, ids.index(start, place + 1)) + 1
        place = ids.index(end, head)
        if turn.learned:
            learned[head : place + 1] = [True] * (place + 1 - head)
    return learned


def encode_prose(tokenizer: Any, texts: Iterable[str]) -> list[Document]:
    """Plain texts between two ``<|endoftext|>``; all but the first is learned."""
    framed = [f"{END_OF_TEXT}{text}{END_OF_TEXT}" for text in texts]
    return [Document(ids, [False] + [True] * (len(ids) - 1)) for ids in _encoded(tokenizer, framed)]
