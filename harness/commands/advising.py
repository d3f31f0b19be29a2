"""``sftgate train CONFIG --advise``: what to set, with reasons and sources, beside what the config says."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from rich.table import Table

from harness.commands.console import Bars, out, printable, show_wide
from harness.errors import ConfigError

if TYPE_CHECKING:
    from trainers.advising.facts import Facts
    from trainers.advising.rules import Advice
    from trainers.config import TrainConfig


def show(config: TrainConfig) -> None:
    """Read base and data, and print the advice: as a table, and as a whole config."""
    from trainers.advising.facts import facts_of
    from trainers.advising.rules import advise

    with Bars() as bars:
        facts = facts_of(config, bars.told)
    advice = advise(config, facts)
    out.print(_said(facts), markup=False)
    show_wide(_table(config, advice))
    out.print("\n".join(["", "# a whole config, as advised:", *config_with(config, advice)]), markup=False)


def config_with(config: TrainConfig, advice: Sequence[Advice]) -> list[str]:
    """The lines of a whole config as TOML: what is set in ``config``, and what is advised. In a comment: what wants a file first
    that only the user can name, and why training would refuse the config as it stands."""
    from trainers.config import DataConfig, TrainConfig, parse

    bare = TrainConfig(name="", base="", data=DataConfig(train=""))
    raw = _changed(msgspec.to_builtins(config), msgspec.to_builtins(bare))
    raw |= {"name": config.name, "base": config.base}
    notes: list[str] = []
    for each in advice:
        if each.key == "data.replay_ratio":
            notes.append(f"# with data.replay = FILES, also data.{_line('replay_ratio', each.value)}")
            continue
        *tables, last = each.key.split(".")
        target = raw
        for table in tables:
            target = target.setdefault(table, {})
        target[last] = each.value
    _settle(raw)
    try:
        parse(raw, folder=Path())
    except ConfigError as error:
        notes.append(f"# training refuses this as it stands: {printable(str(error))}")
    plain = [_line(key, value) for key, value in raw.items() if not isinstance(value, dict)]
    parts = {key: value for key, value in raw.items() if isinstance(value, dict) and value}
    return notes + plain + [
        line for name, table in parts.items() for line in ("", f"[{name}]", *(_line(key, each) for key, each in table.items()))
    ]  # fmt: skip


def _changed(given: dict[str, Any], default: dict[str, Any]) -> dict[str, Any]:
    """What is not as it is by default, table by table."""
    found = {}
    for key, value in given.items():
        if key in default and value == default[key]:
            continue
        own = isinstance(value, dict) and isinstance(default.get(key), dict) and default[key]
        found[key] = _changed(value, default[key]) if own else value
    return found


def _settle(raw: dict[str, Any]) -> None:
    """Take out what is set and cannot stand beside what is advised."""
    rates, data = raw.get("optimizer", {}), raw.get("data", {})
    if not rates.get("steps", 1):
        del rates["steps"]
    if "warmup_ratio" in rates:
        rates.pop("warmup_steps", None)
    if data.get("max_length", 0) > data["tokens_per_batch"]:
        del data["max_length"]
    method = raw["method"]
    for table in {"lora", "adalora", "ia3", "prefix", "prompt"} - {method}:
        raw.pop(table, None)


def _line(key: str, value: Any) -> str:
    return f"{_key(key)} = {_toml(value)}"


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml(key)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(_line(key, each) for key, each in value.items() if each is not None)} }}" if value else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _said(facts: Facts) -> str:
    from trainers.advising.rules import counted

    base = facts.shapes["full"]
    rows = counted(facts.conversations, "document" if facts.documents else "conversation")
    free = "" if facts.free is None else f", {facts.free / 1e9:.3g} GB free"
    return (
        f"{base.parameters / 1e6:,.3g}M parameters; {rows} of {facts.tokens:,} tokens ({facts.task}, "
        f"{facts.answer:.0f} tokens on average, {facts.supervised:,} trained, {facts.distinct:.0%} of the answers different); "
        f"{facts.device}{free}"
    )


def _table(config: TrainConfig, advice: Sequence[Advice]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("key", "advised", "yours", "why", "source"):
        table.add_column(column)
    raw = msgspec.to_builtins(config)
    for each in advice:
        yours = _value(raw, each.key)
        table.add_row(each.key, _text(each.value), "the same" if yours == each.value else _text(yours), each.reason, each.source)
    return table


def _value(raw: Any, key: str) -> Any:
    for part in key.split("."):
        raw = raw[part]
    return raw


def _text(value: Any) -> str:
    if value is None:
        return "not set"
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
