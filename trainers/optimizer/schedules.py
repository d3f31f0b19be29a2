"""Learning rates as a function of progress."""

from __future__ import annotations

import math
from typing import Literal


def rate_at(
    step: int,
    total: int,
    *,
    peak: float,
    schedule: Literal["cosine", "linear", "constant"],
    warmup: float = 0.0,
    final: float = 0.0,
) -> float:
    """The learning rate of optimiser step ``step`` (0-based) of ``total``.

    Rises linearly over the first ``warmup`` share of the steps and reaches ``peak`` at the first step after it; then stays, or
    falls to ``final`` x ``peak`` at ``total`` (which no step reaches, so that the last step still learns).
    """
    ramp = math.ceil(warmup * total)
    if step < ramp:
        return peak * (step + 1) / (ramp + 1)
    if schedule == "constant":
        return peak
    left = 1.0 - (step - ramp) / max(1, total - ramp)
    share = left if schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * (1.0 - left)))
    return peak * (final + (1.0 - final) * share)
