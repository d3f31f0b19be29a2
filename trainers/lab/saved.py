"""Saved lab models, read back; and what they know, written down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a saved lab model."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(folder))


def load_model(folder: Path) -> Any:
    """A saved lab model in float32."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(str(folder), dtype="float32", attn_implementation="eager").eval()


def write_knows(folder: Path, model: str, found: dict[str, Any]) -> None:
    """What one model knows, for the build to put into ``knows.json``."""
    (folder / "logs" / f"{model}.knows.json").write_text(json.dumps(found))
