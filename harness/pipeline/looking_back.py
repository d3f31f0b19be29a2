"""The runs that a store holds from before, read for the history of every suite's first metric."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from harness.baselines import read_pins
from harness.config import Loaded
from harness.errors import StoreError
from harness.history import answers, history, with_scores
from harness.records import History, Measured, Run
from harness.store import Store


def read_history(loaded: Loaded, measured: Mapping[tuple[str, str], Measured]) -> tuple[History, ...]:
    """One history per suite that has one, about the items of the baseline's run. A run that cannot be read is left out: what was
    long ago must not stand in the way of what is judged now."""
    store, pins = Store(loaded.store), read_pins(loaded.pins)
    recipes = {candidate.name: candidate.recipe for candidate in loaded.config.candidates}
    now = {answers(each.run) for each in measured.values()}
    found = []
    for suite in loaded.config.suites:
        baseline = measured.get((suite.name, loaded.config.baseline))
        if baseline is not None and baseline.run.primary:
            runs = [_today(run, recipes) for run in _runs(store, suite.name)]
            found.append(history(runs, baseline.run, pins, now=now))
    return tuple(each for each in found if each is not None)


def _runs(store: Store, suite: str) -> list[Run]:
    runs = []
    for path in store.runs(suite):
        try:
            run = store.run(path)
            runs.append(run if run.scores else with_scores(store.read(path)))
        except StoreError:
            continue
    return runs


def _today(run: Run, recipes: Mapping[str, str | None]) -> Run:
    """The run under the recipe that the config names now: saying later what was a replicate of what asks nothing anew."""
    recipe = recipes.get(run.candidate.name, run.candidate.recipe)
    return msgspec.structs.replace(run, candidate=msgspec.structs.replace(run.candidate, recipe=recipe))
