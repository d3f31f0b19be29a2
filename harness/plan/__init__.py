"""How much a suite can see: starting values for power, from the normal approximation (STATISTICS §5).

These are for the print-out before asking, where nothing is known yet but the number of items; the verdict itself never uses them.
"""

from __future__ import annotations

import math
from statistics import NormalDist

_NORMAL = NormalDist()


def detectable_loss(items: int, *, discordance: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """Smallest margin that a harmless candidate passes with ``power``: (z_{1−α} + z_power)·√(p_d/n), as a share of 1."""
    if items < 1:
        return math.inf
    return (_NORMAL.inv_cdf(1 - alpha) + _NORMAL.inv_cdf(power)) * math.sqrt(discordance / items)


def pass_probability(items: int, margin: float, *, discordance: float, alpha: float = 0.05) -> float:
    """P(a non-inferiority rule passes) when the candidate is exactly as good as the baseline: Φ(m·√(n/p_d) − z_{1−α})."""
    if items < 1:
        return 0.0
    return _NORMAL.cdf(margin * math.sqrt(items / discordance) - _NORMAL.inv_cdf(1 - alpha))
