"""Ask every candidate, have the answers judged, grade, write the runs. What is already on disk is not done again."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from harness.engines.hot_swap import Swaps
from harness.engines.serving import family
from harness.environment import environment
from harness.fingerprint import digest
from harness.journal import Journal
from harness.pipeline.grading import Gathered, grade
from harness.pipeline.preparing import HUMAN, Pair, Prepared, declared_hash, first_requests
from harness.pipeline.progress import SILENT, Progress
from harness.protocols import Engine, Judged, groups_of
from harness.records import Admission, Answer, Measured, Request, Run, Sample
from harness.schedule import Desk, Done, Talk, drive


@dataclass
class Measurement:
    """What a call of ``measure`` did."""

    paths: dict[Pair, Path] = field(default_factory=dict)
    skipped: int = 0
    sent: int = 0
    reused: int = 0
    engines: int = 0
    seconds: float = 0.0
    failed: int = 0
    planned: int = 0


def measure(prepared: Prepared, *, progress: Progress = SILENT) -> Measurement:
    """Bring every (suite, candidate) of the config to disk and select the runs in ``current.json``.

    One engine per family of candidates; it is closed before the judges' engine opens. A finished run is skipped by fingerprint, and
    one that another process is measuring just now is waited for.
    """
    done = bring(prepared, list(prepared.pairs()), progress=progress)
    votes = {pair: path for pair, path in prepared.store.current().items() if pair[0] == HUMAN}
    prepared.store.set_current({**votes, **done.paths})
    return done


def bring(prepared: Prepared, pairs: Sequence[Pair], *, progress: Progress = SILENT) -> Measurement:
    """Bring these (suite, candidate) to disk like ``measure``, and select nothing."""
    started = time.perf_counter()
    done = Measurement()
    pending = _unfinished(prepared, pairs, done)
    if pending:
        with prepared.store.claim(map(prepared.graded, pending), wait=partial(progress.note, _WAITING)):
            pending = _unfinished(prepared, pending, done)  # another process may have finished some in the meantime
            _measure(prepared, pending, progress, done)
    done.seconds = time.perf_counter() - started
    return done


_WAITING = "another process is measuring some of these runs; waiting until it has finished"


def _unfinished(prepared: Prepared, pairs: Iterable[Pair], done: Measurement) -> list[Pair]:
    """The pairs that have no finished run yet; the others are noted as done."""
    pending = []
    for pair in pairs:
        finished = finished_run(prepared, pair)
        if finished is None:
            pending.append(pair)
        else:
            done.paths[pair] = _as_declared(prepared, pair, *finished)
            done.skipped += 1
    return pending


def _measure(prepared: Prepared, pending: Sequence[Pair], progress: Progress, done: Measurement) -> None:
    """Ask, consult, grade and write what is not finished; nothing where everything is."""
    if not pending:
        return
    _reach(prepared, pending)
    with Journal(prepared.store.journal_path) as journal:
        with Swaps() as swaps:
            asked = _ask(prepared, pending, journal, progress, done, swaps)
        admissions = _consult(prepared, pending, asked, journal, progress, done)
    surroundings = environment()
    for pair in pending:
        samples = grade(prepared, pair, asked)
        run = _run(prepared, pair, samples, asked[pair], admissions.get(pair[0]), surroundings)
        done.failed += run.failed
        done.planned += run.planned
        done.paths[pair] = prepared.store.write_run(run, samples)


def _reach(prepared: Prepared, pending: Sequence[Pair]) -> None:
    """Endpoints that will be needed must answer now, and be able to do what they will be asked: a judge that is down, or choices
    to score where there are no log-probabilities, are found before the candidates' engine starts."""
    needed = dict.fromkeys(name for _, name in pending) | dict.fromkeys(prepared.suites[suite].judge for suite, _ in pending)
    for name in needed:
        reach = getattr(prepared.engines[name], "reach", None) if name is not None else None
        if name is not None and reach is not None:
            suites = [suite for suite, candidate in pending if candidate == name]
            asked = [request for suite in suites for request in first_requests(prepared.suites[suite], prepared.items(suite)[0])]
            reach(prepared.candidates[name], asked)


