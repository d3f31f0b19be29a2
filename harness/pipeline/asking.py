"""Asking candidates: engine by engine, all of a family side by side, and nothing again that the journal knows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from harness.engines.hot_swap import Swaps
from harness.engines.serving import family
from harness.fingerprint import digest
from harness.journal import Journal
from harness.pipeline.grading import Gathered, grade
from harness.pipeline.lengths import length_of
from harness.pipeline.preparing import Pair, Prepared
from harness.pipeline.progress import Late, Progress
from harness.protocols import Engine, Telling, by_load, timeout_of
from harness.records import Answer, Item, Request, Sample
from harness.schedule import Desk, Done, Talk, drive


@dataclass
class Measurement:
    """What a call of ``measure`` did. ``failed`` of ``asked`` items have no score."""

    paths: dict[Pair, Path] = field(default_factory=dict)
    skipped: int = 0
    sent: int = 0
    reused: int = 0
    engines: int = 0
    seconds: float = 0.0
    failed: int = 0
    asked: int = 0


@dataclass
class Asking:
    """What one call of ``measure`` has asked, and been answered, so far."""

    prepared: Prepared
    journal: Journal
    progress: Progress
    done: Measurement
    swaps: Swaps
    gathered: dict[Pair, Gathered] = field(default_factory=lambda: defaultdict(Gathered))
    opened: list[Engine] = field(default_factory=list)
    _samples: dict[Pair, list[Sample]] = field(default_factory=dict)

    def desk(self, members: Sequence[str]) -> Desk:
        """The engine of a family, and every helper that an ``ask`` may address. One opener object, one engine."""
        openers: dict[str, Callable[[], Engine]] = dict.fromkeys(members, self.opener(members, self.swaps))
        for name in self.prepared.config.engines:
            openers[name] = self.opener([name])
        return Desk(openers)

    def opener(self, members: Sequence[str], swaps: Swaps | None = None) -> Callable[[], Engine]:
        """How to start one engine for all of ``members``."""

        def start() -> Engine:
            self.done.engines += 1
            models = [self.prepared.candidates[name] for name in members]
            engine = self.prepared.engines[members[0]](models, seed=self.prepared.config.seed)
            if isinstance(engine, Telling):
                engine.tell(self.progress.note)
            self.opened.append(engine if swaps is None else swaps.lend(engine))
            return self.opened[-1]

        return start

    @property
    def prints(self) -> dict[str, str]:
        """The *asked* fingerprint of every destination."""
        return {name: prints.asked for name, prints in self.prepared.prints.items()}

    def together(self, desk: Desk, pairs: Sequence[Pair]) -> None:
        """Suites that can share the engine, in full. Repetitions of the same questions come after what they repeat."""
        for replicate in replicates(self.prepared, pairs):
            chosen = [pair for pair in repeating(self.prepared, pairs, replicate) if _sociable(self.prepared, pair[0])]
            self.ask(desk, chosen, self._in_order(chosen, replicate), replicate=replicate)

    def alone(self, desk: Desk, pairs: Sequence[Pair]) -> None:
        """Suites with a load of their own (latency), in full and one after the other."""
        for replicate in replicates(self.prepared, pairs):
            lonely = [pair for pair in repeating(self.prepared, pairs, replicate) if not _sociable(self.prepared, pair[0])]
            for name in sorted({suite for suite, _ in lonely}):
                chosen = [pair for pair in lonely if pair[0] == name]
                suite = self.prepared.suites[name]
                for load, items in by_load(suite, self._in_order(chosen, replicate)[name]):
                    self.ask(desk, chosen, {name: items}, replicate=replicate, concurrency=load, journalled=suite.journalled)

    def ask(
        self,
        desk: Desk,
        pairs: Sequence[Pair],
        items: Mapping[str, Sequence[Item]],
        *,
        replicate: int = 0,
        concurrency: int | None = None,
        journalled: bool = True,
    ) -> None:
        """Put these items of each suite to these candidates. ``drive`` says what can go wrong."""
        answered = drive(
            self._talks(pairs, items),
            desk,
            journal=self.journal if journalled else None,
            asked=self.prints,
            replicate=replicate,
            concurrency=concurrency,
            first_requests=self._remember_prompt,
        )
        for finished in answered:
            self._collect(finished)
            self.progress.advance()

    def graded(self, pair: Pair) -> list[Sample]:
        """The samples of a pair that was asked in full; graded once."""
        if pair not in self._samples:
            items = self.prepared.items(pair[0])
            shown = Late(self.progress, f"grading {pair[1]} in {pair[0]}", len(items))
            self._samples[pair] = grade(self.prepared, pair, self.gathered, items, told=shown.advance)
        return self._samples[pair]

    def count(self, into: Gathered, finished: Done) -> None:
        """Requests of a conversation that ended."""
        into.sent += finished.sent
        into.reused += finished.reused
        self.done.sent += finished.sent
        self.done.reused += finished.reused

    def tell(self, *, early: bool) -> None:
        """Pass on what the engines that were opened since have to say. ``early``: not everything was asked, so that recorded
        answers to the rest are no mistake."""
        for engine in self.opened:
            if not early:
                _note_unused(engine, self.progress)
            for note in getattr(engine, "notes", ()):
                self.progress.note(note)
        self.opened.clear()

    def _in_order(self, pairs: Iterable[Pair], replicate: int) -> dict[str, list[Item]]:
        """All items of the suites; a repetition goes through them in a seeded order of its own."""
        found = {suite: self.prepared.items(suite) for suite, _ in pairs}
        if not replicate:
            return found
        seed = self.prepared.config.seed
        return {suite: sorted(items, key=lambda item: digest([seed, replicate, item.key])) for suite, items in found.items()}

    def _talks(self, pairs: Sequence[Pair], items: Mapping[str, Sequence[Item]]) -> Iterator[Talk]:
        """Item by item, all candidates side by side, so that the engine's batches mix adapters fairly."""
        for suite in dict.fromkeys(suite for suite, _ in pairs):
            names, asked = [name for owner, name in pairs if owner == suite], self.prepared.suites[suite]
            for item in items[suite]:
                for name in names:
                    talk = asked.ask(item)
                    yield Talk(id=((suite, name), item.key), candidate=name, conversation=talk, timeout_seconds=timeout_of(asked))

    def _remember_prompt(self, key: Any, requests: Sequence[Request]) -> None:
        pair, item = key
        self.gathered[pair].prompt_hashes[item] = prompt_hash(requests)
        self.gathered[pair].prompt_lengths[item] = length_of(requests)

    def _collect(self, finished: Done) -> None:
        pair, key = finished.id
        answer = finished.value
        if not isinstance(answer, Answer):
            answer = Answer(key=key, error=finished.error or "the suite's conversation returned no answer")
        self.gathered[pair].answers[key] = answer
        self.gathered[pair].tokens[key] = (finished.tokens_in, finished.tokens_out)
        if finished.seen is not None:
            self.gathered[pair].seen[key] = finished.seen
        self.gathered[pair].tokens_in += finished.tokens_in
        self.gathered[pair].tokens_out += finished.tokens_out
        self.count(self.gathered[pair], finished)


