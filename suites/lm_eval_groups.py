"""Groups of tasks: lm-eval's ``aggregate_metric_list`` as weights, so that our own comparison can read the tasks together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors import ConfigError
from suites.lm_eval_catalogue import GroupFile, slashless
from suites.lm_eval_grading import metric_name

Groups = dict[str, dict[str, dict[str, float]]]
"""Group -> metric (``acc``, ``exact_match@filter``) -> task -> how much it counts."""

_FIELDS = frozenset({"metric", "filter_list", "aggregation", "weight_by_size"})


def group_weights(
    groups: Sequence[GroupFile], metrics: Mapping[str, Sequence[str]], sizes: Mapping[str, int], *, where: str
) -> Groups:
    """What ``lm_eval.api.group.Group.aggregate`` computes: the mean over all leaf tasks that have the metric, weighted by their
    documents, or plain where ``weight_by_size`` is false.

    ``metrics``: task -> its metrics with filters; ``sizes``: task -> its documents. A metric that no task has is left out.
    """
    found: Groups = {}
    for group in groups:
        for aggregate in group.aggregates:
            _check(aggregate, group.name, where)
            sized = bool(aggregate.get("weight_by_size", True))
            for name in _names(aggregate, [full for task in group.tasks for full in metrics[task]]):
                weights = {slashless(task): float(sizes[task] if sized else 1) for task in group.tasks if name in metrics[task]}
                if weights:
                    found.setdefault(slashless(group.name), {})[name] = weights
    return found


def _check(aggregate: Any, group: str, where: str) -> None:
    known = isinstance(aggregate, Mapping) and isinstance(aggregate.get("metric"), str) and set(aggregate) <= _FIELDS
    if not known:
        raise ConfigError(
            f"group {group!r}: found {aggregate!r} in aggregate_metric_list; expected a mapping with 'metric' and, where they are "
            "needed, 'filter_list', 'aggregation' and 'weight_by_size'",
            where=where,
        )
    if isinstance(how := aggregate.get("aggregation", "mean"), str) and how != "mean":
        raise ConfigError(f"group {group!r}: aggregation is {how!r}; lm-eval's groups know only 'mean'", where=where)


def _names(aggregate: Mapping[str, Any], known: Sequence[str]) -> list[str]:
    """The metrics that one line is about: of the filters that it names, else of all filters that the tasks have."""
    metric, filters = aggregate["metric"], aggregate.get("filter_list")
    if filters is not None:
        return [metric_name(metric, name) for name in ([filters] if isinstance(filters, str) else filters)]
    return list(dict.fromkeys(name for name in known if name == metric or name.startswith(f"{metric}@")))
