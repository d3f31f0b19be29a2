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
from harness.stats.power import Design, binary_items, binary_mde
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
    @property
    def churn(self) -> float | None:
        """How many items' worth would change were both sides equally good: of what was seen the part that cancels, twice the
        smaller of won and lost, and one item more; None where an item has no largest change."""
        ...

    def design(self, churn: float | None = None) -> Design | None:
        """Another comparison like this one, in which as much changes as here, or ``churn``: what power is asked of, here and in a
        plan. None where nothing can be said."""
        ...

    def mde(self, alpha: float, power: float = 0.8, margin: float = 0.0) -> float | None:
        """The smallest true loss of which a one-sided test at ``alpha`` would have proven, with probability ``power``, that it is
        beyond ``margin``."""
        ...

    def items_needed(self, delta: float, alpha: float, power: float = 0.8, *, equal: bool = False) -> int | None:
        """Items to prove a gain above ``delta`` with ``power``, all being as seen here, or both sides ``equal``; None: never."""
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

    @property
    def churn(self) -> float:
        return min(2.0 * min(self.won, self.lost) + 1, float(self.items))

    def design(self, churn: float | None = None) -> Design:
        return Design(self.items, min(1.0, (self.won + self.lost + 1 if churn is None else churn) / self.items))

    def mde(self, alpha: float, power: float = 0.8, margin: float = 0.0) -> float | None:
        return binary_mde(self.won + self.lost, self.items, alpha, power, margin)

    def items_needed(self, delta: float, alpha: float, power: float = 0.8, *, equal: bool = False) -> int | None:
        gain, changed = (0.0, self.churn) if equal else (self.gain, self.won + self.lost)
        return binary_items(changed / self.items, gain, delta, alpha, power)
