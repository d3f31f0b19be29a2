"""``training.json``: what a finished run says of itself."""

from __future__ import annotations

from typing import Any

import msgspec

from harness.environment import environment
from harness.records import Training
from trainers import folder
from trainers.config import TrainConfig
from trainers.data.order import Step
from trainers.data.sets import DataSets
from trainers.data.sources import content_digest
from trainers.resume import State
from trainers.watching.watch import Watched


def training_of(
    config: TrainConfig,
    state: State,
    data: DataSets,
    watched: Watched,
    *,
    last: Step,
    parameters: tuple[int, int],
    fingerprint: str,
    machine: dict[str, Any],
) -> Training:
    """The record. ``parameters``: trained, all; ``last``: the last step that was made; ``machine``: device and processes."""
    sets = {
        name: {
            "conversations": rows.conversations, "rows": len(rows.rows), "tokens": sum(rows.lengths), "dropped": rows.dropped,
            "cut": rows.cut,
        }
        for name, rows in data.named.items()
    }  # fmt: skip
    files = {path: content_digest(path) for path in folder.data_files(config)}
    return Training(
        name=config.name,
        method=config.method,
        base=config.base,
        seed=config.seed,
        steps=state.step,
        epochs=round(last.epochs, 4),
        best_step=state.best_step,
        points=tuple(state.points),
        validations=tuple(state.validations),
        evaluations=tuple(state.evaluations),
        concerns=watched.concerns,
        flows=tuple(state.flows),
        verbatims=tuple(state.verbatims),
        written=tuple(state.written),
        speed=watched.speed,
        tokens=state.tokens,
        supervised_tokens=state.supervised,
        seconds=round(state.seconds, 3),
        parameters_trained=parameters[0],
        parameters_total=parameters[1],
        trained_text=data.train.shown,
        data={"fingerprint": fingerprint, "files": files, "overlap": data.overlap, **sets},
        config=msgspec.to_builtins(config),
        environment=environment() | machine,
    )
