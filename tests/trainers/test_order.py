from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trainers.data.mixing import replayed
from trainers.data.order import Step, plan

Configure = Callable[..., Any]
TRAIN = [10, 20, 30, 40] * 10


def rows_of(steps: list[Step]) -> list[int]:
    return [row for step in steps for indices in step.batches for row in indices]


def test_every_epoch_trains_every_row_once(configure: Configure) -> None:
    steps = plan(configure(optimizer__epochs=2), TRAIN)
    for epoch in (0, 1):
        assert sorted(rows_of([step for step in steps if step.epoch == epoch])) == list(range(len(TRAIN)))
    assert [step.epoch for step in steps if step.ends_epoch] == [0, 1]
    assert steps[-1].epochs == 2.0


def test_epochs_come_in_different_orders_and_seeds_too(configure: Configure) -> None:
    steps = plan(configure(optimizer__epochs=2), TRAIN)
    half = len(steps) // 2
    assert rows_of(steps[:half]) != rows_of(steps[half:])
    assert plan(configure(seed=1), TRAIN) != plan(configure(seed=2), TRAIN)
    assert plan(configure(seed=1), TRAIN) == plan(configure(seed=1), TRAIN)


def test_a_broken_epoch_trains_its_share(configure: Configure) -> None:
    whole = plan(configure(optimizer__epochs=1), TRAIN)
    steps = plan(configure(optimizer__epochs=1.5), TRAIN)
    assert len(steps) == len(whole) + round(0.5 * len(whole))
    assert 1.3 < steps[-1].epochs < 1.7


def test_steps_override_epochs(configure: Configure) -> None:
    assert len(plan(configure(optimizer__steps=50, optimizer__epochs=1), TRAIN)) == 50


def test_accumulation_groups_the_same_batches(configure: Configure) -> None:
    single = plan(configure(), TRAIN)
    grouped = plan(configure(optimizer__accumulation=3), TRAIN)
    assert [indices for step in grouped for indices in step.batches] == [indices for step in single for indices in step.batches]
    assert len(grouped) == -(-len(single) // 3)


def test_two_processes_share_a_step(configure: Configure) -> None:
    assert plan(configure(), TRAIN, processes=2) == plan(configure(optimizer__accumulation=2), TRAIN)


def test_replay_is_a_share_of_tokens_and_differs_by_epoch(configure: Configure) -> None:
    (configure().folder.parent.parent / "replay.jsonl").write_text("")
    config = configure(data__replay="replay.jsonl", data__replay_ratio=0.5, optimizer__epochs=2)
    replay = [10] * 200
    steps = plan(config, TRAIN, replay)
    drawn = [
        [row - len(TRAIN) for row in rows_of([step for step in steps if step.epoch == epoch]) if row >= len(TRAIN)]
        for epoch in (0, 1)
    ]
    assert [sum(replay[row] for row in rows) for rows in drawn] == [500, 500]
    assert not set(drawn[0]) & set(drawn[1])


def test_replay_goes_through_all_rows_before_it_repeats_any() -> None:
    lengths = [7, 11, 5, 9] * 5
    taken = [row for epoch in range(4) for row in replayed(lengths, 40, seed=1, epoch=epoch)]
    assert set(taken) == set(range(20))
    assert replayed(lengths, 40, seed=1, epoch=2) == replayed(lengths, 40, seed=1, epoch=2)


def test_few_replay_rows_repeat_within_an_epoch() -> None:
    assert replayed([10, 10], 50, seed=0, epoch=0).count(0) >= 2
    assert replayed([10, 10], 0, seed=0, epoch=0) == []
    assert replayed([], 50, seed=0, epoch=0) == []
