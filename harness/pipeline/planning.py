"""A plan from a config: suites are built and counted, the store is read where there is one, and no model is started, nor needed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import get_args

import msgspec

from harness.config import Loaded
from harness.errors import ComparabilityError, StoreError, UsageError
from harness.gate import TRANSITIONS, of_people
from harness.gate.measurements import Measurements
from harness.gate.policy import Policy
from harness.lines import located
from harness.pipeline.checking import check_prepared
from harness.pipeline.concluding import as_policy, policy_of
from harness.pipeline.imported import adopt_imported
from harness.pipeline.left_out import contaminated, who
from harness.pipeline.lengths import items_by_length
from harness.pipeline.noise import of_selftest, read_selftest
from harness.pipeline.pinned import check_meant, read_pinned
from harness.pipeline.preparing import Prepared, build_suite, find_references, first_requests
from harness.pipeline.ranges import with_ranges
from harness.pipeline.spending import with_spending
from harness.plan import Decision, Earlier, Known, Plan, Questions, decisions, known, plan
from harness.plugins import did_you_mean
from harness.protocols import groups_of, hinging_of, metrics_by_item
from harness.records import SHARES, Fingerprints, Flag, Measured, Record, Run

MOST_EARLIER = 6
"""Earlier candidates that are looked at: the newest."""


class Cost(Record, frozen=True, kw_only=True):
    """What a suite asks of one candidate, in first turns: follow-up turns and judging are not known before. ``prompt_tokens`` is an
    estimate (four characters each), ``answer_tokens`` the most that may come back."""

    suite: str
    items: int
    clusters: int
    requests: int
    prompt_tokens: int
    answer_tokens: int


def sketch(loaded: Loaded) -> Prepared:
    """A config with its suites built and its policy checked, whether or not the candidates' files are here."""
    with located(loaded.file):
        return _sketched(loaded)


def _sketched(loaded: Loaded) -> Prepared:
    config = loaded.config
    check_meant(loaded)
    suites = {entry.name: build_suite(entry, loaded, f"suites[{index}]") for index, entry in enumerate(config.suites)}
    adopt_imported(loaded, suites)
    prints = {candidate.name: Fingerprints(asked="") for candidate in config.candidates}
    references = {name: config.baseline for name in prints if name != config.baseline} | find_references(config, prints)
    prepared = Prepared(
        loaded=loaded, suites=suites, engines={}, candidates={}, facts={}, prints=prints, references=references,
        contaminated=contaminated(loaded),
    )  # fmt: skip
    check_prepared(prepared)
    return prepared


def costs(prepared: Prepared) -> list[Cost]:
    """Suite by suite."""
    found = []
    for entry in prepared.config.suites:
        suite, items = prepared.suites[entry.name], prepared.items(entry.name)
        first = [request for item in items for request in first_requests(suite, item)]
        letters = sum(len(request.prompt or "") + sum(len(message.content) for message in request.messages) for request in first)
        found.append(
            Cost(
                suite=entry.name,
                items=len(items),
                clusters=len({item.cluster or item.key for item in items}),
                requests=len(first),
                prompt_tokens=round(letters / 4),
                answer_tokens=sum(request.max_tokens for request in first if request.kind == "generate"),
            )
        )
    return found


def foresee(prepared: Prepared, effects: Sequence[tuple[str, float]] = (), *, power: float = 0.8) -> Plan:
    """What the gate will be able to say. ``effects``: globs over metrics with the true gain to assume (below 0: worse).

    UsageError for an effect on no metric, or one that cannot be.
    """
    policy = policy_of(prepared.loaded, {})
    metrics, groups, stored = prepared.metric_ids(), prepared.group_ids(), _stored(prepared)
    base = _baseline(prepared, stored)
    decided = decisions(policy, _questions(prepared, base), metrics, groups)
    earlier, noise = list(_earlier(prepared, policy, stored, base)), read_selftest(prepared.store)
    knowledge = [known(decision, earlier, noise) for decision in decided]
    meant = _effects(effects, sorted(metric for metric in metrics if not of_people(metric)))
    _check_effects(decided, knowledge, meant)
    return plan(decided, knowledge, meant, power=power, seed=prepared.config.seed)


def _questions(prepared: Prepared, base: Mapping[str, Measured]) -> dict[str, Questions]:
    """``base``: the baseline's own runs, by suite, which show what only answers can."""
    found = {}
    for entry in prepared.config.suites:
        suite, items = prepared.suites[entry.name], items_by_length(prepared, entry.name)
        first = first_requests(suite, items[0]) if items else ()
        draws = len({each.draw for each in first if (each.messages, each.prompt) == (first[0].messages, first[0].prompt)})
        priced = with_spending(prepared.loaded, entry.name, suite.metrics)
        metrics = with_ranges(prepared.loaded, entry.name, priced, suite.primary)
        spent = priced.keys() - suite.metrics.keys()
        asked = Questions(
            entry.name, items, metrics, suite.watched, groups_of(suite), max(1, draws), suite.primary,
            {key: scored | spent for key, scored in metrics_by_item(suite, items).items()}, hinging_of(suite),
        )  # fmt: skip
        told = base.get(entry.name)
        seen = told is not None and told.run.suite_hash == suite.fingerprint()
        found[entry.name] = asked.as_seen(told.samples) if told is not None and seen else asked
    return found


# ------------------------------------------------------------------------------------------------------- earlier runs


Stored = Mapping[str, Mapping[str, tuple[Run, Path]]]
"""Candidate -> suite -> its newest run on these very items, and where it lies."""


