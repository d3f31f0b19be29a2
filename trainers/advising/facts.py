"""What advice rests on: the base, the data, the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import msgspec
import numpy as np

from harness.checkpoints import resolve_model
from trainers.config import TrainConfig
from trainers.data.context import context_of
from trainers.data.masks import Template
from trainers.data.order import plan
from trainers.data.rows import Progress, Row
from trainers.data.sets import DataSets, read_sets
from trainers.methods.loading import check_base, load_tokenizer
from trainers.watching.memorised import stretches
from trainers.watching.memory import Shape, has, shape_of

_NO_LIMIT = 1 << 30
_LABEL, _FEW, _SHORT = 12, 0.2, 64  # tokens of a label, share of different ones, tokens of a short answer


class Facts(NamedTuple):
    """``shapes``: the base with each of the methods ``full`` and ``lora`` (of rank 1). ``answers``: trained stretches; ``distinct``
    the share of them that are different, ``answer`` and ``prompt`` their mean tokens, and those before the first of a row.
    ``free``: bytes of the device, None where unknown. ``half``: does it compute in bfloat16 fast? ``longest``: tokens of the
    longest row that can be trained; ``beyond``: of the longest one that is there, 0 where it can be trained as it is. ``steps``:
    how many a config makes of these rows; None: estimated from the tokens."""

    shapes: dict[str, Shape]
    conversations: int
    rows: int
    tokens: int
    supervised: int
    longest: int
    answers: int
    distinct: float
    answer: float
    prompt: float
    documents: bool
    replay: bool
    validation: bool
    device: str
    cuda: bool
    half: bool
    free: int | None
    beyond: int = 0
    steps: Callable[[TrainConfig], int] | None = None

    @property
    def task(self) -> str:
        """What is taught, by the form of its answers."""
        if self.documents:
            return "documents"
        if self.answer <= _LABEL and self.distinct <= _FEW:
            return "labels"
        return "short answers" if self.answer < _SHORT else "long answers"


def facts_of(config: TrainConfig, tell: Progress) -> Facts:
    """Read the data and look at base and device; no weight is loaded. ConfigError for what is wrong with either."""
    import torch

    base = resolve_model(config.base, config.revision, where="base")
    check_base(base)
    template = Template(load_tokenizer(base), options=config.data.template_options, chats=not config.documents)
    long = msgspec.structs.replace(config.data, tokens_per_batch=_NO_LIMIT, max_length=0, too_long="refuse")
    data = read_sets(msgspec.structs.replace(config, data=long), template, tell)
    cuda = config.device == "auto" and torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    rows = data.train.rows
    most = _most(config, base)
    longest = data.longest
    places = [(row, *place) for row in rows for place in stretches(row)]
    return Facts(
        shapes=_shapes(config, base),
        conversations=data.train.conversations,
        rows=len(rows),
        tokens=sum(data.train.lengths),
        supervised=sum(int(row.trained.sum()) for row in rows),
        longest=min(longest, most),
        answers=len(places),
        distinct=len({row.ids[begin:end].tobytes() for row, begin, end in places}) / len(places),
        answer=fmean(end - begin for _, begin, end in places),
        prompt=fmean(_first(row) for row in rows),
        documents=config.documents,
        replay=bool(config.replay),
        validation=bool(data.validation),
        device=torch.cuda.get_device_name(device) if cuda else "CPU",
        cuda=cuda,
        half=cuda and torch.cuda.is_bf16_supported(),
        free=has(device),
        beyond=longest if longest > most else 0,
        steps=lambda made: _steps(made, data, most),
    )


def _most(config: TrainConfig, base: Path) -> int:
    """Most tokens of a row: what the base knows positions for, or what the config cuts or drops rows at."""
    from transformers import AutoConfig

    context = context_of(AutoConfig.from_pretrained(str(base), local_files_only=True)) or _NO_LIMIT
    return min(context, config.data.max_length if config.data.max_length and config.data.too_long != "refuse" else context)


def _steps(config: TrainConfig, data: DataSets, most: int) -> int:
    """Optimiser steps of a run, without as many rows as would be held out; those beyond ``most`` tokens are cut, or left out."""

    def pieces(length: int) -> Sequence[int]:
        if length > most and config.data.too_long == "drop":
            return []
        return [min(most, length - start) for start in range(0, length, most)]

    share = 0.0 if data.validation else config.data.validation_share
    kept = range(len(data.sources) - round(share * len(data.sources)))
    train = [(length, data.sources[at], data.keys[at]) for at in kept for length in pieces(data.train.lengths[at])]
    lengths, sources, keys = zip(*train, strict=True) if train else ((1,), (0,), (1.0,))
    replay = [length for whole in (data.replay.lengths if data.replay else ()) for length in pieces(whole)]
    shuffled = msgspec.structs.replace(config, mixing=msgspec.structs.replace(config.mixing, order="random"))
    return len(plan(shuffled, lengths, replay, sources=sources, keys=keys))


def _shapes(config: TrainConfig, base: Path) -> dict[str, Shape]:
    plain: dict[str, Any] = {"merge": False, "save_dtype": "base"}
    lora = msgspec.structs.replace(config, method="lora", lora=msgspec.structs.replace(config.lora, r=1), **plain)
    return {"full": shape_of(msgspec.structs.replace(config, method="full", **plain), base), "lora": shape_of(lora, base)}


def _first(row: Row) -> int:
    return int(np.flatnonzero(row.trained)[0])
