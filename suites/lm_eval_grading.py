"""lm-eval's own filters and grading over our answers: what each document adds to each metric, and each of its draws."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from harness.stats.passes import pass_at
from suites.lm_eval_contributions import Contribution, Reading, agrees
from suites.lm_eval_requests import draws_of
from suites.lm_eval_tasks import Document

Answered = tuple[Document, list[list[Any]]]
"""A document and, per instance, its responses."""


class Graded(NamedTuple):
    """One document's contributions by ``metric`` or ``metric@filter``, and its draws' scores. ``values``: what the task gave, by
    metric and filter. ``filtered``: by filter, what it left of each instance's responses."""

    found: dict[str, Contribution]
    values: dict[tuple[str, str], Any]
    draws: dict[str, list[float]]
    filtered: Mapping[str, list[Any]]


def metric_name(metric: str, filter_name: str) -> str:
    """lm-eval's ``metric,filter``, written ``metric@filter``; the filter ``none`` is left out."""
    return metric if filter_name == "none" else f"{metric}@{filter_name}"


def left_of(filtered: Mapping[str, list[Any]], outputs: Sequence[str]) -> tuple[str, ...]:
    """What the filters left of each output, by filter where there are several; nothing where they left all of it, or made one
    response of several."""
    by_filter = {name: left[0] if isinstance(left[0], list | tuple) else [left[0]] for name, left in filtered.items()}
    if not outputs or any(len(left) != len(outputs) for left in by_filter.values()):
        return ()
    if all(str(text) == whole for left in by_filter.values() for text, whole in zip(left, outputs, strict=True)):
        return ()
    named = len(by_filter) > 1
    return tuple(
        "\n".join(f"{name}: {left[place]}" if named else str(left[place]) for name, left in by_filter.items())
        for place in range(len(outputs))
    )


def passing(readings: Mapping[str, Reading]) -> str | None:
    """The metric whose draws pass@k counts: the task's first that is a mean."""
    return next((metric for metric, reading in readings.items() if reading.metric.aggregator == "mean"), None)


def graded(
    task: Any, answered: Sequence[Answered], readings: Mapping[str, Reading], passes: Sequence[int] = ()
) -> list[Graded | str]:
    """Every document graded, or why it could not be: an error of the document, never a zero. ``passes``: the k of pass@k."""
    if not answered:
        return []
    draws = _draws(task, answered, readings)
    found = [
        _graded(task, document, by_filter, readings, drawn, passes)
        for (document, _), by_filter, drawn in zip(answered, _filtered(task, answered), draws, strict=True)
    ]
    return _checked(found, readings)


def _graded(
    task: Any,
    document: Document,
    by_filter: dict[str, list[Any]] | Exception,
    readings: Mapping[str, Reading],
    draws: dict[str, list[float]],
    passes: Sequence[int],
) -> Graded | str:
    if isinstance(by_filter, Exception):
        return f"a filter of the task failed: {type(by_filter).__name__}: {by_filter}"
    try:
        values = _values(task, document, by_filter, readings)
        found = {metric_name(*place): _contribution(readings[place[0]], place[0], value) for place, value in values.items()}
        counted = passing(readings)
        if counted is not None and passes:
            for chosen in by_filter:
                passed = _passed(draws.get(metric_name(counted, chosen)))
                found |= {metric_name(f"pass@{k}", chosen): Contribution(pass_at(k, *passed), []) for k in passes}
    except Exception as error:  # the task's own grading over hostile text
        return f"the task's grading failed: {type(error).__name__}: {error}"
    return Graded(found, values, draws, by_filter)


def may_omit(task: Any) -> bool:
    """Whether a task grades by code of its own, which may leave out metrics that do not apply to a document."""
    return callable(task.get_config("process_results"))


def _values(
    task: Any, document: Document, by_filter: Mapping[str, list[Any]], readings: Mapping[str, Reading]
) -> dict[tuple[str, str], Any]:
    """The task's own values. Its own ``process_results`` may leave metrics out that do not apply to a document; not all of them."""
    some = may_omit(task)
    found: dict[tuple[str, str], Any] = {}
    for chosen, responses in by_filter.items():
        result = task.process_results(document.fields, responses)
        missing = [metric for metric in readings if metric not in result]
        if missing and (not some or len(missing) == len(readings)):
            raise ValueError(f"the task's grading gave no {missing[0]!r}")
        found |= {(metric, chosen): result[metric] for metric in readings if metric in result}
    return found


