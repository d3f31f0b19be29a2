"""In which order rows are trained: everything follows from the seed and the epoch, so that a resumed run needs no sampler state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from harness.errors import ConfigError
from trainers.config import TrainConfig
from trainers.data.curriculum import ordered, spread
from trainers.data.mixing import Drawn, replayed
from trainers.data.packing import group, in_turn, pack


class Step(NamedTuple):
    """One optimiser step: its micro-batches (row numbers; replay rows count on after the training rows), and where it stands.

    ``review``: it comes after the last epoch, of replay rows alone, and stands where the last step before it does.
    """

    batches: tuple[tuple[int, ...], ...]
    epoch: int
    number: int
    steps_in_epoch: int
    review: bool = False

    @property
    def ends_epoch(self) -> bool:
        """Whether it is the last of its epoch."""
        return self.number + 1 == self.steps_in_epoch and not self.review

    @property
    def epochs(self) -> float:
        """Epochs done after it."""
        return self.epoch + (self.number + 1) / self.steps_in_epoch


def plan(
    config: TrainConfig,
    train: Sequence[int],
    replay: Sequence[int] = (),
    *,
    sources: Sequence[int] = (),
    keys: Sequence[float] = (),
    processes: int = 1,
) -> list[Step]:
    """All optimiser steps of a run over rows of ``train`` and ``replay`` tokens (their lengths).

    Of each training row ``sources`` is the number of its file in ``data.train`` (needed for ``mixing.repeats`` and ``shares``),
    ``keys`` what orders it (for ``mixing.order`` = ``field`` and ``loss``). ConfigError where a review leaves no step to train.
    """
    epochs, wanted = config.optimizer.epochs, config.optimizer.steps
    reviewed = list(_review(config, train, replay, processes))
    if wanted and len(reviewed) >= wanted:
        raise ConfigError(
            f"the review takes {len(reviewed)} of optimizer.steps = {wanted}, so that none is left to train. Lower it.",
            where="mixing.review_ratio",
        )
    drawn = Drawn(config, train, sources or [0] * len(train))
    steps: list[Step] = []
    epoch = 0
    while len(steps) < wanted - len(reviewed) if wanted else epoch < epochs:
        added = list(_epoch(config, drawn, replay, keys, epoch, processes))
        if not wanted and epochs - epoch < 1:
            added = added[: max(1, round((epochs - epoch) * len(added)))]
        steps += added
        epoch += 1
    if wanted:
        steps = steps[: wanted - len(reviewed)]
    last = steps[-1]
    return steps + [last._replace(batches=batches, review=True) for batches in reviewed]


def _epoch(
    config: TrainConfig, drawn: Drawn, replay: Sequence[int], keys: Sequence[float], epoch: int, processes: int
) -> Iterator[Step]:
    train = drawn.lengths
    share = round(config.data.replay_ratio * drawn.tokens)
    again = [len(train) + index for index in replayed(replay, share, seed=config.seed, epoch=epoch)]
    taken = drawn.rows(epoch)
    whole = [*train, *replay]
    in_order = config.mixing.order != "random"
    rows = spread(ordered(config, taken, train, keys, epoch), again, whole) if in_order else [*taken, *again]
    bins = _bins(config, [whole[index] for index in rows], epoch)
    batches = list(_steps([tuple(rows[index] for index in indices) for indices in bins], config, processes))
    for number, several in enumerate(batches):
        yield Step(several, epoch, number, len(batches))


def _review(
    config: TrainConfig, train: Sequence[int], replay: Sequence[int], processes: int
) -> Iterator[tuple[tuple[int, ...], ...]]:
    """The batches of each step after the last epoch."""
    again = replayed(replay, round(config.mixing.review_ratio * sum(train)), seed=config.seed, epoch=0)
    arrange = pack if config.data.packing else group
    bins = arrange([replay[index] for index in again], config.data.tokens_per_batch, seed=(config.seed + 1) * 1_000_003 - 1)
    yield from _steps([tuple(len(train) + again[index] for index in indices) for indices in bins], config, processes)


def _bins(config: TrainConfig, lengths: Sequence[int], epoch: int) -> list[list[int]]:
    """Batches of an epoch's rows: in random order, or as they come where they are in an order."""
    budget, packing = config.data.tokens_per_batch, config.data.packing
    if config.mixing.order != "random":
        return in_turn(lengths, budget, packing=packing)
    return (pack if packing else group)(lengths, budget, seed=config.seed * 1_000_003 + epoch)


def _steps(batches: Sequence[tuple[int, ...]], config: TrainConfig, processes: int) -> Iterator[tuple[tuple[int, ...], ...]]:
    size = config.optimizer.accumulation * processes
    for start in range(0, len(batches), size):
        yield tuple(batches[start : start + size])
