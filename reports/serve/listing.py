"""What a store holds, as the pages list it. It may be written while it is read: what is not whole yet is not there, and what cannot
be read is said beside what can."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.errors import StoreError
from harness.gate import Policy, conclude
from harness.gate.measurements import Measurements
from harness.records import Conclusion, Measured, Record, Rule, Run
from harness.store import Store


class Listed(Record, frozen=True, kw_only=True):
    """A run and where it lies. ``name`` is how pages call it: its folders inside the store."""

    name: str
    run: Run
    selected: bool = False


class Listing(Record, frozen=True, kw_only=True):
    """All runs, oldest first; ``damaged``: why some are not among them."""

    runs: tuple[Listed, ...]
    damaged: tuple[str, ...] = ()

    @property
    def suites(self) -> tuple[str, ...]:
        return tuple(sorted({each.run.suite for each in self.runs}))

    @property
    def candidates(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each.run.candidate.name for each in self.runs))

    def called(self, name: str) -> Listed | None:
        """The run that pages call so. Names are looked up, never walked along: no path comes from a request."""
        return next((each for each in self.runs if each.name == name), None)

    def of(self, candidate: str) -> dict[str, Listed]:
        """By suite, the selected run of a candidate, else its newest."""
        found: dict[str, Listed] = {}
        for each in self.runs:
            if each.run.candidate.name == candidate and (
                each.selected or not (old := found.get(each.run.suite)) or not old.selected
            ):
                found[each.run.suite] = each
        return found


def listing(store: Store) -> Listing:
    """What is there now."""
    try:
        selected = {path.resolve() for path in store.current().values()}
    except StoreError as error:
        selected, told = set(), [str(error)]
    else:
        told = []
    runs = []
    for folder in store.runs():
        try:
            run = store.run(folder)
        except StoreError as error:
            told.append(str(error))
            continue
        name = f"{folder.parent.name}/{folder.name}"
        runs.append(Listed(name=name, run=run, selected=folder.resolve() in selected))
    runs.sort(key=lambda each: (each.run.created, each.name))
    return Listing(runs=tuple(runs), damaged=tuple(told))


def read(store: Store, listed: Listed) -> Measured:
    """The run with its samples. StoreError where it is gone by now, or was changed."""
    return store.read(store.root / Path(listed.name))


def compared(store: Store, old: Sequence[Listed], new: Sequence[Listed]) -> tuple[Conclusion, dict[tuple[str, str], Measured]]:
    """What would be said of ``new`` against ``old``, without rules; runs of the same suites, in the same order."""
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
    return conclude(measured, shown, created=max(each.run.created for each in (*old, *new)), environment={}), measured


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
