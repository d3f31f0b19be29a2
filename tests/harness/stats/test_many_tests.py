"""Multiplicity and power."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from harness import stats


def test_corrections_equal_the_published_example_and_statsmodels(vectors: dict[str, Any]) -> None:
    example = vectors["multiple_testing_BH1995_example"]
    assert stats.holm(example["p"]) == pytest.approx(example["holm"])
    assert stats.benjamini_hochberg(example["p"]) == pytest.approx(example["fdr_bh"])
    rng = np.random.default_rng(0)
    for _ in range(20):
        p = rng.random(rng.integers(1, 30)) ** 3
        assert stats.holm(p) == pytest.approx(multipletests(p, method="holm")[1])
        assert stats.benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1])


def test_nothing_to_correct_is_nothing() -> None:
    assert stats.holm([]) == []


def test_tests_that_could_never_fire_do_not_count_in_the_family() -> None:
    assert stats.holm([0.03, 1.0, 1.0], floors=[0.001, 1.0, 0.25]) == pytest.approx([0.03, 1.0, 1.0])
    assert stats.holm([0.03, 0.5], floors=[0.001, 0.01]) == pytest.approx([0.06, 0.5])


def test_the_detectable_loss_is_what_the_test_delivers_in_simulation() -> None:
    rng = np.random.default_rng(1)
    for items, discordant in ((300, 12), (1000, 100)):
        loss = stats.binary_mde(discordant, items, 0.05)
        assert loss is not None
        share = max((discordant + 1) / items, loss)
        cells = rng.multinomial(items, [(share - loss) / 2, (share + loss) / 2, 1 - share], size=4000)
        proven = np.mean([stats.mcnemar(int(won), int(lost), "less") <= 0.05 for won, lost, _ in cells])
        assert proven == pytest.approx(0.80, abs=0.025)


def test_four_items_can_prove_nothing() -> None:
    assert stats.binary_mde(0, 4, 0.05) is None


def test_no_distance_needs_no_end_of_items() -> None:
    assert stats.binary_items(0.1, 0.0, 0.0, 0.05) is None
    assert stats.mean_items(0.1, 100, -0.1, 0.05) is None
    assert stats.mean_items(0.02, 400, 0.02, 0.05) == math.ceil(400 * (1.6448536 + 0.8416212) ** 2)
