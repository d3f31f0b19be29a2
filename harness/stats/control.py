"""Win rates as they would be if both answers were alike in length, or in style.

Per item: the score of the candidate against the baseline, from 0 to 1 (the mean over orders and draws), and by how much the two
answers differ in each covariate (characters, headers, list items, bold spans): candidate less baseline. A logistic regression of
the score on tanh(difference/sd) is read where all differences are 0 (as AlpacaEval's length-controlled win rate, arXiv 2404.04475;
without its terms for models and instructions, which need many models). The tanh keeps one very long answer from deciding the slope.

Control is an adjustment, not a correction: where longer answers *are* better, it takes that away too. Show it beside the raw rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from harness.stats import logistic, resampling
from harness.stats.paired import Array, Codes, Interval
from harness.stats.proportion import wilson
from harness.stats.resampled import Resampled

PRIOR_SD = 5.0
"""Of every coefficient, in log-odds: a win rate of 99.3 % is one away from even."""
REFITS = 2_000
CELLS = 1_000_000
"""Resamples times items that are fitted at once."""
FEW_DECIDED = 10
"""Items' worth of wins, or of losses, under which resamples do not know how often they happen."""
TOLD = "the differences tell nearly everywhere who is preferred, and hardly anything shows what would be without them"
LEAST_KNOWN = 5.0
"""Information about the rate at no difference (``logistic.information``) under which neither resamples nor a t know anything of
it. Where the longer answer nearly always wins, all residuals are small, and the rate could still be anywhere: under 1 a t misses
in over 40 of 100 cases on either side instead of in 5, from 5 on in 4 to 6 (``benchmarks.simulation.lengths``)."""


@dataclass(frozen=True)
class Controlled:
    """``value`` at no difference, ``raw`` as it is. ``slopes``: log-odds per sd of each covariate near no difference, None where
    the covariate never differs; ``slope_intervals`` likewise.

    ``contributions``: one number per item whose mean is ``value``, so that compare and gate can treat the controlled rate as any
    metric of items, paired by key: the first-order part of what the item does to the fit (its influence, around the value). They
    are not from 0 to 1, have no span to declare, and belong to this set of items: another set is fitted again. Their clustered t is
    the sandwich interval, which is the bootstrap's to first order. None where hardly any item was lost, or won: there all of them
    are nearly alike, and a t on them would be certain of what nobody saw; only ``interval`` holds. None, too, where the differences
    tell nearly everywhere who is preferred (``LEAST_KNOWN``).
    """

    value: float
    raw: float
    interval: Interval
    slopes: tuple[float | None, ...]
    slope_intervals: tuple[Interval, ...]
    contributions: Array | None
    items: int
    units: int


def controlled(
    scores: Array, differences: Array, clusters: Codes | None = None, *, level: float = 0.95, seed: int = 0
) -> Controlled | None:
    """``scores``, shape (items,), from 0 to 1; ``differences``, shape (items, covariates). None without items.

    Every resample of items (clusters) is fitted again; what an sd is, is taken from all items once.
    """
    if len(scores) == 0:
        return None
    if differences.ndim != 2 or len(differences) != len(scores):
        raise ValueError(f"differences of shape {differences.shape} for {len(scores)} scores; expected items by covariates")
    if not bool(((scores >= 0) & (scores <= 1)).all()):
        raise ValueError("scores must lie between 0 and 1")
    units = resampling.numbered(clusters) if clusters is not None else np.arange(len(scores), dtype=np.intp)
    spread = np.sqrt((differences**2).mean(axis=0))  # around 0: "no difference" is the place to stand on
    varies = differences.std(axis=0) > 1e-12 * np.maximum(spread, 1e-300)
    x = np.column_stack([np.ones(len(scores)), np.tanh(differences[:, varies] / spread[varies])])
    seen = logistic.fit(x, scores, np.ones((1, len(scores))), PRIOR_SD)[0]
    count = int(units.max()) + 1
    value, share = float(expit(seen[0])), count / len(scores)
    unknown = logistic.information(x, seen, PRIOR_SD) * share < LEAST_KNOWN
    if unknown:
        interval, found = _far(x, scores, seen, share, level), [Interval(None, None, level, "none", TOLD)] * (len(seen) - 1)
    else:
        drawn = _refitted(x, scores, units, seen, seed)
        interval = _interval(value, expit(drawn[:, 0]), count, level)
        found = [_interval(float(one), many, count, level) for one, many in zip(seen[1:], drawn[:, 1:].T, strict=True)]
    intervals, slopes = iter(found), iter(seen[1:])
    never = Interval(None, None, level, "none", "this covariate never differs, or always by as much")
    return Controlled(
        value=value,
        raw=float(scores.mean()),
        interval=_rate_interval(value, interval, scores, count),
        slopes=tuple(float(next(slopes)) if each else None for each in varies),
        slope_intervals=tuple(next(intervals) if each else never for each in varies),
        contributions=None if unknown or _rarely(scores, count) else parts(x, scores, seen),
        items=len(scores),
        units=count,
    )


