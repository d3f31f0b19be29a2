"""What weights are called: those of adapters by the weight of the base that they adapt."""

from __future__ import annotations

import re
from typing import Any

_ADAPTER = re.compile(r"\.(lora_|ia3_l)")
_LAYER = re.compile(r"\.(\d+)\.")
_LAST = re.compile(r"(^|\.)(lm_head|embed_out|norm|ln_f|final_layernorm|final_layer_norm)\.")


def weight_name(name: str) -> str:
    """The checkpoint's name of a parameter, or of the weight that an adapter's parameter changes.

    ``base_model.model.model.layers.0.mlp.up_proj.lora_A.default.weight`` -> ``model.layers.0.mlp.up_proj.weight``.
    """
    plain = name.removeprefix("module.").removeprefix("base_model.model.").replace(".base_layer.", ".")
    found = _ADAPTER.search(plain)
    return f"{plain[: found.start()]}.weight" if found else plain


def layers(model: Any) -> int:
    """How many layers a model has."""
    return max((layer + 1 for name, _ in model.named_parameters() if (layer := _layer(weight_name(name))) is not None), default=0)


def depth(weight: str, total: int) -> int:
    """How high in a model of ``total`` layers a weight is: 0 the embeddings, 1 the lowest layer, ``total`` the highest, the final
    norm and the output head. A head that shares its weights with the embeddings counts as those."""
    layer = _layer(weight)
    if layer is not None:
        return layer + 1
    return total if _LAST.search(weight) else 0


def _layer(weight: str) -> int | None:
    found = _LAYER.search(weight)
    return int(found.group(1)) if found else None
