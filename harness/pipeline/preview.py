"""What ``measure`` will do, before it does it: engines, requests, what the journal answers, what the rules can see."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from harness.fingerprint import journal_key
from harness.journal import Journal
from harness.pipeline.asking import families
from harness.pipeline.expecting import judging
from harness.pipeline.kinship import kinship
from harness.pipeline.looking import foretold
from harness.pipeline.measuring import finished_run
from harness.pipeline.planning import foresee
from harness.pipeline.preparing import Pair, Prepared, first_requests
from harness.pipeline.steadiness import unsteady
from harness.pipeline.unlike import unlike
from harness.plan import Plan
from harness.records import Request


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
class Preview:
    """The print-out before asking. ``to_send``, ``prompt_characters`` and ``answer_tokens`` are of the requests that will be sent:
    what several suites ask is sent once, and what the journal knows is not sent. Disk is free space in bytes.
    ``unequal``: how a candidate differs from the baseline, or is asked otherwise than it was trained; ``looks``: what is asked in
    part; ``judging``: what judges will be asked; a sentence each.
    """

    families: tuple[tuple[str, ...], ...]
    suites: tuple[SuiteRow, ...]
    plan: Plan
    baseline: str
    unequal: tuple[str, ...]
    to_send: int
    prompt_characters: int
    answer_tokens: int
    disk_free: int
    looks: tuple[str, ...] = ()
    judging: tuple[str, ...] = ()


def preview(prepared: Prepared) -> Preview:
    """Count everything without asking anything. Follow-up requests of a conversation cannot be known and are not counted."""
    finished = {pair for pair in prepared.pairs() if finished_run(prepared, pair) is not None}
    rows, to_send, characters, tokens = [], 0, 0, 0
    sent: set[str] = set()
    with Journal(prepared.store.journal_path) if prepared.store.journal_path.exists() else nullcontext() as journal:
        for entry in prepared.config.suites:
            pairs = [pair for pair in prepared.pairs() if pair[0] == entry.name]
            row, fresh = _suite_row(prepared, entry.name, entry.use, pairs, finished, journal, sent)
            rows.append(row)
            to_send += len(fresh)
            characters += sum(
                len(request.prompt or "") + sum(len(message.content) for message in request.messages) for request in fresh
            )
            tokens += sum(request.max_tokens for request in fresh if request.kind == "generate")
    return Preview(
        families=tuple(families(prepared)),
        suites=tuple(rows),
        plan=foresee(prepared),
        baseline=prepared.config.baseline,
        unequal=(
            *_unequal(prepared),
            *dict.fromkeys(
                line for pair in prepared.pairs() for each in (unlike, kinship, unsteady) for line in each(prepared, pair)
            ),
        ),
        to_send=to_send,
        prompt_characters=characters,
        answer_tokens=tokens,
        disk_free=shutil.disk_usage(_existing(prepared.store.root)).free,
        looks=foretold(prepared),
        judging=tuple(judging(prepared, finished)),
    )


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def _suite_row(
    prepared: Prepared, name: str, use: str, pairs: list[Pair], finished: set[Pair], journal: Journal | None, sent: set[str]
) -> tuple[SuiteRow, list[Request]]:
    """Also the requests that nobody has answered yet, and that no suite before this one sends (``sent``: their journal keys)."""
    suite, items = prepared.suites[name], prepared.items(name)
    open_pairs = [pair for pair in pairs if pair not in finished]
    first = [request for item in items for request in first_requests(suite, item)] if open_pairs else []
    known, fresh = 0, []
    for pair in open_pairs:
        if not suite.journalled:
            fresh += first
            continue
        keys = [journal_key(request, prepared.prints[request.to or pair[1]].asked) for request in first]
        answered = journal.get_many(keys) if journal is not None else {}
        known += len(answered)
        for key, request in zip(keys, first, strict=True):
            if key not in answered and key not in sent:
                sent.add(key)
                fresh.append(request)
    row = SuiteRow(
        name=name, use=use, items=len(items), clusters=len({item.cluster or item.key for item in items}),
        requests=len(first) * len(open_pairs), journalled=known, finished=len(pairs) - len(open_pairs), candidates=len(pairs),
    )  # fmt: skip
    return row, fresh


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
