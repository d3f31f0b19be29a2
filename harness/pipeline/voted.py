"""What people said of the answers that are there now: votes on other answers say nothing about them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from harness.pipeline.left_out import who
from harness.pipeline.preparing import HUMAN, Pair
from harness.records import Measured
from harness.store import Store


def voted(store: Store, measured: Mapping[Pair, Measured], baseline: str) -> dict[Pair, Measured]:
    """The votes on everybody who was measured, pins by the name that they had.

    Left out are votes on answers of other weights, and those on items where either side was asked otherwise then (prompt or
    decoding), which the run remarks.
    """
    current, found = store.current(), {}
    for (_, name), each in measured.items():
        path = current.get((HUMAN, each.run.candidate.name))
        if path is not None and (HUMAN, name) not in found:
            votes = store.read(path)
            if who(votes.run.fingerprints) == who(each.run.fingerprints):
                found[HUMAN, name] = votes
    stale = {name: _stale(votes, name, measured) for (_, name), votes in found.items()}
    kept = {pair: _without(votes, stale[pair[1]] | stale.get(baseline, set())) for pair, votes in found.items()}
    return {pair: votes for pair, votes in kept.items() if votes.samples}


def asked_otherwise(then: Mapping[str, str], now: Mapping[str, str]) -> set[str]:
    """Items whose requests (prompt hash: messages and decoding) were others then; those that only one side tells, or neither, are
    taken for the same."""
    return {item for item, asked in then.items() if asked and now.get(item, "") not in ("", asked)}


def _stale(votes: Measured, name: str, measured: Mapping[Pair, Measured]) -> set[str]:
    """Items (``suite/key``) that ``name`` was asked otherwise when people saw its answers."""
    now = {
        f"{suite}/{sample.key}": sample.prompt_hash
        for (suite, who_was_asked), each in measured.items()
        if who_was_asked == name
        for sample in each.samples
    }
    return asked_otherwise({sample.key: sample.prompt_hash for sample in votes.samples}, now)


def _without(votes: Measured, left_out: set[str]) -> Measured:
    kept = tuple(sample for sample in votes.samples if sample.key not in left_out)
    lost = len(votes.samples) - len(kept)
    if not lost:
        return votes
    remark = (
        f"{lost:,} of {len(votes.samples):,} items that people voted on were asked otherwise since (prompt or decoding), "
        "so their votes do not count"
    )
    return Measured(run=msgspec.structs.replace(votes.run, remarks=(*votes.run.remarks, remark)), samples=kept)
