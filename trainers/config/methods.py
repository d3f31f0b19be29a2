"""``method`` and its table: which weights are trained, in which form."""

from __future__ import annotations

import math
from collections.abc import Iterable

from harness.records import Record
from trainers.config.complaints import Complaint, Range, ranges

LARGEST_RANK = 512  # the largest max_lora_rank that vLLM knows


class LoraConfig(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Low-rank adapters. ``targets``: ``all-linear``, or names of linear layers such as ``["q_proj", "v_proj"]``."""

    r: int = 16
    alpha: float = 32.0
    dropout: float = 0.0
    targets: str | tuple[str, ...] = "all-linear"


def complaints(lora: LoraConfig) -> Iterable[Complaint]:
    """(where, what) of everything that types alone do not catch."""
    yield from ranges(
        Range("lora.r", lora.r, 1 <= lora.r <= LARGEST_RANK, f"a rank from 1 to {LARGEST_RANK} (the largest that vLLM serves)"),
        Range("lora.alpha", lora.alpha, 0 < lora.alpha < math.inf, "a positive number"),
        Range("lora.dropout", lora.dropout, 0 <= lora.dropout < 1, "a share from 0 to below 1"),
    )
    if isinstance(lora.targets, str) and lora.targets != "all-linear":
        yield "lora.targets", f'expected "all-linear" or a list of layer names, found {lora.targets!r}'
