"""lm-eval's metrics as ours: which a task has, and of what kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.errors import ConfigError
from harness.plugins import did_you_mean
from harness.records import Direction, Metric, MetricKind
from suites.lm_eval_contributions import AGGREGATIONS, Reading, named_reading, recognised
from suites.lm_eval_tasks import Document

RIGHT_OR_WRONG = ("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match")


def readings(
    name: str, task: Any, documents: Sequence[Document], wanted: Sequence[str] | None, *, where: str
) -> dict[str, Reading]:
    """The task's metrics by lm-eval's names (without filter). ConfigError for one that no sum over documents can give."""
    aggregation, higher = task.aggregation(), task.higher_is_better()
    names = list(aggregation)
    for missing in [metric for metric in wanted or () if metric not in names]:
        raise ConfigError(f"task {name!r} has no metric {missing!r}. {did_you_mean(missing, names)}", where=where)
    chance, classes = _chance(task, documents), max(2, *(_choices(task, document) for document in documents))
    return {
        metric: _reading(name, task, metric, aggregation[metric], higher.get(metric, True), chance, classes, where=where)
        for metric in names
        if wanted is None or metric in wanted
    }


def _reading(
    name: str, task: Any, metric: str, how: Any, higher: bool, chance: float | None, classes: int, *, where: str
) -> Reading:
    from lm_eval.api import metrics as theirs
    from lm_eval.api.registry import get_aggregation

    direction: Direction = "higher" if higher else "lower"
    if metric == "likelihood" and how is theirs.mean and not callable(task.get_config("process_results")):
        raise ConfigError(
            f"task {name!r}: metric 'likelihood' is a right answer with all log-probabilities, of which even lm-eval has no mean; "
            "leave it out with options.metrics, or take brier_score",
            where=where,
        )
    if how is theirs.mean:
        certain = metric in RIGHT_OR_WRONG and not callable(task.get_config("process_results")) and hasattr(task, "_metric_fn_list")
        kind: MetricKind = "binary" if certain else "real"
        known = chance if certain and metric.startswith("acc") else None
        return Reading(Metric(kind=kind, direction=direction, chance=known), named_reading("mean", direction).contribute)
    by_function = {get_aggregation(known): known for known in AGGREGATIONS}
    aggregation = by_function.get(how)
    if aggregation is not None:
        return named_reading(aggregation, direction, classes=classes)
    aggregation = recognised(how) if callable(how) and not getattr(how, "__module__", "").startswith("lm_eval.api") else None
    if aggregation is None:
        others = [key for key in task.aggregation() if key != metric]
        raise ConfigError(
            f"task {name!r}: metric {metric!r} is aggregated by {getattr(how, '__name__', how)!r} over all documents, so it "
            f"has no score per item to compare; choose others with metrics = {others!r}",
            where=where,
        )
    return named_reading(aggregation, direction, classes=classes)._replace(theirs=how)


def _chance(task: Any, documents: Sequence[Document]) -> float | None:
    """Mean of 1 / choices, for multiple choice."""
    if getattr(task, "OUTPUT_TYPE", None) != "multiple_choice":
        return None
    return sum(1 / _choices(task, document) for document in documents) / len(documents)


def _choices(task: Any, document: Document) -> int:
    """Choices of a document; for mutual information each is asked twice, the second time without its context."""
    return len(document.instances) // (2 if "acc_mutual_info" in task.aggregation() else 1)
