"""Examining judges on labelled pairs, and the cards that remember how they did, by judge:

    ROOT/judges/<hash12 of the judge>/<hash12 of the examination>.json

The judge's hash is that of its engine as asked (weights, template, revision …); the examination's covers its prompt and parser, the
labels and the limits. A card is written anew at every examination.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from harness.engines.hot_swap import Swaps
from harness.errors import StoreError
from harness.fingerprint import digest
from harness.journal import Journal
from harness.pipeline.asking import Asking, Measurement
from harness.pipeline.expecting import first_opinion
from harness.pipeline.preparing import Prepared
from harness.pipeline.progress import SILENT, Progress
from harness.pipeline.recording import spent_by
from harness.protocols import Anchored, Judged, judges_of, jury_of
from harness.records import FORMAT, Admission, Record
from harness.schedule import Desk, Done, Talk, drive
from harness.seals import kept, sealed
from harness.store import HASH_LENGTH, Store, atomic_write

ANCHORS_FAILED = "the anchors could not be judged again"
"""Then nobody knows whether the judge is the one that was examined."""


class Card(Record, frozen=True, kw_only=True):
    """How a judge did. ``judge_hash``: its engine as asked; ``examined``: prompt, parser, labels and limits; ``labels``: as the
    config names them."""

    format: int = FORMAT
    suite: str
    use: str
    model: str
    engine: str
    judge_hash: str
    examined: str
    labels: str
    admission: Admission
    created: str


def examine_now(prepared: Prepared, suites: Iterable[str], *, progress: Progress = SILENT) -> dict[str, Admission]:
    """Examine the judges of these suites, and nothing else; by suite. What the journal knows is not asked again, but for the
    anchors."""
    wanted: dict[str, list[str]] = {}
    for name in suites:
        for judge in judges_of(prepared.suites[name]):
            wanted.setdefault(judge, []).append(name)
    found: dict[str, Admission] = {}
    testimonies: dict[str, Testimonies] = {}
    with Journal(prepared.store.journal_path) as journal, Swaps() as swaps:
        asking = Asking(prepared, journal, progress, Measurement(), swaps)
        for judge, names in wanted.items():
            reach = getattr(prepared.engines[judge], "reach", None)
            if reach is not None:
                asked = [each for name in names for each in first_opinion(prepared.suites[name], judge, prepared.items(name)[0])]
                reach(prepared.candidates[judge], asked)
            progress.stage(f"examining {judge}", len(names))
            with Desk({judge: asking.opener([judge])}) as desk:
                found |= examine(asking, desk, [name for name in names if jury_of(prepared.suites[name]) is None])
                testify(asking, desk, judge, [name for name in names if jury_of(prepared.suites[name])], into=testimonies)
    for name, heard in testimonies.items():
        admission, _ = weigh(prepared, name, heard)
        found |= {} if admission is None else {name: admission}
    return found


def examine(asking: Asking, desk: Desk, suites: Iterable[str]) -> dict[str, Admission]:
    """The examinations of these suites' judges, at a desk where they sit. Where the journal answered, the judge is asked about the
    anchors all the same: it may have changed since. Cards are written."""
    prepared, found, known = asking.prepared, dict[str, Admission](), list[str]()
    tokens: dict[str, tuple[int, int]] = {}
    for finished in drive(_examinations(prepared, suites), desk, journal=asking.journal, asked=asking.prints):
        found[finished.id] = _admission(finished, str(prepared.suites[finished.id].judge))
        _count(tokens, finished.id, finished)
        if finished.remembered and finished.error is None:
            known.append(finished.id)
        asking.progress.advance()
    for finished in drive(_anchors(prepared, known), desk, journal=None, asked=asking.prints):
        suite = prepared.suites[finished.id]
        _count(tokens, finished.id, finished)
        if finished.error is not None:
            found[finished.id] = _unexamined(str(suite.judge), f"{ANCHORS_FAILED}: {finished.error}")
        elif isinstance(suite, Anchored) and finished.value is not None:
            found[finished.id] = suite.rejudged(found[finished.id], finished.value)
    for name, admission in found.items():
        found[name] = msgspec.structs.replace(admission, spent=(spent_by(prepared, admission.judge, tokens[name]),))
        if admission.pairs:
            _write(prepared, name, found[name])
    return found


def _count(tokens: dict[str, tuple[int, int]], name: str, finished: Done) -> None:
    read, written = tokens.get(name, (0, 0))
    tokens[name] = read + finished.tokens_in, written + finished.tokens_out


@dataclass
class Testimonies:
    """What the jurors of one suite said of its labels. ``again``: of the anchors, by those whom the journal had answered for;
    ``failed``: why there is nothing of a juror; ``tokens``: what each read and wrote."""

    said: dict[str, Any] = field(default_factory=dict)
    again: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, tuple[int, int]] = field(default_factory=dict)


def testify(asking: Asking, desk: Desk, juror: str, suites: Iterable[str], *, into: dict[str, Testimonies]) -> None:
    """Ask one juror of these suites, at a desk where it sits, about their labels; about the anchors again, where the journal
    answered."""
    known, wanted = list[str](), list(suites)
    for name in wanted:
        into.setdefault(name, Testimonies())
    for finished in drive(_testimonies(asking.prepared, juror, wanted), desk, journal=asking.journal, asked=asking.prints):
        _count(into[finished.id].tokens, juror, finished)
        if finished.error is not None:
            into[finished.id].failed[juror] = finished.error
        else:
            into[finished.id].said[juror] = finished.value
            known += [finished.id] if finished.remembered else []
        asking.progress.advance()
    anchors = _testimonies(asking.prepared, juror, known, anchors=True)
    for finished in drive(anchors, desk, journal=None, asked=asking.prints):
        _count(into[finished.id].tokens, juror, finished)
        if finished.error is not None:
            into[finished.id].failed[juror] = f"{ANCHORS_FAILED}: {finished.error}"
        else:
            into[finished.id].again[juror] = finished.value


def _testimonies(prepared: Prepared, juror: str, suites: Iterable[str], *, anchors: bool = False) -> Iterator[Talk]:
    for name in suites:
        jury = jury_of(prepared.suites[name])
        said = None if jury is None else jury.testify(juror, anchors=anchors)
        if said is not None:
            yield Talk(id=name, candidate=juror, conversation=said)


def weigh(prepared: Prepared, name: str, heard: Testimonies) -> tuple[Admission | None, Mapping[str, float]]:
    """How the jury of a suite did, and how much each juror counts: all alike where one could not be examined, so that the jury may
    inform. The card is written."""
    jury = jury_of(prepared.suites[name])
    if jury is None:
        raise ValueError(f"{name!r} has no jury")
    spent = tuple(spent_by(prepared, juror, tokens) for juror, tokens in heard.tokens.items())
    if heard.failed:
        told = "; ".join(f"the examination of {juror} failed: {error}" for juror, error in heard.failed.items())
        broken = _unexamined(" + ".join(jury.jurors), told)
        return msgspec.structs.replace(broken, spent=spent), dict.fromkeys(jury.jurors, 1.0)
    admission, weights = jury.weigh(heard.said, heard.again)
    if admission is not None:
        admission = msgspec.structs.replace(admission, spent=spent)
        _write(prepared, name, admission)
    return admission, weights


def cards(store: Store) -> Iterator[Card]:
    """All cards of a store, by judge. StoreError for one that cannot be read, or was changed by hand."""
    for path in sorted(store.root.glob("judges/*/*.json")):
        try:
            content = path.read_bytes()
            unchanged, card = kept(content), msgspec.json.decode(content, type=Card)
        except (OSError, msgspec.MsgspecError) as error:
            raise StoreError(f"{str(path)!r} cannot be read: {error}; examine the judge again (sftgate judge admit)") from error
        if not unchanged:
            raise StoreError(f"{str(path)!r} was changed after it was written; examine the judge again (sftgate judge admit)")
        yield card


def card_path(prepared: Prepared, suite: str) -> Path:
    """Where the card of a suite's judge lies, or would lie."""
    judge_hash, examined = _hashes(prepared, suite)
    return prepared.store.root / "judges" / judge_hash[:HASH_LENGTH] / f"{examined[:HASH_LENGTH]}.json"


