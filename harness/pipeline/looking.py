"""Asking candidates look by look: a portion of the items, a look at what the gate makes of it, and the next portion if need be.

Everything follows from the answers: after a crash the journal gives back what was asked, and asking ends where it would have.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import msgspec

from harness.gate import Policy
from harness.gate.stopping import should_stop
from harness.pipeline.asking import Asking
from harness.pipeline.concluding import as_policy, policy_of
from harness.pipeline.grading import grade
from harness.pipeline.pinned import read_pinned
from harness.pipeline.portions import Portions
from harness.pipeline.preparing import Pair, Prepared
from harness.pipeline.recording import run_of
from harness.records import Item, Looks, Measured, Run, Sample
from harness.schedule import Desk


class Looking:
    """Candidates that are asked in part: what was asked of each so far, and why that was enough."""

    def __init__(self, asking: Asking) -> None:
        self.asking = asking
        self.prepared = asking.prepared
        self.samples: dict[Pair, list[Sample]] = {}
        self.looks: dict[Pair, Looks] = {}
        self._runs: dict[Pair, Run] = {}
        self._whole = self._pinned() if self.prepared.division.parts else {}

    def ask(self, desk: Desk, pairs: Sequence[Pair]) -> None:
        """Ask these pairs until each is decided, or was asked in full. Every round takes the next portion of all that are still
        open, so that batches stay mixed. Those that they are compared with have been asked."""
        left = list(pairs)
        for pair in left:
            portions = self._portions(pair[0])
            self.samples[pair], self.looks[pair] = [], Looks(settings=portions.settings, planned=portions.planned)
        turn = 0
        while left:
            next_ones = {suite: self._portions(suite).between(turn) for suite, _ in left}
            names = ", ".join(dict.fromkeys(name for _, name in left))
            self.asking.progress.stage(f"look {turn + 1}, {names}", sum(len(next_ones[suite]) for suite, _ in left))
            self.asking.ask(desk, left, next_ones)
            for pair in left:
                self._look(pair, next_ones[pair[0]])
            turn += 1
            left = [pair for pair in left if not self.looks[pair].stopped and turn < len(self.looks[pair].planned)]

    def _portions(self, suite: str) -> Portions:
        return self.prepared.division.parts[suite]

    def _look(self, pair: Pair, portion: Sequence[Item]) -> None:
        """Grade what was asked just now, and note whether all that was asked so far is enough."""
        self.samples[pair] += grade(self.prepared, pair, self.asking.gathered, portion)
        made = (*self.looks[pair].made, len(self.samples[pair]))
        looks = self.looks[pair] = msgspec.structs.replace(self.looks[pair], made=made)
        if made[-1] < looks.planned[-1]:
            self.looks[pair] = msgspec.structs.replace(looks, stopped=self._hopeless(pair) or self._enough(pair))

    def _hopeless(self, pair: Pair) -> str:
        """Why asking on could not make the evaluation valid any more; empty where it could."""
        failed, total = sum(sample.error is not None for sample in self.samples[pair]), self.looks[pair].planned[-1]
        limits = (self.prepared.config.limits.max_errors, *(rule.max_errors or 0.0 for rule in self.prepared.config.rules))
        if failed <= max(limits) * total:
            return ""
        made, planned = self.looks[pair].made, self.looks[pair].planned
        where = f"at look {len(made)} of {len(planned)}, after {made[-1]:,} of {total:,} items"
        return f"{where}: {failed:,} of them failed, more than {100 * max(limits):g} % of all"

    def _enough(self, pair: Pair) -> str:
        """Why the gate needs no more; empty where it does."""
        if pair not in self._runs:  # what the gate reads of it, but for the looks, does not change
            self._runs[pair] = run_of(self.prepared, pair, self.samples[pair], self.asking.gathered[pair])
        run = msgspec.structs.replace(self._runs[pair], looks=self.looks[pair])
        mine = as_policy(self.prepared.loaded, Measured(run=run, samples=tuple(self.samples[pair])))
        measured = self._beside(pair) | {pair: mine}
        stop = should_stop(measured, self._policy, pair[1], pair[0], candidates=len(self.prepared.judged))
        return "" if stop is None else stop.why

    @cached_property
    def _policy(self) -> Policy:
        return msgspec.structs.replace(policy_of(self.prepared.loaded, {}), references=dict(self.prepared.references))

    def _pinned(self) -> dict[Pair, Measured]:
        """The runs of pins; ComparabilityError, before anything is asked, where the store lacks one."""
        loaded = self.prepared.loaded
        return {pair: as_policy(loaded, each) for pair, each in read_pinned(loaded).items()}

    def _beside(self, pair: Pair) -> dict[Pair, Measured]:
        """The runs that were asked in full of those that this one is compared with, in every suite that no judge has to see."""
        names = self.prepared.compared_with(pair[1])
        suites = [entry.name for entry in self.prepared.config.suites if self._plain(entry.name)]
        found = {(suite, name): self._asked_in_full((suite, name)) for suite in suites for name in names}
        return {other: each for other, each in found.items() if each is not None}

    def _plain(self, suite: str) -> bool:
        asked = self.prepared.suites[suite]
        return asked.journalled and asked.judge is None

    def _asked_in_full(self, pair: Pair) -> Measured | None:
        """A run of this or an earlier ``measure``, as the config reads it now; None where it was asked in neither."""
        found = self._whole.get(pair) or self._stored(pair) or self._fresh(pair)
        if found is not None:
            self._whole[pair] = found
        return found

    def _stored(self, pair: Pair) -> Measured | None:
        path = self.asking.done.paths.get(pair)
        return None if path is None else as_policy(self.prepared.loaded, self.prepared.store.read(path))

    def _fresh(self, pair: Pair) -> Measured | None:
        if pair not in self.asking.gathered:
            return None
        samples = self.asking.graded(pair)
        run = run_of(self.prepared, pair, samples, self.asking.gathered[pair])
        return as_policy(self.prepared.loaded, Measured(run=run, samples=tuple(samples)))


def foretold(prepared: Prepared) -> tuple[str, ...]:
    """What will be asked in part and what in full, one sentence each; nothing where ``[sequential]`` is not set."""
    if prepared.config.sequential is None:
        return ()
    if prepared.limit is not None:
        return ("smoke run: everybody is asked the same few items, and nothing look by look",)
    division = prepared.division
    lines = [
        f"{suite}: {len(each.items):,} items in {len(each.planned)} looks of about {each.planned[0]:,} per candidate"
        for suite, each in division.parts.items()
    ]
    lines += [f"{suite}: in full, because {why}" for suite, why in {**division.cannot, **division.small}.items()]
    names = [candidate.name for candidate in prepared.config.candidates]
    full = [name for name in names if not any(prepared.in_part((suite, name)) for suite in division.parts)]
    if full and division.parts:
        lines.append(f"{', '.join(full)}: in full, because others are compared with {'it' if len(full) == 1 else 'them'}")
    return tuple(lines)
