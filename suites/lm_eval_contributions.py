"""What one document adds to a metric: its own score and, where lm-eval aggregates over all documents, sufficient statistics.

lm-eval's aggregations are named as in its YAML files. Functions that task files bring along (``!function utils.agg``) are
recognised by what they do: they must agree with a known aggregation on small made-up inputs, and on the real values once these are
there.
"""

from __future__ import annotations

import contextlib
import io
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.records import Direction, Metric, MetricKind
from harness.stats.corpus import aggregate, each
from suites.overlap import bleu_statistics, chrf_statistics, ter_statistics

_MOST_NATS = 700.0  # exp of more is no float


class Contribution(NamedTuple):
    """What one document adds to one metric: its own score (NaN where it has none), and the statistics of a corpus metric."""

    score: float
    statistics: list[float]


class Reading(NamedTuple):
    """How a metric's per-document values are read. ``theirs``: an aggregation that was only recognised, to be held against ours."""

    metric: Metric
    contribute: Callable[[Any], Contribution]
    theirs: Callable[[Sequence[Any]], Any] | None = None


def _mean(value: Any) -> Contribution:
    return Contribution(float(value), [])


def _nanmean(value: Any) -> Contribution:
    return Contribution(math.nan, [0.0, 0.0]) if math.isnan(value) else Contribution(float(value), [float(value), 1.0])


def _flat_mean(value: Any) -> Contribution:
    parts = [float(part) for part in value]
    return Contribution(sum(parts) / len(parts) if parts else math.nan, [sum(parts), float(len(parts))])


def _weighted(value: Any) -> Contribution:
    logprob, count = value
    return Contribution(math.exp(min(-logprob / count, _MOST_NATS)), [-float(logprob), float(count)])


def _per_document(value: Any) -> Contribution:
    return Contribution(math.exp(min(-float(value), _MOST_NATS)), [-float(value), 1.0])


def _bits(value: Any) -> Contribution:
    logprob, count = value
    bits = -float(logprob) / math.log(2)
    return Contribution(bits / count, [bits, float(count)])


def _brier(value: Any) -> Contribution:
    right, probabilities = value
    if not 0 <= int(right) < len(probabilities):
        raise ValueError(f"the right answer is number {right} of {len(probabilities)}")
    return Contribution(float(sum((p - (index == right)) ** 2 for index, p in enumerate(probabilities))), [])


def _overlap(name: str, statistics: Callable[[str, Sequence[str]], list[float]]) -> Callable[[Any], Contribution]:
    def contribute(value: Any) -> Contribution:
        references, answer = value
        row = statistics(
            str(answer[0] if isinstance(answer, list) else answer),
            [str(text) for text in references] if isinstance(references, list) else [str(references)],
        )
        return Contribution(aggregate(name, np.array([row])), row)

    return contribute


def _binary_f1(value: Any) -> Contribution:
    right, given = value
    if right not in (0, 1) or given not in (0, 1):
        raise ValueError(f"f1 is about the classes 0 and 1, found {right!r} and {given!r}")
    row = [float(cell) for cell in (right and given, given and not right, right and not given, not right and not given)]
    return Contribution(row[0] + row[3], row)


def _confusion(name: str, classes: int) -> Callable[[Any], Contribution]:
    def contribute(value: Any) -> Contribution:
        right, given = int(value[0]), int(value[1])
        if not (0 <= right < classes and 0 <= given < classes):
            raise ValueError(f"expected two of {classes} classes, found {value!r}")
        row = np.zeros((classes, classes))
        row[right, given] = 1.0
        return Contribution(float(each(name, row.reshape(1, -1))[0]), row.ravel().tolist())

    return contribute


def _agreement(value: Any) -> Contribution:
    right, given = value
    return Contribution(float(right == given), [])


class _Sum(NamedTuple):
    aggregator: str
    contribute: Callable[[Any], Contribution]
    kind: MetricKind = "corpus"
    unit: str = ""
    range: tuple[float, float] | None = None


