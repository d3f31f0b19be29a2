"""Learning rates as a function of progress."""

from __future__ import annotations

import math

from harness.errors import ConfigError
from trainers.config import OptimizerConfig


def rates(total: int, *, peak: float, settings: OptimizerConfig) -> list[float]:
    """The learning rate of each of ``total`` optimiser steps. ConfigError where the warm-up is longer than the run, or
    leaves too little of it for the decay that ``wsd`` is asked for."""
    ramp = settings.warmup(total)
    if ramp > total:
        raise ConfigError(
            f"{ramp} steps of warm-up are more than the {total} steps of this run. Lower it, or train for longer.",
            where="optimizer.warmup_steps",
        )
    if settings.schedule == "wsd" and settings.warmup_steps and ramp + settings.decayed * total > total + 1e-9:
        raise ConfigError(
            f"{ramp} steps of warm-up and a decay over {settings.decayed:g} of the {total} steps of this run "
            "(optimizer.decay_ratio) are more than all of them. Lower one, or train for longer.",
            where="optimizer.warmup_steps",
        )
    return [peak * share_at(step, total, ramp, settings) for step in range(total)]


def share_at(step: int, total: int, ramp: int, settings: OptimizerConfig) -> float:
    """The share of the peak at step ``step`` (0-based) of ``total``.

    Rises linearly over ``ramp`` steps and reaches the peak at the first step after them; then goes as ``settings.schedule`` says.
    What falls reaches ``final_ratio`` at ``total``, which no step does, so that the last step still learns.
    """
    if step < ramp:
        return (step + 1) / (ramp + 1)
    if settings.schedule == "constant":
        return 1.0
    if settings.schedule == "multistep":
        passed = sum(step >= share * total for share in settings.milestones)
        return float((0.1 if settings.factor is None else settings.factor) ** passed)
    if settings.schedule == "wsd":
        falling = min(total - ramp, math.ceil(settings.decayed * total))
        left = 1.0 - math.sqrt(max(0, step - (total - falling)) / max(1, falling))
    else:
        left = 1.0 - (step - ramp) / max(1, total - ramp)
    share = 0.5 * (1.0 - math.cos(math.pi * left)) if settings.schedule == "cosine" else left
    return settings.final_ratio + (1.0 - settings.final_ratio) * share
