"""``[data]``: what is trained on, and how rows become batches."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal

from harness.records import Record
from trainers.config.complaints import Complaint, Range, ranges


class DataConfig(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is trained on.

    ``train`` and ``replay`` are JSONL files of ``messages`` (or ``prompt`` + ``completion``). ``replay_ratio`` is replay tokens per
    token of training data: 0.5 adds half as many, drawn anew each epoch. ``validation`` names its sets (``target``, ``general``);
    a single path stands for ``target``. ``tokens_per_batch`` bounds the real tokens of one micro-batch and ``max_length`` those of
    one row (0: as many as a batch holds); rows beyond are refused, or dropped and counted. ``packing`` lays rows end to end with
    attention inside each row only; without it, rows of similar length are padded (for architectures that packing does not know).
    ``template_options`` go to the chat template, exactly as they must be given when the candidate is asked (``enable_thinking``).
    """

    train: str | tuple[str, ...]
    validation: str | dict[str, str] = {}
    replay: str | tuple[str, ...] = ()
    replay_ratio: float = 0.0
    tokens_per_batch: int = 4096
    max_length: int = 0
    too_long: Literal["refuse", "drop"] = "refuse"
    packing: bool = True
    template_options: dict[str, Any] = {}


def complaints(data: DataConfig) -> Iterable[Complaint]:
    """(where, what) of everything that types alone do not catch."""
    yield from ranges(
        Range("data.replay_ratio", data.replay_ratio, 0 <= data.replay_ratio < math.inf, "0 or more"),
        Range("data.tokens_per_batch", data.tokens_per_batch, data.tokens_per_batch >= 2, "2 or more"),
        Range("data.max_length", data.max_length, data.max_length >= 0, "0 or more"),
    )
    if not data.train:
        yield "data.train", "expected at least one file, found none"
    if data.replay_ratio > 0 and not data.replay:
        yield "data.replay_ratio", f"is {data.replay_ratio}, but data.replay names no file. Name one, or set the ratio to 0."
    if data.replay and not data.replay_ratio:
        yield (
            "data.replay",
            "is given, but data.replay_ratio is 0. Set the ratio (0.5: half as many replay tokens as training tokens).",
        )
    if data.max_length > data.tokens_per_batch:
        yield (
            "data.max_length",
            f"{data.max_length} is more than tokens_per_batch ({data.tokens_per_batch}): such a row fits no batch",
        )
