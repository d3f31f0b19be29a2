"""How many threads torch uses while an engine runs on the CPU."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from harness.checkpoints import weight_files

SMALL_BYTES = 256 << 20
"""Weights below this run on one thread: for them the threads' waiting for one another costs more than the work they share."""


@contextlib.contextmanager
def torch_threads(asked: int | None, model: Path, *, device: str) -> Iterator[None]:
    """Use ``asked`` threads, or one for a small model; afterwards everything is as it was.

    vLLM's CPU worker replaces ``torch.set_num_threads`` by a function that does nothing, for good; this puts it back.
    """
    import torch

    setter, before = torch.set_num_threads, torch.get_num_threads()
    small = device == "cpu" and sum(path.stat().st_size for path in weight_files(model)) < SMALL_BYTES
    wanted = asked if asked is not None else 1 if small else before
    setter(wanted)
    try:
        yield
    finally:
        torch.set_num_threads = setter
        setter(before)
