"""All that was measured, ready to be looked up: columns by candidate and metric, failed shares, expectations, parity."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property

from msgspec import structs

from harness.compare import Column, Pair, align, columns, metric_id, parity, pooled, shown_beside, transitions
from harness.errors import ConfigError
from harness.gate.checks import check_keys
from harness.gate.contamination import check_unmarked, found_in, marked
from harness.gate.policy import TRANSITIONS, Policy, of_people, only_compared, suites_of
from harness.gate.selection import EVERYTHING, Selection, Traits, restricted
from harness.records import Health, Measured, Metric, Parity, Run

Key = tuple[str, str]
"""(suite, candidate)."""


class Measurements:
    """Runs with everything that is derived from them, each derived once.

    ``everything`` is what was measured; ``measured`` is without the items that the policy has in quarantine, and ``within`` gives
    the same again over the items of one rule.
    """

    def __init__(self, measured: Mapping[Key, Measured], policy: Policy) -> None:
        self.everything = measured
        self.policy = policy
        self._within: dict[Selection, Measurements] = {EVERYTHING: self}
        self._traits: dict[str, Mapping[str, Traits]] = {}
        self._columns: dict[Key, dict[str, Column]] = {}
        self._failed: dict[Key, tuple[int, int]] = {}
        self._transitions: dict[tuple[str, str, str], dict[str, Column]] = {}
        self._parity: dict[tuple[str, str, str], list[Parity]] = {}
        self._pairs: dict[tuple[tuple[str, ...], str, str], Pair | None] = {}
        self._contaminated: dict[tuple[tuple[str, ...], tuple[str, ...]], dict[str, tuple[int, int]]] = {}
        self._prefixes: dict[tuple[str, str, tuple[str, ...], int], Measurements] = {}

    @cached_property
    def measured(self) -> Mapping[Key, Measured]:
        """The runs without what is in quarantine."""
        out = self.quarantined
        return _restricted(self.everything, {suite: (self.traits(suite), self.traits(suite).keys() - out[suite]) for suite in out})

    @cached_property
    def quarantined(self) -> dict[str, set[str]]:
        """Suite -> keys that do not count until a day."""
        found: dict[str, set[str]] = defaultdict(set)
        for entry in self.policy.quarantine:
            found[entry.suite].add(entry.key)
        return dict(found)

    def check_left_out(self) -> None:
        """ConfigError for an item in quarantine, or a contaminated one, that its suite does not have, for one that says itself
        whether it is contaminated, and for a suite that is in quarantine altogether."""
        policy, runs = self.policy, self.everything
        full = {suite for (suite, name), each in runs.items() if name == policy.baseline and each.run.limit is None}
        named = [(entry.suite, entry.key, f"quarantine[{index}].key") for index, entry in enumerate(policy.quarantine)]
        named += [(suite, key, "contaminated") for suite, keys in (policy.contaminated or {}).items() for key in keys]
        check_keys(named, {suite: self.traits(suite) for suite in full & {suite for suite, _, _ in named}})
        if policy.contaminated is not None:
            check_unmarked((suite, each.key, each.slices) for (suite, _), run in runs.items() for each in run.samples)
        for suite, out in self.quarantined.items():
            if self.traits(suite) and self.traits(suite).keys() <= out:
                said = f"all {len(self.traits(suite)):,} items of suite {suite!r} are in quarantine: nothing is left to judge by"
                raise ConfigError(f"{said}. Take some of them, or the suite, out.", where="quarantine")

    def within(self, selection: Selection) -> Measurements:
        """The same measurements over the items of a selection, once."""
        if selection not in self._within:
            kept: dict[str, tuple[Collection[str], Collection[str]]] = {}
            for suite in self.suites:
                out = self.quarantined.get(suite, ())
                items = {key: each for key, each in self.traits(suite).items() if key not in out}
                kept[suite] = (items, {key for key, each in items.items() if selection.keeps(each)})
            bare = structs.replace(self.policy, quarantine=())
            self._within[selection] = Measurements(_restricted(self.measured, kept), bare)
        return self._within[selection]

    def traits(self, suite: str) -> Mapping[str, Traits]:
        """What is known of every item of a suite, by key, whoever answered it; the baseline's word counts first."""
        if suite not in self._traits:
            found: dict[str, Traits] = {}
            names = sorted(self.candidates, key=lambda name: name != self.policy.baseline)
            runs = [each for name in names if (each := self.everything.get((suite, name))) is not None]
            bad = found_in(self.policy.contaminated, suite)
            for answered in (True, False):
                for each in runs:
                    for sample in each.samples:
                        if (sample.error is None) == answered and sample.key not in found:
                            slices = marked(sample.slices, sample.key, bad)
                            found[sample.key] = Traits(sample.cluster or sample.key, slices, answered)
            self._traits[suite] = found
        return self._traits[suite]

    def slice_values(self, metrics: Iterable[str], field: str) -> list[str]:
        """Every value of a slice among the items of the suites that have these metrics."""
        suites = suites_of(metrics)
        return sorted({each.slices[field] for suite in suites for each in self.traits(suite).values() if field in each.slices})

    def sliced(self, metrics: Iterable[str], field: str) -> list[str]:
        """Every value of a slice among the items that have, or failed to have, a score of one of these metrics."""
        found: set[str] = set()
        for metric in metrics:
            traits = self.traits(metric.split("/", 1)[0])
            columns = [self.column(side, metric, self.policy.references.get(side)) for side in self.candidates]
            known = [column for column in columns if column is not None]
            if any(column.group for column in known):  # its keys are those of several tasks
                return self.slice_values(metrics, field)
            keys = {key for column in known for key in (*column.keys, *column.errors)} & traits.keys()
            found |= {traits[key].slices[field] for key in keys if field in traits[key].slices}
        return sorted(found)

    @cached_property
    def suites(self) -> list[str]:
        """Names of suites, in the order measured."""
        return list(dict.fromkeys(suite for suite, _ in self.everything))

    @cached_property
    def candidates(self) -> list[str]:
        """Names of everything measured, in the order measured."""
        return list(dict.fromkeys(name for _, name in self.everything))

    def run(self, suite: str, candidate: str) -> Run | None:
        """A run, or None where this candidate was not put through this suite."""
        found = self.measured.get((suite, candidate))
        return None if found is None else found.run

    def looked(self, suite: str, candidate: str) -> bool:
        """Whether a run was looked at while it was asked: tests that take its size for fixed do not hold."""
        run = self.run(suite, candidate)
        return run is not None and run.looks is not None

    def in_part(self, suite: str, candidate: str) -> bool:
        """Whether a run was looked at and ended before all was asked. One that was asked to the end is a whole run to compare with:
        only tests of its own gains must mind the looks."""
        run = self.run(suite, candidate)
        return run is not None and run.looks is not None and (not run.looks.made or run.looks.made[-1] < run.looks.planned[-1])

    def prefix(self, suite: str, candidate: str, others: tuple[str, ...], items: int) -> Measurements:
        """The first ``items`` that a candidate was asked in a suite, and the same items of ``others``, once."""
        key = (suite, candidate, others, items)
        if key not in self._prefixes:
            asked = self.measured[suite, candidate].samples[:items]
            keys = {sample.key for sample in asked}
            runs = {(suite, candidate): structs.replace(self.measured[suite, candidate], samples=asked)}
            for other in others:
                samples = tuple(sample for sample in self.measured[suite, other].samples if sample.key in keys)
                runs[suite, other] = structs.replace(self.measured[suite, other], samples=samples)
            self._prefixes[key] = Measurements(runs, structs.replace(self.policy, quarantine=()))
        return self._prefixes[key]

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
    def scales(self) -> dict[str, Metric]:
        """Every metric that any run has values of, and how its numbers are read."""
        found = {name: column.metric for suite, side in self.measured for name, column in self.columns(suite, side).items()}
        for suite, side in self.measured:
            reference = self.policy.references.get(side)
            if reference is not None:
                found |= {name: column.metric for name, column in self.transitions(suite, side, reference).items()}
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

    def column_of(self, candidate: str, metrics: tuple[str, ...], label: str, reference: str | None) -> Column | None:
        """One column, or the pooled one of several. None where nothing has a value."""
        found = [column for metric in metrics if (column := self.column(candidate, metric, reference)) is not None]
        if not found:
            return None
        return found[0] if len(metrics) == 1 else pooled(found, label)

    def pair(self, metrics: tuple[str, ...], label: str, candidate: str, other: str) -> Pair | None:
        """A candidate and another side by side, once; None where either has no value. Transitions are against its reference."""
        key = (metrics, candidate, other)
        if key not in self._pairs:
            reference = self.policy.references.get(candidate)
            mine, theirs = (self.column_of(side, metrics, label, reference) for side in (candidate, other))
            if mine is not None and theirs is not None and other == self.policy.baseline and all(map(of_people, metrics)):
                theirs = shown_beside(theirs, mine)
            found = None if mine is None or theirs is None else align(label, theirs, mine, seed=self.policy.seed)
            self._pairs[key] = found
        return self._pairs[key]

    def contaminated(self, metrics: tuple[str, ...], sides: tuple[str, ...]) -> dict[str, tuple[int, int]]:
        """Suite -> how many of the items behind these metrics were found in training data, of how many; empty where none has any.
        All items of any side count, failed ones included. The first side is the candidate."""
        key = (metrics, sides)
        if key not in self._contaminated:
            self._contaminated[key] = dict(self._counted(metrics, sides))
        return self._contaminated[key]

    def _counted(self, metrics: tuple[str, ...], sides: tuple[str, ...]) -> Iterable[tuple[str, tuple[int, int]]]:
        reference = self.policy.references.get(sides[0])
        known = {suite: found_in(self.policy.contaminated, suite) or frozenset() for suite in suites_of(metrics)}
        for suite, bad in known.items() if any(known.values()) else ():
            named = [metric for metric in metrics if metric.split("/", 1)[0] == suite]
            found = [self.column(side, metric, reference) for side in sides for metric in named]
            keys = {key for column in found if column is not None for key in (*column.keys, *column.errors)}
            yield suite, (len(keys & bad), len(keys))

    def failed(self, suite: str, candidate: str) -> tuple[int, int]:
        """How many items of a run failed, of how many."""
        if (suite, candidate) not in self._failed:
            samples = self.measured[suite, candidate].samples
            self._failed[suite, candidate] = sum(sample.error is not None for sample in samples), len(samples)
        return self._failed[suite, candidate]

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
        """How asking went, run by run, over all items; the score is without those in quarantine. Pins were asked long ago."""
        for (suite, candidate), measured in self.everything.items():
            if only_compared(candidate) and candidate != self.policy.baseline:
                continue
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
                failed=sum(sample.error is not None for sample in measured.samples),
                flags=flags,
                value=value,
                metric=run.primary,
                expect=band,
                in_band=None if band is None or value is None else band[0] <= value <= band[1],
                looks=run.looks,
            )


def _restricted(
    measured: Mapping[Key, Measured], kept: Mapping[str, tuple[Collection[str], Collection[str]]]
) -> Mapping[Key, Measured]:
    """Runs over fewer items: suite -> all of its items, and those that count. Suites that are not named stay as they are."""
    found = dict(measured)
    for (suite, name), each in measured.items():
        if suite in kept:
            items, keys = kept[suite]
            found[suite, name] = restricted(each, keys.__contains__, len(items), len(keys))
    return found
