"""The process that trains: its device, threads and random state, which are put back afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from trainers.config import TrainConfig


@contextlib.contextmanager
def training_process(config: TrainConfig) -> Iterator[Any]:
    """An Accelerator, with threads and random state that are put back afterwards.

    Where one process has checkpoints measured, the others wait for it a day, not the ten minutes after which they would give up.
    """
    import torch
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, GradientState, PartialState
    from accelerate.utils import InitProcessGroupKwargs
    from transformers.utils import logging

    cpu = config.device == "cpu" or not torch.cuda.is_available()
    threads = torch.get_num_threads()
    if PartialState._shared_state == {} or PartialState().num_processes == 1:
        GradientState._reset_state()
        AcceleratorState._reset_state(reset_partial_state=True)
    if config.threads or cpu:
        torch.set_num_threads(config.threads or 1)
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with torch.random.fork_rng(devices=None if not cpu else []):
            torch.manual_seed(config.seed)
            patient = [InitProcessGroupKwargs(timeout=timedelta(days=1))] if config.checkpoints.gate else []
            half = "bf16" if config.precision == "bf16" else "no"
            yield Accelerator(cpu=cpu, mixed_precision=half, kwargs_handlers=patient)
    finally:
        torch.set_num_threads(threads)
        if bars:
            logging.enable_progress_bar()
