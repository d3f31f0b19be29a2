"""NEFTune: uniform noise on the embeddings of training rows (Jain 2023, arXiv 2310.05914)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from trainers.data.batches import Batch


@contextlib.contextmanager
def noised(model: Any, alpha: float, batch: Batch) -> Iterator[None]:
    """Inside, ``model`` sees embeddings + alpha / sqrt(tokens x width) x U(-1, 1), ``tokens`` being those of each row by itself.

    (By the length of a whole packed batch, as trainers with packing do it, the noise would shrink with the batch.)
    """
    if not alpha:
        yield
        return
    handle = model.get_input_embeddings().register_forward_hook(lambda _, __, embedded: _disturbed(embedded, alpha, batch))
    try:
        yield
    finally:
        handle.remove()


def _disturbed(embedded: Any, alpha: float, batch: Batch) -> Any:
    import torch

    reach = alpha / (row_lengths(batch) * embedded.shape[-1]).sqrt()
    noise = torch.empty_like(embedded, dtype=torch.float32).uniform_(-1.0, 1.0) * reach[..., None]
    return embedded + noise.to(embedded.dtype)


def row_lengths(batch: Batch) -> Any:
    """For each position of the batch, the tokens of its row: (1 or rows, tokens) float32."""
    rows = batch.inputs.get("segments")
    if rows is None:
        real = batch.inputs["attention_mask"]
        return real.sum(-1, keepdim=True).expand_as(real).float()
    lengths = rows.starts.diff()
    return lengths.repeat_interleave(lengths)[None].float()
