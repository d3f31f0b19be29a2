"""A small seeded part of the proof by simulation: false passes at the margin, false alarms of A/A, coverage."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from harness import stats

RUNS = 600
NOISE = 3 * np.sqrt(0.05 * 0.95 / RUNS)
"""Three Monte-Carlo standard errors."""


def differences(rng: np.random.Generator, clusters: int, size: int, wins: float, losses: float) -> NDArray[np.float64]:
    """Right-or-wrong differences; half of the items share the fate of their cluster."""
    fate = np.where(rng.random((clusters, size)) < np.sqrt(0.5), rng.random((clusters, 1)), rng.random((clusters, size)))
    return np.asarray(np.where(fate < losses, -1.0, np.where(fate > 1 - wins, 1.0, 0.0)).ravel())


def evidence(values: NDArray[np.float64], size: int, seed: int) -> stats.MeanPairs:
    clusters = np.arange(len(values)) // size
    return stats.MeanPairs(values, clusters, np.zeros(len(values), dtype=np.intp), np.ones(len(values)), span=1.0, seed=seed)


@pytest.mark.parametrize(("clusters", "size", "margin"), [(60, 4, 0.05), (30, 3, 0.10), (15, 4, 0.10), (400, 1, 0.02)])
@pytest.mark.parametrize("wins", [0.0, 0.05])
def test_a_loss_of_the_margin_passes_at_most_as_often_as_alpha_says(clusters: int, size: int, margin: float, wins: float) -> None:
    rng = np.random.default_rng(clusters)
    passed = covered = 0
    for seed in range(RUNS):
        found = evidence(differences(rng, clusters, size, wins, wins + margin), size, seed)
        passed += found.test(-margin, "greater").p <= 0.05
        interval = found.interval(0.90)
        covered += (interval.low is None or interval.low <= -margin) and (interval.high is None or -margin <= interval.high)
    assert passed / RUNS <= 0.05 + 0.015 + NOISE
    assert covered / RUNS >= 0.90 - 0.04


@pytest.mark.parametrize(("clusters", "margin"), [(15, 0.10), (19, 0.05)])
def test_few_clusters_that_are_lost_whole_pass_no_more_often(clusters: int, margin: float) -> None:
    rng = np.random.default_rng(clusters)
    lost = rng.random((RUNS, clusters)) < margin
    passed = sum(evidence(-np.repeat(each.astype(float), 20), 20, 0).test(-margin, "greater").p <= 0.05 for each in lost)
    assert passed / RUNS <= 0.05 + 0.015 + NOISE


def test_few_documents_pass_no_more_often() -> None:
    rng, passed, runs = np.random.default_rng(5), 0, 300
    for seed in range(runs):
        size = rng.integers(200, 800, 8).astype(float)
        before = size * (1 + 0.1 * rng.normal(size=8))
        after = before + size * (0.05 + 0.05 * rng.normal(size=8))
        each = np.arange(8)
        sides = np.stack([before, size], axis=1), np.stack([after, size], axis=1)
        pairs = stats.CorpusPairs("bits_per_byte", *sides, each, np.zeros(8, dtype=np.intp), -1, seed)
        passed += pairs.test(-0.05, "greater").p <= 0.05
    assert passed / runs <= 0.05 + 0.01 + 3 * np.sqrt(0.05 * 0.95 / runs)


def test_an_a_a_comparison_raises_no_more_alarms_than_alpha() -> None:
    rng = np.random.default_rng(11)
    alarms = {"mcnemar": 0, "clustered": 0, "continuous": 0}
    for seed in range(RUNS):
        cells = rng.multinomial(500, [0.05, 0.05, 0.90])
        alarms["mcnemar"] += stats.mcnemar(int(cells[0]), int(cells[1]), "less") <= 0.05
        alarms["clustered"] += evidence(differences(rng, 60, 4, 0.08, 0.08), 4, seed).test(0.0, "less").p <= 0.05
        alarms["continuous"] += evidence(np.clip(rng.normal(0, 0.2, 150), -1, 1), 1, seed).test(0.0, "less").p <= 0.05
    for name, count in alarms.items():
        assert count / RUNS <= 0.05 + NOISE, name
    assert alarms["continuous"] / RUNS >= 0.05 - NOISE


def test_a_corpus_bootstrap_covers_the_truth() -> None:
    rng = np.random.default_rng(12)
    covered = 0
    runs = 150
    for seed in range(runs):
        sizes = rng.integers(50, 150, 120).astype(float)
        base = np.stack([sizes * rng.normal(0.5, 0.1, 120), sizes], axis=1)
        cand = np.stack([base[:, 0] + sizes * rng.normal(0.02, 0.1, 120), sizes], axis=1)
        units = np.arange(120)
        found = stats.CorpusPairs("ratio", base, cand, units, np.zeros(120, dtype=np.intp), 1, seed).interval(0.90)
        covered += (found.low or 0.0) <= 0.02 <= (found.high or 0.0)
    assert covered / runs >= 0.83
