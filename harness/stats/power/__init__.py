"""What could have been seen, and how many items would show it: the deployed tests, inverted numerically.

``enumerated`` adds up the probabilities of all outcomes that a test of right-or-wrong items would let pass; ``scored`` has the test
of means decide data sets (``drawn``) whose units turn out as a ``population`` says; ``design`` asks those, or a noncentral t, for
items, margins and losses (``search``); ``starting`` holds the closed formulas, which are where a search begins.
"""

from __future__ import annotations

from harness.stats.power.design import (
    Design,
    binary_items,
    binary_mde,
    items_for,
    mde,
    method_of,
    pass_probability,
    smallest_gain,
    smallest_margin,
)
from harness.stats.power.enumerated import critical_statistic, proof_probability
from harness.stats.power.population import Population, population_of, spread_of
from harness.stats.power.starting import connor_items, mean_items, mean_mde, miller_items, normal_quantile, starting_items

__all__ = [
    "Design",
    "Population",
    "binary_items",
    "binary_mde",
    "connor_items",
    "critical_statistic",
    "items_for",
    "mde",
    "mean_items",
    "mean_mde",
    "method_of",
    "miller_items",
    "normal_quantile",
    "pass_probability",
    "population_of",
    "proof_probability",
    "smallest_gain",
    "smallest_margin",
    "spread_of",
    "starting_items",
]
