"""What advice rests on: the base, the data, the device."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import msgspec
import numpy as np

from harness.checkpoints import resolve_model
from trainers.config import TrainConfig
from trainers.data.masks import Template
from trainers.data.rows import Progress, Row
from trainers.data.sets import read_sets
from trainers.methods.loading import check_base, load_tokenizer
from trainers.watching.memorised import stretches
from trainers.watching.memory import Shape, has, shape_of

_NO_LIMIT = 1 << 30
_LABEL, _FEW, _SHORT = 12, 0.2, 64  # tokens of a label, share of different ones, tokens of a short answer


class Facts(NamedTuple):
    """``shapes``: the base with each of the methods ``full`` and ``lora`` (of rank 1). ``answers``: trained stretches; ``distinct``
    the share of them that are different, ``answer`` and ``prompt`` their mean tokens, and those before the first of a row.
    ``free``: bytes of the device, None where unknown. ``half``: does it compute in bfloat16 fast?"""

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
    places = [(row, *place) for row in rows for place in stretches(row)]
    return Facts(
        shapes=_shapes(config, base),
        conversations=data.train.conversations,
        rows=len(rows),
        tokens=sum(data.train.lengths),
        supervised=sum(int(row.trained.sum()) for row in rows),
        longest=data.longest,
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
    )


def _shapes(config: TrainConfig, base: Path) -> dict[str, Shape]:
    plain: dict[str, Any] = {"merge": False, "save_dtype": "base"}
    lora = msgspec.structs.replace(config, method="lora", lora=msgspec.structs.replace(config.lora, r=1), **plain)
    return {"full": shape_of(msgspec.structs.replace(config, method="full", **plain), base), "lora": shape_of(lora, base)}


def _first(row: Row) -> int:
    return int(np.flatnonzero(row.trained)[0])
