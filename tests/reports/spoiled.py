"""Any record with an attack in every text of it: what a page shows of a model, a data set, a config or a rater is hostile then.

Names stay equal where they were equal, so that what belongs together is still found. A name is a path's part
(``suite/task/metric``), and what is appended to it has no slash.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

R = TypeVar("R")

PROSE = frozenset(
    {
        "prompt", "outputs", "target", "error", "thinking", "extracted", "reason", "reasons", "raw", "sentence", "change",
        "warnings", "note", "because", "kappa_because", "gap_because", "corrected_because", "remedy", "seen", "advice", "answer",
        "expected", "command", "stopped", "ended", "sources", "environment", "engine", "config", "data", "remarks", "unlike",
        "text", "found",
    }
)  # fmt: skip
"""Fields that hold texts; all others hold names."""
KEPT = frozenset(("created", "use", "aggregator", "kind", "parameters"))
"""Fields that are read, as a moment or as a kind or for what they say of a method, before they are shown."""


class Spoiler:
    """Appends ``prose`` to texts and ``name`` to every part of a name."""

    def __init__(self, *, name: str, prose: str) -> None:
        self.suffix, self.prose = name, prose

    def named(self, text: str) -> str:
        """A name as it is called in everything that was spoiled."""
        return "/".join(part + self.suffix if part not in ("", "*") else part for part in text.split("/"))

    def record(self, value: R) -> R:
        """``value``, a Struct, with every text of it spoiled."""
        spoiled: R = self._of(value, (), "")
        return spoiled

    def _of(self, value: Any, kinds: tuple[inspect.Type, ...], field: str) -> Any:
        if field in KEPT:
            return value
        if isinstance(value, str):
            closed = any(isinstance(each, inspect.LiteralType) and value in each.values for each in kinds)
            if closed or not value:
                return value
            return value + self.prose if field in PROSE else self.named(value)
        if isinstance(value, msgspec.Struct):
            fields = _fields(type(value))
            return type(value)(**{name: self._of(getattr(value, name), kinds, name) for name, kinds in fields.items()})
        if isinstance(value, dict):
            named = next((each for each in kinds if isinstance(each, inspect.DictType)), None)
            keys, values = (_open(named.key_type), _open(named.value_type)) if named else ((), ())
            return {self._of(key, keys, "key"): self._of(each, values, field) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self._of(each, kind, field) for each, kind in zip(value, _members(kinds, len(value)), strict=True))
        return value


@cache
def _fields(kind: type) -> dict[str, tuple[inspect.Type, ...]]:
    found = inspect.type_info(kind)
    assert isinstance(found, inspect.StructType)
    return {each.name: _open(each.type) for each in found.fields}


def _open(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    return kind.types if isinstance(kind, inspect.UnionType) else (kind,)


def _members(kinds: tuple[inspect.Type, ...], count: int) -> list[tuple[inspect.Type, ...]]:
    for each in kinds:
        if isinstance(each, inspect.TupleType):
            return [_open(one) for one in each.item_types]
        if isinstance(each, inspect.CollectionType):
            return [_open(each.item_type)] * count
    return [()] * count