def sessions(prepared: Prepared, wanted: Iterable[Pair]) -> Iterator[tuple[tuple[str, ...], list[Pair]]]:
    """Engine by engine, who is asked what.

    Whoever is asked in part comes after those that it is compared with; where two families wait for each other, one is opened
    twice, first for those that are asked in full.
    """
    wanted = list(wanted)
    left = {members: pairs for members in families(prepared) if (pairs := [pair for pair in wanted if pair[1] in members])}
    while left:
        ready = next((members for members in left if not _waits(prepared, members, left)), None)
        if ready is not None:
            yield ready, left.pop(ready)
            continue
        ready = next(members for members, pairs in left.items() if any(not prepared.in_part(pair) for pair in pairs))
        yield ready, [pair for pair in left[ready] if not prepared.in_part(pair)]
        left[ready] = [pair for pair in left[ready] if prepared.in_part(pair)]


def _waits(prepared: Prepared, members: tuple[str, ...], left: Mapping[tuple[str, ...], Sequence[Pair]]) -> bool:
    """Is somebody in this family, who is asked in part, compared with one of another family who was not asked yet?"""
    others = {name for family, pairs in left.items() if family != members for _, name in pairs}
    partial = {pair[1] for pair in left[members] if prepared.in_part(pair)}
    return any(others & prepared.compared_with(name) for name in partial)


def families(prepared: Prepared) -> list[tuple[str, ...]]:
    """Candidates that one engine can serve, in the order of the config."""
    groups: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for candidate in prepared.config.candidates:
        groups[family(candidate)].append(candidate.name)
    return [tuple(names) for names in groups.values()]


def replicates(prepared: Prepared, pairs: Iterable[Pair]) -> list[int]:
    """The repetitions among these pairs; 0 is what repeats nothing."""
    return sorted({prepared.replicates.get(name, 0) for _, name in pairs})


def repeating(prepared: Prepared, pairs: Iterable[Pair], replicate: int) -> list[Pair]:
    """The pairs that are this repetition of their questions; 0: the ones that repeat nothing."""
    return [pair for pair in pairs if prepared.replicates.get(pair[1], 0) == replicate]


def _sociable(prepared: Prepared, suite: str) -> bool:
    return prepared.suites[suite].concurrency is None and prepared.suites[suite].journalled


def _note_unused(engine: Engine, progress: Progress) -> None:
    """Recorded answers that nobody asked for are likelier a mistake (another suite's file, other keys) than a wish."""
    unused = list(getattr(engine, "unused", ()))
    if unused:
        shown = ", ".join(map(str, unused[:5])) + (" …" if len(unused) > 5 else "")
        progress.note(f"{len(unused)} recorded answers belong to no item that was asked: {shown}")


def prompt_hash(requests: Sequence[Request]) -> str:
    """Hash of what was first asked about an item: messages and decoding, not the item's name."""
    return digest([msgspec.structs.replace(request, item=None) for request in requests])[:16]
