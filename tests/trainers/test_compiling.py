"""Compiled layers say what they say uncompiled, and are compiled once for batches of all shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from harness.records import Training
from tests.trainers.test_objective import gradients, make_objective, same
from trainers.data.rows import Row
from trainers.loop import train

pytestmark = pytest.mark.models


@pytest.mark.full
def test_batches_of_all_shapes_are_one_program_with_the_same_losses_and_gradients(configure: Any, tiny_base: Path) -> None:
    import torch._dynamo as dynamo

    from trainers.compiling import compile_layers

    compiled, model, make = make_objective(configure, tiny_base)
    plain, other, _ = make_objective(configure, tiny_base)
    compile_layers(model, backend="aot_eager")  # traced and differentiated like any other, without minutes of code generation
    rng = np.random.default_rng(0)
    dynamo.reset()
    programs = []
    for _ in range(10):
        lengths = rng.integers(5, 200, rng.integers(1, 9)).tolist()
        batch = make(
            [Row(rng.integers(0, 256, length), np.r_[0, np.ones(length - 1)].astype(np.float32)) for length in lengths], "cpu"
        )
        one, two = compiled(model, batch), plain(other, batch)
        assert one.total.item() == pytest.approx(two.total.item(), rel=1e-6)
        same(gradients(one.total, model), gradients(two.total, other))
        programs.append(dynamo.utils.counters["stats"]["unique_graphs"])
    assert programs[0] > 0
    assert programs[2:] == [programs[2]] * 8
    assert set(model.state_dict()) == set(other.state_dict())
    dynamo.reset()


@pytest.mark.full
@pytest.mark.parametrize("settings", [{}, {"method": "lora", "gradient_checkpointing": True}], ids=["full", "lora, checkpointing"])
def test_a_compiled_run_is_the_same_run(configure: Any, tiny_base: Path, settings: dict[str, Any]) -> None:
    def losses(name: str, **more: Any) -> list[float]:
        folder = train(configure(tiny_base, name=name, optimizer__steps=6, optimizer__learning_rate=3e-3, **settings, **more))
        training = msgspec.json.decode((folder / "training.json").read_bytes(), type=Training)
        return [point.loss for point in training.points]

    assert losses("compiled", compile=True) == pytest.approx(losses("plain"), abs=1e-4)
