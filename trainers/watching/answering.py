"""What the model answers, to be read: greedy, and for every method and kind of batch alike (so without a cache of keys)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.records import Written
from trainers.data.masks import Template
from trainers.data.rows import Row
from trainers.evaluate import MakeBatch
from trainers.watching.memorised import stretches


def answered(
    model: Any, rows: Sequence[Row], template: Template, make: MakeBatch, device: Any, *, step: int, tokens: int
) -> tuple[Written, ...]:
    """The first trained stretch of each row, as the model would have written it, with at most ``tokens`` tokens."""
    places = [stretches(row)[0] for row in rows]
    prompts = [row.ids[:begin] for row, (begin, _) in zip(rows, places, strict=True)]
    found = greedy(model, prompts, template.end_id, make, device, tokens=tokens)
    decode = template.tokenizer.decode
    return tuple(
        Written(
            step=step,
            prompt=decode(prompt),
            answer=decode([token for token in ids if token != template.end_id]),
            expected=decode([token for token in row.ids[begin:end] if token != template.end_id]),
            cut=ids[-1] != template.end_id,
        )
        for row, (begin, end), prompt, ids in zip(rows, places, prompts, found, strict=True)
    )


def greedy(model: Any, prompts: Sequence[Any], end: int, make: MakeBatch, device: Any, *, tokens: int) -> list[list[int]]:
    """The likeliest tokens after each prompt, ``end`` the last of them where it comes. Leaves the model in the mode it was in."""
    import torch

    written: list[list[int]] = [[] for _ in prompts]
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            for _ in range(tokens):
                open_ = [index for index, ids in enumerate(written) if not ids or ids[-1] != end]
                if not open_:
                    break
                asked = [_asking(prompts[index], written[index]) for index in open_]
                batch = make(asked, device)
                logits = model(**batch.inputs).logits
                logits = logits[0] if batch.chosen is None else logits[batch.chosen]
                for index, token in zip(open_, logits.argmax(-1).tolist(), strict=True):
                    written[index].append(token)
    finally:
        model.train(was_training)
    return written


def _asking(prompt: Any, written: Sequence[int]) -> Row:
    """A row whose only trained token comes after all that is known: batches keep logits there. That token itself says nothing."""
    ids = np.concatenate((prompt, np.asarray([*written, 0], dtype=np.int64)))
    weights = np.zeros(len(ids), dtype=np.float32)
    weights[-1] = 1
    return Row(ids, weights)
