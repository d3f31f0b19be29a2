"""``[objective]``: what the loss is made of, beside the negative log-likelihood of trained tokens."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

from harness.records import Record
from trainers.config.complaints import Complaint, Range, ranges


class ObjectiveConfig(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The loss. Without any key: nats per trained token.

    ``loss`` says how a token's nats count: as they are (``nll``), ``(1 - p)^gamma`` times as much (``focal``, Lin 2017; gamma 2),
    or p times as much, p not being differentiated (``dft``, Wu 2025, arXiv 2508.05629). ``label_smoothing`` spreads that share of
    each target over the whole vocabulary (Szegedy 2016). ``neftune`` is the alpha of uniform noise on the embeddings of each row,
    alpha / sqrt(tokens of the row x width) (Jain 2023, arXiv 2310.05914; 5 is usual).

    What keeps the model near its base: ``kl`` nats of KL(base || model) per nat of loss, on all trained tokens or on those of
    replay rows only (``kl_on``); ``ewc`` counts the rise of the loss on ``ewc_data`` (files as in ``data.train``), as the diagonal
    Fisher information of the base foresees it (Kirkpatrick 2017), ``ewc_rows`` of its rows are looked at (0: all). The diagonal
    knows nothing of weights that move together and foresees too little: strengths of hundreds are usual. ``l2_sp`` is half a
    squared distance from the base (Li 2018). An adapter's base is the model without it; a full fine-tune keeps a second
    model for ``kl``.

    ``head_chunk`` is how many tokens go through the LM head at once (0: all of a batch); by default 1024 where that is proved to
    change nothing, else all.
    """

    loss: Literal["nll", "focal", "dft"] = "nll"
    gamma: float | None = None
    label_smoothing: float = 0.0
    neftune: float = 0.0
    kl: float = 0.0
    kl_on: Literal["all", "replay"] = "all"
    ewc: float = 0.0
    ewc_data: str | tuple[str, ...] = ()
    ewc_rows: int = 0
    l2_sp: float = 0.0
    head_chunk: int | None = None

    @property
    def general(self) -> tuple[str, ...]:
        """The files whose loss EWC guards."""
        return (self.ewc_data,) if isinstance(self.ewc_data, str) else self.ewc_data

    @property
    def exponent(self) -> float:
        """Gamma of the focal loss."""
        return 2.0 if self.gamma is None else self.gamma


def complaints(objective: ObjectiveConfig, *, replay: bool) -> Iterable[Complaint]:
    """(where, what) of everything that types alone do not catch; ``replay``: are there replay rows?"""
    gamma, chunk = objective.exponent, objective.head_chunk
    yield from ranges(
        Range("objective.gamma", gamma, 0 < gamma < math.inf, "a positive number"),
        Range("objective.label_smoothing", objective.label_smoothing, 0 <= objective.label_smoothing < 1, "a share below 1"),
        Range("objective.neftune", objective.neftune, 0 <= objective.neftune < math.inf, "0 (off) or more"),
        Range("objective.kl", objective.kl, 0 <= objective.kl < math.inf, "0 (off) or more"),
        Range("objective.ewc", objective.ewc, 0 <= objective.ewc < math.inf, "0 (off) or more"),
        Range("objective.ewc_rows", objective.ewc_rows, objective.ewc_rows >= 0, "0 (all) or more"),
        Range("objective.l2_sp", objective.l2_sp, 0 <= objective.l2_sp < math.inf, "0 (off) or more"),
        Range("objective.head_chunk", chunk or 0, (chunk or 0) >= 0, "0 (all at once) or more"),
    )
    if objective.gamma is not None and objective.loss != "focal":
        yield "objective.gamma", f'is the exponent of the focal loss, but objective.loss is "{objective.loss}". Remove one of them.'
    if objective.label_smoothing and objective.loss != "nll":
        yield (
            "objective.label_smoothing",
            f'goes with objective.loss = "nll" only, found "{objective.loss}". Remove one of them.',
        )
    if objective.kl_on == "replay" and not objective.kl:
        yield "objective.kl_on", "says where the KL to the base counts, but objective.kl is 0. Set objective.kl, such as 0.1."
    if objective.kl_on == "replay" and not replay:
        yield "objective.kl_on", 'is "replay", but there are no replay rows. Set data.replay and data.replay_ratio.'
    if objective.ewc and not objective.general:
        yield "objective.ewc_data", "is missing: EWC needs rows of what should not be forgotten. Name a file of them."
    for key, given in (("ewc_data", bool(objective.general)), ("ewc_rows", objective.ewc_rows > 0)):
        if given and not objective.ewc:
            yield f"objective.{key}", "is given, but objective.ewc is 0. Set objective.ewc (1: as the loss itself counts)."
