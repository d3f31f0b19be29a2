"""``[parameters]``: which of the weights are trained, and each at which rate."""

from __future__ import annotations

import math
from collections.abc import Iterable

from harness.records import Record
from trainers.config.complaints import Complaint, Range, ranges


class GroupConfig(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Weights whose names ``match``: the learning rate times ``rate``, and their own ``weight_decay`` (None: the common one)."""

    match: str
    rate: float = 1.0
    weight_decay: float | None = None


class ParametersConfig(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which weights of the base are trained, in full or through adapters.

    Names are those of the checkpoint (``model.layers.0.self_attn.q_proj.weight``); an adapter goes by the weight that it adapts.
    Patterns are shell globs: ``*.mlp.*``. ``only`` trains nothing else; ``freeze`` leaves out; ``freeze_layers`` leaves out the
    embeddings and so many layers from the bottom. ``layer_decay`` multiplies the learning rate once per layer below the top
    (arXiv 1801.06146; 0.9 halves it every 6.6 layers), for the embeddings once more than for the lowest layer. Of ``groups``, the
    first that matches a weight holds for it.
    """

    only: tuple[str, ...] = ()
    freeze: tuple[str, ...] = ()
    freeze_layers: int = 0
    layer_decay: float = 1.0
    groups: tuple[GroupConfig, ...] = ()


def complaints(table: ParametersConfig) -> Iterable[Complaint]:
    """(where, what) of everything that types alone do not catch."""
    yield from ranges(
        Range("parameters.freeze_layers", table.freeze_layers, table.freeze_layers >= 0, "0 or more"),
        Range("parameters.layer_decay", table.layer_decay, 0 < table.layer_decay <= 1, "a number above 0, up to 1 (off)"),
    )
    for index, group in enumerate(table.groups):
        where, decay = f"parameters.groups[{index}]", group.weight_decay
        yield from ranges(
            Range(f"{where}.rate", group.rate, 0 < group.rate < math.inf, "a positive number (freeze what is not to move)"),
            Range(f"{where}.weight_decay", decay or 0.0, 0 <= (decay or 0.0) < math.inf, "0 or more"),
        )
        if group.rate == 1 and decay is None:
            yield where, "changes neither rate nor weight_decay. Give it one of them, or remove it."
