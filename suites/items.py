"""The shared reader of prompted-style items: JSONL rows in, ``Item`` records out, every bad row named by its line.

A row: ``{"key"?, "task"?, "prompt": str | "messages": [{role, content}…], "target"?, "cluster"?, "slices"?, "weight"?}``.
``Item.data`` holds ``{"messages": [{"role", "content"}…]}``, whatever the row used; ``Item.target`` is the row's.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import ConfigError
from harness.fingerprint import item_keys
from harness.records import Item, Message
from suites.rows import Row, read_rows, stem

FIELDS = ("key", "task", "prompt", "messages", "target", "cluster", "slices", "weight")
ROLES = ("system", "user", "assistant", "tool")


def read_items(path: Path, *, where: str, needs_target: bool = False) -> list[Item]:
    """All items of ``path``, in file order. ConfigError names the line of the first bad row, and both lines of a repeated key."""
    rows = read_rows(path, where=where)
    keys = keys_of(rows, path=path, where=where)
    return [_item(row, key, path, where, needs_target) for row, key in zip(rows, keys, strict=True)]


def keys_of(rows: Sequence[Row], *, path: Path, where: str) -> list[str]:
    """The content keys of rows (``fingerprint.item_keys``); a repeated user key is a ConfigError that names file and lines."""
    return item_keys([row.fields for row in rows], where=f"{where} ({path.name})", lines=[row.line for row in rows])


def _item(row: Row, key: str, path: Path, where: str, needs_target: bool) -> Item:
    place = f"{path}, line {row.line}"
    if needs_target and row.fields.get("target") is None:
        raise ConfigError(f"{place}: the item has no target. {_near('target', row.fields)}Every scored item needs one", where=where)
    return Item(
        key=key,
        task=task_of(row.fields, default=stem(path), place=place, where=where),
        data={"messages": _messages(row.fields, place, where)},
        target=row.fields.get("target"),
        **grouping(row.fields, place=place, where=where),
    )


def _near(wanted: str, fields: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(wanted, [name for name in fields if name not in FIELDS], n=1, cutoff=0.6)
    return f"(It has {near[0]!r}: did you mean {wanted!r}?) " if near else ""


def task_of(fields: Mapping[str, Any], *, default: str, place: str, where: str) -> str:
    """The row's task, else the default. It becomes part of ``suite/task/metric``, so it may not contain a slash."""
    task = fields.get("task", default)
    if not isinstance(task, str) or not task.strip() or "/" in task:
        raise ConfigError(f"{place}: task is {task!r}; a non-empty name without '/' is needed", where=where)
    return task


def grouping(fields: Mapping[str, Any], *, place: str, where: str) -> dict[str, Any]:
    """``cluster``, ``slices`` and ``weight`` of a row, checked, as keyword arguments of ``Item``."""
    cluster, slices, weight = fields.get("cluster"), fields.get("slices") or {}, fields.get("weight", 1.0)
    if cluster is not None and (not isinstance(cluster, (str, int)) or isinstance(cluster, bool)):
        raise ConfigError(f"{place}: cluster is {cluster!r}; a name or a number is needed", where=where)
    if not isinstance(slices, dict) or not all(isinstance(value, (str, int)) for value in slices.values()):
        raise ConfigError(
            f'{place}: slices is {slices!r}; names with text values are needed, such as {{"language": "zh"}}', where=where
        )
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not (math.isfinite(weight) and weight > 0):
        raise ConfigError(f"{place}: weight is {weight!r}; a number above 0 is needed", where=where)
    return {
        "cluster": None if cluster is None else str(cluster),
        "slices": {name: str(value) for name, value in slices.items()},
        "weight": float(weight),
    }


def _messages(fields: Mapping[str, Any], place: str, where: str) -> list[dict[str, str]]:
    if ("prompt" in fields) == ("messages" in fields):
        found = "both 'prompt' and 'messages'" if "prompt" in fields else "neither 'prompt' nor 'messages'"
        raise ConfigError(f"{place}: the item has {found}. {_near('prompt', fields)}Exactly one of them is needed", where=where)
    if "prompt" in fields:
        prompt = fields["prompt"]
        if not isinstance(prompt, str) or not prompt.strip():
            raise ConfigError(f"{place}: prompt is {prompt!r}; a non-empty text is needed", where=where)
        return [{"role": "user", "content": prompt}]
    turns = fields["messages"]
    if not isinstance(turns, list) or not turns:
        raise ConfigError(f"{place}: messages is {turns!r}; a non-empty list of turns is needed", where=where)
    for turn in turns:
        if not isinstance(turn, dict) or turn.get("role") not in ROLES or not isinstance(turn.get("content"), str):
            raise ConfigError(
                f'{place}: {turn!r} is not a turn; expected {{"role": one of {", ".join(ROLES)}, "content": text}}', where=where
            )
    if turns[-1]["role"] not in ("user", "tool"):
        raise ConfigError(
            f"{place}: the last turn is the {turns[-1]['role']}'s; it must be the user's, so that the model answers", where=where
        )
    return [{"role": turn["role"], "content": turn["content"]} for turn in turns]


def messages_of(item: Item, *, system: str | None = None) -> tuple[Message, ...]:
    """The item's turns as ``Message`` records, after the suite's system prompt when there is one."""
    turns = tuple(Message(role=turn["role"], content=turn["content"]) for turn in item.data["messages"])
    return turns if system is None else (Message(role="system", content=system), *turns)


def readable(item: Item, *, system: str | None = None) -> str:
    """What was asked, for people: the text of a single user turn, else every turn under its role."""
    turns = messages_of(item, system=system)
    if len(turns) == 1:
        return turns[0].content
    return "\n\n".join(f"{turn.role}: {turn.content}" for turn in turns)
