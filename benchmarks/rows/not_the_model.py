"""What asking costs besides the model: the whole pipeline over real vLLM, without the time inside vLLM's own start and steps.

The models are the lab's; an adapter with random weights joins the base, so that batches are mixed as in a real gate.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from harness.config import load
from harness.engines.vllm import Vllm
from harness.pipeline import measure, prepare

SUITES = ("facts", "refusals", "general", "arithmetic", "target")


class TimedVllm(Vllm):
    """vLLM, with the seconds inside its start, its steps and its release counted."""

    seconds: ClassVar[float] = 0.0

    def __enter__(self) -> Self:
        before = time.perf_counter()
        try:
            return super().__enter__()
        finally:
            TimedVllm.seconds += time.perf_counter() - before

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        before = time.perf_counter()
        super().__exit__(kind, error, trace)
        TimedVllm.seconds += time.perf_counter() - before

    def _step(self) -> None:
        before = time.perf_counter()
        super()._step()
        TimedVllm.seconds += time.perf_counter() - before


def overhead(repeats: int = 1) -> dict[str, Any]:
    """One first run and one second run of the same gate; ``repeats`` asks every item that many times (as draws)."""
    from trainers.lab import build

    with tempfile.TemporaryDirectory() as folder:
        path = _write_config(Path(folder), build("full"), repeats)
        started = time.perf_counter()
        first = measure(prepare(load(path)))
        total = time.perf_counter() - started
        started = time.perf_counter()
        second = measure(prepare(load(path)))
        again = time.perf_counter() - started
    outside = total - TimedVllm.seconds
    return {
        "requests": first.sent,
        "seconds": round(total, 2),
        "inside vLLM, start included": round(TimedVllm.seconds, 2),
        "outside the model": round(outside, 2),
        "share outside": round(outside / total, 4),
        "requests per second": round(first.sent / total, 1),
        "second run, seconds": round(again, 3),
        "second run, engine starts": second.engines,
        "first / second": round(total / again, 1),
    }


def _write_config(folder: Path, lab: Any, repeats: int) -> Path:
    adapter = random_adapter(lab.base, folder / "adapter")
    engine = "benchmarks.overhead:TimedVllm"
    decoding: dict[str, Any] = {"max_tokens": 40} | ({"draws": repeats, "temperature": 0.7} if repeats > 1 else {})
    config = {
        "baseline": "base",
        "candidates": [
            {"name": "base", "model": str(lab.base), "engine": engine},
            {"name": "adapter", "model": str(lab.base), "adapter": str(adapter), "engine": engine},
        ],
        "suites": [
            {
                "name": name,
                "use": "prompted",
                "options": {
                    "items": str(lab.data / "suites" / f"{name}.jsonl"),
                    "score": "json_equal" if name == "target" else "exact_match",
                    **decoding,
                },
            }
            for name in SUITES
        ],
    }
    path = folder / "gate.yaml"
    path.write_text(json.dumps(config))
    return path


def random_adapter(base: Path, folder: Path, *, seed: int = 0) -> Path:
    """A LoRA adapter of rank 8 with random weights in both factors: live, and useless."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base), LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    model.save_pretrained(folder)
    return folder
