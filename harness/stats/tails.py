"""How probable it is that a sum of independent units comes out at least as far: exact where the units' values are multiples of one
step, and on a grid, or by a bound, where they are not.

Units *drawn* from a distribution: its probabilities convolved with themselves, by Fourier transform. Units whose *signs* are
flipped: the binomial numbers of each kind of unit convolved (positive terms only, so that small probabilities keep their digits);
where that is not to be had, Chernoff's bound (Annals of Mathematical Statistics 23 (1952) 493), which is never below the truth.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import binom

Array = NDArray[np.float64]

FINEST = 2_000
"""Steps in the largest value, at most: what is finer is no lattice."""

GRID = 2**14
"""Places of the grid on which sums lie that have no lattice, and half of the longest lattice that is summed as it is."""

BLURS = 5.0
"""Standard deviations by which a sum on the grid may lie off."""

REACH = 9.0
"""Standard deviations on either side of the mean that the grid takes in."""

EXACT_TERMS = 20_000_000
"""Additions that the exact distribution of flipped signs may cost."""


def step_of(values: Array) -> float | None:
    """The largest number of which all ``values`` are multiples, to rounding; None where there is none worth calling a lattice."""
    distinct = np.unique(np.abs(values))
    largest = float(distinct[-1]) if len(distinct) else 0.0
    if largest == 0.0:
        return None
    rounding, step = 1e-9 * largest, 0.0
    for value in distinct.tolist():
        rest = value
        while rest > rounding:
            rest, step = step, rest
            rest = rest - step * math.floor(rest / step + rounding / step) if rest else 0.0
        if largest > FINEST * step > 0:
            return None
    return step


def drawn(values: Array, chances: Array, units: int, total: float, upper: bool, step: float | None) -> float:
    """P(the sum of ``units`` draws from ``values`` is ``total`` or beyond), above (``upper``) or below.

    ``step``: the values are whole numbers of it apart; None: they are laid on a grid, each on the two places around it.
    """
    low, width = float(values.min()), float(np.ptp(values))
    if width == 0.0:
        return 1.0
    if step is not None and width * units / step < 2 * GRID:
        places = np.rint((values - low) / step).astype(np.intp)
        longest = int(places.max()) * units + 1
        summed = _power(_laid(places, chances, longest), units)[:longest]
        at = round((total - units * low) / step)
        return _share(summed[max(at, 0) :] if upper else summed[: max(at + 1, 0)])
    return _on_a_grid(values, chances, units, total, upper)


def _on_a_grid(values: Array, chances: Array, units: int, total: float, upper: bool) -> float:
    """The most probable value and the one farthest from it lie on the grid (of two values nothing is lost), and what lies between
    two places is shared by them. Sums are blurred by that: ``total`` itself is always in."""
    low, width = float(values.min()), float(np.ptp(values))
    mean = float(chances @ values)
    spread = math.sqrt(units * max(float(chances @ values**2) - mean**2, 0.0))
    window = min(units * width, 2 * (REACH * spread + width + abs(total - units * mean)))
    often = float(values[chances.argmax()])
    apart = max(often - low, low + width - often)
    step = apart / max(1, math.floor(apart * (GRID - 4) / window))
    low = often - step * math.ceil((often - low) / step - 1e-9)
    index, part = np.divmod((values - low) / step + 1e-9, 1.0)
    part = np.where(part < 2e-9, 0.0, part)
    places, long = index.astype(np.intp), max(GRID, int(index.max()) + 2)
    summed = _power(_laid(places, chances * (1 - part), long) + _laid(places + 1, chances * part, long), units)
    whole = window >= units * width  # then nothing begins again at the start
    first = 0 if whole else math.floor(max(units * (mean - low) - window / 2, 0.0) / step)
    positions = (first + np.arange(len(summed))) * step + units * low
    summed = np.roll(summed, -(first % len(summed)))
    between = float(chances @ (part * (1 - part)))
    blur = step * (min(units, 3 + BLURS * math.sqrt(units * between)) if between > 0 else 0.25)
    return _share(summed[positions >= total - blur] if upper else summed[positions <= total + blur])


def _laid(places: NDArray[np.intp], chances: Array, long: int) -> Array:
    """Probabilities of places 0 to ``long``, and on to the next power of two."""
    return np.asarray(np.bincount(places, chances, minlength=1 << max(1, (long - 1).bit_length())), dtype=float)


def _power(once: Array, units: int) -> Array:
    """Convolved with itself; what runs over the end begins again at the start. Squared and squared again: numpy's powers of
    complex numbers take ten times as long."""
    squared, found = np.fft.rfft(once), np.ones(len(once) // 2 + 1, dtype=complex)
    while units:
        if units % 2:
            found = found * squared
        squared, units = squared * squared, units // 2
    return np.asarray(np.fft.irfft(found, len(once)), dtype=float)


def _share(part: Array) -> float:
    return min(1.0, max(0.0, float(part.sum())))


def subsets(values: Array) -> tuple[Array, Array] | None:
    """What the sum over a random half of the units can be, and how probable each sum is; None where the values have no common
    step, or too many sums."""
    step = step_of(values)
    if step is None:
        return None
    whole = np.rint(values / step).astype(np.intp)
    kinds, counts = np.unique(whole[whole != 0], return_counts=True)
    if int(np.abs(kinds * counts).sum()) * int((counts + 1).sum()) > EXACT_TERMS:
        return None
    summed = np.ones(1)
    for kind, count in zip(np.abs(kinds).tolist(), counts.tolist(), strict=True):
        wider, taken = np.zeros(len(summed) + kind * count), binom.pmf(np.arange(count + 1), count, 0.5)
        for first in range(min(kind, len(summed))):  # sums that are ``kind`` apart mix with each other alone
            own = summed[first::kind]
            wider[first::kind][: len(own) + count] = np.convolve(own, taken)
        summed = wider
    lowest = int((kinds * counts)[kinds < 0].sum())
    return np.asarray(step * (lowest + np.arange(len(summed))), dtype=float), summed


def flips_bound(values: Array, total: float) -> float:
    """Never less than P(the sum of ``values`` with random signs is ``total`` or more)."""
    sizes = np.abs(values[values != 0])
    if total <= 0 or len(sizes) == 0:
        return 1.0
    if total >= float(sizes.sum()) * (1 - 1e-12):
        return float(0.5 ** len(sizes))
    scale = float(sizes.max())
    sizes, total = sizes / scale, total / scale

    def slope(strength: float) -> float:
        return float(sizes @ np.tanh(strength * sizes)) - total

    far = 1.0
    while slope(far) < 0 and far < 1e6:
        far *= 2
    strength = float(brentq(slope, 0.0, far)) if slope(far) > 0 else far
    bent = strength * sizes
    return min(1.0, math.exp(float((bent + np.log1p(np.exp(-2 * bent)) - math.log(2)).sum()) - strength * total))
