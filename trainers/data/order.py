"""In which order rows are trained: everything follows from the seed and the epoch, so that a resumed run needs no sampler state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from trainers.config import TrainConfig
from trainers.data.mixing import replayed
from trainers.data.packing import group, pack


class Step(NamedTuple):
    """One optimiser step: its micro-batches (row numbers; replay rows count on after the training rows), and where it stands."""

    batches: tuple[tuple[int, ...], ...]
    epoch: int
    number: int
    steps_in_epoch: int

    @property
    def ends_epoch(self) -> bool:
        """Whether it is the last of its epoch."""
        return self.number + 1 == self.steps_in_epoch

    @property
    def epochs(self) -> float:
        """Epochs done after it."""
        return self.epoch + (self.number + 1) / self.steps_in_epoch


def plan(config: TrainConfig, train: Sequence[int], replay: Sequence[int] = (), *, processes: int = 1) -> list[Step]:
    """All optimiser steps of a run over rows of ``train`` and ``replay`` tokens (their lengths)."""
    steps: list[Step] = []
    epochs, wanted = config.optimizer.epochs, config.optimizer.steps
    epoch = 0
    while len(steps) < wanted if wanted else epoch < epochs:
        added = list(_epoch(config, train, replay, epoch, processes))
        if not wanted and epochs - epoch < 1:
            added = added[: max(1, round((epochs - epoch) * len(added)))]
        steps += added
        epoch += 1
    return steps[:wanted] if wanted else steps


def _epoch(config: TrainConfig, train: Sequence[int], replay: Sequence[int], epoch: int, processes: int) -> Iterator[Step]:
    share = round(config.data.replay_ratio * sum(train))
    again = replayed(replay, share, seed=config.seed, epoch=epoch)
    rows = [*range(len(train)), *(len(train) + index for index in again)]
    lengths = [*train, *(replay[index] for index in again)]
    arrange = pack if config.data.packing else group
    bins = arrange(lengths, config.data.tokens_per_batch, seed=config.seed * 1_000_003 + epoch)
    remaining = iter([tuple(rows[index] for index in indices) for indices in bins])
    size = config.optimizer.accumulation * processes
    count = -(-len(bins) // size)
    for number in range(count):
        yield Step(tuple(islice(remaining, size)), epoch, number, count)
