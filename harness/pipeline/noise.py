"""What ``aa-test`` left in the store, read again: the noise floors, and the second runs that they come from."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from harness.errors import StoreError
from harness.formats import UnreadableError, understood
from harness.gate.noise import again
from harness.records import Measured, SelfTest
from harness.store import Store

FILE = "aa.json"


def second_name(name: str) -> str:
    """What the repetition of a candidate is called on disk; no candidate can be called so."""
    return f"{name}#2"


def of_selftest(name: str) -> bool:
    """Whether a run on disk is a repetition, or damage done on purpose: no candidate's name has a '#'."""
    return "#" in name


def write_selftest(store: Store, test: SelfTest) -> None:
    """Remember what the last ``aa-test`` found, in place of the one before."""
    store.write_text(FILE, msgspec.json.format(msgspec.json.encode(test), indent=1).decode() + "\n")


def read_selftest(store: Store) -> SelfTest | None:
    """What the last ``aa-test`` found; None before the first. StoreError where the file is damaged or of another format."""
    path = store.root / FILE
    if not path.is_file():
        return None
    try:
        return understood(path.read_bytes(), SelfTest)
    except OSError as error:
        raise StoreError(f"{str(path)!r} cannot be read: {error.strerror}.") from error
    except UnreadableError as error:
        raise StoreError(f"{str(path)!r} {error}. Delete it, and run sftgate aa-test again.") from error


def second_runs(store: Store, measured: Mapping[tuple[str, str], Measured]) -> dict[tuple[str, str], Measured]:
    """The second runs of the references in the suites that are retained, by (suite, ``second run of NAME``); only of the very runs
    that were measured, by fingerprint."""
    test, references = read_selftest(store), {each.run.reference for each in measured.values()}
    found = {}
    for repetition in () if test is None else test.repetitions:
        for suite, (first, second) in repetition.runs.items() if repetition.candidate in references else ():
            known = measured.get((suite, repetition.candidate))
            if known is None or not known.run.retained or known.run.graded != first:
                continue
            path = store.find(suite, second_name(repetition.candidate), second)
            if path is None:
                continue
            each = store.read(path)
            run = msgspec.structs.replace(each.run, retained=True, expect={}, reference=None)
            found[suite, again(repetition.candidate)] = msgspec.structs.replace(each, run=run)
    return found