_SUMS: Mapping[str, _Sum] = {
    "weighted_perplexity": _Sum("perplexity", _weighted, "ratio"),
    "perplexity": _Sum("perplexity", _per_document, "ratio"),
    "bits_per_byte": _Sum("bits_per_byte", _bits, "ratio", "bits/byte"),
    "nanmean": _Sum("ratio", _nanmean, "ratio"),
    "brier_score": _Sum("mean", _brier, "real", range=(0.0, 2.0)),
    "bleu": _Sum("bleu", _overlap("bleu", lambda answer, texts: bleu_statistics(answer, texts, "13a"))),
    "chrf": _Sum("chrf", _overlap("chrf", chrf_statistics)),
    "chrf++": _Sum("chrf++", _overlap("chrf++", lambda answer, texts: chrf_statistics(answer, texts, 2))),
    "ter": _Sum("ter", _overlap("ter", ter_statistics)),
    "f1": _Sum("f1", _binary_f1),
}
_OF_CLASSES = {"matthews_corrcoef": "mcc", "f1_macro": "f1_macro", "f1_weighted": "f1_weighted"}

AGGREGATIONS = ("mean", *_SUMS, "matthews_corrcoef")
"""lm-eval's names of the aggregations that can be compared item by item."""


def named_reading(aggregation: str, direction: Direction, *, classes: int = 2) -> Reading:
    """The reading of a metric that lm-eval aggregates under this name. ``classes``: how many there are, for a confusion matrix."""
    if aggregation == "mean":
        return Reading(Metric(kind="real", direction=direction), _mean)
    if aggregation == "flat mean":
        return Reading(Metric(kind="ratio", direction=direction, aggregator="ratio"), _flat_mean)
    if aggregation == "agreement":
        return Reading(Metric(kind="binary", direction=direction), _agreement)
    if aggregation in _OF_CLASSES:
        name = _OF_CLASSES[aggregation]
        return Reading(Metric(kind="corpus", direction=direction, aggregator=name), _confusion(name, classes))
    known = _SUMS[aggregation]
    metric = Metric(kind=known.kind, direction=direction, aggregator=known.aggregator, unit=known.unit, range=known.range)
    return Reading(metric, known.contribute)


# ------------------------------------------------------------------------------- functions that task files bring along

_NUMBERS = ([0.25, 0.5, -1.0, 0.0, 3.0], [1, 0, 0], [0.7], [-1.0, -1.0, 2.5, 100.0])
_WITH_NAN = ([0.25, math.nan, 1.0], [1.0, 0.0], [math.nan, -1.0, math.nan, 2.0])
_LISTS = ([[True, False, True], [False], [True, True]], [[0.5], [1.0, 0.25, 0.0, 0.0], []], [[False], [True]])
_TWO = ([(0, 1), (1, 1), (0, 0), (1, 0), (1, 1)], [(1, 1), (1, 0), (0, 0)], [(0, 0), (0, 1)], [(0, 1), (1, 0), (0, 0), (0, 0)])
_MORE = ([(0, 1), (1, 1), (2, 0), (1, 2), (2, 2), (0, 0)], [(2, 2), (2, 1), (0, 2), (0, 0), (0, 0)], *_TWO)
_PROBES: Mapping[str, Sequence[Sequence[Any]]] = {
    "mean": _NUMBERS,
    "nanmean": _WITH_NAN,
    "flat mean": _LISTS,
    "f1_weighted": _MORE,
    "f1_macro": _MORE,
    "matthews_corrcoef": _MORE,
    "agreement": _MORE,
    "f1": _TWO,
}


def recognised(theirs: Callable[[Sequence[Any]], Any]) -> str | None:
    """The aggregation that a task file's own function is, by what it does; None for another."""
    return next((name for name, probes in _PROBES.items() if all(_alike(theirs, name, probe) for probe in probes)), None)


def _alike(theirs: Callable[[Sequence[Any]], Any], name: str, values: Sequence[Any]) -> bool:
    reading = named_reading(name, "higher", classes=3)
    return agrees(theirs, values, reading.metric.aggregator, [reading.contribute(value) for value in values])


def agrees(theirs: Callable[[Sequence[Any]], Any], values: Sequence[Any], aggregator: str, found: Sequence[Contribution]) -> bool:
    """Whether a task's own aggregation of these values is ours, to 1e-9. It is a stranger's code: what it raises is a no."""
    with _silent(), contextlib.suppress(Exception):
        ours = aggregate(aggregator, np.array([each.statistics or [each.score] for each in found]))
        return math.isclose(float(theirs(list(values))), ours, rel_tol=1e-9, abs_tol=1e-9)
    return False


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