def _refitted(x: Array, scores: Array, units: Codes, seen: Array, seed: int) -> Array:
    """Coefficients of every resample, shape (resamples, width)."""
    rows, strata = max(1, CELLS // len(scores)), np.zeros(int(units.max()) + 1, dtype=np.intp)
    return np.concatenate(
        [
            logistic.fit(x, scores, counts[first : first + rows][:, units], PRIOR_SD, seen)
            for counts in resampling.weights(strata, seed, REFITS)
            for first in range(0, len(counts), rows)
        ]
    )


def _rarely(scores: Array, units: int) -> bool:
    share = float(scores.mean())
    return min(share, 1 - share) * units < FEW_DECIDED


def parts(x: Array, scores: Array, seen: Array) -> Array:
    """What every item (a row of ``x``) adds to the rate where all differences are 0; their mean is the rate."""
    chances = expit(x @ seen)
    curvature = (x * (chances * (1 - chances))[:, None]).T @ x + np.eye(x.shape[1]) / PRIOR_SD**2
    residuals = x * (scores - chances)[:, None]
    influence = np.linalg.solve(curvature, (residuals - residuals.mean(axis=0)).T)[0] * len(scores)
    value = expit(seen[0])
    return np.asarray(value + value * (1 - value) * influence, dtype=float)


def _interval(seen: float, drawn: Array, units: int, level: float) -> Interval:
    resampled = Resampled(seen, drawn, units) if units > 1 else None
    ends = None if resampled is None or resampled.still else resampled.ends(level)
    if ends is None:
        return Interval(None, None, level, "none", f"{units} items or clusters are too few, or too much alike, for this level")
    return Interval(*ends, level, "bootstrap over items with refit, expanded percentile")


def _rate_interval(value: float, found: Interval, scores: Array, units: int) -> Interval:
    """Nearly all won, or lost: at least as wide as Wilson's of the raw rate."""
    if _rarely(scores, units):
        low, high = wilson(float(scores.mean()) * units, units, found.level)
        low, high = min(low, value), max(high, value)
        if found.low is not None and found.high is not None:
            low, high = min(low, found.low), max(high, found.high)
        found = Interval(low, high, found.level, "Wilson of the raw rate", "hardly any item was lost, or won")
    if found.low is None or found.high is None:
        return found
    return Interval(max(0.0, found.low), min(1.0, found.high), found.level, found.method, found.note)


def _far(x: Array, scores: Array, seen: Array, share: float, level: float) -> Interval:
    """Where resamples know nothing: as far as the likelihood goes."""
    low, high = (float(expit(end)) for end in logistic.profiled(x, scores, seen, PRIOR_SD, level, share))
    return Interval(low, high, level, "profile likelihood", TOLD)
