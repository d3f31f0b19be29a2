"""What importing scores and importing judgments have in common: whose they can be, and what was imported before."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from harness.config import Loaded, is_name
from harness.errors import StoreError, UsageError
from harness.pipeline.contents import contents_of
from harness.pipeline.preparing import HUMAN
from harness.plugins import did_you_mean
from harness.records import IMPORTED, Measured
from harness.store import Store


def check_name(what: str, text: str) -> None:
    """UsageError for what no candidate (suite) can be called."""
    if not can_be_named(text):
        raise UsageError(f"--{what} {text!r} cannot be the name of a {what}. Use letters, digits, '.', '_' and '-'.")


def can_be_named(text: str) -> bool:
    """Whether a candidate, or a suite of one's own, can be called so."""
    return is_name(text) and text != HUMAN


def readable(store: Store, paths: Sequence[Path]) -> list[Measured]:
    """What else was imported; a run that was changed must be imported again itself, and does not stand in the way of this one."""
    found = []
    for path in paths:
        with suppress(StoreError):
            found.append(store.read(path))
    return found


def declared(loaded: Loaded, name: str, suite: str) -> tuple[str | None, str | None]:
    """Hashes of what was scored, as it lies here now, after checking that the config knows candidate and suite."""
    suites = {entry.name: entry.use for entry in loaded.config.suites}
    if suite not in suites:
        raise UsageError(f"--suite: {loaded.file} has no suite {suite!r}. {did_you_mean(suite, suites)}")
    if suites[suite] != IMPORTED:
        raise UsageError(
            f"--suite: {suite!r} of {loaded.file} asks for its answers itself (use = {suites[suite]!r}). Declare a suite of "
            f'its own for imported scores: {{ name = "…", use = "{IMPORTED}" }}'
        )
    names = [candidate.name for candidate in loaded.config.candidates]
    if name not in names:
        raise UsageError(f"--candidate: {loaded.file} has no candidate {name!r}. {did_you_mean(name, names)}")
    now = contents_of(loaded.config.candidate(name))
    return now.get("weights"), now.get("adapter")
