"""Prompt tuning lays virtual tokens before each row, inside the model: what is counted from outside must know of them."""

from __future__ import annotations

from typing import Any


def shift_kept_logits(model: Any, tokens: int) -> None:
    """Make ``model`` keep logits at the positions that batches mean: ``tokens`` further, as so many virtual tokens come first."""

    def shift(_: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if model._adapters_disabled:
            return arguments, named
        return arguments, named | {"logits_to_keep": named["logits_to_keep"] + tokens}

    model.register_forward_pre_hook(shift, with_kwargs=True)
