"""How long a row the base can take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.errors import ConfigError


def context_of(settings: Any) -> int | None:
    """Positions that a model of this configuration knows, stretched ones included; None where it does not say."""
    known = getattr(settings, "max_position_embeddings", None)
    if not known:
        return None
    stretch = getattr(settings, "rope_parameters", None) or {}
    factor, original = stretch.get("factor"), stretch.get("original_max_position_embeddings")
    return max(int(known), int(factor * original)) if factor and original else int(known)


def check_context(base: Path, longest: int) -> None:
    """ConfigError where the longest row has more tokens than the base has positions."""
    from transformers import AutoConfig

    context = context_of(AutoConfig.from_pretrained(str(base), local_files_only=True))
    if context and longest > context:
        raise ConfigError(
            f"the longest row has {longest} tokens, and the base's context is {context}. Set data.max_length = {context}, and "
            'data.too_long = "cut" or "drop".',
            where="data.max_length",
        )
