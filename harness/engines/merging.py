"""An adapter made part of its base's weights, where vLLM cannot serve it as LoRA; and what that costs in accuracy, measured.

PEFT merges in float32. The merged weights are then written in the dtype they will be served in, into a cache whose folders are
named by content: base, adapter, dtype. ``merge.json`` beside them holds how far the log-probabilities of the probe prompts moved.
"""

from __future__ import annotations

import gc
import time
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from harness.engines import serving
from harness.engines.kept_weights import KEPT_DAYS, kept
from harness.engines.probes import PROBES
from harness.engines.tokens import Tokens
from harness.errors import EngineError
from harness.fingerprint import adapter_digest, digest, weights_digest

MERGING = 1
"""Raise this when merging changes what is written: old folders are not met then."""

UNFAITHFUL = 1e-2
"""Nats by which a merge in float32 may move a probe's log-probability. More is no rounding: the merge would be another model."""


class Merge(msgspec.Struct, frozen=True, kw_only=True):
    """What ``merge.json`` says, in nats of a probe's summed log-probability, the largest over the probe prompts.

    ``moved``: by the adapter itself (0: it is not live). ``float32_error``: by merging. ``served_error``: by merging and casting to
    ``dtype``. The agreements are shares of positions whose most likely token stays the same.
    """

    format: int = 1
    dtype: str
    peft: str
    probes: int
    moved: float
    float32_error: float
    float32_agreement: float
    served_error: float
    served_agreement: float
    seconds: float

    def note(self, name: str, folder: Path) -> str:
        """One line for the user."""
        cast = "" if self.dtype == "float32" else f" ({self.float32_error:.2g} in float32)"
        size = sum(path.stat().st_size for path in folder.iterdir()) / 2**30
        return (
            f"{name}: its adapter is served merged into its base. On {self.probes} probe prompts that moves scores by up to "
            f"{self.served_error:.2g} nats in {self.dtype}{cast}; {self.served_agreement:.1%} of the greedy tokens stay. The "
            f"weights ({size:.2g} GiB) are kept in {folder} until nobody has used them for {KEPT_DAYS} days."
        )


class Seen(NamedTuple):
    """What a model says about the probe prompts: summed log-probabilities, and the most likely token of every position."""

    logprobs: tuple[float, ...]
    greedy: tuple[int, ...]


def merged(base: Path, adapter: Path, dtype: str, *, trust_remote_code: bool = False) -> tuple[Path, Merge]:
    """The folder of the merged weights, made now or found in the cache, and what merging did.

    Raises EngineError where PEFT cannot merge, where the merge is not faithful, or where the cache cannot be written.
    """
    key = digest([MERGING, serving.installed_version(["peft"]), weights_digest(base), adapter_digest(adapter), dtype])[:16]

    def write(target: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # PEFT takes biases for damaged matrices, and so on; we measure instead
            merge = _merge(base, adapter, dtype, target, trust_remote_code)
        (target / "merge.json").write_bytes(msgspec.json.format(msgspec.json.encode(merge)))

    def failed(reason: str) -> str:
        return (
            f"the adapter {str(adapter)!r} cannot be merged into {str(base)!r}: {reason}. Use engine = 'transformers' for "
            "it and for the baseline."
        )

    folder = kept("merged", key, write, failed=failed, whole=lambda folder: _read(folder) is not None)
    merge = _read(folder)
    if merge is None:
        raise EngineError(f"{str(folder)!r} was deleted or damaged while it was read; measure again")
    return folder, merge


def _read(folder: Path) -> Merge | None:
    """What was written beside finished weights; None where there are none, or an older release wrote them."""
    try:
        return msgspec.json.decode((folder / "merge.json").read_bytes(), type=Merge)
    except (OSError, msgspec.DecodeError):
        return None


def _merge(base: Path, adapter: Path, dtype: str, target: Path, trust_remote_code: bool) -> Merge:
    """Merge, measure, and write the weights into ``target``."""
    import peft

    started = time.perf_counter()
    tokens = Tokens(base, options=serving.ModelOptions(trust_remote_code=trust_remote_code))
    model = _load(base, trust_remote_code)
    plain = _look(model, tokens)
    model = peft.PeftModel.from_pretrained(model, str(adapter)).eval()
    applied = _look(model, tokens)
    model = model.merge_and_unload(safe_merge=True).eval()
    exact = _look(model, tokens)
    error = _distance(applied, exact)
    if not error <= UNFAITHFUL:
        raise ValueError(f"merged in float32 it answers differently: its log-probabilities move by {error:.3g} nats")
    rounded = _write(model, dtype, target, tokens)
    del model
    gc.collect()
    error = _distance(rounded, _look(_load(target, trust_remote_code), tokens))
    if not error <= UNFAITHFUL:
        raise ValueError(f"read back from disk it answers differently: its log-probabilities move by {error:.3g} nats")
    served = _look(_load(target, trust_remote_code, dtype), tokens)
    return Merge(
        dtype=dtype, peft=peft.__version__, probes=len(PROBES), moved=_distance(plain, applied),
        float32_error=_distance(applied, exact), float32_agreement=_agreement(applied, exact),
        served_error=_distance(applied, served), served_agreement=_agreement(applied, served),
        seconds=round(time.perf_counter() - started, 3),
    )  # fmt: skip


def _write(model: Any, dtype: str, target: Path, tokens: Tokens) -> Seen:
    """Write the weights in ``dtype``. Returns what the model with weights so rounded says in float32."""
    import torch

    kind = getattr(torch, dtype)
    for weight in model.parameters():
        weight.data = weight.data.to(kind).float()
    rounded = _look(model, tokens)
    model.to(kind).save_pretrained(str(target))
    return rounded


def _load(folder: Path, trust_remote_code: bool, dtype: str = "float32") -> Any:
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    return AutoModelForCausalLM.from_pretrained(
        str(folder), dtype=getattr(torch, dtype), trust_remote_code=trust_remote_code
    ).eval()


def _look(model: Any, tokens: Tokens) -> Seen:
    import torch

    logprobs, greedy = [], []
    for probe in PROBES:
        pair = tokens.pair(probe)
        ids = torch.tensor([pair.context + pair.continuation], device=model.device)
        with torch.inference_mode():
            logits = model(input_ids=ids, use_cache=False).logits[0, len(pair.context) - 1 : -1]
        scores = logits.float().log_softmax(-1)
        logprobs.append(float(scores.gather(-1, ids[0, len(pair.context) :, None]).sum()))
        greedy += scores.argmax(-1).tolist()
    return Seen(tuple(logprobs), tuple(greedy))


def _distance(left: Seen, right: Seen) -> float:
    differences = [abs(a - b) for a, b in zip(left.logprobs, right.logprobs, strict=True)]
    return max(differences) if all(difference == difference for difference in differences) else float("nan")


def _agreement(left: Seen, right: Seen) -> float:
    same = [a == b for a, b in zip(left.greedy, right.greedy, strict=True)]
    return sum(same) / len(same)
