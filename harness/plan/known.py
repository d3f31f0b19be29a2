"""What is known of a decision before it is taken: from earlier runs on the same items, from A/A, or assumed, and which of these.

A/A, and a candidate of the baseline's own weights, show how little can differ, not how much a new candidate will: until one of
other weights was seen, they only widen what is assumed.

A harmless candidate changes some answers for the better and as many for the worse. How many, earlier candidates show: of an earlier
one, whatever it really lost or gained, that part of its changes that cancels, 2·min(won, lost), is taken for churn; of several the
one that churned most. What one earlier pair shows is never no churn at all: one item more is counted. The design is that of the
evidence itself (``Evidence.design``), so that a plan and the finding of a gate ask for the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np

from harness import stats
from harness.compare import Pair
from harness.gate.blindness import blindness
from harness.gate.measurements import Measurements
from harness.gate.selection import selection_of
from harness.plan.decisions import Decision
from harness.records import SHARES, Noise, SelfTest
from harness.stats.power import Population, population_of

ASSUMED_DISCORDANCE = 0.10
"""Share of items that two checkpoints of one family answer differently, assumed where nothing was measured yet."""

ASSUMED_FLAGS = 0.01
"""The same for truncated, empty and unparsable answers, of which there are few."""

ASSUMED_ICC = 0.2
"""How much alike the differences of items of one cluster are, assumed where nothing was measured yet."""

Origin = Literal["seen", "noise", "assumed"]
"""In an earlier run, in A/A, or nowhere."""


@dataclass(frozen=True)
class Known:
    """``design`` None: nothing can be said before it was measured once. ``source``: in words, where the numbers come from.

    ``changes``: share of items that two equally good checkpoints answer differently. ``score`` and ``hits`` are the baseline's own
    over these items; ``blind``: why the suite cannot decide it at all.
    """

    origin: Origin
    source: str
    design: stats.Design | None
    changes: float | None = None
    score: float | None = None
    hits: int | None = None
    blind: str = ""


@dataclass(frozen=True)
class Earlier:
    """Two runs of the store on the items of today, side by side. ``same``: of the same weights, and apart by noise only."""

    baseline: str
    candidate: str
    measurements: Measurements
    same: bool = False


def known(decision: Decision, earlier: Sequence[Earlier], noise: SelfTest | None) -> Known:
    """What there is to know of a decision."""
    if not decision.items:
        return Known("assumed", "no items", None)
    seen = [(pair, each) for pair in earlier if (each := _seen(decision, pair)) is not None and each.design is not None]
    found = [each for _, each in seen]
    repeated = _repeated(decision, noise, found[0] if found else None)
    if repeated is not None:
        found.append(repeated)
    if not found:
        return _assumed(decision)
    widest = max(found, key=_spread)
    return widest if any(not pair.same for pair, _ in seen) else _at_least_assumed(decision, widest)


def _at_least_assumed(decision: Decision, noise: Known) -> Known:
    """What is assumed, unless two runs of the same weights differ by more; with the baseline's own score, which they do show."""
    assumed = _assumed(decision)
    if assumed.design is not None and _spread(noise) >= _spread(assumed):
        return noise
    return replace(assumed, score=noise.score, hits=noise.hits, blind=noise.blind)


def _spread(each: Known) -> float:
    design = each.design
    if design is None:
        return 0.0
    return math.sqrt((design.discordance if design.sd is None else design.sd**2) * design.design_effect)


def _seen(decision: Decision, earlier: Earlier) -> Known | None:
    job, base, name = decision.job, earlier.baseline, earlier.candidate
    suites = {metric.split("/", 1)[0] for metric in job.metrics}
    if any((suite, side) not in earlier.measurements.measured for suite in suites for side in (base, name)):
        return None
    selected = earlier.measurements.within(selection_of(job.rule))
    pair = selected.pair(job.metrics, job.label, name, base)
    if pair is None or pair.evidence is None:
        return None
    blind, counterpart = blindness(job, pair, earlier.measurements, name, base), _counterpart(decision, selected, name, base)
    counted = isinstance(pair.evidence, stats.BinaryPairs)
    column = selected.column_of(base, job.metrics, job.label, None)
    values = None if column is None or decision.transition else column.table[:, 0]
    return Known(
        origin="noise" if earlier.same else "seen",
        source=f"{name} against {base}",
        design=_design(decision, pair, counterpart),
        changes=_churn(pair, counterpart) / pair.items if _shares(pair) else None,
        score=None if column is None or decision.transition else column.value,
        hits=None if values is None or not counted else round(float(values.mean()) * decision.items),
        blind="" if blind is None else blind.why,
    )


