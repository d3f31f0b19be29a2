"""Concluding: from measured runs in memory to the verdicts of ten candidates over fifty metrics of ten thousand items each."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.row import Outcome, Setting, Unequal, row
from harness.gate import Policy, conclude
from harness.records import Candidate, Conclusion, Fingerprints, Measured, Metric, Rule, Run, Sample

Array = NDArray[np.float64]

SECONDS = 10.0
SUITES = ("facts", "code", "dialogue", "translation", "grades")
METRICS = {
    **{name: Metric(kind="binary") for name in ("acc", "strict", "format", "language", "safe", "cites")},
    "graded": Metric(kind="bounded"),
    "pass@4": Metric(kind="bounded"),
    "length": Metric(kind="real", direction="lower"),
    "bpb": Metric(kind="corpus", direction="lower", aggregator="bits_per_byte"),
}
RULES = (
    Rule(metric="*/*/acc", require="non_inferior", margin=0.02),
    Rule(metric="*/*/graded", require="non_inferior", margin=0.02),
    Rule(metric="*/*/bpb", require="non_inferior", margin=0.01),
    Rule(metric="*/*/cites", require="superior"),
    Rule(metric="*/*/strict", require="not_regressed"),
    Rule(metric="*/*/safe", require="at_least", value=0.5),
)


@dataclass(frozen=True)
class ConcludeFleet:
    """Five suites of ten metrics; one of the suites has clusters of five items. Both numbers of the row are seconds."""

    name: str = "conclude and gate 10 candidates x 50 metrics x 10,000 items, against the 10 s that it may take"
    target: float = 1.0

    def run(self, setting: Setting) -> Outcome:
        """``theirs`` is what is allowed. Building the runs is not timed; the same verdict every time, or Unequal."""
        candidates, items = (2, 400) if setting.quick else (10, 10_000)
        measured = fleet(candidates, items)
        setting.say(f"{len(measured)} runs of {items:,} items")
        seconds, found = [], []
        for turn in range(setting.repeats):
            started = time.perf_counter()
            found.append(decide(measured))
            seconds.append(time.perf_counter() - started)
            setting.say(f"run {turn + 1} of {setting.repeats}: {seconds[-1]:.2f} s")
        if any(each != found[0] for each in found):
            raise Unequal("the same runs were concluded differently")
        comparisons = len(found[0].comparisons)
        if comparisons != candidates * len(SUITES) * (len(METRICS) + 1):
            raise Unequal(f"{comparisons} comparisons: not what was to be concluded")
        return Outcome(
            row=row(self.name, ours=float(np.median(seconds)), theirs=SECONDS, target=self.target),
            what="seconds of harness.gate.conclude, and the seconds that it may take",
            facts={
                "seconds": [round(each, 3) for each in seconds],
                "runs": len(measured),
                "items of each": items,
                "comparisons": comparisons,
                "findings": sum(len(verdict.findings) for verdict in found[0].verdicts),
                "metrics of each suite": {name: metric.kind for name, metric in METRICS.items()},
            },
        )


def decide(measured: Mapping[tuple[str, str], Measured]) -> Conclusion:
    """One gate over everything."""
    return conclude(measured, Policy(baseline="base", rules=RULES), created="2026-11-20", environment={})


def fleet(candidates: int, items: int) -> dict[tuple[str, str], Measured]:
    """Runs of a baseline and its ``candidates``, in the shape in which the store gives them back."""
    rng = np.random.default_rng(0)
    found = {}
    for suite in SUITES:
        base = {name: _values(metric, items, rng) for name, metric in METRICS.items()}
        for name in ("base", *(f"candidate {number}" for number in range(1, candidates + 1))):
            values = base if name == "base" else {metric: _changed(METRICS[metric], base[metric], rng) for metric in METRICS}
            found[suite, name] = _run(suite, name, values, rng)
    return found


def _values(metric: Metric, items: int, rng: np.random.Generator) -> Array:
    if metric.kind == "binary":
        return (rng.random(items) < 0.7).astype(float)
    if metric.kind == "bounded":
        return rng.integers(0, 5, items) / 4
    if metric.kind == "real":
        return rng.lognormal(5, 0.7, items)
    sizes = np.exp(rng.normal(6, 0.6, items)).round()
    return np.stack([sizes * np.exp(rng.normal(-0.1, 0.2, items)), sizes], axis=1)


def _changed(metric: Metric, base: Array, rng: np.random.Generator) -> Array:
    touched = rng.random(len(base)) < 0.1
    if metric.kind == "binary":
        return np.where(touched, (rng.random(len(base)) < 0.7).astype(float), base)
    if metric.kind == "bounded":
        return np.where(touched, rng.integers(0, 5, len(base)) / 4, base)
    if metric.kind == "real":
        return np.asarray(base * np.exp(rng.normal(0, 0.1, len(base))), dtype=float)
    return np.asarray(base * np.stack([np.exp(rng.normal(-0.002, 0.03, len(base))), np.ones(len(base))], axis=1), dtype=float)


def _run(suite: str, name: str, values: Mapping[str, Array], rng: np.random.Generator) -> Measured:
    items = len(values["acc"])
    lists = {metric: value.tolist() for metric, value in values.items()}
    scored = [metric for metric in METRICS if metric != "bpb"]
    truncated = rng.random(items) < 0.01
    samples = tuple(
        Sample(
            key=f"{suite}-{index}",
            task="t",
            prompt_hash=f"{index:064x}",
            cluster=f"c{index // 5}" if suite == "dialogue" else None,
            scores={metric: lists[metric][index] for metric in scored},
            statistics={"bpb": lists["bpb"][index]},
            flags=("truncated",) if truncated[index] else (),
        )
        for index in range(items)
    )
    run = Run(
        candidate=Candidate(name=name), suite=suite, use="prompted", fingerprints=Fingerprints(asked=f"asked {name}", weights=name),
        graded=f"{suite} {name}", items_hash="items", suite_hash="suite", metrics=dict(METRICS), primary="acc",
        watched=("truncated",), planned=items,
    )  # fmt: skip
    return Measured(run=run, samples=samples)