def _hashes(prepared: Prepared, name: str) -> tuple[str, str]:
    suite = prepared.suites[name]
    return str(prepared.judge_hash(name)), suite.examined if isinstance(suite, Anchored) else digest([suite.fingerprint()])


def _write(prepared: Prepared, name: str, admission: Admission) -> None:
    entry = prepared.config.suite(name)
    judges = [prepared.candidates[judge] for judge in judges_of(prepared.suites[name])]
    judge_hash, examined = _hashes(prepared, name)
    options: Mapping[str, object] = entry.options
    card = Card(
        suite=name,
        use=str(options.get("use", entry.use)),
        model=" + ".join(judge.model for judge in judges if judge.model),
        engine=" + ".join(dict.fromkeys(judge.engine for judge in judges)),
        judge_hash=judge_hash,
        examined=examined,
        labels=str(options.get("admission", "")),
        admission=admission,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    atomic_write(card_path(prepared, name), sealed(msgspec.json.encode(card)))


def _examinations(prepared: Prepared, suites: Iterable[str]) -> Iterator[Talk]:
    for name in suites:
        suite = prepared.suites[name]
        examination = suite.admit() if isinstance(suite, Judged) else None
        if examination is not None and suite.judge is not None:
            yield Talk(id=name, candidate=suite.judge, conversation=examination)


def _anchors(prepared: Prepared, suites: Iterable[str]) -> Iterator[Talk]:
    for name in suites:
        suite = prepared.suites[name]
        again = suite.rejudge() if isinstance(suite, Anchored) else None
        if again is not None and suite.judge is not None:
            yield Talk(id=name, candidate=suite.judge, conversation=again)


def _admission(finished: Done, judge: str) -> Admission:
    if isinstance(finished.value, Admission):
        return finished.value
    return _unexamined(judge, f"the examination failed: {finished.error}")


def _unexamined(judge: str, why: str) -> Admission:
    return Admission(judge=judge, admitted=False, pairs=0, accuracy=0.0, kappa=0.0, consistency=0.0, unparsable=0.0, reasons=(why,))
