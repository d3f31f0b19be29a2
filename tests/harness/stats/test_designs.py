"""What a finding says of items and of losses is what a plan says of another comparison like it."""

from __future__ import annotations

import numpy as np
import pytest

from harness import stats
from harness.stats import Design
from harness.stats.power import population_of


def means(
    differences: object, size: int = 1, span: float | None = 1.0, ordinal: bool = False, scale: float = 0.0
) -> stats.MeanPairs:
    values = np.asarray(differences, dtype=float)
    code = np.arange(len(values), dtype=np.intp) // size
    return stats.MeanPairs(values, code, np.zeros_like(code), np.ones(len(values)), span=span, ordinal=ordinal, size=scale)


def some(count: int, share: float, seed: int, lean: float = 0.5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    signs = np.where(rng.random(count) < lean, 1.0, -1.0)
    return np.asarray(np.where(rng.random(count) < share, signs * rng.choice([0.25, 0.5, 1.0], count), 0.0))


def loss_seen(pairs: stats.MeanPairs, loss: float, runs: int = 400) -> float:
    """Share of comparisons like this one, but that lose so much, in which the deployed test proves a loss."""
    rng, proven = np.random.default_rng(9), 0
    size = pairs.items // pairs.units
    table = np.abs(pairs.differences.reshape(pairs.units, size))
    lean = (1 - loss / float(table.mean())) / 2
    for seed in range(runs):
        drawn = table[rng.integers(0, pairs.units, pairs.units)] * np.where(rng.random((pairs.units, 1)) < lean, 1.0, -1.0)
        code = np.repeat(np.arange(pairs.units), size)
        other = stats.MeanPairs(drawn.ravel(), code, np.zeros_like(code), np.ones(code.size), span=pairs.span, seed=seed)
        proven += other.test(0.0, "less").p <= 0.05
    return proven / runs


@pytest.mark.parametrize(("count", "share", "size"), [(80, 0.3, 1), (200, 0.25, 1), (300, 0.2, 5)])
def test_the_loss_that_would_have_been_seen_is_seen_as_often_as_is_said(count: int, share: float, size: int) -> None:
    pairs = means(some(count, share, 3), size)
    loss = pairs.mde(0.05)
    assert loss is not None
    if size == 1:
        assert loss_seen(pairs, loss) == pytest.approx(0.8, abs=0.03 + 3 * 0.02)
    design = pairs.design()
    assert design is not None
    assert stats.pass_probability("not_regressed", design, -loss) == pytest.approx(0.2, abs=0.04)
    further = pairs.mde(0.05, margin=0.02)
    assert further is not None
    assert further > loss, "a loss beyond a margin is harder to see"


def test_items_for_an_equally_good_candidate_are_those_of_the_plan() -> None:
    pairs = means(some(150, 0.2, 4, lean=0.35))
    churn = pairs.churn
    assert churn == pytest.approx(2 * min(pairs.differences.clip(0).sum(), (-pairs.differences).clip(0).sum()) + 1)
    design = pairs.design(churn)
    assert design is not None
    needed = pairs.items_needed(-0.03, 0.05, equal=True)
    assert needed == stats.items_for("non_inferior", design, 0.0, 0.03)
    assert needed is not None
    delivered = stats.pass_probability("non_inferior", design.with_items(needed), 0.0, 0.03)
    assert delivered == pytest.approx(0.8, abs=0.04)
    assert pairs.gain < 0
    assert pairs.items_needed(0.0, 0.05) is None, "what lost as seen never proves a gain"
    assert pairs.items_needed(pairs.gain, 0.05) is None


def test_a_comparison_in_which_nothing_changed_could_have_changed_by_one_item() -> None:
    pairs = means(np.zeros(60), size=3)
    design = pairs.design(pairs.churn)
    assert design is not None
    assert design.population == population_of(np.array([1.0] + 19 * [0.0]), np.full(20, 3.0), 1.0)
    assert pairs.churn == 1.0
    loss = pairs.mde(0.05)
    assert loss is not None
    assert 0 < loss <= 1
    assert means(np.zeros(60), span=None).design() is None, "nothing bounds what could have changed"
    assert means(np.zeros(1)).design() is None
    assert means(np.zeros(1)).mde(0.05) is None


def test_real_scores_are_planned_by_their_own_deviation_and_grades_without_a_t() -> None:
    values = np.random.default_rng(1).normal(0.1, 2.0, 400)
    real = means(values, span=None)
    design = real.design()
    assert design is not None
    assert design.sd == pytest.approx(values.std(ddof=1))
    assert design == Design(400, clusters=400, sd=design.sd)
    assert real.churn is None
    assert real.mde(0.05) == pytest.approx(2.4865 * values.std(ddof=1) / 20, rel=0.01)
    grades = means(np.random.default_rng(2).choice([-1.0, 0.0, 0.0, 1.0, 2.0], 60), span=None, ordinal=True, scale=5.0)
    found = grades.design()
    assert found is not None
    assert (found.ordinal, found.declared, found.span) == (True, False, 5.0)
    assert stats.method_of("non_inferior", found, 0.5).startswith("sign-flips above the margin")


def test_corpus_metrics_ask_the_same_design_as_a_plan() -> None:
    rng = np.random.default_rng(5)
    base = np.stack([rng.gamma(20, 5, 120), rng.gamma(20, 20, 120)], axis=1)
    other = base * np.stack([np.exp(rng.normal(0, 0.05, 120)), np.ones(120)], axis=1)
    code = np.arange(120, dtype=np.intp)
    pairs = stats.CorpusPairs("ratio", base, other, code, np.zeros_like(code))
    design = pairs.design()
    assert design is not None
    assert pairs.mde(0.05) == stats.mde(design)
    assert pairs.mde(0.05, margin=0.01) == stats.mde(design, 0.01)
    assert pairs.items_needed(-0.002, 0.05, equal=True) == stats.items_for("non_inferior", design, 0.0, 0.002)
    assert pairs.items_needed(pairs.gain, 0.05) is None


def test_replicates_never_need_less_than_their_items_alone() -> None:
    rng = np.random.default_rng(6)
    gains = rng.normal(0.05, 0.4, (3, 200)) + rng.normal(0, 0.02, (3, 1))
    found = stats.Replicates(gains, means(gains[0], span=None))
    assert found.design() == found.by_item.design()
    assert found.churn is None
    alone, all_of_it = found.by_item.mde(0.05, margin=0.01), found.mde(0.05, margin=0.01)
    assert alone is not None
    assert all_of_it is not None
    assert all_of_it >= alone
    needed, items = found.items_needed(-0.1, 0.05, equal=True), found.by_item.items_needed(-0.1, 0.05, equal=True)
    assert items is not None
    assert needed is None or needed >= items
