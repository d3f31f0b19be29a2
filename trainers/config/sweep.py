"""``[sweep]``: several candidates from one config, one for every combination of the values that it lists."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from harness.errors import ConfigError

_FIXED = ("name", "out", "overwrite", "sweep")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def members(raw: dict[str, Any], *, file: str = "") -> list[dict[str, Any]]:
    """The configs that a config with ``[sweep]`` stands for; itself alone where it has none.

    ``"lora.r" = [8, 32]`` and ``[sweep.lora]`` with ``r = [8, 32]`` say the same. Members are called ``NAME-r-8``: by the last part
    of each key, or all of it where two keys end alike; a value that cannot be part of a name goes by its place, from 1. ConfigError
    for what is no list of different values.
    """
    if "sweep" not in raw:
        return [raw]
    keys = dict(_flat(raw["sweep"], file))
    if not keys:
        raise ConfigError('lists nothing. Expected keys and values, such as "lora.r" = [8, 32].', where="sweep", file=file)
    names = _short(list(keys))
    found = []
    for chosen in product(*(enumerate(values) for values in keys.values())):
        member = copy.deepcopy({key: value for key, value in raw.items() if key != "sweep"})
        words = []
        for key, (index, value) in zip(keys, chosen, strict=True):
            _put(member, key, value, file)
            words += [names[key], _written(keys[key], index)]
        member["name"] = "-".join([str(raw.get("name", "")), *words])
        found.append(member)
    return found


def swept(raw: dict[str, Any], *, file: str = "") -> list[str]:
    """The dotted keys of which a config has several values; none where it has no ``[sweep]``."""
    return [key for key, _ in _flat(raw["sweep"], file)] if "sweep" in raw else []


def _flat(table: Any, file: str, above: str = "") -> Iterator[tuple[str, list[Any]]]:
    """Dotted keys and their values."""
    if not isinstance(table, dict):
        raise ConfigError(f"expected a table, found {table!r}", where=f"sweep{above}", file=file)
    for key, value in table.items():
        where = f"{above}.{key}"
        if isinstance(value, dict):
            yield from _flat(value, file, where)
            continue
        dotted = where.removeprefix(".")
        if dotted in _FIXED:
            raise ConfigError("cannot be swept: it says who the candidates are", where=f"sweep{where}", file=file)
        if not isinstance(value, list) or not value:
            raise ConfigError(f"expected a list of values, such as [8, 32], found {value!r}", where=f"sweep{where}", file=file)
        if any(value.index(each) < index for index, each in enumerate(value)):
            raise ConfigError(f"lists a value twice: {value!r}", where=f"sweep{where}", file=file)
        yield dotted, value


def _short(keys: Sequence[str]) -> dict[str, str]:
    ends = [key.rpartition(".")[2] for key in keys]
    return {key: end if ends.count(end) == 1 else key for key, end in zip(keys, ends, strict=True)}


def _written(values: Sequence[Any], index: int) -> str:
    texts = [str(value).lower() if isinstance(value, bool) else str(value) for value in values]
    text = texts[index]
    return text if _PLAIN.fullmatch(text) and texts.count(text) == 1 else str(index + 1)


def _put(raw: dict[str, Any], key: str, value: Any, file: str) -> None:
    *tables, last = key.split(".")
    target = raw
    for depth, table in enumerate(tables):
        target = target.setdefault(table, {})
        if not isinstance(target, dict):
            raise ConfigError(f"{'.'.join(tables[: depth + 1])!r} is no table", where=f"sweep.{key}", file=file)
    target[last] = value
