"""What answers cost. Seconds = base + seconds per token · tokens, where a suite scores both: task by task, so load by load. And the
tokens of every suite, with what they are worth where the candidate has a price."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from msgspec.structs import replace

from harness.compare import LEVEL
from harness.gate.blindness import worst_admission
from harness.gate.measurements import Measurements
from harness.records import IMPORTED, Pace, Sample, Spent
from harness.stats import FEW_CLUSTERS, line

SECONDS, TOKENS = "seconds", "tokens_out"


def paces(measurements: Measurements) -> list[Pace]:
    """Suite by suite, task by task, candidate by candidate."""
    found = []
    for suite in measurements.suites:
        tasks: dict[str, dict[str, list[Sample]]] = defaultdict(dict)
        for candidate in measurements.candidates:
            measured = measurements.measured.get((suite, candidate))
            if measured is not None and {SECONDS, TOKENS} <= measured.run.metrics.keys():
                for sample in measured.samples:
                    if sample.scores is not None and {SECONDS, TOKENS} <= sample.scores.keys():
                        tasks[sample.task].setdefault(candidate, []).append(sample)
        found += [
            _pace(f"{suite}/{task}", candidate, samples) for task, sides in tasks.items() for candidate, samples in sides.items()
        ]
    return found


def _pace(task: str, candidate: str, samples: list[Sample]) -> Pace:
    scores = [sample.scores or {} for sample in samples]
    names = [sample.key if sample.cluster is None else sample.cluster for sample in samples]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    tokens, seconds = (np.array([score[name] for score in scores]) for name in (TOKENS, SECONDS))
    fitted = line(tokens, seconds, np.array([numbers[name] for name in names]), LEVEL)
    pace = Pace(task=task, candidate=candidate, items=len(samples), clusters=len(numbers), level=LEVEL)
    if fitted is None:
        few = f"fewer than {FEW_CLUSTERS} independent items"
        return replace(pace, note=few if len(numbers) < FEW_CLUSTERS else "all answers are about as long")
    return replace(
        pace,
        base=fitted.base,
        base_low=fitted.base_low,
        base_high=fitted.base_high,
        per_token=fitted.slope,
        per_token_low=fitted.slope_low,
        per_token_high=fitted.slope_high,
    )


def spent(measurements: Measurements) -> list[Spent]:
    """Suite by suite, candidate by candidate; nothing of scores that were imported."""
    found = []
    for suite in measurements.suites:
        found += _examinations(suite, measurements)
        for candidate in measurements.candidates:
            run = measurements.run(suite, candidate)
            if run is None or run.use == IMPORTED or not run.tokens_in + run.tokens_out:
                continue
            price, cost = run.candidate.price, None
            if price is not None:
                cost = (run.tokens_in * price.input + run.tokens_out * price.output) / 1e6
            found.append(
                Spent(
                    suite=suite,
                    candidate=candidate,
                    items=run.asked,
                    tokens_in=run.tokens_in,
                    tokens_out=run.tokens_out,
                    cost=cost,
                )
            )
            found += [
                Spent(
                    suite=suite,
                    candidate=candidate,
                    items=run.asked,
                    tokens_in=each.tokens_in,
                    tokens_out=each.tokens_out,
                    cost=each.money,
                    judge=each.judge,
                )
                for each in run.judges
                if each.tokens_in + each.tokens_out
            ]
    return found


def _examinations(suite: str, measurements: Measurements) -> list[Spent]:
    """What it took to examine the judges of a suite: once, however many runs rest on it."""
    admission = worst_admission(each.run for (name, _), each in measurements.measured.items() if name == suite)
    return [
        Spent(
            suite=suite,
            candidate="",
            items=0 if admission is None else admission.pairs,
            tokens_in=each.tokens_in,
            tokens_out=each.tokens_out,
            cost=each.money,
            judge=each.judge,
        )
        for each in (() if admission is None else admission.spent)
        if each.tokens_in + each.tokens_out
    ]
