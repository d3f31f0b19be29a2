"""Looking several times at data that grow, and still being wrong at most ``alpha`` of the time: group-sequential tests.

Each look tests at its own *nominal* level. The levels are chosen so that, were there nothing to be found, the chance of a false
claim at any of the looks so far is what the spending function allows by then (Lan & DeMets, Biometrika 70 (1983) 659).
Standardised statistics of the looks behave like Brownian motion observed at the information fractions; the chance of staying
below all bounds is integrated numerically look by look (Armitage, McPherson & Rowe, JRSS A 132 (1969) 235; Jennison & Turnbull,
Group Sequential Methods, 2000, chapter 19), here with Gauss–Legendre nodes as fine as the step between two looks needs.

The *sequential p-value* is the smallest ``alpha`` at which one of the looks so far would have rejected (Liu & Anderson, JASA 103
(2008) 1614): it may be used wherever a p-value may. It is fed with the p-values of the ordinary tests, so that tests that are
exact, and therefore a little careful, stay so.

``fractions`` are increasing shares of the information that was planned for: items seen by each look over all items. A last look
that comes out larger than planned (a fraction above 1) spends what is left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import bdtr, ndtr, ndtri

from harness.stats.proportion import Side

Spending = Literal["obrien_fleming", "pocock"]

Array = NDArray[np.float64]

FARTHEST = 8.5
"""Standard deviations below 0 beyond which nothing is integrated: less than 1e-17 of all paths."""

NEVER = 37.0
"""A bound that no statistic reaches, where there is nothing to spend (a p-value of 1e-299)."""

POINTS, WEIGHTS = np.polynomial.legendre.leggauss(24)

MOST_PANELS = 60
"""Enough for looks that are 0.0005 of the information apart."""

LARGEST = 0.999
"""A sequential p above this is 1: nothing is decided up there."""


def spent(fraction: float, alpha: float, spending: Spending) -> float:
    """How much of ``alpha`` (one-sided) may have been used by ``fraction`` of the information; all of it from 1 on."""
    share = min(fraction, 1.0)
    if spending == "pocock":
        return alpha * math.log1p((math.e - 1) * share)
    return 2 * float(ndtr(ndtri(alpha / 2) / math.sqrt(share)))


def bounds(fractions: Sequence[float], alpha: float, spending: Spending) -> tuple[float, ...]:
    """The standardised statistic that each look must reach, one-sided. ValueError for fractions that do not increase from above
    0."""
    steps = tuple(float(fraction) for fraction in fractions)
    if not steps or steps[0] <= 0 or any(later <= earlier for earlier, later in pairwise(steps)):
        raise ValueError(f"information fractions are {list(steps)}; expected increasing numbers above 0")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; expected above 0 and below 1")
    return _bounds(steps, alpha, spending)


@lru_cache(maxsize=4096)
def _bounds(fractions: tuple[float, ...], alpha: float, spending: Spending) -> tuple[float, ...]:
    found: list[float] = []
    before, at, used = 0.0, np.zeros(1), 0.0
    mass: Array = np.ones(1)  # of the paths that no look has stopped: one path, at 0, before the first
    for index, fraction in enumerate(fractions):
        step, total = math.sqrt(fraction - before), spent(fraction, alpha, spending)
        bound = _bound(at, mass, step, math.sqrt(fraction), total - used)
        found.append(bound)
        if index + 1 == len(fractions):
            break
        narrower = min(step, math.sqrt(fractions[index + 1] - fraction))
        nodes, widths = _nodes(bound * math.sqrt(fraction), math.sqrt(fraction), narrower)
        density = np.exp(-0.5 * ((nodes[:, None] - at[None, :]) / step) ** 2) @ mass / (step * math.sqrt(2 * math.pi))
        before, at, used, mass = fraction, nodes, total, density * widths
    return tuple(found)


def _bound(at: Array, mass: Array, step: float, scale: float, allowed: float) -> float:
    """The bound that paths, ``mass`` of them ``at`` these places, cross with probability ``allowed`` after a step."""
    if allowed < 1e-290:
        return NEVER
    target = math.log(allowed)

    def excess(bound: float) -> float:
        crossed = float(mass @ ndtr((at - bound * scale) / step))
        return math.log(max(crossed, 1e-300)) - target

    if excess(-FARTHEST) <= 0:  # not even all paths that are left are too many
        return -FARTHEST
    return float(brentq(excess, -FARTHEST, NEVER + 1, xtol=1e-10, rtol=1e-12))


def _nodes(edge: float, scale: float, narrower: float) -> tuple[Array, Array]:
    """Gauss–Legendre nodes and widths below ``edge``, in panels fine enough for what the step before blurred, and for what the next
    one will: eight standard deviations of the narrower step each."""
    low = -FARTHEST * scale
    high = min(edge, -low)
    panels = min(MOST_PANELS, math.ceil((high - low) / (8 * narrower)))
    half = (high - low) / (2 * panels)
    centres = low + half * (2 * np.arange(panels) + 1)
    return (centres[:, None] + half * POINTS).ravel(), np.tile(half * WEIGHTS, panels)


def nominal(look: int, fractions: Sequence[float], alpha: float, spending: Spending) -> float:
    """The p-value that look number ``look`` (from 0) must come under; it depends on the looks up to it alone."""
    return float(ndtr(-bounds(fractions[: look + 1], alpha, spending)[-1]))


def sequential_p(p_values: Sequence[float], fractions: Sequence[float], spending: Spending) -> tuple[float, int]:
    """The smallest alpha at which one of the looks so far rejects, and which (from 0; the last where none ever would).

    ``p_values``: the one-sided fixed-sample p of each look made. A look is solved only where it could beat the ones before it.
    """
    if len(p_values) != len(fractions):
        raise ValueError(f"{len(p_values)} p-values for {len(fractions)} information fractions")
    best, which = LARGEST, len(p_values) - 1
    for look, p in enumerate(p_values):
        if nominal(look, fractions, best, spending) >= p:
            best, which = _smallest(look, p, fractions, best, spending), look
    return (1.0 if best >= LARGEST else best), which


def _smallest(look: int, p: float, fractions: Sequence[float], most: float, spending: Spending) -> float:
    """The alpha below ``most`` for which the look's nominal level is ``p``."""
    score = -float(ndtri(max(p, 1e-290)))

    def room(quantile: float) -> float:
        return score - bounds(fractions[: look + 1], float(ndtr(quantile)), spending)[-1]

    least = float(ndtri(1e-280))
    if room(least) >= 0:
        return 1e-280
    return min(most, float(ndtr(brentq(room, least, float(ndtri(most)), xtol=1e-9))))


def discordant_chance(won: int, lost: int, items: int, total: int, level: float, side: Side, seed: int) -> float:
    """The chance that exact McNemar will be significant at ``level`` once all ``total`` items are asked, given ``items`` of them.

    Simulated from the posterior of the shares won, lost and tied under Jeffreys' prior: where hardly an item differs, a normal
    approximation would think far more possible than can happen.
    """
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet([won + 0.5, lost + 0.5, items - won - lost + 0.5], 4_000)
    final = rng.multinomial(max(0, total - items), shares)[:, :2] + (won, lost)
    fewer = final[:, 1] if side == "greater" else final[:, 0]
    significant = bdtr(fewer, np.maximum(final.sum(axis=1), 1), 0.5) <= level
    return float(np.mean(significant & (final.sum(axis=1) > 0)))
