"""PiSSA (arXiv 2404.02948): the adapter starts as the largest singular values of the weights, which keep the rest.

peft takes B₀A₀ out of the base when it sets the adapter up. So the base on disk is W, the one in memory W − sB₀A₀, and what was
trained is W + s(BA − B₀A₀): a plain LoRA adapter of twice the rank over the base as it is.
"""

from __future__ import annotations

from typing import Any

_START = "pissa_start"


def keep_start(model: Any) -> None:
    """Remember A₀ and B₀, just after peft set them."""
    setattr(model, _START, {name: parameter.detach().clone() for name, parameter in model.named_parameters() if ".lora_" in name})


def start_of(model: Any) -> dict[str, Any]:
    """A₀ and B₀ by parameter name; empty where the adapter did not start from singular values."""
    return getattr(model, _START, {})
