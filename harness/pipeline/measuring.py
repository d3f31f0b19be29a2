"""Ask every candidate, have the answers judged, grade, write the runs. What is already on disk is not done again."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from harness.engines.hot_swap import Swaps
from harness.environment import environment
from harness.journal import Journal
from harness.lines import located
from harness.pipeline.asking import Asking, Measurement, sessions
from harness.pipeline.consulting import consult
from harness.pipeline.imported import imported_pairs
from harness.pipeline.looking import Looking
from harness.pipeline.preparing import HUMAN, Pair, Prepared, declared_hash
from harness.pipeline.progress import SILENT, Progress
from harness.pipeline.reaching import reach
from harness.pipeline.recording import run_of
from harness.records import Measured


def measure(prepared: Prepared, *, progress: Progress = SILENT) -> Measurement:
    """Bring every (suite, candidate) of the config to disk and select the runs in ``current.json``.

    One engine per family of candidates; it is closed before the judges' engine opens. A finished run is skipped by fingerprint, and
    one that another process is measuring just now is waited for.
    """
    done = bring(prepared, list(prepared.pairs()), progress=progress)
    votes = {pair: path for pair, path in prepared.store.current().items() if pair[0] == HUMAN}
    prepared.store.set_current({**votes, **imported_pairs(prepared.store), **done.paths})
    return done


def bring(prepared: Prepared, pairs: Sequence[Pair], *, progress: Progress = SILENT) -> Measurement:
    """Bring these (suite, candidate) to disk like ``measure``, and select nothing."""
    started = time.perf_counter()
    done = Measurement()
    pending = _unfinished(prepared, pairs, done)
    if pending:
        with prepared.store.claim(map(prepared.graded, pending), wait=partial(progress.note, _WAITING)):
            pending = _unfinished(prepared, pending, done)  # another process may have finished some in the meantime
            with located(prepared.loaded.file):
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
    reach(prepared, pending)
    with Journal(prepared.store.journal_path) as journal:
        with Swaps() as swaps:
            asking = Asking(prepared, journal, progress, done, swaps)
            looking = Looking(asking)
            ask(asking, looking, pending)
        admissions = consult(asking, pending)
    surroundings = environment()
    for pair in pending:
        samples = looking.samples[pair] if pair in looking.samples else asking.graded(pair)
        run = run_of(
            prepared, pair, samples, asking.gathered[pair], looks=looking.looks.get(pair), admission=admissions.get(pair[0]),
            surroundings=surroundings,
        )  # fmt: skip
        done.failed += run.failed
        done.asked += run.asked
        done.paths[pair] = prepared.store.write_run(run, samples)


def ask(asking: Asking, looking: Looking, pending: Sequence[Pair]) -> None:
    """Put the suites to the candidates, engine by engine: in full, look by look, and last what needs an engine for itself."""
    prepared, wanted = asking.prepared, list(pending)
    for suite, _ in pending:
        partner = (suite, prepared.config.baseline)
        if prepared.suites[suite].needs_baseline and partner not in wanted:
            wanted.append(partner)
    for members, pairs in sessions(prepared, wanted):
        before = time.perf_counter()
        parts = [pair for pair in pairs if prepared.in_part(pair)]
        full = [pair for pair in pairs if pair not in parts]
        with asking.desk(members) as desk:
            if full:
                asking.progress.stage(f"asking {', '.join(members)}", sum(len(prepared.items(suite)) for suite, _ in full))
                asking.together(desk, full)
            looking.ask(desk, parts)
            asking.alone(desk, full)
        for pair in pairs:
            asking.gathered[pair].seconds += time.perf_counter() - before
        asking.tell(early=any(looking.looks[pair].stopped for pair in parts))


def unfinished(prepared: Prepared) -> list[Pair]:
    """The pairs of the config that something is still to be done for."""
    return [pair for pair in prepared.pairs() if finished_run(prepared, pair) is None]


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
    to measure forgetting against, or where the same items stand in a file of other content, they become a run of that."""
    now: dict[str, Any] = {
        "declared": declared_hash(prepared.config, pair),
        "reference": prepared.references.get(pair[1]),
        "sources": dict(prepared.sources[pair[0]]),
    }
    if {name: getattr(found.run, name) for name in now} == now:
        return path
    run = msgspec.structs.replace(found.run, candidate=prepared.candidates[pair[1]], **now)
    return prepared.store.write_run(run, found.samples)
