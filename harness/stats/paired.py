"""What the data say about one paired difference, whatever the kind of metric.

An ``Evidence`` answers three questions: how probable is this under "the gain is not above delta" (or not below it), which gains are
compatible with it, and what could have been seen. All are oriented: a positive gain is better, and a negative one worse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.stats.binary import difference_p, tango_interval
from harness.stats.power import Design, binary_items, binary_mde, items_for
from harness.stats.proportion import Side

Array = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True)
class PValue:
    """A p-value with the name and the parameters of the test that gave it. ``floor``: the smallest it could have been."""

    p: float
    method: str
    parameters: Mapping[str, Any]
    floor: float = 0.0


@dataclass(frozen=True)
class Interval:
    """A two-sided interval at ``level``; ``low`` or ``high`` None where the data cannot bound it, and ``note`` says why."""

    low: float | None
    high: float | None
    level: float
    method: str
    note: str = ""


class Evidence(Protocol):
    """``gain`` oriented, ``units`` independent units (clusters), and the questions above."""

    @property
    def gain(self) -> float: ...
    @property
    def items(self) -> int: ...
    @property
    def units(self) -> int: ...
    def test(self, delta: float, side: Side) -> PValue:
        """Test of the gain against ``delta``; ``side`` is the alternative (``greater``: the gain is above ``delta``)."""
        ...

    def interval(self, level: float) -> Interval: ...
    def mde(self, alpha: float, power: float = 0.8) -> float | None:
        """The smallest true loss that a one-sided test at ``alpha`` would have proven with probability ``power``."""
        ...

    def items_needed(self, distance: float, alpha: float, power: float = 0.8) -> int | None:
        """Items for ``power``, were the true gain ``distance`` away from the border of the hypothesis."""
        ...


@dataclass(frozen=True)
class BinaryPairs:
    """Independent items, right or wrong on both sides: exact McNemar, Tango, exact unconditional."""

    won: int
    lost: int
    items: int

    @property
    def gain(self) -> float:
        return (self.won - self.lost) / self.items

    @property
    def units(self) -> int:
        return self.items

    def test(self, delta: float, side: Side) -> PValue:
        p, method = difference_p(self.won, self.lost, self.items, delta, side)
        discordant = self.won + self.lost
        floor = 0.5**discordant if delta == 0 else 0.0
        return PValue(p, method, {"delta": delta, "side": side, "discordant": discordant}, floor)

    def interval(self, level: float) -> Interval:
        low, high = tango_interval(self.won, self.lost, self.items, level)
        return Interval(low, high, level, "Tango score interval")

    def mde(self, alpha: float, power: float = 0.8) -> float | None:
        return binary_mde(self.won + self.lost, self.items, alpha, power)

    def items_needed(self, distance: float, alpha: float, power: float = 0.8) -> int | None:
        discordance = (self.won + self.lost) / self.items
        if distance > 0 and abs(distance - self.gain) < 1e-12:  # the border is "no difference": McNemar's
            return items_for("superior", Design(1, discordance), self.gain, 0.0, alpha, power)
        return binary_items(discordance, distance, alpha, power)
