"""One side was asked otherwise than the other: another template, and fewer tokens to answer in."""

from __future__ import annotations

import msgspec

from tests.reports import fixtures
from tests.reports.fixtures import Made
from tests.reports.trained import trainings


def build() -> Made:
    """Every run of the candidate carries the fingerprint of another chat template."""
    names = ("full-replay",)
    runs = fixtures.measured(names=names)
    for (suite, name), side in list(runs.items()):
        if name in names:
            prints = msgspec.structs.replace(side.run.fingerprints, template="9" * 64)
            runs[suite, name] = msgspec.structs.replace(side, run=msgspec.structs.replace(side.run, fingerprints=prints))
    return fixtures.conclusion(runs, names), runs, trainings(names)
