"""``sftgate review import``: votes come back, from whatever form they were given in."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.commands.console import out, printable
from harness.config import Loaded
from harness.environment import environment
from harness.errors import UsageError
from harness.fingerprint import digest
from harness.pipeline.left_out import who
from harness.pipeline.preparing import HUMAN
from harness.pipeline.voted import asked_otherwise
from harness.records import Measured, Run
from harness.store import Store

if TYPE_CHECKING:
    from reports.blind.key import Key
    from reports.votes.pooling import Poll
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
    from reports.votes.pooling import Poll, beside, counting, human_key, require_all
    from reports.votes.tampering import changed_files
    from reports.votes.unblinding import to_measured

    if arguments.key is None or not arguments.votes:
        raise UsageError("review import needs --key KEY.json and --votes FILE …")
    key = read_key(arguments.key)
    ledger = ledger_path(arguments.key, key)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    names = _names(arguments.rater, arguments.votes)
    store = Store(loaded.store)
    with store.claim([digest(HUMAN)], wait=lambda: _say("another import is at work: waiting for it to end")):
        found, known = gather(arguments.votes, key, read_ledger(ledger), names=names, now=now)
        people = what_people_said(found.votes, key, found.kept)
        if not people.votes and (aside := _set_aside(found)):
            raise UsageError("no vote on an item counts. " + ". ".join(aside))
        others = beside(arguments.key, key)
        stale = _stale(store, key)
        _refuse_older(store, key, stale)
        polls = (Poll(key=key, votes=found.votes, people=people), *others.same)
        require_all(_earlier_packages(store, key), polls, others.outdated, arguments.key)
        sides = to_measured(polls, rivals=others.rivals, created=now, environment=environment())
        write_ledger(ledger, found.kept)
        _select(store, sides, {human_key(poll, entry) for poll in (*polls, *others.rivals) for entry in poll.key.items})
    for path in changed_files(arguments.key, key):
        _say(f"{path} is not what was exported: whoever voted with it may have seen something else")
    for path in known:
        _say(f"{path} was imported before: its votes count once")
    for line in [*_set_aside(found), *_changed(store, key, stale), *told(people), *_together(polls, others.outdated, sides[1])]:
        _say(line)
    _say(f"all of it, with what became of it: {ledger}")
    _say(f"{sum(poll.people.votes for poll in counting(polls))} votes are in {loaded.store} as "
         f"{', '.join(f'human/{name}' for name in sides[1].run.metrics)}. Now: sftgate gate {loaded.file}")  # fmt: skip
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


def _together(polls: Sequence[Poll], outdated: Sequence[Key], candidate: Measured) -> list[str]:
    """What other packages are about these answers, and what all of them say together."""
    from reports.votes.pooling import counting, human_key

    lines = [
        f"package {key.package} shows other answers to the same items, because they were asked again since: its votes stay in "
        f"votes-{key.package}.jsonl and do not count beside these"
        for key in outdated
    ]
    counted = counting(polls)
    lines += [
        f"package {poll.key.package} holds items that were picked by hand: its votes are told of, and are no part of human/win "
        "beside those on items that were drawn"
        for poll in polls
        if poll not in counted
    ]
    if len(counted) > 1:
        names = ", ".join(poll.key.package for poll in counted)
        shown = Counter(human_key(poll, entry) for poll in counted for entry in poll.key.items)
        twice = sum(shown[sample.key] > 1 for sample in candidate.samples)
        total = sum(sample.weight for sample in candidate.samples)
        won = sum(sample.weight * (sample.scores or {})["win"] for sample in candidate.samples) / total
        lines.append(
            f"packages {names} count together: human/win is {100 * won:.1f} % over {len(candidate.samples)} items ({twice} of them "
            "in several packages), each by its chance of having been voted on in any"
        )
    return lines


def _changed(store: Store, key: Key, stale: Collection[str]) -> list[str]:
    """Whose weights are others now than when the package was made, and what was asked otherwise since."""
    lines = [
        f"{run.candidate.name} has other weights now than when package {key.package} was made: rules about people wait for votes "
        "on answers of those"
        for run in (key.baseline, key.candidate)
        if (now := _measured_now(store, key, run)) is not None and now != who(run.fingerprints)
    ]
    if not lines and stale:
        lines = [
            f"{len(stale)} of {len(key.items)} items are asked otherwise now (prompt or decoding) than when package "
            f"{key.package} was made: rules about people wait for votes on the answers of now"
        ]
    return lines


def _refuse_older(store: Store, key: Key, stale: Collection[str]) -> None:
    """UsageError where votes on earlier answers would take the place of votes on those of now."""
    path = store.current().get((HUMAN, key.candidate.candidate.name))
    now = _measured_now(store, key, key.candidate)
    if path is None or not path.exists() or now is None:
        return
    older = ""
    if now != who(key.candidate.fingerprints):
        older = "weights" if who(store.run(path).fingerprints) == now else ""
    elif len(stale) == len(key.items):
        shown = _prompts(store, key.suite, key.candidate.candidate.name)
        kept = {sample.key.removeprefix(f"{key.suite}/"): sample.prompt_hash for sample in store.read(path).samples}
        older = "answers" if any(asked and shown.get(item) == asked for item, asked in kept.items()) else ""
    if older:
        raise UsageError(
            f"package {key.package} is about earlier {older} of {key.candidate.candidate.name}, and there are votes on those of "
            f"now: they would be replaced. To count the earlier ones all the same, delete {path} first"
        )


def _stale(store: Store, key: Key) -> set[str]:
    """Items of which one side was asked otherwise when the package was made."""
    own, other = (_prompts(store, key.suite, run.candidate.name) for run in (key.candidate, key.baseline))
    mine = asked_otherwise({entry.item: entry.candidate_prompt_hash for entry in key.items}, own)
    return mine | asked_otherwise({entry.item: entry.baseline_prompt_hash for entry in key.items}, other)


def _prompts(store: Store, suite: str, name: str) -> dict[str, str]:
    """Item -> the hash of what was asked of it, in the selected run."""
    path = store.current().get((suite, name))
    return {} if path is None or not path.exists() else {sample.key: sample.prompt_hash for sample in store.read(path).samples}


def _measured_now(store: Store, key: Key, run: Run) -> tuple[str | None, ...] | None:
    """Whose answers to the reviewed suite are selected under the name of ``run``; None where there are none."""
    path = store.current().get((key.suite, run.candidate.name))
    return None if path is None or not path.exists() else who(store.run(path).fingerprints)


def _earlier_packages(store: Store, key: Key) -> dict[str, str]:
    """Packages whose votes count now for the candidate of this key -> the folder that holds them; none where it was deleted, as is
    advised where it was changed."""
    path = store.current().get((HUMAN, key.candidate.candidate.name))
    if path is None or not path.exists():
        return {}
    run = store.read(path).run
    return {each.package: str(path) for each in run.people} if run.fingerprints == key.candidate.fingerprints else {}


def _select(store: Store, sides: tuple[Measured, Measured], asked: Collection[str]) -> None:
    """Write both runs and make them the current ones. The baseline keeps what was said of it beside other candidates, about items
    that are not among those ``asked`` here."""
    current = store.current()
    pairs = [(HUMAN, side.run.candidate.name) for side in sides]
    before = current.get(pairs[0])
    earlier = store.read(before) if before is not None and before.exists() else None
    for pair, measured in zip(pairs, (_joined(earlier, sides[0], asked), sides[1]), strict=True):
        current[pair] = store.write_run(measured.run, measured.samples)
    store.set_current(current)


def _joined(earlier: Measured | None, baseline: Measured, asked: Collection[str]) -> Measured:
    if earlier is None or earlier.run.fingerprints != baseline.run.fingerprints:
        return baseline
    kept = tuple(sample for sample in earlier.samples if sample.key not in asked)
    run = msgspec.structs.replace(
        baseline.run,
        graded=digest([baseline.run.graded, kept]),
        planned=baseline.run.planned + len(kept),
        asked=baseline.run.asked + len(kept),
        metrics=earlier.run.metrics | baseline.run.metrics,
    )
    return Measured(run=run, samples=(*kept, *baseline.samples)) if kept else baseline
