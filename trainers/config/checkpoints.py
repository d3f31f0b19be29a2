"""``[checkpoints]``: candidates that are written while training goes on, to be measured, kept, or both."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Literal

from harness.records import Record
from trainers.config.complaints import Complaint, Range, ranges


class CheckpointsConfig(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Checkpoints after each of ``steps``, else every ``every_steps`` (0: once per epoch); always after the last step.

    ``gate`` names a gate config: its suites (``suites``: only these) are asked at every checkpoint, on the half of their items that
    selects. ``target`` is a glob over their metrics (``domain/*/json_equal``). The checkpoint with the highest mean gain of the
    target is handed over, among those that keep what the gate's rules say must be kept: ``proven``, every rule holds;
    ``unbroken``, none fails. ``keep`` leaves every checkpoint as a candidate of its own in ``checkpoints/``.
    """

    gate: str = ""
    target: str = ""
    suites: tuple[str, ...] = ()
    every_steps: int = 0
    steps: tuple[int, ...] = ()
    bound: Literal["proven", "unbroken"] = "proven"
    keep: bool = False

    @property
    def wanted(self) -> bool:
        """Whether there are any."""
        return bool(self.gate) or self.keep


def complaints(checkpoints: CheckpointsConfig, metric: str) -> Iterable[Complaint]:
    """(where, what) of everything that types alone do not catch. ``metric``: ``stopping.metric``."""
    steps = checkpoints.steps
    yield from ranges(
        Range("checkpoints.every_steps", checkpoints.every_steps, checkpoints.every_steps >= 0, "0 (once per epoch) or more"),
        *(Range(f"checkpoints.steps[{index}]", step, step >= 1, "1 or more") for index, step in enumerate(steps)),
    )
    for index, (before, step) in enumerate(pairwise(steps), start=1):
        if step <= before:
            yield f"checkpoints.steps[{index}]", f"expected a step after {before}, found {step}"
    if steps and checkpoints.every_steps:
        yield "checkpoints.every_steps", "and checkpoints.steps both say when. Leave one of them out."
    if not checkpoints.wanted:
        for key in ("every_steps", "steps", "target", "suites"):
            if getattr(checkpoints, key):
                yield f"checkpoints.{key}", 'does nothing: no checkpoint is measured or kept. Set checkpoints.gate = "GATE.toml".'
    elif not checkpoints.gate:
        for key in ("target", "suites"):
            if getattr(checkpoints, key):
                yield f"checkpoints.{key}", 'does nothing without a gate. Set checkpoints.gate = "GATE.toml", or remove it.'
    elif not checkpoints.target:
        yield "checkpoints.target", 'which metric is training for? Expected a glob over suite/task/metric, such as "domain/*/acc".'
    if checkpoints.bound != "proven" and not checkpoints.gate:
        yield "checkpoints.bound", 'does nothing without a gate. Set checkpoints.gate = "GATE.toml", or remove it.'
    if checkpoints.gate and metric:
        yield "stopping.metric", "does nothing where checkpoints.gate selects. Remove one of the two."
