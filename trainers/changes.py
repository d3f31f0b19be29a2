"""What is different between the run that a folder holds and the one that is asked for, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

_SHOWN = 4


class Known(NamedTuple):
    """What is known of a run: its config as plain values, and the digest of each data file."""

    config: Mapping[str, Any]
    files: Mapping[str, str]


def changed(before: Known, now: Known, *, beside: tuple[str, ...]) -> str:
    """A list for a sentence; keys that begin with one of ``beside`` decide nothing. Without a difference in config and files, it
    is in what both only name: the base, or what checkpoints are measured on."""
    then, today = dict(_flat(before.config)), dict(_flat(now.config))
    found = [
        f"{key} (was {_said(then, key)}, now {_said(today, key)})"
        for key in dict.fromkeys([*then, *today])
        if then.get(key) != today.get(key) and not any(key == name or key.startswith(f"{name}.") for name in beside)
    ]
    found += [
        f"the contents of {path}" for path, digest in now.files.items() if path in before.files and before.files[path] != digest
    ]
    if not found:
        return "the weights, the tokenizer or the template of the base, or what its checkpoints are measured on"
    return ", ".join(found[:_SHOWN]) + (f", and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", list(value) if isinstance(value, tuple) else value


def _said(table: Mapping[str, Any], key: str) -> str:
    return repr(table[key]) if key in table else "not given"
