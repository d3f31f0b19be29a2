"""``sftgate review import``: votes come back, from whatever form they were given in."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.commands.console import out, printable
from harness.config import Loaded
from harness.environment import environment
from harness.errors import UsageError
from harness.pipeline.preparing import HUMAN
from harness.records import Measured
from harness.store import Store

if TYPE_CHECKING:
    from reports.votes.vote import Sorted


def declare_import(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    importing = parser.add_argument_group("import")
    importing.add_argument("--key", type=Path, help="the key file that the export wrote beside the package")
    importing.add_argument(
        "--votes", type=Path, nargs="+", default=[], metavar="FILE",
        help="what raters handed in: the page's JSON, the sheet (CSV, XLSX), or the export of Label Studio, Argilla or Potato",
    )  # fmt: skip
    importing.add_argument(
        "--rater", action="append", default=[], metavar="FILE=NAME",
        help="whose votes a file holds, where its own name will not do: two raters of one name, or none",
    )  # fmt: skip


def import_votes(loaded: Loaded, arguments: argparse.Namespace) -> int:
    """Sort what came together with all that came before, and put what counts into the store."""
    from reports.blind.key import read_key
    from reports.people import what_people_said
    from reports.people.words import told
    from reports.votes.ledger import gather, ledger_path, read_ledger, write_ledger
    from reports.votes.tampering import changed_files
    from reports.votes.unblinding import to_measured

    if arguments.key is None or not arguments.votes:
        raise UsageError("review import needs --key KEY.json and --votes FILE …")
    key = read_key(arguments.key)
    ledger = ledger_path(arguments.key, key)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    names = _names(arguments.rater, arguments.votes)
    found, known = gather(arguments.votes, key, read_ledger(ledger), names=names, now=now)
    people = what_people_said(found.votes, key, found.kept)
    if not people.votes and (aside := _set_aside(found)):
        raise UsageError("no vote on an item counts. " + ". ".join(aside))
    sides = to_measured(found.votes, key, people, created=now, environment=environment())
    write_ledger(ledger, found.kept)
    replaced = _select(Store(loaded.store), sides)
    for path in changed_files(arguments.key, key):
        _say(f"{path} is not what was exported: whoever voted with it may have seen something else")
    for path in known:
        _say(f"{path} was imported before: its votes count once")
    for line in [*_set_aside(found), *replaced, *told(people)]:
        _say(line)
    _say(f"all of it, with what became of it: {ledger}")
    _say(f"{people.votes} votes are in {loaded.store} as {', '.join(f'human/{name}' for name in sides[0].run.metrics)}. "
         f"Now: sftgate gate {loaded.file}")  # fmt: skip
    return 0


def _say(line: str) -> None:
    out.print(printable(line), markup=False)


def _names(given: Sequence[str], files: Sequence[Path]) -> dict[str, str]:
    """File -> its rater."""
    names = {}
    for text in given:
        file, equals, name = text.partition("=")
        if not equals or not file or not name.strip():
            raise UsageError(f"--rater {text!r}: expected FILE=NAME, such as ana-2.json=ana-b")
        if not any(file in (str(path), path.name) or path.is_dir() for path in files):
            raise UsageError(f"--rater {text!r}: {file!r} is none of the files after --votes")
        names[file] = name.strip()
    return names


def _set_aside(found: Sorted) -> list[str]:
    """What does not count, by why, with the first place of each."""
    from reports.votes.vote import FATES

    counts = Counter(line.fate for line in found.kept if line.fate != "counted")
    lines = []
    for fate, count in counts.items():
        first = next(line for line in found.kept if line.fate == fate)
        because = f": {first.because}" if first.because else ""
        place = f"{first.statement.source}, {first.statement.place}"
        lines.append(f"not counted, {FATES[fate]}: {count} ({'first: ' if count > 1 else ''}{place}, {first.rater}{because})")
    if any(line.statement.form == "argilla" and line.statement.raw["nested"] for line in found.kept):
        lines.append(
            "Argilla's nested records do not say which responses were discarded or are drafts, so all of them count; "
            "records.to_list(flatten=True), saved as JSON, says it"
        )
    if counts["contradicted"]:
        lines.append("if two people have one name, say who is who: --rater FILE=NAME")
    return lines


def _select(store: Store, sides: Sequence[Measured]) -> list[str]:
    """Write both runs and make them the current ones; says what of earlier packages they replace."""
    current, said = store.current(), []
    for measured in sides:
        pair = (HUMAN, measured.run.candidate.name)
        earlier = _earlier(store, current.get(pair))
        merged = merge(earlier, measured)
        if earlier is not None and (lost := _replaced(earlier, measured)):
            said.append(f"{lost} items of {pair[1]} had votes of another package; those of this one stand for them now")
        current[pair] = store.write_run(merged.run, merged.samples)
    store.set_current(current)
    return list(dict.fromkeys(said))


def _replaced(earlier: Measured, fresh: Measured) -> int:
    """Items that another package was about, too."""
    ours = {people.package for people in fresh.run.people}
    if not ours or earlier.run.fingerprints != fresh.run.fingerprints or not {each.package for each in earlier.run.people} - ours:
        return 0
    before: Mapping[str, object] = {sample.key: sample.judgments for sample in earlier.samples}
    own = {sample.key: sample.judgments for sample in fresh.samples}
    return sum(key in before and not set(_raters(before[key])) <= set(_raters(said)) for key, said in own.items())


def _raters(judgments: object) -> list[str]:
    return [each.judge for each in judgments] if isinstance(judgments, tuple) else []


def _earlier(store: Store, path: Path | None) -> Measured | None:
    """The votes so far; none where their folder was deleted, as is advised where they were changed."""
    return None if path is None or not path.exists() else store.read(path)


def merge(earlier: Measured | None, votes: Measured) -> Measured:
    """Votes about other items (another suite, another candidate's baseline) stay; votes about the same items are replaced."""
    if earlier is None or earlier.run.fingerprints != votes.run.fingerprints:
        return votes
    fresh = {sample.key for sample in votes.samples}
    samples = (*(sample for sample in earlier.samples if sample.key not in fresh), *votes.samples)
    failed = sum(sample.error is not None for sample in samples)
    packages = {each.package for each in votes.run.people}
    run = msgspec.structs.replace(
        votes.run,
        planned=len(samples),
        asked=len(samples),
        failed=failed,
        metrics=earlier.run.metrics | votes.run.metrics,
        people=(*(each for each in earlier.run.people if each.package not in packages), *votes.run.people),
    )
    return Measured(run=run, samples=samples)
