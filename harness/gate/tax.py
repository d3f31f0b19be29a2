"""What a gain on the target cost of what was to be kept (the "alignment tax"), for reading.

Target metrics are those that a ``superior`` rule names (one that only informs, where no other does); without one, the first
metric of every suite that is not retained, not judged and not about speed. What was to be kept is the first metric of every
retained suite. Shares that are better when higher count, each suite as much as any other, each item of a suite as it weighs
there. Other metrics are in no mean, and are named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from msgspec import structs

from harness.compare import LEVEL, Pair, comparable, pooled
from harness.gate.measurements import Measurements
from harness.gate.policy import matches, suites_of
from harness.records import SHARES, Run, Tax

TIMED = "latency"


def taxes(measurements: Measurements, names: Sequence[str]) -> list[Tax]:
    """One line per candidate; none where no suite is retained."""
    if not any(each.run.retained for each in measurements.measured.values()):
        return []
    return [_tax(name, measurements) for name in names]


def _tax(name: str, measurements: Measurements) -> Tax:
    policy = measurements.policy
    against = policy.references.get(name) or policy.baseline
    target = _claimed(name, measurements) or _first(name, measurements, retained=False)
    kept = _first(name, measurements, retained=True)
    uncounted = tuple(metric for metric in (*target, *kept) if not _counts(metric, name, measurements))
    found, notes = Tax(candidate=name, against=against, level=LEVEL, uncounted=uncounted), []
    for side, metrics in (("target", target), ("retained", kept)):
        pairs = [pair for metric in metrics if (pair := _pair(metric, name, against, measurements)) is not None]
        told = {side: tuple(pair.metric for pair in pairs)}
        whole = _whole(pairs, side)
        if whole is None or whole.evidence is None:
            notes.append(f"{side}: no shares of right answers that may be compared with {against}")
        elif any(measurements.looked(suite, name) for suite in suites_of(told[side])):
            notes.append(f"{side}: asked look by look, so that there is no interval")
            found = structs.replace(found, **told, **{f"{side}_gain": whole.evidence.gain})
        else:
            ends = whole.evidence.interval(LEVEL)
            told_ends = {f"{side}_gain": whole.evidence.gain, f"{side}_low": ends.low, f"{side}_high": ends.high}
            found = structs.replace(found, **told, **told_ends)
    return structs.replace(found, note="; ".join(notes))


def _claimed(name: str, measurements: Measurements) -> list[str]:
    """The metrics that somebody claims a gain of, of suites that are not retained."""
    rules = [rule for rule in measurements.policy.rules if rule.require == "superior" and rule.split != "select"]
    rules = [rule for rule in rules if rule.severity != "inform"] or rules
    own = [metric for suite in measurements.suites for metric in measurements.columns(suite, name)]
    return [
        metric
        for metric in own
        if any(matches(rule.metric, metric, measurements.groups) for rule in rules)
        and (run := measurements.run(metric.split("/", 1)[0], name)) is not None
        and not run.retained
    ]


def _first(name: str, measurements: Measurements, *, retained: bool) -> list[str]:
    """The first metric of every suite that is retained, or of every one that is not; task by task."""
    found = []
    for suite in measurements.suites:
        run = measurements.run(suite, name)
        if run is None or run.retained != retained or (not retained and _apart(run)):
            continue
        found += [
            metric
            for metric, column in measurements.columns(suite, name).items()
            if not column.group and not column.flag and run.primary in (column.name, f"{column.task}/{column.name}", metric)
        ]
    return found


def _apart(run: Run) -> bool:
    """Whether a suite is about neither what was learned nor what was kept: speed, and what a judge prefers."""
    prefers = run.admission is not None and not run.admission.alone
    return TIMED in run.use or prefers or "win" in run.metrics


def _pair(metric: str, name: str, against: str, measurements: Measurements) -> Pair | None:
    suite = metric.split("/", 1)[0]
    if measurements.run(suite, against) is None or not comparable(measurements.parity(suite, against, name)):
        return None
    pair = measurements.pair((metric,), metric, name, against)
    if pair is None or not pair.items or pair.baseline.group:
        return None
    return pair if _counts(metric, name, measurements) else None


def _counts(metric: str, name: str, measurements: Measurements) -> bool:
    """Whether a metric is a share of right answers, so that it can be averaged with others."""
    read = measurements.columns(metric.split("/", 1)[0], name)[metric].metric
    return read.aggregator == "mean" and read.kind in SHARES and read.direction == "higher"


def _whole(pairs: Sequence[Pair], label: str) -> Pair | None:
    """One pair of many: every suite weighs 1."""
    if not pairs:
        return None
    totals: dict[str, float] = {}
    for pair in pairs:
        totals[pair.baseline.suite] = totals.get(pair.baseline.suite, 0.0) + float(pair.baseline.weights.sum())
    sides = []
    for columns in ([pair.baseline for pair in pairs], [pair.candidate for pair in pairs]):
        parts = [
            replace(column, weights=pair.baseline.weights / totals[pair.baseline.suite])
            for column, pair in zip(columns, pairs, strict=True)
        ]
        sides.append(parts[0] if len(parts) == 1 else pooled(parts, label))
    return Pair(label, sides[0], sides[1], seed=pairs[0].seed)
