"""``[optimizer]``: what moves the weights, how fast and for how long."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Literal

from harness.records import Record
from trainers.config.complaints import Complaint, Range, ranges

DEFAULT_BETAS, DEFAULT_EPSILON = (0.9, 0.999), 1e-8


class OptimizerConfig(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What moves the weights. ``learning_rate`` 0 stands for 1e-5 (full) or 1e-4 (LoRA). ``steps`` > 0 overrides ``epochs``.

    ``kind``: ``adamw``; ``adafactor`` (transformers', without relative steps: its rate means what AdamW's does; second moments
    of matrices in rows and columns); ``adamw8bit`` (bitsandbytes, CUDA only). ``weights`` ``bf16`` trains the weights of a full
    fine-tune in bfloat16 without float32 masters, rounding stochastically: 8 bytes a weight instead of 16.

    ``schedule``: ``cosine`` and ``linear`` fall to ``final_ratio`` of the peak at the end; ``constant`` stays; ``wsd`` stays and
    then falls over the last ``decay_ratio`` of the steps (0.1) as 1 - sqrt (Hägele 2024, arXiv 2405.18392); ``multistep`` is
    multiplied with ``factor`` (0.1) at each of ``milestones``, shares of all steps. All rise first, over ``warmup_steps`` steps or
    the share ``warmup_ratio`` of them (0.03 where neither is given).

    ``clip`` is the largest norm of a gradient (0: off). One step sees ``accumulation`` micro-batches (per process), normalised by
    the weights of their tokens together.
    """

    kind: Literal["adamw", "adafactor", "adamw8bit"] = "adamw"
    weights: Literal["float32", "bf16"] = "float32"
    learning_rate: float = 0.0
    schedule: Literal["cosine", "linear", "constant", "wsd", "multistep"] = "cosine"
    warmup_ratio: float | None = None
    warmup_steps: int = 0
    final_ratio: float = 0.0
    decay_ratio: float | None = None
    milestones: tuple[float, ...] = ()
    factor: float | None = None
    weight_decay: float = 0.0
    betas: tuple[float, float] = DEFAULT_BETAS
    epsilon: float = DEFAULT_EPSILON
    clip: float = 1.0
    epochs: float = 3.0
    steps: int = 0
    accumulation: int = 1

    def warmup(self, total: int) -> int:
        """Steps of a run of ``total`` over which the rate rises."""
        return self.warmup_steps or math.ceil((0.03 if self.warmup_ratio is None else self.warmup_ratio) * total)

    @property
    def decayed(self) -> float:
        """The share of all steps over which ``wsd`` falls."""
        return 0.1 if self.decay_ratio is None else self.decay_ratio


def complaints(optimizer: OptimizerConfig) -> Iterable[Complaint]:
    """(where, what) of everything that types alone do not catch."""
    betas, rising = optimizer.betas, optimizer.warmup_ratio or 0.0
    yield from ranges(
        Range("optimizer.learning_rate", optimizer.learning_rate, 0 <= optimizer.learning_rate < math.inf, "0 (by method) or more"),
        Range("optimizer.warmup_ratio", rising, 0 <= rising <= 1, "a share between 0 and 1"),
        Range("optimizer.warmup_steps", optimizer.warmup_steps, optimizer.warmup_steps >= 0, "0 (by warmup_ratio) or more"),
        Range("optimizer.final_ratio", optimizer.final_ratio, 0 <= optimizer.final_ratio <= 1, "a share between 0 and 1"),
        Range("optimizer.decay_ratio", optimizer.decayed, 0 < optimizer.decayed <= 1, "a share above 0, at most 1"),
        Range("optimizer.factor", optimizer.factor or 0.1, 0 < (optimizer.factor or 0.1) < 1, "a number between 0 and 1"),
        Range("optimizer.weight_decay", optimizer.weight_decay, 0 <= optimizer.weight_decay < math.inf, "0 or more"),
        Range("optimizer.betas[0]", betas[0], 0 <= betas[0] < 1, "a number from 0 to below 1"),
        Range("optimizer.betas[1]", betas[1], 0 <= betas[1] < 1, "a number from 0 to below 1"),
        Range("optimizer.epsilon", optimizer.epsilon, 0 < optimizer.epsilon < math.inf, "a positive number"),
        Range("optimizer.clip", optimizer.clip, 0 <= optimizer.clip < math.inf, "0 (off) or more"),
        Range("optimizer.epochs", optimizer.epochs, 0 < optimizer.epochs < math.inf, "a positive number"),
        Range("optimizer.steps", optimizer.steps, optimizer.steps >= 0, "0 (by epochs) or more"),
        Range("optimizer.accumulation", optimizer.accumulation, optimizer.accumulation >= 1, "1 or more"),
    )
    yield from _schedule(optimizer)
    if optimizer.kind == "adafactor":
        for key, given in (("betas", betas != DEFAULT_BETAS), ("epsilon", optimizer.epsilon != DEFAULT_EPSILON)):
            if given:
                yield f"optimizer.{key}", "is given, but Adafactor has none. Remove it."
    if optimizer.weights == "bf16" and optimizer.kind != "adamw":
        yield "optimizer.weights", f'is "bf16", but only adamw rounds stochastically, found kind = "{optimizer.kind}".'


def _schedule(optimizer: OptimizerConfig) -> Iterable[Complaint]:
    """Settings of another schedule than the one that is wanted, and those that are missing."""
    named = f'with optimizer.schedule = "{optimizer.schedule}"'
    if optimizer.warmup_steps and optimizer.warmup_ratio is not None:
        yield "optimizer.warmup_steps", "and optimizer.warmup_ratio say the same thing twice. Remove one of them."
    if optimizer.final_ratio and optimizer.schedule in ("constant", "multistep"):
        yield "optimizer.final_ratio", f"is {optimizer.final_ratio}, but {named} no rate falls to it. Remove it."
    if optimizer.decay_ratio is not None and optimizer.schedule != "wsd":
        yield "optimizer.decay_ratio", f'is given, but {named} it would do nothing. Set "wsd", or remove it.'
    if optimizer.schedule == "wsd" and (optimizer.warmup_ratio or 0) + optimizer.decayed > 1:
        yield "optimizer.decay_ratio", f"{optimizer.decayed} and warmup_ratio {optimizer.warmup_ratio} are more than all steps"
    if optimizer.schedule == "multistep" and not optimizer.milestones:
        yield "optimizer.milestones", "is missing: shares of all steps, such as [0.5, 0.75]"
    for key, given in (("milestones", bool(optimizer.milestones)), ("factor", optimizer.factor is not None)):
        if given and optimizer.schedule != "multistep":
            yield f"optimizer.{key}", f'is given, but {named} it would do nothing. Set "multistep", or remove it.'
    if not all(0 < share < 1 for share in optimizer.milestones) or any(a >= b for a, b in pairwise(optimizer.milestones)):
        yield "optimizer.milestones", f"expected rising shares between 0 and 1, found {list(optimizer.milestones)}"
