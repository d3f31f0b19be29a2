"""``method`` and its tables: which weights are trained, in which form, and how they are handed over."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

from harness.records import Record
from trainers.config.complaints import Complaint, Range, ranges

LARGEST_RANK = 512  # the largest max_lora_rank that vLLM knows

Method = Literal["full", "lora", "adalora", "ia3", "prefix", "prompt"]

RATES: dict[Method, float] = {"full": 1e-5, "lora": 1e-4, "adalora": 5e-4, "ia3": 3e-3, "prefix": 1e-2, "prompt": 3e-2}
"""Peak learning rates where the config names none. LoRA: ten times full (Schulman 2025, "LoRA Without Regret"). AdaLoRA, IA³: as in
their papers (arXiv 2303.10512, 2205.05638). Prefix and prompt tuning: as in PEFT's examples."""

SPELT = {
    "qlora": 'method = "lora" and lora.quantise = "nf4"',
    "dora": 'method = "lora" and lora.dora = true',
    "rslora": 'method = "lora" and lora.rslora = true',
    "lora+": 'method = "lora" and lora.plus_ratio = 16.0',
    "loraplus": 'method = "lora" and lora.plus_ratio = 16.0',
    "pissa": 'method = "lora" and lora.init = "pissa"',
    "prefix_tuning": 'method = "prefix"',
    "prompt_tuning": 'method = "prompt"',
    "freeze": 'method = "full" and parameters.freeze_layers',
}
"""What users call a method -> how it is said here."""


class LoraConfig(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Low-rank adapters (arXiv 2106.09685); for ``adalora`` too, where ``r`` is the rank they begin with.

    ``targets``: ``all-linear`` (all but the output head), or names of linear layers such as ``["q_proj", "v_proj"]``. ``rslora``
    scales by alpha / √r instead of alpha / r (2312.03732). ``dora`` trains magnitudes beside directions (2402.09353). ``init``
    ``pissa`` starts from the largest singular values of the weights (2404.02948); ``pissa_fast`` finds them by a randomised
    decomposition, seconds instead of minutes per layer. ``plus_ratio`` is the learning rate of B by that of A (LoRA+, 2402.12354,
    which proposes 16; 1 is off). ``quantise`` ``nf4`` keeps the frozen base in four bits (QLoRA, 2305.14314; needs
    bitsandbytes and an NVIDIA GPU).
    """

    r: int = 16
    alpha: float = 32.0
    dropout: float = 0.0
    targets: str | tuple[str, ...] = "all-linear"
    rslora: bool = False
    dora: bool = False
    init: Literal["default", "pissa", "pissa_fast"] = "default"
    plus_ratio: float = 1.0
    quantise: Literal["none", "nf4"] = "none"


class AdaloraConfig(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """AdaLoRA (arXiv 2303.10512): ranks fall from ``lora.r`` to ``target_r`` on average, where they matter least first.

    Shares of all steps: none falls in the first ``start``, and none in the last ``final``. Between, every ``every`` steps, by a
    cubic schedule. ``beta1`` and ``beta2`` smooth sensitivity and its uncertainty; ``orthogonality`` weighs ‖PᵀP − I‖ + ‖QQᵀ − I‖.
    """

    target_r: int = 8
    start: float = 0.1
    final: float = 0.3
    every: int = 1
    beta1: float = 0.85
    beta2: float = 0.85
    orthogonality: float = 0.5


class Ia3Config(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """IA³ (arXiv 2205.05638): activations are multiplied by learned vectors. Of ``targets``, those in ``feedforward`` scale what
    comes in, the others what goes out. Empty: keys, values and the down projection, by the names that they have in the model."""

    targets: tuple[str, ...] = ()
    feedforward: tuple[str, ...] = ()


class PrefixConfig(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prefix tuning (arXiv 2101.00190): ``tokens`` learned keys and values before every layer's own. ``projection`` is the width of
    a two-layer network that makes them while they are trained (0: none)."""

    tokens: int = 20
    projection: int = 0


class PromptConfig(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prompt tuning (arXiv 2104.08691): ``tokens`` learned embeddings before the prompt. They start as those of ``text``, cut or
    repeated to fit, or of tokens drawn from the vocabulary."""

    tokens: int = 20
    text: str = ""


def complaints(
    method: Method, lora: LoraConfig, ada: AdaloraConfig, prefix: PrefixConfig, prompt: PromptConfig
) -> Iterable[Complaint]:
    """(where, what) of everything that types alone do not catch."""
    yield from ranges(
        Range("lora.r", lora.r, 1 <= lora.r <= LARGEST_RANK, f"a rank from 1 to {LARGEST_RANK} (the largest that vLLM serves)"),
        Range("lora.alpha", lora.alpha, 0 < lora.alpha < math.inf, "a positive number"),
        Range("lora.dropout", lora.dropout, 0 <= lora.dropout < 1, "a share from 0 to below 1"),
        Range("lora.plus_ratio", lora.plus_ratio, 1 <= lora.plus_ratio < math.inf, "1 (off) or more"),
        Range("prefix.tokens", prefix.tokens, prefix.tokens >= 1, "1 or more"),
        Range("prefix.projection", prefix.projection, prefix.projection >= 0, "0 (none) or more"),
        Range("prompt.tokens", prompt.tokens, prompt.tokens >= 1, "1 or more"),
    )
    if isinstance(lora.targets, str) and lora.targets != "all-linear":
        yield "lora.targets", f'expected "all-linear" or a list of layer names, found {lora.targets!r}'
    if lora.init != "default":
        yield from _from_singular_values(lora)
    if method == "adalora":
        yield from _adalora(lora, ada)


def _from_singular_values(lora: LoraConfig) -> Iterable[Complaint]:
    start = f'"{lora.init}"'
    if lora.dora:
        yield "lora.init", f"{start} and lora.dora = true cannot go together: no file could hold what is trained. Choose one."
    if lora.dropout:
        yield "lora.dropout", f"is {lora.dropout}, but with lora.init = {start} it would drop parts of the model. Set it to 0."
    if lora.quantise != "none":
        yield "lora.init", f"{start} changes the base weights, and lora.quantise would round them again. Choose one."
    if 2 * lora.r > LARGEST_RANK:
        yield "lora.r", f"with lora.init = {start} an adapter of twice the rank is saved; expected at most {LARGEST_RANK // 2}"


def _adalora(lora: LoraConfig, ada: AdaloraConfig) -> Iterable[Complaint]:
    yield from ranges(
        Range("adalora.target_r", ada.target_r, 1 <= ada.target_r < lora.r, f"1 or more, and less than lora.r ({lora.r})"),
        Range("adalora.start", ada.start, 0 <= ada.start < 1, "a share from 0 to below 1"),
        Range("adalora.final", ada.final, 0 <= ada.final < 1, "a share from 0 to below 1"),
        Range("adalora.start", ada.start, ada.start + ada.final < 1, "together with adalora.final less than 1"),
        Range("adalora.every", ada.every, ada.every >= 1, "1 or more"),
        Range("adalora.beta1", ada.beta1, 0 < ada.beta1 < 1, "a number between 0 and 1"),
        Range("adalora.beta2", ada.beta2, 0 < ada.beta2 < 1, "a number between 0 and 1"),
        Range("adalora.orthogonality", ada.orthogonality, 0 <= ada.orthogonality < math.inf, "0 (off) or more"),
    )
    plain = LoraConfig()
    for key in ("rslora", "dora", "init", "plus_ratio", "quantise"):
        if getattr(lora, key) != getattr(plain, key):
            yield f"lora.{key}", 'does nothing with method = "adalora". Remove it, or set method = "lora".'
