"""The start-up probes see a dead adapter and a base that is not clean."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from harness.engines.probes import BASE, PROBES, Ask, check_adapters
from harness.errors import ProbeError
from harness.records import Request


def _engine(shifts: dict[str, float], *, base_among_adapters: float = 0.0) -> Ask:
    """Log-probabilities that differ from the base's by ``shifts``; the base's own move when adapters share its batch."""

    def ask(asked: Sequence[tuple[str, Request]]) -> list[float]:
        mixed = any(name != BASE for name, _ in asked)
        return [-10.0 + shifts.get(name, 0.0) + (base_among_adapters if mixed and name == BASE else 0.0) for name, _ in asked]

    return ask


def test_live_adapters_over_a_clean_base_pass() -> None:
    check_adapters(_engine({"one": 0.3, "two": -1e-4}), {"one": False, "two": False}, dtype="float32")


def test_an_adapter_that_answers_like_its_base_is_named() -> None:
    with pytest.raises(ProbeError, match="'two' is not live") as caught:
        check_adapters(_engine({"one": 0.3}), {"one": False, "two": False}, dtype="float32")
    assert "'one'" not in str(caught.value)
    assert "noop" in str(caught.value)


def test_a_declared_no_op_may_answer_like_its_base() -> None:
    check_adapters(_engine({"one": 0.3}), {"one": False, "two": True}, dtype="float32")


def test_a_base_that_moves_among_adapters_is_an_error() -> None:
    with pytest.raises(ProbeError, match="shares a batch"):
        check_adapters(_engine({"one": 0.3}, base_among_adapters=0.01), {"one": False}, dtype="float32")


def test_a_difference_within_the_noise_is_not_life() -> None:
    with pytest.raises(ProbeError, match="not live"):
        check_adapters(_engine({"one": 0.05}, base_among_adapters=0.04), {"one": False}, dtype="bfloat16")


def test_not_a_number_never_passes() -> None:
    with pytest.raises(ProbeError):
        check_adapters(_engine({BASE: float("nan")}), {"one": False}, dtype="float32")
    with pytest.raises(ProbeError):
        check_adapters(_engine({"one": float("nan")}), {"one": False}, dtype="float32")


def test_without_adapters_nothing_is_asked() -> None:
    def ask(asked: Sequence[tuple[str, Request]]) -> list[float]:
        raise AssertionError("asked")

    check_adapters(ask, {}, dtype="float32")
    assert len(PROBES) >= 3
