"""The range that a config declares for the scores of a metric: it bounds what an item could yet lose, though nobody saw it.

Like ``expect`` and ``retained`` it belongs to the policy: it is read when a run is looked at and never written into one, so that it
may change without asking again.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from harness.config import Loaded
from harness.errors import ConfigError
from harness.plugins import did_you_mean
from harness.records import SHARES, Measured, Metric

MEANS = ("mean", "ratio")
"""Aggregations that stay in the range of what they are made of."""


def with_ranges(loaded: Loaded, suite: str, metrics: Mapping[str, Metric], primary: str) -> dict[str, Metric]:
    """How a suite's metrics are read, with the ranges that the config declares; a bare pair is meant for ``primary``.

    ConfigError for a metric that the suite does not have, and for one whose range is not the config's to say.
    """
    declared, where = loaded.config.suite(suite).range, _place(loaded, suite)
    found = dict(metrics)
    if declared is None or not metrics:
        return found
    for name, limits in (declared if isinstance(declared, dict) else {primary: declared}).items():
        meant = [metric for metric in metrics if name in (metric, metric.rsplit("/", 1)[-1])]
        if not meant:
            known = did_you_mean(name, sorted({metric.rsplit("/", 1)[-1] for metric in metrics}))
            raise ConfigError(f"the suite has no metric {name!r}. {known}", where=where, file=loaded.file)
        for metric in meant:
            wrong = _not_to_say(metrics[metric], limits)
            if wrong:
                raise ConfigError(f"{metric!r} {wrong}. Leave it out.", where=where, file=loaded.file)
            found[metric] = msgspec.structs.replace(metrics[metric], range=limits)
    return found


def _not_to_say(metric: Metric, limits: tuple[float, float]) -> str:
    """Why a range cannot be declared; empty where it can."""
    if metric.kind in SHARES:
        return "is a share, which lies between 0 and 1 by itself"
    if metric.aggregator not in MEANS:
        return f"is scored over all documents together ({metric.aggregator}), and has the range that this gives it"
    if metric.range is not None and metric.range != limits:
        return f"goes from {metric.range[0]:g} to {metric.range[1]:g} by what it is"
    return ""


def ranged(loaded: Loaded, measured: Measured) -> Measured:
    """A run of a suite of the config with the declared ranges. ConfigError for a score that lies outside of one."""
    run = measured.run
    if loaded.config.suite(run.suite).range is None:
        return measured
    metrics = with_ranges(loaded, run.suite, run.metrics, run.primary)
    for metric, read in metrics.items():
        if read.range is None or read.range == run.metrics[metric].range:
            continue
        task, _, name = metric.rpartition("/")
        low, high = read.range
        rounding = 1e-9 * (high - low)
        for sample in measured.samples:
            score = (sample.scores or {}).get(name)
            if score is not None and task in ("", sample.task) and not low - rounding <= score <= high + rounding:
                raise ConfigError(
                    f"item {sample.key!r} of {run.candidate.name!r} has {name} = {score:g}, and the range declared for it is "
                    f"{low:g} to {high:g}. Declare the range that its scores can really have, or correct what grades it.",
                    where=_place(loaded, run.suite),
                    file=loaded.file,
                )
    return msgspec.structs.replace(measured, run=msgspec.structs.replace(run, metrics=metrics))


def _place(loaded: Loaded, suite: str) -> str:
    return f"suites[{[entry.name for entry in loaded.config.suites].index(suite)}].range"
