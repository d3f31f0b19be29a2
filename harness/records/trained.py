"""How a candidate came to be."""

from __future__ import annotations

from typing import Any, Literal

from harness.records.record import FORMAT, MetricKind, Outcome, Record, Require


class TrainingPoint(Record, frozen=True, kw_only=True):
    """One optimiser step. ``loss`` is nats per supervised token of that step; ``grad_norm`` before clipping.

    ``kl`` is what counts of KL(base || model), nats per supervised token; ``penalty`` what EWC and L2-SP add, in nats. None: off.
    """

    step: int
    loss: float
    learning_rate: float
    grad_norm: float
    supervised_tokens: int
    kl: float | None = None
    penalty: float | None = None


class ValidationPoint(Record, frozen=True, kw_only=True):
    """Validation after a step: data set name -> nats per supervised token.

    ``divergences``: data set name -> KL(base, model) in nats per supervised token, over the first tokens of the set.
    """

    step: int
    losses: dict[str, float]
    divergences: dict[str, float] = {}


class Reading(Record, frozen=True, kw_only=True):
    """What one rule said of one metric of a checkpoint, against what it is compared with. ``gain`` > 0 is better.

    ``role``: ``target`` is what training is for; ``bound`` is what a checkpoint must keep; ``told`` decides nothing.
    """

    metric: str
    require: Require
    role: Literal["target", "bound", "told"]
    outcome: Outcome
    reason: str
    against: str = ""
    value: float | None = None
    against_value: float | None = None
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    items: int = 0
    kind: MetricKind = "binary"


class Evaluation(Record, frozen=True, kw_only=True):
    """A checkpoint, measured on the items that select.

    ``target``: mean gain of the target metrics over the baseline; None where it could not be measured. ``loss``: mean loss of the
    shares that a rule says must not fall, None where no rule says so. ``broken``: rules of the bound that fail, or cannot be read
    (too many errors, sides that cannot be compared); ``unproven``: those that neither hold nor fail.
    """

    step: int
    target: float | None
    loss: float | None = None
    broken: int = 0
    unproven: int = 0
    readings: tuple[Reading, ...] = ()
    seconds: float = 0.0


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
    evaluations: tuple[Evaluation, ...] = ()
    tokens: int = 0
    supervised_tokens: int = 0
    seconds: float = 0.0
    parameters_trained: int = 0
    parameters_total: int = 0
    trained_text: tuple[str, ...] = ()
    data: dict[str, Any] = {}
    config: dict[str, Any] = {}
    environment: dict[str, Any] = {}


class Merge(Record, frozen=True, kw_only=True):
    """What merging an adapter into whole weights of ``dtype`` cost, on ``tokens`` trained tokens of the data.

    ``delta_error``: the norm of what rounding changed by that of the update (0.5: half of it is noise). ``kl``: KL(with the adapter
    || merged), ``kl_base``: KL(base || with the adapter), nats per token. ``agreement``: the share of greedy tokens that stay.
    ``kl_trained``: KL(as it was trained || merged), where that was over a rounded base. ``reason``: why it is not the dtype that
    was asked for.
    """

    dtype: str
    delta_error: float
    kl: float
    kl_base: float
    agreement: float
    kl_trained: float | None = None
    tokens: int
    reason: str = ""


class Handover(Record, frozen=True, kw_only=True):
    """What a trainer hands over: the content of ``candidate.json``. Paths are relative to its folder unless absolute.

    For whole weights ``model`` is their folder; for an adapter ``model`` is the base, ``adapter`` its folder. ``serving`` is how it
    can be served: ``weights`` as they are, ``lora`` by vLLM with at least ``max_lora_rank``, ``merge``d into its base before vLLM
    takes it, or by ``transformers`` alone; ``why`` it is not ``lora``. ``quantised`` names what the base was rounded to while the
    adapter was trained: what is served over the base itself answers a little differently.
    """

    format: int = FORMAT
    name: str
    model: str
    adapter: str | None = None
    base: str = ""
    method: str = ""
    serving: str = ""
    max_lora_rank: int | None = None
    why: tuple[str, ...] = ()
    quantised: str = ""
    merge: Merge | None = None
    training_data: tuple[str, ...] = ()
