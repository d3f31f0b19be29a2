"""What ``measure`` will do, before it does it: engines, requests, what the journal answers, what the rules can see."""

from __future__ import annotations

import math
import shutil
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from harness.fingerprint import journal_key
from harness.gate import HUMAN_WIN, matches
from harness.journal import Journal
from harness.pipeline.asking import families
from harness.pipeline.looking import foretold
from harness.pipeline.measuring import finished_run
from harness.pipeline.preparing import Pair, Prepared, first_requests
from harness.plan import detectable_loss, pass_probability
from harness.protocols import groups_of

ASSUMED_DISCORDANCE = 0.10
"""Share of items that two checkpoints of one family answer differently, assumed where nothing was measured yet."""


@dataclass(frozen=True)
class SuiteRow:
    """One suite: its items, and over all candidates the first requests, those already in the journal, and runs already finished."""

    name: str
    use: str
    items: int
    clusters: int
    requests: int
    journalled: int
    finished: int
    candidates: int


@dataclass(frozen=True)
class RuleRow:
    """One rule: the metrics and items it is about, and the loss it could see. ``passes``: P(all of its decisions pass) for a
    harmless candidate. ``items`` are those of the decision with the fewest; votes of people are not counted."""

    name: str
    metrics: int
    items: int
    margin: float | None
    detectable: float
    passes: float | None


@dataclass(frozen=True)
class Preview:
    """The print-out before asking. ``prompt_characters`` counts the requests that will be sent; disk is free space in bytes.
    ``looks``: what is asked in part, a sentence each."""

    families: tuple[tuple[str, ...], ...]
    suites: tuple[SuiteRow, ...]
    rules: tuple[RuleRow, ...]
    unequal: tuple[str, ...]
    to_send: int
    prompt_characters: int
    answer_tokens: int
    disk_free: int
    passes: float | None
    looks: tuple[str, ...] = ()


def preview(prepared: Prepared) -> Preview:
    """Count everything without asking anything. Follow-up requests of a conversation cannot be known and are not counted."""
    finished = {pair for pair in prepared.pairs() if finished_run(prepared, pair) is not None}
    rows, to_send, characters, tokens = [], 0, 0, 0
    with Journal(prepared.store.journal_path) if prepared.store.journal_path.exists() else nullcontext() as journal:
        for entry in prepared.config.suites:
            pairs = [pair for pair in prepared.pairs() if pair[0] == entry.name]
            row, sent, letters, answers = _suite_row(prepared, entry.name, entry.use, pairs, finished, journal)
            rows.append(row)
            to_send, characters, tokens = to_send + sent, characters + letters, tokens + answers
    rules = tuple(_rule_rows(prepared))
    chances = [rule.passes for rule in rules if rule.passes is not None]
    together = math.prod(chances) if chances else None
    return Preview(
        families=tuple(families(prepared)),
        suites=tuple(rows),
        rules=rules,
        unequal=tuple(_unequal(prepared)),
        to_send=to_send,
        prompt_characters=characters,
        answer_tokens=tokens,
        disk_free=shutil.disk_usage(_existing(prepared.store.root)).free,
        passes=together,
        looks=foretold(prepared),
    )


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def _suite_row(
    prepared: Prepared, name: str, use: str, pairs: list[Pair], finished: set[Pair], journal: Journal | None
) -> tuple[SuiteRow, int, int, int]:
    suite, items = prepared.suites[name], prepared.items(name)
    open_pairs = [pair for pair in pairs if pair not in finished]
    first = [request for item in items for request in first_requests(suite, item)] if open_pairs else []
    known = 0
    if suite.journalled and journal is not None:
        for pair in open_pairs:
            known += len(journal.get_many([journal_key(request, prepared.prints[pair[1]].asked) for request in first]))
    letters = sum(len(request.prompt or "") + sum(len(message.content) for message in request.messages) for request in first)
    answers = sum(request.max_tokens for request in first if request.kind == "generate")
    asked = len(first) * len(open_pairs)
    row = SuiteRow(
        name=name, use=use, items=len(items), clusters=len({item.cluster or item.key for item in items}), requests=asked,
        journalled=known, finished=len(pairs) - len(open_pairs), candidates=len(pairs),
    )  # fmt: skip
    return row, asked - known, letters * len(open_pairs), answers * len(open_pairs)


def _rule_rows(prepared: Prepared) -> list[RuleRow]:
    ids, groups = prepared.metric_ids(), prepared.group_ids()
    rows = []
    for rule in prepared.config.rules:
        matched = sorted(metric for metric in ids if matches(rule.metric, metric, groups))
        counts = [_items_behind(prepared, metric) for metric in matched if metric != HUMAN_WIN]
        decisions = [sum(counts)] if rule.pool else counts
        items = min(decisions, default=0)
        chance = None
        if counts and rule.require == "non_inferior" and rule.margin and rule.severity == "block" and not rule.relative:
            chance = math.prod(
                pass_probability(each, rule.margin, discordance=ASSUMED_DISCORDANCE, alpha=rule.alpha) for each in decisions
            )
        rows.append(
            RuleRow(
                name=rule.name or f"{rule.metric} {rule.require}",
                metrics=len(matched),
                items=items,
                margin=rule.margin,
                detectable=detectable_loss(items, discordance=ASSUMED_DISCORDANCE, alpha=rule.alpha),
                passes=chance,
            )
        )
    return rows


def _items_behind(prepared: Prepared, metric: str) -> int:
    suite, _, rest = metric.partition("/")
    task = rest.rpartition("/")[0]
    group = groups_of(prepared.suites[suite]).get(task, {})
    members = {member for weights in group.values() for member in weights} or {task}
    return sum(item.task in members for item in prepared.items(suite))


def _unequal(prepared: Prepared) -> list[str]:
    """What differs between a candidate and the baseline besides weights, adapter and tokenizer. Of a pin the gate says it."""
    baseline = prepared.config.baseline
    if baseline not in prepared.prints:
        return []
    lines = []
    for candidate in prepared.config.candidates:
        ours, theirs = prepared.prints[candidate.name], prepared.prints[baseline]
        if ours.template != theirs.template:
            lines.append(f"{candidate.name}: another chat template than {baseline}")
        facts, others = prepared.facts[candidate.name], prepared.facts[baseline]
        lines += [
            f"{candidate.name}: {key} is {facts.get(key)!r}, {baseline} has {others.get(key)!r}"
            for key in sorted({*facts, *others})
            if facts.get(key) != others.get(key)
        ]
    return lines
