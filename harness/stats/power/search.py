"""The smallest number of items, margin, gain or loss at which a rule passes often enough."""

from __future__ import annotations

from collections.abc import Callable

from scipy.special import ndtri

Reached = Callable[[float, float | None], bool]
"""Whether a point of a search does, at a critical value of Tango's statistic (None: the deployed test's own)."""

Critical = Callable[[float], float | None]

FINE = 1 / 200
"""How finely is searched, as a share of what is found."""
NEAR = 0.002
"""A power that is above the one asked for by no more is near enough."""


def stepped(
    reached: Reached, critical_at: Critical, *, start: float, ceiling: float, width: Callable[[float], float]
) -> float | None:
    """The smallest point that does. The critical value of the exact test is dear, and changes slowly from point to point: every
    round of the search takes that of where the last one ended. In the end it is the deployed test that must be satisfied."""
    found, critical = start, critical_at(start)
    for _ in range(4):
        low, high, step = 0.0, found, 1.03
        while not reached(high, critical):
            if high >= ceiling:
                return None
            low, high, step = high, min(ceiling, high * step + 1e-9), min(1.3, step**2)
        while low == 0.0 and high > width(high) and step < 1e3:
            lower = high / step
            low, high, step = (low, lower, step**2) if reached(lower, critical) else (lower, high, step)
        while high - low > width(high):
            middle = (low + high) / 2
            low, high = (low, middle) if reached(middle, critical) else (middle, high)
        before, found, last = found, high, critical
        critical = critical_at(found)
        if critical == last or abs(found - before) <= 1.5 * width(found):
            break
    while not reached(found, None):
        found += 2 * width(found)
        if found >= ceiling:
            return None
    return found


def crossing(
    power_at: Callable[[float], float], power: float, alpha: float, *, start: float, ceiling: float, least: float, root: bool
) -> float | None:
    """The smallest point from which on ``power_at`` is ``power`` or more; None where it is not even at the ``ceiling``.

    As for a normal statistic, the quantiles of power and level together are taken to grow with the point (``root``: with its root),
    until it lies between two; then they are taken for a line. ``least``: no finer than that.
    """
    level, target = float(ndtri(1 - alpha)), float(ndtri(power))

    def height(at: float) -> float:
        return float(ndtri(min(max(power_at(at), 1e-4), 1 - 1e-4))) - target

    low, high, at = (0.0, -level - target), (ceiling, -1.0), min(start, ceiling)
    for _ in range(60):
        found = height(at)
        if found >= 0:
            high = (at, found)
        elif at >= ceiling:
            return None
        else:
            low = (at, found)
        if high[1] >= 0 and (high[0] - low[0] <= max(least, FINE * high[0]) or high[1] <= NEAR):
            break
        if high[1] < 0 or low[0] == 0.0:
            ratio = (level + target) / max(level + target + found, 0.1)
            at = min(at * min(max((ratio**2 if root else ratio) * (1.02 if found < 0 else 0.98), 0.3), 3.0), ceiling)
        else:
            share = min(max(-low[1] / (high[1] - low[1]), 0.1), 0.9)
            at = low[0] + share * (high[0] - low[0])
    return high[0]
