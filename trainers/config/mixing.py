"""``[mixing]``: how much of what an epoch holds, in which order, and how much each row counts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

from harness.records import Record
from trainers.config.complaints import Complaint, Range, ranges
from trainers.config.data import DataConfig


class MixingConfig(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The mixture. Without any key: every training row once per epoch, in random order, all tokens alike.

    ``repeats`` says how often an epoch goes through a file (or folder) of ``data.train``: 3 for three times, 0.5 for another half
    of it in each epoch (1 where it is not named). ``shares`` says instead what part of an epoch's tokens each of them gets, in
    parts that need not sum to 1; all are named, and an epoch has about as many tokens as all files together. Either way epochs walk
    on through one shuffled circle of a file's rows, so that about all of them are seen before any is seen again.

    ``order`` is a curriculum, in every epoch: rows as they are ``given``, short before long (``length``), by the number under
    ``order_field`` of each row (``field``), or easy before hard by the base's own nats per trained token (``loss``); ties are
    shuffled. Replay rows are spread evenly among them. ``review_ratio`` adds replay rows after the last epoch, so many of their
    tokens per token of ``data.train``.

    ``weight_field`` names the number that each training row's loss is multiplied by; ``balance_field`` a class of which each gets
    the same weight in total (inverse frequency, counted in trained tokens). The weights are scaled so that their mean over the
    trained tokens of the training rows is 1: they say how much rows count against each other, and change no learning rate.
    ``prompt_weight`` is the weight of tokens that are not the assistant's (Huerta-Enochian 2024, arXiv 2401.13586: 0.01 to 0.5 for
    short answers). Losses that are reported are those of answers, without any of these weights.
    """

    repeats: dict[str, float] = {}
    shares: dict[str, float] = {}
    order: Literal["random", "given", "length", "field", "loss"] = "random"
    order_field: str = ""
    review_ratio: float = 0.0
    weight_field: str = ""
    balance_field: str = ""
    prompt_weight: float = 0.0


def complaints(mixing: MixingConfig, data: DataConfig, *, files: Sequence[str], documents: bool) -> Iterable[Complaint]:
    """(where, what) of everything that types alone do not catch. ``files``: those of ``data.train``; ``documents``: are they, and
    all others, plain text?"""
    yield from ranges(
        Range("mixing.prompt_weight", mixing.prompt_weight, 0 <= mixing.prompt_weight <= 1, "0 (off) to 1"),
        Range("mixing.review_ratio", mixing.review_ratio, 0 <= mixing.review_ratio < math.inf, "0 (off) or more"),
    )
    yield from _sources(mixing, files)
    if mixing.order_field and mixing.order != "field":
        yield "mixing.order_field", f'is given, but mixing.order is "{mixing.order}". Set it to "field", or remove this.'
    if mixing.order == "field" and not mixing.order_field:
        yield "mixing.order_field", "is missing: name the number in each row that rows are ordered by."
    if mixing.order == "given" and (mixing.repeats or mixing.shares):
        yield "mixing.order", 'is "given", but rows are drawn by mixing.repeats or mixing.shares. Remove one of them.'
    if mixing.review_ratio and not data.replay:
        yield "mixing.review_ratio", f"is {mixing.review_ratio}, but data.replay names no file. Name one, or remove it."
    if mixing.prompt_weight and documents:
        yield "mixing.prompt_weight", "is given, but plain text has no prompts: it would do nothing. Remove it."
    for key, value in (("turns", "last"), ("too_long", "cut")):
        if mixing.prompt_weight and getattr(data, key) == value:
            yield (
                "mixing.prompt_weight",
                f'is given, but with data.{key} = "{value}" answers that are not trained stand in prompts, and would be trained '
                "as such. Remove one of them.",
            )


def _sources(mixing: MixingConfig, files: Sequence[str]) -> Iterable[Complaint]:
    if mixing.repeats and mixing.shares:
        yield "mixing.shares", "is given beside mixing.repeats, and both say how much of a file is trained. Remove one of them."
    for key, table in (("repeats", mixing.repeats), ("shares", mixing.shares)):
        for path, value in table.items():
            if path not in files:
                yield f"mixing.{key}", f"names {path}, which is not of data.train. Known: {', '.join(files)}"
            yield from ranges(Range(f"mixing.{key}[{path!r}]", value, 0 < value < math.inf, "a positive number"))
        if table and len(set(files)) < len(files):
            yield f"mixing.{key}", "is given, but data.train names a file twice. Name it once."
    if missing := [path for path in files if mixing.shares and path not in mixing.shares]:
        yield "mixing.shares", f"does not say how much of {', '.join(missing)}. Name every file of data.train."