def finished_run(prepared: Prepared, pair: Pair) -> tuple[Path, Measured] | None:
    """The run of a pair that needs not be done again; one with failed items, or whose judge's examination broke off, does, and the
    journal makes that cheap."""
    path = prepared.store.find(pair[0], pair[1], prepared.graded(pair))
    if path is None:
        return None
    found = prepared.store.read(path)
    broken = found.run.failed > 0 or (found.run.admission is not None and found.run.admission.pairs == 0)
    return None if broken else (path, found)


def _as_declared(prepared: Prepared, pair: Pair, path: Path, found: Measured) -> Path:
    """A finished run under today's declaration: its answers stay, and where the config now says another path, or another reference
    to measure forgetting against, they become a run of that."""
    declared, reference = declared_hash(prepared.config, pair), prepared.references.get(pair[1])
    if (found.run.declared, found.run.reference) == (declared, reference):
        return path
    run = msgspec.structs.replace(found.run, candidate=prepared.candidates[pair[1]], declared=declared, reference=reference)
    return prepared.store.write_run(run, found.samples)


# ------------------------------------------------------------------------------------------------------------- asking


def _ask(
    prepared: Prepared, pending: Sequence[Pair], journal: Journal, progress: Progress, done: Measurement, swaps: Swaps
) -> dict[Pair, Gathered]:
    wanted = list(pending)
    for suite, _ in pending:
        partner = (suite, prepared.config.baseline)
        if prepared.suites[suite].needs_baseline and partner not in wanted:
            wanted.append(partner)
    gathered: dict[Pair, Gathered] = defaultdict(Gathered)
    for members in families(prepared):
        pairs = [pair for pair in wanted if pair[1] in members]
        if not pairs:
            continue
        before = time.perf_counter()
        progress.stage(f"asking {', '.join(members)}", sum(len(prepared.items(suite)) for suite, _ in pairs))
        opened: list[Engine] = []
        with Desk(_openers(prepared, members, done, opened, swaps)) as desk:
            for replicate, suites, concurrency, use_journal in _rounds(prepared, pairs):
                answered = drive(
                    _talks(prepared, [pair for pair in _repeating(prepared, pairs, replicate) if pair[0] in suites], replicate),
                    desk,
                    journal=journal if use_journal else None,
                    asked=_asked_prints(prepared),
                    replicate=replicate,
                    concurrency=concurrency,
                    first_requests=lambda key, requests: _remember_prompt(gathered, key, requests),
                )
                for finished in answered:
                    _collect(gathered[finished.id[0]], finished, done)
                    progress.advance()
        for pair in pairs:
            gathered[pair].seconds += time.perf_counter() - before
        for engine in opened:
            _note_unused(engine, progress)
            for note in getattr(engine, "notes", ()):
                progress.note(note)
    return gathered


def _note_unused(engine: Engine, progress: Progress) -> None:
    """Recorded answers that nobody asked for are likelier a mistake (another suite's file, other keys) than a wish."""
    unused = list(getattr(engine, "unused", ()))
    if unused:
        shown = ", ".join(map(str, unused[:5])) + (" …" if len(unused) > 5 else "")
        progress.note(f"{len(unused)} recorded answers belong to no item that was asked: {shown}")


def families(prepared: Prepared) -> list[tuple[str, ...]]:
    """Candidates that one engine can serve, in the order of the config."""
    groups: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for candidate in prepared.config.candidates:
        groups[family(candidate)].append(candidate.name)
    return [tuple(names) for names in groups.values()]


def _rounds(prepared: Prepared, pairs: Sequence[Pair]) -> Iterator[tuple[int, set[str], int | None, bool]]:
    """Suites that can share the engine go together; one with its own load (latency) goes alone, after the others. Repetitions of
    the same questions come after what they repeat."""
    for replicate in _replicates(prepared, pairs):
        suites = {suite for suite, _ in _repeating(prepared, pairs, replicate)}
        together = {name for name in suites if prepared.suites[name].concurrency is None and prepared.suites[name].journalled}
        if together:
            yield replicate, together, None, True
        for name in sorted(suites - together):
            yield replicate, {name}, prepared.suites[name].concurrency, prepared.suites[name].journalled


def _replicates(prepared: Prepared, pairs: Iterable[Pair]) -> list[int]:
    return sorted({prepared.replicates.get(name, 0) for _, name in pairs})


