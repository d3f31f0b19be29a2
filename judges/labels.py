"""Labelled pairs: two answers to a question, and which is better. What a judge is examined on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

from harness.errors import ConfigError
from harness.plugins import did_you_mean
from harness.records import Message, Record

Winner = Literal["left", "right", "tie"]
FIELDS = ("key", "question", "left", "right", "winner")
NOTES = ("language", "trap", "left_by", "right_by", "reference")
TRAPS = ("length", "format", "sycophancy", "authority", "position")
"""What lures a judge to the worse answer, or away from a tie. Other words of ``trap`` only part the card."""
SHIPPED = "judges:pairs.jsonl"
"""Pairs that come with sftgate, in English and Chinese: easy and subtle ones, and five traps."""


class LabelledPair(Record, frozen=True, kw_only=True):
    """``winner`` says which answer is better, by a source that the judge is to agree with (people, or an oracle).

    ``language`` and ``trap`` part the card; ``left_by`` and ``right_by`` name who wrote an answer: where that is the judge's
    engine, as the config names it, it is the judge's own. ``reference``: the right answer, for a judge that is told it.
    """

    key: str
    question: tuple[Message, ...]
    left: str
    right: str
    winner: Winner
    language: str = ""
    trap: str = ""
    left_by: str = ""
    right_by: str = ""
    reference: str = ""


def labelled_pairs(rows: Iterable[tuple[int, Mapping[str, Any]]], *, file: str, where: str = "") -> tuple[LabelledPair, ...]:
    """Labelled pairs from (line number, row) of ``{"key"?, "question", "left", "right", "winner"}``.

    ``question`` is text, or a list of turns ``{"role", "content"}``; other fields of a row are the user's own. Raises
    ConfigError, naming the line, for a row that does not fit, for a key that stands twice, and for labels that all name the
    same winner: no agreement can be told from luck there.
    """
    pairs: list[LabelledPair] = []
    lines: dict[str, int] = {}
    for line, row in rows:
        place = f"{file}, line {line}"
        pair = _pair(line, row, place, where)
        if pair.key in lines:
            raise ConfigError(f"{place}: key {pair.key!r} stands on line {lines[pair.key]} already; keys must differ", where=where)
        lines[pair.key] = line
        pairs.append(pair)
    winners = {pair.winner for pair in pairs}
    if not pairs:
        raise ConfigError(f"{file}: no labelled pairs", where=where)
    if len(winners) == 1:
        raise ConfigError(
            f"{file}: all {len(pairs)} pairs have the winner {winners.pop()!r}. "
            "Agreement can only be told from luck where labels differ: put the better answer on either side at random, "
            "and add ties if the judge may say tie",
            where=where,
        )
    return tuple(pairs)


def _pair(line: int, row: Mapping[str, Any], place: str, where: str) -> LabelledPair:
    for name in FIELDS[1:]:
        if name not in row:
            near = did_you_mean(name, row) if row else ""
            raise ConfigError(f"{place}: a labelled pair needs {', '.join(FIELDS[1:])}; {name!r} is missing. {near}", where=where)
    for name in ("left", "right"):
        if not isinstance(row[name], str):
            raise ConfigError(f"{place}: {name!r} must be text, found {row[name]!r}", where=where)
    for name in NOTES:
        if not isinstance(row.get(name, ""), str):
            raise ConfigError(f"{place}: {name!r} must be text, found {row[name]!r}", where=where)
    if row["winner"] not in get_args(Winner):
        raise ConfigError(f"{place}: winner must be 'left', 'right' or 'tie', found {row['winner']!r}", where=where)
    return LabelledPair(
        key=str(row.get("key", f"line {line}")),
        question=question_of(row["question"], place, where),
        left=row["left"],
        right=row["right"],
        winner=row["winner"],
        **{name: row[name] for name in NOTES if name in row},
    )


def question_of(value: Any, place: str, where: str) -> tuple[Message, ...]:
    """A question as a row has it: text, or turns."""
    if isinstance(value, str) and value.strip():
        return (Message(role="user", content=value),)
    if isinstance(value, list) and value and all(_is_turn(turn) for turn in value):
        return tuple(Message(role=turn["role"], content=turn["content"]) for turn in value)
    raise ConfigError(f'{place}: question must be text or turns {{"role": …, "content": …}}, found {value!r}', where=where)


def _is_turn(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("role"), str) and isinstance(value.get("content"), str)