def _counterpart(decision: Decision, selected: Measurements, name: str, base: str) -> Pair | None:
    """What was gained where a decision is about what was lost, and the reverse; None where it is about neither."""
    if not decision.transition:
        return None
    swapped = {"lost": "gained", "gained": "lost"}
    parts = [metric.rpartition("/") for metric in decision.job.metrics]
    metrics = tuple(f"{place}/{swapped.get(last, last)}" for place, _, last in parts)
    return selected.pair(metrics, decision.job.label, name, base)


def _shares(pair: Pair) -> bool:
    """Whether a change of one item is at most one, so that changes can be counted."""
    metric = pair.baseline.metric
    return metric.kind in SHARES and metric.aggregator == "mean"


def _churn(pair: Pair, counterpart: Pair | None) -> float:
    """How many items' worth of changes cancels, and one more. ``counterpart``: of ``lost``, what was gained, and the reverse."""
    if counterpart is not None:
        sides = [float(each.candidate.table[:, 0].sum()) for each in (pair, counterpart)]
        return min(2 * min(sides) + 1, float(pair.items))
    churn = None if pair.evidence is None else pair.evidence.churn
    return 0.0 if churn is None else churn


def _design(decision: Decision, pair: Pair, counterpart: Pair | None) -> stats.Design | None:
    """What the evidence says of another comparison like it, for the churn alone, with the items of today."""
    if pair.evidence is None:
        return None
    counted = isinstance(pair.evidence, stats.BinaryPairs)
    churn = None if pair.evidence.churn is None else _churn(pair, counterpart)
    if counterpart is not None and churn is not None and not counted:
        churn /= 2  # of what was lost and gained, one alone
    found = pair.evidence.design(churn)
    if found is None:
        return None
    score = None if counterpart is None else _churn(pair, counterpart) / 2 / pair.items
    clusters = None if counted else max(1, min(decision.clusters, decision.items))
    return replace(found, items=decision.items, clusters=clusters, score=score)


def _repeated(decision: Decision, noise: SelfTest | None, seen: Known | None) -> Known | None:
    """The baseline against itself: a candidate differs at least as much. Not for pools, which A/A does not list."""
    if noise is None or len(decision.job.metrics) != 1 or decision.transition:
        return None
    own = [repetition for repetition in noise.repetitions if repetition.candidate == noise.baseline]
    listed: Mapping[str, Noise] = {each.metric: each for repetition in own for each in repetition.noise}
    found = listed.get(decision.job.metrics[0])
    if found is None or found.items < 1:
        return None
    if decision.counted:
        design = stats.Design(decision.items, min(1.0, (found.differ + 1) / found.items))
    elif found.sd:
        design = stats.Design(decision.items, clusters=max(1, min(decision.clusters, decision.items)), sd=found.sd)
    else:
        return None
    shares = decision.metric.kind in SHARES
    return Known(
        origin="noise",
        source=f"{noise.baseline} against itself",
        design=design,
        changes=(found.differ + 1) / found.items if shares else None,
        score=found.value,
        hits=round(found.value * decision.items) if decision.counted else None,
        blind="" if seen is None else seen.blind,
    )


@lru_cache(maxsize=256)
def _clusters_that_change(share: float, size: int, icc: float) -> Population:
    """Clusters in which items change as assumed: a whole one as one item with probability ``icc``, else each item by itself."""
    rng, count = np.random.default_rng(0), 4_000
    own, whole = rng.random((count, size)), rng.random((count, 1))
    fate = np.where(rng.random((count, 1)) < icc, whole, own)
    sums = (fate > 1 - share / 2).sum(axis=1) - (fate < share / 2).sum(axis=1)
    return population_of(sums.astype(float), np.full(count, float(size)), 1.0)


def _assumed(decision: Decision) -> Known:
    share = ASSUMED_FLAGS if decision.flag else ASSUMED_DISCORDANCE
    if decision.counted:
        score = share / 2 if decision.transition else None
        return Known("assumed", "", stats.Design(decision.items, share, score=score), share)
    if decision.metric.kind not in SHARES or decision.metric.aggregator != "mean":
        return Known("assumed", "", None)
    clusters = max(1, min(decision.clusters, decision.items))
    icc = ASSUMED_ICC if clusters < decision.items else 0.0
    if decision.transition:
        rate = share / 2
        design = stats.Design(decision.items, clusters=clusters, icc=icc, sd=math.sqrt(rate * (1 - rate)), score=rate)
        return Known("assumed", "", design, share)
    population = _clusters_that_change(share, round(decision.items / clusters), icc)
    design = stats.Design(decision.items, share, clusters=clusters, icc=icc, sd=math.sqrt(share), population=population)
    return Known("assumed", "", design, share)