def _repeating(prepared: Prepared, pairs: Iterable[Pair], replicate: int) -> list[Pair]:
    """The pairs that are this repetition of their questions; 0: the ones that repeat nothing."""
    return [pair for pair in pairs if prepared.replicates.get(pair[1], 0) == replicate]


def _talks(prepared: Prepared, pairs: Sequence[Pair], replicate: int) -> Iterator[Talk]:
    """Conversations of one round: item by item, all candidates side by side, so that the engine's batches mix adapters fairly. A
    repetition goes through the items in a seeded order of its own."""
    for suite in dict.fromkeys(suite for suite, _ in pairs):
        names = [name for owner, name in pairs if owner == suite]
        items = prepared.items(suite)
        if replicate:
            items = sorted(items, key=lambda item: digest([prepared.config.seed, replicate, item.key]))
        for item in items:
            for name in names:
                yield Talk(id=((suite, name), item.key), candidate=name, conversation=prepared.suites[suite].ask(item))


def _openers(
    prepared: Prepared, members: Sequence[str], done: Measurement, opened: list[Engine], swaps: Swaps
) -> dict[str, Callable[[], Engine]]:
    """How to start the engine of a family, and of every helper that an ``ask`` may address. One opener object, one engine."""
    openers: dict[str, Callable[[], Engine]] = dict.fromkeys(members, _opener(prepared, members, done, opened, swaps))
    for name in prepared.config.engines:
        openers[name] = _opener(prepared, [name], done, opened)
    return openers


def _opener(
    prepared: Prepared, members: Sequence[str], done: Measurement, opened: list[Engine], swaps: Swaps | None = None
) -> Callable[[], Engine]:
    def start() -> Engine:
        done.engines += 1
        engine = prepared.engines[members[0]]([prepared.candidates[name] for name in members], seed=prepared.config.seed)
        opened.append(engine if swaps is None else swaps.lend(engine))
        return opened[-1]

    return start


def _asked_prints(prepared: Prepared) -> dict[str, str]:
    return {name: prints.asked for name, prints in prepared.prints.items()}


def _remember_prompt(gathered: Mapping[Pair, Gathered], key: Any, requests: Sequence[Request]) -> None:
    pair, item = key
    gathered[pair].prompt_hashes[item] = prompt_hash(requests)


def prompt_hash(requests: Sequence[Request]) -> str:
    """Hash of what was first asked about an item: messages and decoding, not the item's name."""
    return digest([msgspec.structs.replace(request, item=None) for request in requests])[:16]


def _collect(into: Gathered, finished: Done, done: Measurement) -> None:
    key = finished.id[1]
    answer = finished.value
    if not isinstance(answer, Answer):
        answer = Answer(key=key, error=finished.error or "the suite's conversation returned no answer")
    into.answers[key] = answer
    _count(into, finished, done)


def _count(into: Gathered, finished: Done, done: Measurement) -> None:
    into.sent += finished.sent
    into.reused += finished.reused
    into.tokens_in += finished.tokens_in
    into.tokens_out += finished.tokens_out
    done.sent += finished.sent
    done.reused += finished.reused


# ---------------------------------------------------------------------------------------------------------- consulting


def _consult(
    prepared: Prepared,
    pending: Sequence[Pair],
    asked: Mapping[Pair, Gathered],
    journal: Journal,
    progress: Progress,
    done: Measurement,
) -> dict[str, Admission]:
    judged = [pair for pair in pending if prepared.suites[pair[0]].judge is not None]
    admissions: dict[str, Admission] = {}
    for judge in dict.fromkeys(prepared.suites[suite].judge for suite, _ in judged):
        if judge is None:
            continue
        pairs = [pair for pair in judged if prepared.suites[pair[0]].judge == judge]
        before = time.perf_counter()
        progress.stage(f"consulting {judge}", sum(len(asked[pair].answers) for pair in pairs) + len({suite for suite, _ in pairs}))
        with Desk({judge: _opener(prepared, [judge], done, [])}) as desk:
            for finished in drive(_examinations(prepared, pairs), desk, journal=journal, asked=_asked_prints(prepared)):
                admissions[finished.id] = _admission(finished, judge)
                progress.advance()
            for replicate in _replicates(prepared, pairs):
                talks = _consultations(prepared, _repeating(prepared, pairs, replicate), asked)
                for finished in drive(talks, desk, journal=journal, asked=_asked_prints(prepared), replicate=replicate):
                    _note_judgment(asked[finished.id[0]], finished, done)
                    progress.advance()
        for pair in pairs:
            asked[pair].seconds += time.perf_counter() - before
    return admissions


