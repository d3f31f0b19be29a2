"""``sftgate train CONFIG --advise``: what to set, with reasons and sources, beside what the config says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from rich.table import Table

from harness.commands.console import Bars, out, show_wide

if TYPE_CHECKING:
    from trainers.advising.facts import Facts
    from trainers.advising.rules import Advice
    from trainers.config import TrainConfig


def show(config: TrainConfig) -> None:
    """Read base and data, and print the advice: as a table, and as lines for the config."""
    from trainers.advising.facts import facts_of
    from trainers.advising.rules import advise

    with Bars() as bars:
        facts = facts_of(config, bars.told)
    advice = advise(config, facts)
    out.print(_said(facts), markup=False)
    show_wide(_table(config, advice))
    out.print("\n".join(lines(advice)), markup=False)


def lines(advice: Sequence[Advice]) -> list[str]:
    """``key = value`` as TOML, in a comment where a file is wanted first that only the user can name."""
    return [
        f"{'# with data.replay = FILES: ' if each.key == 'data.replay_ratio' else ''}{each.key} = {json.dumps(each.value)}"
        for each in advice
    ]


def _said(facts: Facts) -> str:
    base = facts.shapes["full"]
    kind = "documents" if facts.documents else "conversations"
    free = "" if facts.free is None else f", {facts.free / 1e9:.3g} GB free"
    return (
        f"{base.parameters / 1e6:,.3g}M parameters; {facts.conversations:,} {kind} of {facts.tokens:,} tokens ({facts.task}, "
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
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