def _contribution(reading: Reading, metric: str, value: Any) -> Contribution:
    found = reading.contribute(value)
    if not all(map(math.isfinite, found.statistics or [found.score])):
        raise ValueError(f"the task's grading gave {value} for {metric!r}")
    return found


def _passed(draws: Sequence[float] | None) -> tuple[int, int]:
    """Draws, and how many of them passed."""
    if draws is None:
        raise ValueError("the draws of this answer cannot be graded one by one, so that pass@k is unknown")
    if not set(draws) <= {0.0, 1.0}:
        raise ValueError(f"pass@k counts draws that are right or wrong, found {draws}")
    return len(draws), int(sum(draws))


def _checked(found: list[Graded | str], readings: Mapping[str, Reading]) -> list[Graded | str]:
    """A task's own aggregation that was recognised by its behaviour must agree on the real values, too; else no value is safe."""
    known = [each for each in found if isinstance(each, Graded)]
    for metric, chosen in dict.fromkeys(place for each in known for place in each.values):
        reading, full = readings[metric], metric_name(metric, chosen)
        if reading.theirs is None:
            continue
        held = [each for each in known if (metric, chosen) in each.values]
        values, ours = [each.values[metric, chosen] for each in held], [each.found[full] for each in held]
        if not agrees(reading.theirs, values, reading.metric.aggregator, ours):
            why = (
                f"the task's own aggregation of {full!r} looked like {reading.metric.aggregator!r} and is not, on these answers; "
                "leave the metric out with options.metrics"
            )
            return [why for _ in found]
    return found


# ---------------------------------------------------------------------------------------------------------- filters


def _filtered(task: Any, answered: Sequence[Answered]) -> list[dict[str, list[Any]] | Exception]:
    """Per document, by filter name, the filtered responses of its instances. Filters see all documents at once, as in lm-eval;
    where one raises, each document is filtered alone, so that only the one at fault is lost (as the exception that it raised)."""
    copies = [_copies(document, responses) for document, responses in answered]
    try:
        for ensemble in task._filters:
            ensemble.apply([instance for group in copies for instance in group])
    except Exception as error:  # third-party code over hostile text: an error of the document, never a zero
        if len(answered) == 1:
            return [error]
        return [result for one in answered for result in _filtered(task, [one])]
    return [{name: [instance.filtered_resps[name] for instance in group] for name in group[0].filtered_resps} for group in copies]


def _copies(document: Document, responses: Sequence[list[Any]]) -> list[Any]:
    found = []
    for instance, answers in zip(document.instances, responses, strict=True):
        twin = copy.copy(instance)
        twin.resps, twin.filtered_resps = list(answers), {}
        found.append(twin)
    return found


def _draws(task: Any, answered: Sequence[Answered], readings: Mapping[str, Reading]) -> list[dict[str, list[float]]]:
    """Per document and metric the score of every draw as if it were the only one; none where a filter or the grading wants all."""
    plain = {metric: reading for metric, reading in readings.items() if reading.metric.aggregator == "mean"}
    found: list[dict[str, list[float]]] = [{} for _ in answered]
    for into, (document, responses) in zip(found, answered, strict=True):
        count = draws_of(document)
        if count < 2 or not plain:
            continue
        singles = [_copies(document, [answers[index : index + 1] for answers in responses]) for index in range(count)]
        for ensemble in task._filters:
            scores = _single_scores(task, document, ensemble, singles, plain)
            into |= {
                metric_name(metric, ensemble.name): [each[metric] for each in scores] for metric in (scores[0] if scores else ())
            }
    return found


def _single_scores(
    task: Any, document: Document, ensemble: Any, singles: Sequence[list[Any]], readings: Mapping[str, Reading]
) -> list[dict[str, float]]:
    """The scores of each draw under one filter; none where a draw cannot be graded alone."""
    scores = []
    for copies in singles:
        try:
            ensemble.apply(copies)
            result = task.process_results(document.fields, [copied.filtered_resps[ensemble.name] for copied in copies])
            scores.append({metric: _contribution(reading, metric, result[metric]).score for metric, reading in readings.items()})
        except Exception:  # the task's own code, over one answer where it may want several
            return []
    return scores
