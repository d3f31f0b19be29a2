"""Measured runs for tests of compare and gate, from nothing but scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.records import Candidate, Fingerprints, Measured, Metric, Run, Sample


def samples(scores: Sequence[float | None], *, task: str = "t", metric: str = "acc", **fields: Sequence[Any]) -> list[Sample]:
    """One sample per score, keys k0, k1 …; None is an error. ``fields`` are per-item values of other fields."""
    listed = []
    for index, score in enumerate(scores):
        extra = {name: values[index] for name, values in fields.items()}
        outcome: dict[str, Any] = {"error": "the engine gave up"} if score is None else {"scores": {metric: float(score)}}
        defaults = {"key": f"k{index}", "task": task, "prompt_hash": f"h{index}", "outputs": (f"answer {score}",)}
        listed.append(Sample(**{**defaults, **outcome, **extra}))
    return listed


def measured(candidate: str, scored: Iterable[Sample] | Sequence[float | None], *, suite: str = "facts", **fields: Any) -> Measured:
    """A run of ``candidate``; ``fields`` replace those of Run. Scores become samples of task ``t``, metric ``acc``."""
    listed = list(scored)
    found = listed if all(isinstance(each, Sample) for each in listed) else samples(listed)  # type: ignore[arg-type]
    settings: dict[str, Any] = {
        "candidate": Candidate(name=candidate),
        "suite": suite,
        "use": "prompted",
        "fingerprints": Fingerprints(asked=f"asked {candidate}", weights=f"weights {candidate}", template="template"),
        "graded": f"graded {candidate}",
        "items_hash": "items",
        "suite_hash": "suite",
        "engine": {"name": "fake", "version": "1", "dtype": "float32"},
        "metrics": {"acc": Metric(kind="binary")},
        "primary": "acc",
        "planned": len(found),
    }
    return Measured(run=Run(**{**settings, **fields}), samples=tuple(found))  # type: ignore[arg-type]


def table(*runs: Measured) -> Mapping[tuple[str, str], Measured]:
    """Keyed as the gate wants them."""
    return {(run.run.suite, run.run.candidate.name): run for run in runs}


def right(correct: int, wrong: int) -> list[float]:
    """``correct`` ones, then ``wrong`` zeros."""
    return [1.0] * correct + [0.0] * wrong
