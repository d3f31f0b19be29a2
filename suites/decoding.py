"""How answers are sampled: the options that every generating suite shares, and the requests that they become."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from harness.errors import ConfigError
from harness.fingerprint import digest, draw_seed
from harness.protocols import Conversation
from harness.records import Answer, Item, Message, Request
from suites.items import messages_of


class Decoding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sampling parameters, all sent explicitly. ``draws``: sampled answers per item. ``max_tokens``: tokens per answer."""

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    stop: tuple[str, ...] = ()
    draws: int = 1
    system: str | None = None
    enable_thinking: bool | None = None


def check_decoding(decoding: Decoding, *, where: str) -> None:
    """ConfigError for parameters that no engine could honour, and for several draws that would all be the same."""
    rules = (
        ("max_tokens", decoding.max_tokens >= 1, "at least 1"),
        ("temperature", 0 <= decoding.temperature <= 100, "0 (greedy) or above"),
        ("top_p", 0 < decoding.top_p <= 1, "above 0 and at most 1"),
        ("top_k", decoding.top_k >= 0, "0 (off) or above"),
        ("min_p", 0 <= decoding.min_p <= 1, "between 0 and 1"),
        ("repetition_penalty", 0 < decoding.repetition_penalty <= 100, "above 0"),
        ("draws", decoding.draws >= 1, "at least 1"),
    )
    for name, holds, expected in rules:
        if not holds:
            raise ConfigError(f"found {getattr(decoding, name)!r}, expected {expected}", where=f"{where}.{name}")
    if any(not text for text in decoding.stop):
        raise ConfigError("an empty stop text would end every answer at once; remove it", where=f"{where}.stop")
    if decoding.draws > 1 and decoding.temperature == 0:
        raise ConfigError(
            f"{decoding.draws} draws at temperature 0 are all the same answer; set temperature above 0, or draws = 1",
            where=f"{where}.draws",
        )


def generations(item: Item, messages: Sequence[Message], decoding: Decoding, *, seed: int) -> tuple[Request, ...]:
    """One ``generate`` request per draw. Draw seeds hash (seed, key, draw); greedy answers have no randomness, hence seed 0."""
    return tuple(
        Request(
            kind="generate",
            messages=tuple(messages),
            max_tokens=decoding.max_tokens,
            temperature=decoding.temperature,
            top_p=decoding.top_p,
            top_k=decoding.top_k,
            min_p=decoding.min_p,
            repetition_penalty=decoding.repetition_penalty,
            stop=decoding.stop,
            seed=draw_seed(seed, item.key, draw) if decoding.temperature > 0 else 0,
            enable_thinking=decoding.enable_thinking,
            draw=draw,
            item=item.key,
        )
        for draw in range(decoding.draws)
    )


def one_turn(item: Item, decoding: Decoding, *, seed: int) -> Conversation[Answer]:
    """The conversation of every suite that asks once: the item's turns, answered ``decoding.draws`` times."""
    messages = messages_of(item, system=decoding.system)
    completions = yield generations(item, messages, decoding, seed=seed)
    return Answer(key=item.key, completions=tuple(completions))


def texts_of(answers: Iterable[Answer], items: Iterable[Item]) -> Iterator[tuple[Item, list[str]]]:
    """Each answered item with its draws' texts, in the order of the answers."""
    by_key = {item.key: item for item in items}
    for answer in answers:
        yield by_key[answer.key], [completion.text for completion in answer.completions]


def suite_digest(use: str, version: str, decoding: Decoding, items: Sequence[Item], *, seed: int) -> str:
    """Hash of what is asked and how it is graded: items, options (contents, not paths), version; the seed where one samples."""
    options = {name: value for name, value in msgspec.to_builtins(decoding).items() if name != "items"}
    sampled = seed if decoding.temperature > 0 else 0
    return digest({"use": use, "version": version, "options": options, "items": items, "seed": sampled})
