"""How many digits a number gets, in the gate's sentences and in every report: enough to stand on its side of what decided."""

from __future__ import annotations

import math

MINUS = "−"
MOST_DECIMALS = 6


def fixed(value: float, decimals: int) -> str:
    """``value`` with a true minus sign and without a negative zero."""
    text = f"{value:.{decimals}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def places(value: float, digits: int = 3) -> int:
    """Decimals that give about so many significant digits."""
    return digits - 1 if value == 0 else min(MOST_DECIMALS, max(0, digits - 1 - math.floor(math.log10(abs(value)))))


def apart(value: float, bounds: tuple[float, ...], start: int, most: int = MOST_DECIMALS) -> int:
    """The fewest decimals, from ``start``, at which ``value`` still differs from every bound that it really differs from."""
    for decimals in range(start, most + 1):
        if all(abs(value - bound) < 1e-9 or fixed(value, decimals) != fixed(bound, decimals) for bound in bounds):
            return decimals
    return max(start, most)


def exact(value: float, start: int, most: int = MOST_DECIMALS) -> int | None:
    """The decimals, from ``start``, that somebody wrote a value with: a margin of 1.25 is not 1.2. None where it has more."""
    return next((decimals for decimals in range(start, most) if abs(round(value, decimals) - value) < 1e-9), None)
