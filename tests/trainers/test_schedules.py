from __future__ import annotations

import math
from typing import Any

import pytest

from harness.errors import ConfigError
from trainers.config import OptimizerConfig
from trainers.optimizer.schedules import rates


def made(total: int = 100, peak: float = 2.0, **settings: Any) -> list[float]:
    return rates(total, peak=peak, settings=OptimizerConfig(**{"warmup_ratio": 0.1, **settings}))


FORMS: dict[str, dict[str, Any]] = {
    "cosine": {}, "linear": {}, "constant": {}, "wsd": {"decay_ratio": 0.3}, "multistep": {"milestones": (0.5, 0.8)},
}  # fmt: skip


@pytest.mark.parametrize("schedule", FORMS)
def test_warm_up_rises_to_the_peak_and_never_starts_at_zero(schedule: str) -> None:
    rising = made(schedule=schedule, **FORMS[schedule])
    assert rising[0] > 0
    assert rising[:11] == sorted(rising[:11])
    assert rising[9] < rising[10] == pytest.approx(2.0)
    assert max(rising) == pytest.approx(2.0)


def test_warm_up_by_steps_is_the_same_as_by_ratio() -> None:
    assert made(warmup_ratio=None, warmup_steps=10) == made(warmup_ratio=0.1)
    assert rates(100, peak=1.0, settings=OptimizerConfig()) == made(peak=1.0, warmup_ratio=0.03)


def test_a_warm_up_longer_than_the_run_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"optimizer.warmup_steps: 101 steps of warm-up are more than the 100 steps"):
        made(warmup_ratio=None, warmup_steps=101)


def test_a_warm_up_that_leaves_no_room_for_the_decay_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"optimizer.warmup_steps: 81 steps of warm-up and a decay over 0.2 of the 100 steps"):
        made(schedule="wsd", decay_ratio=0.2, warmup_ratio=None, warmup_steps=81)
    fits = made(schedule="wsd", decay_ratio=0.2, warmup_ratio=None, warmup_steps=80)
    assert max(fits) == fits[80] > fits[-1]


@pytest.mark.parametrize("schedule", ["cosine", "linear", "wsd"])
def test_it_falls_to_the_floor_and_the_last_step_still_learns(schedule: str) -> None:
    falling = made(schedule=schedule, final_ratio=0.1)[10:]
    assert falling == sorted(falling, reverse=True)
    assert 0.2 <= falling[-1] < 0.31
    assert made(schedule=schedule)[-1] > 0


def test_half_way_both_are_half() -> None:
    assert made(schedule="cosine", warmup_ratio=0.0)[50] == pytest.approx(1.0)
    assert made(schedule="linear", warmup_ratio=0.0)[50] == pytest.approx(1.0)


def test_constant_stays() -> None:
    assert set(made(schedule="constant", warmup_ratio=0.0)) == {2.0}


def test_a_single_step_is_taken_at_the_peak() -> None:
    assert made(1, warmup_ratio=0.0) == [2.0]


def test_wsd_stays_until_its_decay_and_then_falls_as_one_minus_the_root() -> None:
    found = made(schedule="wsd", decay_ratio=0.2, final_ratio=0.1)
    assert set(found[10:81]) == {2.0}
    assert found[81:] == pytest.approx([2.0 * (0.1 + 0.9 * (1 - math.sqrt(done / 20))) for done in range(1, 20)])


def test_multistep_is_multiplied_at_each_milestone() -> None:
    found = made(schedule="multistep", milestones=(0.5, 0.8), factor=0.5)
    assert (set(found[10:50]), set(found[50:80]), set(found[80:])) == ({2.0}, {1.0}, {0.5})


@pytest.mark.parametrize(("schedule", "settings"), [("linear", {}), ("cosine", {}), ("wsd", {"decay_ratio": 0.3})])
def test_after_the_warm_up_it_is_the_schedule_of_transformers(schedule: str, settings: dict[str, Any]) -> None:
    import torch
    from transformers import get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup, get_wsd_schedule

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    theirs = {
        "linear": lambda: get_linear_schedule_with_warmup(optimizer, 10, 100),
        "cosine": lambda: get_cosine_schedule_with_warmup(optimizer, 10, 100),
        "wsd": lambda: get_wsd_schedule(optimizer, 10, 30, 100, decay_type="1-sqrt"),
    }[schedule]()
    expected = []
    for _ in range(100):
        expected.append(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()
    assert made(schedule=schedule, **settings)[10:] == pytest.approx(expected[10:])