def _examinations(prepared: Prepared, pairs: Sequence[Pair]) -> Iterator[Talk]:
    for name in dict.fromkeys(suite for suite, _ in pairs):
        suite = prepared.suites[name]
        examination = suite.admit() if isinstance(suite, Judged) else None
        if examination is not None and suite.judge is not None:
            yield Talk(id=name, candidate=suite.judge, conversation=examination)


def _consultations(prepared: Prepared, pairs: Sequence[Pair], asked: Mapping[Pair, Gathered]) -> Iterator[Talk]:
    for pair in pairs:
        suite = prepared.suites[pair[0]]
        if not isinstance(suite, Judged) or suite.judge is None:
            continue
        others = asked[(pair[0], prepared.config.baseline)].answers if suite.needs_baseline else {}
        for item in prepared.items(pair[0]):
            answer, other = asked[pair].answers[item.key], others.get(item.key)
            own = pair[1] == prepared.config.baseline
            if answer.error is not None:
                continue
            if suite.needs_baseline and not own and (other is None or other.error is not None):
                asked[pair].judge_errors[item.key] = "the baseline has no answer to compare with"
                continue
            yield Talk(id=(pair, item.key), candidate=suite.judge, conversation=suite.consult(item, answer, None if own else other))


def _admission(finished: Done, judge: str) -> Admission:
    if isinstance(finished.value, Admission):
        return finished.value
    return Admission(judge=judge, admitted=False, pairs=0, accuracy=0.0, kappa=0.0, consistency=0.0, unparsable=0.0,
                     reasons=(f"the examination failed: {finished.error}",))  # fmt: skip


def _note_judgment(into: Gathered, finished: Done, done: Measurement) -> None:
    key = finished.id[1]
    if finished.error is None:
        into.judgments[key] = tuple(finished.value or ())
    else:
        into.judge_errors[key] = f"the judge failed: {finished.error}"
    _count(into, finished, done)


def _run(
    prepared: Prepared,
    pair: Pair,
    samples: Sequence[Sample],
    asked: Gathered,
    admission: Admission | None,
    surroundings: Mapping[str, Any],
) -> Run:
    suite_name, name = pair
    suite, prints = prepared.suites[suite_name], prepared.prints[name]
    declared = next(entry for entry in prepared.config.suites if entry.name == suite_name)
    return Run(
        candidate=prepared.candidates[name],
        suite=suite_name,
        use=declared.use,
        fingerprints=prints,
        graded=prepared.graded(pair),
        items_hash=digest([[item.key, item.data, item.target] for item in prepared.items(suite_name)]),
        suite_hash=suite.fingerprint(),
        judge_hash=prepared.prints[suite.judge].asked if suite.judge else None,
        engine=dict(prepared.facts[name]),
        metrics=dict(suite.metrics),
        primary=suite.primary,
        groups={group: {name: dict(tasks) for name, tasks in metrics.items()} for group, metrics in groups_of(suite).items()},
        watched=suite.watched,
        retained=declared.retained,
        expect=bands(declared.expect, suite.primary),
        planned=len(samples),
        asked=len(asked.answers),
        failed=sum(sample.error is not None for sample in samples),
        reused_requests=asked.reused,
        sent_requests=asked.sent,
        tokens_in=asked.tokens_in,
        tokens_out=asked.tokens_out,
        flags=dict(Counter(flag for sample in samples for flag in sample.flags)),
        admission=admission,
        seed=prepared.config.seed,
        limit=prepared.limit,
        replicate=prepared.replicates.get(name, 0),
        declared=declared_hash(prepared.config, pair),
        reference=prepared.references.get(name),
        seconds=asked.seconds,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        environment=dict(surroundings),
    )


def bands(expect: tuple[float, float] | dict[str, tuple[float, float]] | None, primary: str) -> dict[str, tuple[float, float]]:
    """``expect`` of a suite as metric -> band; a bare pair is meant for the primary metric."""
    if expect is None:
        return {}
    return expect if isinstance(expect, dict) else {primary: expect}
