"""Gradient flow: the norm of the gradient for every group of weights, to find those that learn nothing and those that explode."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from trainers.methods.loading import trained_parameters
from trainers.methods.names import weight_name

_LAYER = re.compile(r"\.(\d+)\.([A-Za-z_]+)")
_SIDE = re.compile(r"\.(?:lora_(A|B|E)\b|lora_(magnitude)|ia3_(l)\b)")


def group_of(name: str) -> str:
    """The group of a parameter, for people: ``layer 3 mlp``, ``layer 3 self_attn B`` (of an adapter), ``embed_tokens``.

    Norms of a layer are one group; what belongs to no layer goes by its module.
    """
    weight = weight_name(name)
    side = _SIDE.search(name)
    suffix = f" {next(part for part in side.groups() if part)}" if side else ""
    if found := _LAYER.search(weight):
        layer, block = found.groups()
        return f"layer {layer} {'norms' if 'norm' in block else block}{suffix}"
    parts = weight.split(".")
    return (parts[-2] if len(parts) > 1 else parts[-1]) + suffix


def gradient_norms(model: Any) -> dict[str, float]:
    """Group -> L2 norm of the gradients that its parameters hold now; 0 where there are none. One transfer from the device."""
    import torch

    groups: dict[str, list[int]] = {}
    gradients: list[Any] = []
    for name, parameter in trained_parameters(model):
        places = groups.setdefault(group_of(name), [])
        if parameter.grad is not None:
            places.append(len(gradients))
            gradients.append(parameter.grad.detach())
    if not gradients:
        return dict.fromkeys(groups, 0.0)
    norms = torch.stack([norm.float() for norm in torch._foreach_norm(gradients)]).double().tolist()
    return {group: _together(norms[place] for place in places) for group, places in groups.items()}


def not_finite(model: Any) -> list[str]:
    """Trained weights whose gradient now holds an infinity or no number, by their names in the checkpoint, lowest layer first."""
    found = [weight_name(name) for name, p in trained_parameters(model) if p.grad is not None and not bool(p.grad.isfinite().all())]
    return list(dict.fromkeys(found))


def noted_steps(steps: int, times: int) -> frozenset[int]:
    """``times`` steps of 1 .. ``steps``, evenly, the first and the last among them."""
    if not times:
        return frozenset()
    if times == 1 or steps == 1:
        return frozenset({steps})
    return frozenset(1 + round(index * (steps - 1) / (times - 1)) for index in range(times))


def _together(norms: Iterable[float]) -> float:
    return float(sum(norm * norm for norm in norms) ** 0.5)
