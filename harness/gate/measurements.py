"""All that was measured, ready to be looked up: columns by candidate and metric, failed shares, expectations, parity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from harness.compare import Column, Pair, align, columns, metric_id, parity, pooled, sliced, transitions
from harness.gate.policy import TRANSITIONS, Policy
from harness.records import Health, Measured, Parity, Run

Key = tuple[str, str]
"""(suite, candidate)."""


class Measurements:
    """Runs with everything that is derived from them, each derived once."""

    def __init__(self, measured: Mapping[Key, Measured], policy: Policy) -> None:
        self.measured = measured
        self.policy = policy
        self._columns: dict[Key, dict[str, Column]] = {}
        self._transitions: dict[tuple[str, str, str], dict[str, Column]] = {}
        self._parity: dict[tuple[str, str, str], list[Parity]] = {}
        self._pairs: dict[tuple[tuple[str, ...], str | None, str, str], Pair | None] = {}

    @cached_property
    def suites(self) -> list[str]:
        """Names of suites, in the order measured."""
        return list(dict.fromkeys(suite for suite, _ in self.measured))

    @cached_property
    def candidates(self) -> list[str]:
        """Names of everything measured, in the order measured."""
        return list(dict.fromkeys(name for _, name in self.measured))

    def run(self, suite: str, candidate: str) -> Run | None:
        """A run, or None where this candidate was not put through this suite."""
        found = self.measured.get((suite, candidate))
        return None if found is None else found.run

    def columns(self, suite: str, candidate: str) -> dict[str, Column]:
        """Every column of a run; none where there is no run."""
        key = (suite, candidate)
        if key not in self._columns:
            self._columns[key] = columns(self.measured[key]) if key in self.measured else {}
        return self._columns[key]

    def transitions(self, suite: str, candidate: str, reference: str) -> dict[str, Column]:
        """``lost`` and ``gained`` of a retained suite against a reference."""
        key = (suite, candidate, reference)
        run = self.run(suite, candidate)
        if key not in self._transitions:
            mine, theirs = self.columns(suite, candidate), self.columns(suite, reference)
            self._transitions[key] = transitions(mine, theirs, run.primary) if run is not None and run.retained else {}
        return self._transitions[key]

    @cached_property
    def metrics(self) -> set[str]:
        """Ids of all metrics that any run has values of."""
        found = {name for suite, candidate in self.measured for name in self.columns(suite, candidate)}
        return found | {
            name
            for suite, candidate in self.measured
            if (reference := self.policy.references.get(candidate)) is not None
            for name in self.transitions(suite, candidate, reference)
        }

    @cached_property
    def declared(self) -> set[str]:
        """Ids of all metrics that the suites promised, whether or not anything could be scored."""
        found = set(self.metrics)
        for (suite, _), measured in self.measured.items():
            run = measured.run
            kept = TRANSITIONS if run.retained else ()
            names = [*run.metrics, *run.watched, *kept]
            found |= {metric_id(suite, task, name) for task in {sample.task for sample in measured.samples} for name in names}
            found |= {metric_id(suite, group, name) for group, metrics in run.groups.items() for name in (*metrics, *kept)}
        return found

    @cached_property
    def groups(self) -> set[str]:
        """Every ``suite/group`` that stands for several tasks."""
        return {metric_id(suite, "", group) for (suite, _), each in self.measured.items() for group in each.run.groups}

    def column(self, candidate: str, metric: str, reference: str | None) -> Column | None:
        """One column; ``lost`` and ``gained`` are against ``reference``."""
        suite, name = metric.split("/", 1)[0], metric.rsplit("/", 1)[-1]
        found = self.columns(suite, candidate).get(metric)
        if found is None and name in TRANSITIONS and reference is not None:
            return self.transitions(suite, candidate, reference).get(metric)
        return found

    def column_of(
        self, candidate: str, metrics: tuple[str, ...], label: str, reference: str | None, part: str | None
    ) -> Column | None:
        """One column, or the pooled one of several; ``part`` is a slice, ``field=value``. None where nothing has a value."""
        found = [column for metric in metrics if (column := self.column(candidate, metric, reference)) is not None]
        if not found:
            return None
        whole = found[0] if len(metrics) == 1 else pooled(found, label)
        if part is None:
            return whole
        field, _, value = part.partition("=")
        return sliced(whole, field, value)

    def pair(self, metrics: tuple[str, ...], label: str, candidate: str, other: str, part: str | None = None) -> Pair | None:
        """A candidate and another side by side, once; None where either has no value. Transitions are against its reference."""
        key = (metrics, part, candidate, other)
        if key not in self._pairs:
            reference = self.policy.references.get(candidate)
            mine, theirs = (self.column_of(side, metrics, label, reference, part) for side in (candidate, other))
            found = None if mine is None or theirs is None else align(label, theirs, mine, seed=self.policy.seed)
            self._pairs[key] = found
        return self._pairs[key]

    def failed(self, suite: str, candidate: str) -> tuple[int, int]:
        """How many items of a run failed, of how many."""
        samples = self.measured[suite, candidate].samples
        return sum(sample.error is not None for sample in samples), len(samples)

    def parity(self, suite: str, left: str, right: str) -> list[Parity]:
        """What two runs have in common."""
        key = (suite, left, right)
        if key not in self._parity:
            self._parity[key] = parity(self.measured[suite, left], self.measured[suite, right], self.policy.allow)
        return self._parity[key]

    def value(self, suite: str, candidate: str, name: str) -> float | None:
        """A run's score: ``name`` is ``metric``, ``task/metric`` or a whole id (of a group, too); tasks are pooled item by item."""
        meant = [
            column
            for metric, column in self.columns(suite, candidate).items()
            if (name in (metric, f"{column.task}/{column.name}") or (name == column.name and not column.group)) and column.keys
        ]
        if len(meant) == 1:
            return meant[0].value
        return pooled(meant, name).value if meant else None

    def outside(self, suite: str, candidate: str) -> list[tuple[str, float, tuple[float, float]]]:
        """Expected bands that a run's scores lie outside of: metric, score, band."""
        run = self.run(suite, candidate)
        bands = {} if run is None else run.expect
        values = [(name, self.value(suite, candidate, name), band) for name, band in bands.items()]
        return [(name, value, band) for name, value, band in values if value is not None and not band[0] <= value <= band[1]]

    def health(self) -> Iterable[Health]:
        """How asking went, run by run."""
        for (suite, candidate), measured in self.measured.items():
            run = measured.run
            value = self.value(suite, candidate, run.primary) if run.primary else None
            band = run.expect.get(run.primary)
            flags = dict(run.flags)
            flags |= {flag: sum(flag in sample.flags for sample in measured.samples) for flag in run.watched}
            yield Health(
                candidate=candidate,
                suite=suite,
                planned=run.planned or len(measured.samples),
                asked=len(measured.samples),
                failed=self.failed(suite, candidate)[0],
                flags=flags,
                value=value,
                metric=run.primary,
                expect=band,
                in_band=None if band is None or value is None else band[0] <= value <= band[1],
            )
