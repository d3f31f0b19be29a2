"""lm-eval's metrics as ours: which there are, of what kind, and what one document contributes."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.errors import ConfigError
from harness.plugins import did_you_mean
from harness.records import Direction, Metric, MetricKind
from harness.stats.corpus import aggregate
from suites.lm_eval_tasks import Document
from suites.overlap import bleu_statistics, chrf_statistics

RIGHT_OR_WRONG = ("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match")
_MOST_NATS = 700.0  # exp of more is no float


class Contribution(NamedTuple):
    """What one document adds to one metric: its own score, and the sufficient statistics of a corpus metric."""

    score: float
    statistics: list[float]


class Reading(NamedTuple):
    """How a metric's per-document values are read."""

    metric: Metric
    contribute: Callable[[Any], Contribution]


def _mean(value: Any) -> Contribution:
    return Contribution(float(value), [])


def _weighted(value: Any) -> Contribution:
    logprob, count = value
    return Contribution(math.exp(min(-logprob / count, _MOST_NATS)), [-float(logprob), float(count)])


def _per_document(value: Any) -> Contribution:
    return Contribution(math.exp(min(-float(value), _MOST_NATS)), [-float(value), 1.0])


def _bits(value: Any) -> Contribution:
    logprob, count = value
    bits = -float(logprob) / math.log(2)
    return Contribution(bits / count, [bits, float(count)])


def _bleu(value: Any) -> Contribution:
    row = bleu_statistics(_text(value[1]), _texts(value[0]), "13a")
    return Contribution(aggregate("bleu", np.array([row])), row)


def _chrf(value: Any) -> Contribution:
    row = chrf_statistics(_text(value[1]), _texts(value[0]))
    return Contribution(aggregate("chrf", np.array([row])), row)


def _text(value: Any) -> str:
    return str(value[0] if isinstance(value, list) else value)


def _texts(value: Any) -> list[str]:
    return [str(text) for text in value] if isinstance(value, list) else [str(value)]


_CORPUS: Mapping[str, tuple[str, str, Callable[[Any], Contribution]]] = {
    "weighted_perplexity": ("perplexity", "", _weighted),
    "perplexity": ("perplexity", "", _per_document),
    "bits_per_byte": ("bits_per_byte", "bits/byte", _bits),
    "bleu": ("bleu", "", _bleu),
    "chrf": ("chrf", "", _chrf),
}
"""lm-eval's aggregations that are sums over documents -> ours, the unit, and what one document adds."""

AGGREGATIONS = ("mean", *_CORPUS)
"""lm-eval's names of the aggregations that can be compared item by item."""


def readings(
    name: str, task: Any, documents: Sequence[Document], wanted: Sequence[str] | None, *, where: str
) -> dict[str, Reading]:
    """The task's metrics by lm-eval's names (without filter). ConfigError for one that no sum over documents can give."""
    aggregation, higher = task.aggregation(), task.higher_is_better()
    names = list(aggregation)
    for missing in [metric for metric in wanted or () if metric not in names]:
        raise ConfigError(f"task {name!r} has no metric {missing!r}. {did_you_mean(missing, names)}", where=where)
    chance = _chance(task, documents)
    return {
        metric: _reading(name, task, metric, aggregation[metric], higher.get(metric, True), chance, where=where)
        for metric in names
        if wanted is None or metric in wanted
    }


def _reading(name: str, task: Any, metric: str, how: Any, higher: bool, chance: float | None, *, where: str) -> Reading:
    from lm_eval.api import metrics as theirs

    direction: Direction = "higher" if higher else "lower"
    if how is theirs.mean:
        certain = (
            metric in RIGHT_OR_WRONG and not callable(task.get_config("process_results")) and hasattr(task, "_metric_fn_list")
        )
        kind: MetricKind = "binary" if certain else "real"
        known = chance if certain and metric.startswith("acc") else None
        return Reading(Metric(kind=kind, direction=direction, chance=known), _mean)
    by_function = {getattr(theirs, aggregation): aggregation for aggregation in _CORPUS}
    if how not in by_function:
        others = [key for key in task.aggregation() if key != metric]
        raise ConfigError(
            f"task {name!r}: metric {metric!r} is aggregated by {getattr(how, '__name__', how)!r} over all documents, so it "
            f"has no score per item to compare; choose others with metrics = {others!r}",
            where=where,
        )
    return named_reading(by_function[how], direction)


def named_reading(aggregation: str, direction: Direction) -> Reading:
    """The reading of a metric that lm-eval aggregates under this name (one of ``AGGREGATIONS``)."""
    if aggregation == "mean":
        return Reading(Metric(kind="real", direction=direction), _mean)
    aggregator, unit, contribute = _CORPUS[aggregation]
    kind: MetricKind = "corpus" if aggregator in ("bleu", "chrf") else "ratio"
    return Reading(Metric(kind=kind, direction=direction, aggregator=aggregator, unit=unit), contribute)


def _chance(task: Any, documents: Sequence[Document]) -> float | None:
    """Mean of 1 / choices, for multiple choice."""
    if getattr(task, "OUTPUT_TYPE", None) != "multiple_choice":
        return None
    halves = 2 if "acc_mutual_info" in task.aggregation() else 1
    return sum(halves / len(document.instances) for document in documents) / len(documents)


def apply_filters(task: Any, answered: Sequence[tuple[Document, list[list[Any]]]]) -> list[dict[str, list[Any]] | Exception]:
    """Per document, by filter name, the filtered responses of its instances. Filters see all documents at once, as in lm-eval;
    where one raises, each document is filtered alone, so that only the one at fault is lost (as the exception that it raised)."""
    copies = [_copies(document, responses) for document, responses in answered]
    try:
        for ensemble in task._filters:
            ensemble.apply([instance for group in copies for instance in group])
    except Exception as error:  # third-party code over hostile text: an error of the document, never a zero
        if len(answered) == 1:
            return [error]
        return [result for one in answered for result in apply_filters(task, [one])]
    return [{name: [instance.filtered_resps[name] for instance in group] for name in group[0].filtered_resps} for group in copies]


def _copies(document: Document, responses: Sequence[list[Any]]) -> list[Any]:
    found = []
    for instance, answers in zip(document.instances, responses, strict=True):
        twin = copy.copy(instance)
        twin.resps, twin.filtered_resps = list(answers), {}
        found.append(twin)
    return found


def contributions(
    task: Any, document: Document, by_filter: Mapping[str, list[Any]], known: Mapping[str, Reading]
) -> dict[str, Contribution]:
    """What the document adds to each ``metric`` or ``metric@filter``. Raises whatever the task's own grading raises, and
    ValueError for a metric that is missing from its result or is not a number."""
    found: dict[str, Contribution] = {}
    for filter_name, responses in by_filter.items():
        result = task.process_results(document.fields, responses)
        for metric, reading in known.items():
            if metric not in result:
                raise ValueError(f"the task's grading gave no {metric!r}")
            contribution = reading.contribute(result[metric])
            if not math.isfinite(contribution.score):
                raise ValueError(f"the task's grading gave {contribution.score} for {metric!r}")
            found[metric_name(metric, filter_name)] = contribution
    return found


def metric_name(metric: str, filter_name: str) -> str:
    """lm-eval's ``metric,filter``, written ``metric@filter``; the filter ``none`` is left out."""
    return metric if filter_name == "none" else f"{metric}@{filter_name}"
