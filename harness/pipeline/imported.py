"""The runs of suites whose scores were imported: selected in the store like everything else, and never asked for."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from harness.config import Loaded
from harness.errors import ComparabilityError, ConfigError, StoreError
from harness.protocols import Imported, Suite
from harness.records import IMPORTED, Measured
from harness.store import Store


def find_imported(loaded: Loaded, suite: str, name: str, current: dict[tuple[str, str], Path]) -> Measured:
    """What was imported last for a candidate; ComparabilityError, with the command that imports, where nothing was, or where what
    is selected are the scores of another one."""
    store, path = Store(loaded.store), current.get((suite, name))
    command = shlex.join(["sftgate", "import", "scores", "FILE", "--candidate", name, "--suite", suite, "--config", loaded.file])
    if path is None or store.run(path).use != IMPORTED:
        raise ComparabilityError(
            f"no scores of {name!r} were imported for suite {suite!r} (store {str(loaded.store)!r}). Run: {command}"
        )
    found = store.read(path)
    if (found.run.suite, found.run.candidate.name) != (suite, name):
        raise ComparabilityError(
            f"what the store {str(loaded.store)!r} selects as the scores of {name!r} in suite {suite!r} are those of "
            f"{found.run.candidate.name!r} in {found.run.suite!r}: current.json was changed. Run: {command}"
        )
    return found


def adopt_imported(loaded: Loaded, suites: Mapping[str, Suite]) -> None:
    """Give every suite of imported scores its runs. ConfigError for a candidate without an engine in a suite that asks,
    ComparabilityError where an import is missing."""
    current = Store(loaded.store).current()
    for name, suite in suites.items():
        if isinstance(suite, Imported):
            suite.adopt([find_imported(loaded, name, candidate.name, current) for candidate in loaded.config.candidates])
            continue
        for index, candidate in enumerate(loaded.config.candidates):
            if candidate.engine == "none":
                raise ConfigError(
                    f"{candidate.name!r} has engine = 'none' and answers nothing, but suite {name!r} asks. Name an engine; or, if "
                    'its scores are imported, write use = "scores" for the suite.',
                    where=f"candidates[{index}].engine",
                    file=loaded.file,
                )


def imported_pairs(store: Store) -> dict[tuple[str, str], Path]:
    """The selected runs that no measuring can bring back; a run that cannot be read is not selected any more."""
    found = {}
    for pair, path in store.current().items():
        with suppress(StoreError):
            if store.run(path).use == IMPORTED:
                found[pair] = path
    return found
