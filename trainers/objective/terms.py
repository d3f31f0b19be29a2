"""What one token adds to the loss: functions of its logits, one number per token."""

from __future__ import annotations

from typing import Any

from trainers.config import ObjectiveConfig


def shaped(logits: Any, targets: Any, settings: ObjectiveConfig) -> tuple[Any, Any]:
    """(what is minimised, plain nats), each (tokens,) with gradient, of ``logits`` (tokens, vocabulary) float32.

    Focal: (1 - p)^gamma nats, differentiated through both factors (Lin 2017, eq. 4). DFT: p nats with p held fixed, which undoes
    the 1 / p of the gradient (Wu 2025, arXiv 2508.05629, eq. 8). Smoothing: share e of each target is spread over the vocabulary.
    """
    import torch

    nats = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    if settings.loss == "focal":
        missed = (-torch.expm1(-nats)).clamp_min(1e-12)  # 1 - p; a power below 1 has no gradient at 0
        return missed**settings.exponent * nats, nats
    if settings.loss == "dft":
        return torch.exp(-nats.detach()) * nats, nats
    if settings.label_smoothing:
        spread = logits.logsumexp(-1) - logits.mean(-1)  # the mean nats over all tokens of the vocabulary
        return (1 - settings.label_smoothing) * nats + settings.label_smoothing * spread, nats
    return nats, nats


def divergence(logits: Any, base: Any) -> Any:
    """KL(base || model) in nats, (tokens,) with gradient, over the whole vocabulary; both (tokens, vocabulary) float32."""
    import torch

    of_model, of_base = torch.log_softmax(logits, -1), torch.log_softmax(base, -1)
    return (of_base.exp() * (of_base - of_model)).sum(-1)
