"""What the numbers depend on besides the code: versions, processor, threads, and how busy the machine was."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from harness.environment import environment


def machine(threads: int) -> dict[str, Any]:
    """Versions and hardware as every run records them, the thread count of both sides, and the load average before the start."""
    return {**environment(), "threads": threads, "load_average": [round(load, 2) for load in os.getloadavg()]}


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """Both sides on ``count`` torch threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
