"""``[optimizer]``: what moves the weights, how fast and for how long."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

from harness.records import Record
from trainers.config.complaints import Complaint, Range, ranges


class OptimizerConfig(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """AdamW. ``learning_rate`` 0 stands for 1e-5 (full) or 1e-4 (LoRA). ``steps`` > 0 overrides ``epochs``.

    ``warmup_ratio`` is a share of all steps; the rate ends at ``final_ratio`` of its peak. ``clip`` 0 is off. One optimiser step
    sees ``accumulation`` micro-batches (per process), normalised by their supervised tokens together.
    """

    learning_rate: float = 0.0
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup_ratio: float = 0.03
    final_ratio: float = 0.0
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    clip: float = 1.0
    epochs: float = 3.0
    steps: int = 0
    accumulation: int = 1


def complaints(optimizer: OptimizerConfig) -> Iterable[Complaint]:
    """(where, what) of everything that types alone do not catch."""
    betas = optimizer.betas
    return ranges(
        Range("optimizer.learning_rate", optimizer.learning_rate, 0 <= optimizer.learning_rate < math.inf, "a positive number"),
        Range("optimizer.warmup_ratio", optimizer.warmup_ratio, 0 <= optimizer.warmup_ratio <= 1, "a share between 0 and 1"),
        Range("optimizer.final_ratio", optimizer.final_ratio, 0 <= optimizer.final_ratio <= 1, "a share between 0 and 1"),
        Range("optimizer.weight_decay", optimizer.weight_decay, 0 <= optimizer.weight_decay < math.inf, "0 or more"),
        Range("optimizer.betas[0]", betas[0], 0 <= betas[0] < 1, "a number from 0 to below 1"),
        Range("optimizer.betas[1]", betas[1], 0 <= betas[1] < 1, "a number from 0 to below 1"),
        Range("optimizer.epsilon", optimizer.epsilon, 0 < optimizer.epsilon < math.inf, "a positive number"),
        Range("optimizer.clip", optimizer.clip, 0 <= optimizer.clip < math.inf, "0 (off) or more"),
        Range("optimizer.epochs", optimizer.epochs, 0 < optimizer.epochs < math.inf, "a positive number"),
        Range("optimizer.steps", optimizer.steps, optimizer.steps >= 0, "0 (by epochs) or more"),
        Range("optimizer.accumulation", optimizer.accumulation, optimizer.accumulation >= 1, "1 or more"),
    )
