"""Arrays in, numbers out. No noun of the project appears here.

``binary`` and ``proportion`` hold exact and score methods for right-or-wrong; ``means`` the clustered t and the sign-flip
permutation; ``corpora`` the paired bootstrap of corpus metrics, which ``corpus`` scores from sufficient statistics; ``passes``
pass@k; ``multiplicity`` Holm and Benjamini–Hochberg; ``max_t`` many candidates against one baseline; ``power`` what could have
been seen. ``paired`` is the face that they share.
"""

from __future__ import annotations

from harness.stats.binary import (
    difference_p,
    exact_p,
    mcnemar,
    mcnemar_midp,
    newcombe_interval,
    tango_interval,
    tango_p,
    tango_statistic,
)
from harness.stats.corpora import CorpusPairs
from harness.stats.corpus import WIDTHS, aggregate, alike, each, score
from harness.stats.max_t import flipped, step_down
from harness.stats.means import MeanPairs
from harness.stats.multiplicity import benjamini_hochberg, holm
from harness.stats.paired import FEW_CLUSTERS, BinaryPairs, Evidence, Interval, PValue
from harness.stats.passes import pass_at
from harness.stats.power import binary_items, binary_mde, mcnemar_power, mean_items, mean_mde, normal_quantile
from harness.stats.proportion import Side, binomial_p, clopper_pearson, wilson

__all__ = [
    "FEW_CLUSTERS",
    "WIDTHS",
    "BinaryPairs",
    "CorpusPairs",
    "Evidence",
    "Interval",
    "MeanPairs",
    "PValue",
    "Side",
    "aggregate",
    "alike",
    "benjamini_hochberg",
    "binary_items",
    "binary_mde",
    "binomial_p",
    "clopper_pearson",
    "difference_p",
    "each",
    "exact_p",
    "flipped",
    "holm",
    "mcnemar",
    "mcnemar_midp",
    "mcnemar_power",
    "mean_items",
    "mean_mde",
    "newcombe_interval",
    "normal_quantile",
    "pass_at",
    "score",
    "step_down",
    "tango_interval",
    "tango_p",
    "tango_statistic",
    "wilson",
]
