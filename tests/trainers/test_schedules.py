from __future__ import annotations

import pytest

from trainers.optimizer.schedules import rate_at


def rates(schedule: str, *, total: int = 100, warmup: float = 0.1, final: float = 0.0) -> list[float]:
    return [rate_at(step, total, peak=2.0, schedule=schedule, warmup=warmup, final=final) for step in range(total)]  # type: ignore[arg-type]


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_warm_up_rises_to_the_peak_and_never_starts_at_zero(schedule: str) -> None:
    rising = rates(schedule)[:11]
    assert rising[0] > 0
    assert rising == sorted(rising)
    assert rising[10] == pytest.approx(2.0)
    assert max(rates(schedule)) == pytest.approx(2.0)


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_it_falls_to_the_floor_and_the_last_step_still_learns(schedule: str) -> None:
    falling = rates(schedule, final=0.1)[10:]
    assert falling == sorted(falling, reverse=True)
    assert 0.2 <= falling[-1] < 0.23
    assert rates(schedule)[-1] > 0


def test_half_way_both_are_half() -> None:
    assert rate_at(50, 100, peak=2.0, schedule="cosine") == pytest.approx(1.0)
    assert rate_at(50, 100, peak=2.0, schedule="linear") == pytest.approx(1.0)


def test_constant_stays() -> None:
    assert set(rates("constant", warmup=0.0)) == {2.0}


def test_a_single_step_is_taken_at_the_peak() -> None:
    assert rate_at(0, 1, peak=2.0, schedule="cosine") == 2.0