def _stored(prepared: Prepared) -> Stored:
    """What the store holds of these suites in full. What cannot be read is no evidence."""
    found: dict[str, dict[str, tuple[Run, Path]]] = {}
    for entry in prepared.config.suites:
        print_ = prepared.suites[entry.name].fingerprint()
        for path in prepared.store.runs(entry.name):
            try:
                run = prepared.store.run(path)
            except StoreError:
                continue
            if run.suite_hash != print_ or run.limit is not None or run.looks is not None or of_selftest(run.candidate.name):
                continue
            own = found.setdefault(run.candidate.name, {})
            if entry.name not in own or _when(*own[entry.name]) < _when(run, path):
                own[entry.name] = run, path
    return found


def _when(run: Run, path: Path) -> tuple[str, int]:
    """When it was measured; of two in the same second, when it was written."""
    return run.created, (path / "run.json").stat().st_mtime_ns


def _earlier(prepared: Prepared, policy: Policy, stored: Stored, base: Mapping[str, Measured]) -> Iterator[Earlier]:
    """Earlier candidates beside the baseline, the newest first."""
    baseline = prepared.config.baseline
    last = {name: max(run.created for run, _ in runs.values()) for name, runs in stored.items() if name != baseline}
    for name in sorted(last, key=lambda name: (last[name], name))[::-1][:MOST_EARLIER] if base else []:
        shared = {}
        for suite in stored[name].keys() & base.keys():
            try:
                shared[suite, name] = _as_policy(prepared, prepared.store.read(stored[name][suite][1]))
            except StoreError:
                continue
        if shared:
            sides = shared | {(suite, baseline): base[suite] for suite, _ in shared}
            same = all(who(each.run.fingerprints) == who(base[suite].run.fingerprints) for (suite, _), each in shared.items())
            beside = Measurements(sides, msgspec.structs.replace(policy, references={name: baseline}))
            yield Earlier(baseline, name, beside, same)


def _baseline(prepared: Prepared, stored: Stored) -> dict[str, Measured]:
    """The baseline's runs, by suite: those of a pin, or its newest."""
    found, baseline = {}, prepared.config.baseline
    if baseline.startswith("pin:"):
        try:
            pinned = read_pinned(prepared.loaded)
        except (ComparabilityError, StoreError):
            return {}
        return {suite: _as_policy(prepared, each) for (suite, name), each in pinned.items() if name == baseline}
    for suite, (_, path) in stored.get(baseline, {}).items():
        try:
            found[suite] = _as_policy(prepared, prepared.store.read(path))
        except StoreError:
            continue
    return found


def _as_policy(prepared: Prepared, measured: Measured) -> Measured:
    """With what the config says of the suite today."""
    read = as_policy(prepared.loaded, measured)
    return msgspec.structs.replace(read, run=msgspec.structs.replace(read.run, reference=None))


# ------------------------------------------------------------------------------------------------------------ effects


def read_effects(texts: Sequence[str]) -> list[tuple[str, float]]:
    """``GLOB=NUMBER`` as given on the command line; UsageError where one is not."""
    found = []
    for text in texts:
        glob, equals, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not equals or not glob or not math.isfinite(value):
            raise UsageError(f"--effect {text!r}: expected METRIC_GLOB=GAIN, such as 'general/*/acc=-0.02' (two points worse)")
        found.append((glob, value))
    return found


def _effects(effects: Sequence[tuple[str, float]], metrics: Sequence[str]) -> dict[str, float]:
    """Metric -> gain; a later glob wins."""
    found: dict[str, float] = {}
    for glob, value in effects:
        meant = [metric for metric in metrics if fnmatchcase(metric, glob) and _meant(glob, metric)]
        if not meant:
            shown = did_you_mean(glob, metrics) if metrics else "No suite provides any metric."
            raise UsageError(f"--effect {glob}={value:g}: no metric matches. {shown}")
        found |= dict.fromkeys(meant, value)
    return found


def _meant(glob: str, metric: str) -> bool:
    """Flags, ``lost`` and ``gained`` are meant only by their own name: ``general/*/*`` is about scores."""
    name = metric.rsplit("/", 1)[-1]
    return name not in (*get_args(Flag), *TRANSITIONS) or glob.rsplit("/", 1)[-1] == name


def _check_effects(decided: Sequence[Decision], knowledge: Sequence[Known], effects: Mapping[str, float]) -> None:
    """UsageError for a gain that no candidate can have, and for one that no rule would look at."""
    for decision, each in zip(decided, knowledge, strict=True):
        for metric in decision.job.metrics:
            gain = effects.get(metric)
            if gain is None or decision.metric.kind not in SHARES or decision.metric.aggregator != "mean":
                continue
            if abs(gain) > 1:
                raise UsageError(
                    f"--effect on {metric}: {gain:g} is more than everything. It is a share: -0.02 is two points worse."
                )
            if each.score is None or len(decision.job.metrics) != 1:
                continue
            up, down = (1 - each.score, each.score) if decision.metric.direction == "higher" else (each.score, 1 - each.score)
            if gain > up + 1e-9 or -gain > down + 1e-9:
                most = f"gain at most {up:.3g} and lose at most {down:.3g}"
                raise UsageError(
                    f"--effect on {metric}: the baseline is at {each.score:.3g}, so that a candidate can {most}; got {gain:g}."
                )
    looked = {metric for decision in decided for metric in decision.job.metrics}
    unseen = [metric for metric, gain in effects.items() if gain and metric not in looked]
    if unseen and len(unseen) == len(effects):
        raise UsageError(f"--effect on {unseen[0]}: no rule looks at it, so that it would change nothing.")
