"""The engine died under a candidate: too many errors for a verdict, and an error is not a wrong answer."""

from __future__ import annotations

import msgspec

from harness.records import Sample
from tests.reports import fixtures
from tests.reports.fixtures import Made
from tests.reports.trained import trainings


def build() -> Made:
    """A fifth of what one candidate was asked came back as an error."""
    names = ("full-replay", "lora-replay")
    runs = fixtures.measured(names=names)
    for suite in ("general", "device"):
        side = runs[suite, "lora-replay"]
        rows = tuple(_dead(each) if number % 5 == 0 else each for number, each in enumerate(side.samples))
        failed = sum(each.error is not None for each in rows)
        runs[suite, "lora-replay"] = msgspec.structs.replace(
            side, run=msgspec.structs.replace(side.run, failed=failed), samples=rows
        )
    return fixtures.conclusion(runs, names), runs, trainings(names)


def _dead(sample: Sample) -> Sample:
    return Sample(
        key=sample.key,
        task=sample.task,
        prompt=sample.prompt,
        target=sample.target,
        error="EngineError: the engine process is gone",
    )
