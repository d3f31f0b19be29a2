"""Runs of the same suites side by side, as the gate's page shows them, without a policy."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from harness.gate import Policy, conclude
from harness.gate.measurements import Measurements
from harness.history import instant
from harness.records import Conclusion, Measured, Rule
from harness.store import Store
from reports.serve.listing import Listed, read


def compared(
    store: Store, old: Sequence[Listed], new: Sequence[Listed], warnings: Sequence[str] = ()
) -> tuple[Conclusion, dict[tuple[str, str], Measured]]:
    """What would be said of ``new`` against ``old``, without rules; runs of the same suites, in the same order. ``warnings``: what
    could not be compared."""
    names = [side[0].run.candidate.name for side in (old, new)]
    if names[0] == names[1]:
        names = [side[0].name.rpartition("/")[2] for side in (old, new)]
    measured = {}
    for side, name in zip((old, new), names, strict=True):
        for each in side:
            found = read(store, each)
            candidate = msgspec.structs.replace(found.run.candidate, name=name)
            run = msgspec.structs.replace(found.run, candidate=candidate, reference=None)
            measured[run.suite, name] = msgspec.structs.replace(found, run=run)
    policy = Policy(baseline=names[0], bad_answers=False)
    shown = Policy(baseline=names[0], bad_answers=False, rules=_shown(Measurements(measured, policy), names[0]))
    created = max((each.run.created for each in (*old, *new)), key=instant)
    conclusion = conclude(measured, shown, created=created, environment={})
    verdicts = [msgspec.structs.replace(each, warnings=(*warnings, *each.warnings)) for each in conclusion.verdicts]
    return msgspec.structs.replace(conclusion, verdicts=tuple(verdicts)), measured


def _shown(found: Measurements, name: str) -> tuple[Rule, ...]:
    """A rule that decides nothing for the first metric of every task, so that its gain is shown as the gate shows one."""
    rules = []
    for pair in found.measured:
        if pair[1] == name:
            first = found.measured[pair].run.primary.rpartition("/")[2]
            columns = found.columns(*pair).items()
            ids = [metric for metric, column in columns if column.name == first and not column.flag and not column.group]
            rules += [
                Rule(metric=metric, require="not_regressed", severity="inform") for metric in ids if not set(metric) & set("[]*?")
            ]
    return tuple(rules)
