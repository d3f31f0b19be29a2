"""How a candidate can be served, known from its config: before it is trained."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from harness.engines.adapters import max_lora_rank, unservable
from trainers.config import TrainConfig


class Serving(NamedTuple):
    """``how``: ``weights`` as they are; ``lora`` over its base; ``merge``, into its base before vLLM takes it; ``transformers``, as
    vLLM can do nothing with it. ``max_lora_rank`` (``lora`` only) is the least that vLLM must be told; ``why`` it is not
    ``lora``."""

    how: Literal["weights", "lora", "merge", "transformers"]
    max_lora_rank: int | None = None
    why: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """For the user, in one line."""
        reason = f" ({'; '.join(self.why)})" if self.why else ""
        return {
            "weights": "vLLM serves the weights as they are",
            "lora": f"vLLM serves the adapter as LoRA, max_lora_rank {self.max_lora_rank}",
            "merge": f"vLLM serves the adapter merged into its base{reason}",
            "transformers": f"vLLM cannot serve it, only transformers{reason}",
        }[self.how]


def serving_of(config: TrainConfig) -> Serving:
    """How the candidate of this config can be served."""
    if config.method == "full" or config.merge:
        return Serving("weights")
    adapter = _saved_as(config)
    reasons = tuple(unservable(adapter))
    if not reasons:
        return Serving("lora", max_lora_rank([adapter["r"]]))
    return Serving("transformers" if config.method in ("prefix", "prompt") else "merge", None, reasons)


def _saved_as(config: TrainConfig) -> dict[str, Any]:
    """What decides about it in the adapter_config.json that will be written. AdaLoRA's ranks end at most where they began."""
    lora = config.lora
    if config.method in ("lora", "adalora"):
        return {"peft_type": "LORA", "r": lora.r * (1 if lora.init == "default" else 2), "use_dora": lora.dora}
    return {"peft_type": {"ia3": "IA3", "prefix": "PREFIX_TUNING", "prompt": "PROMPT_TUNING"}[config.method]}
