"""How a candidate came to be."""

from __future__ import annotations

from typing import Any

from harness.records.record import FORMAT, Record


class TrainingPoint(Record, frozen=True, kw_only=True):
    """One optimiser step. ``loss`` is nats per supervised token of that step; ``grad_norm`` before clipping."""

    step: int
    loss: float
    learning_rate: float
    grad_norm: float
    supervised_tokens: int


class ValidationPoint(Record, frozen=True, kw_only=True):
    """Validation after a step: data set name -> nats per supervised token."""

    step: int
    losses: dict[str, float]


class Training(Record, frozen=True, kw_only=True):
    """How a candidate came to be: the content of ``training.json``. Seconds are wall time; tokens count real (non-pad) tokens."""

    format: int = FORMAT
    name: str
    method: str
    base: str
    seed: int = 0
    steps: int = 0
    epochs: float = 0.0
    best_step: int | None = None
    points: tuple[TrainingPoint, ...] = ()
    validations: tuple[ValidationPoint, ...] = ()
    tokens: int = 0
    supervised_tokens: int = 0
    seconds: float = 0.0
    parameters_trained: int = 0
    parameters_total: int = 0
    trained_text: tuple[str, ...] = ()
    data: dict[str, Any] = {}
    config: dict[str, Any] = {}
    environment: dict[str, Any] = {}


class Handover(Record, frozen=True, kw_only=True):
    """What a trainer hands over: the content of ``candidate.json``. Paths are relative to its folder unless absolute.

    For a full fine-tune ``model`` is the folder of the new weights; for an adapter ``model`` is the base, ``adapter`` its folder.
    """

    format: int = FORMAT
    name: str
    model: str
    adapter: str | None = None
    base: str = ""
    method: str = ""
    training_data: tuple[str, ...] = ()
