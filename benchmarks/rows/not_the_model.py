"""Row 9: what asking costs besides the model: the whole pipeline over real vLLM, without the time inside vLLM itself.

The models are the lab's; an adapter with random weights joins the base, so that batches are mixed as in a real gate. The smaller
the model, the more weighs what surrounds it: with any model that people ship the share is smaller.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from benchmarks.models import describe, random_adapter
from benchmarks.row import Outcome, Setting, Unequal, row
from harness.config import load
from harness.engines.vllm import Vllm
from harness.pipeline import measure, prepare
from trainers.lab import LabPaths, build

SUITES = ("facts", "refusals", "general", "arithmetic", "target")
REQUESTS = 10_000


class TimedVllm(Vllm):
    """vLLM, with the seconds counted that pass in its start and release, in taking requests over, and in its steps."""

    start: ClassVar[float] = 0.0
    taking: ClassVar[float] = 0.0
    steps: ClassVar[float] = 0.0

    def __enter__(self) -> Self:
        before = time.perf_counter()
        super().__enter__()
        TimedVllm.start, TimedVllm.taking, TimedVllm.steps = time.perf_counter() - before, 0.0, 0.0
        self._engine.step = _timed(self._engine.step, "steps")
        self._engine.add_request = _timed(self._engine.add_request, "taking")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        before = time.perf_counter()
        super().__exit__(kind, error, trace)
        TimedVllm.start += time.perf_counter() - before


def _timed(work: Callable[..., Any], counter: str) -> Callable[..., Any]:
    def timed(*arguments: Any, **named: Any) -> Any:
        before = time.perf_counter()
        try:
            return work(*arguments, **named)
        finally:
            setattr(TimedVllm, counter, getattr(TimedVllm, counter) + time.perf_counter() - before)

    return timed


@dataclass(frozen=True)
class NotTheModel:
    """One first run and one second run of a gate of five prompted suites; both numbers of the row come from the first."""

    name: str = "wall time of a run of 10,000 requests, against all of it that is not the model"
    target: float = 20.0

    def run(self, setting: Setting) -> Outcome:
        """``theirs`` is the whole run, ``ours`` what of it did not pass inside vLLM: 20 means a share of 5 %."""
        lab = build("test" if setting.quick else "full")
        adapter = random_adapter(lab.base, setting.place / "adapter")
        items = sum(len((lab.data / "suites" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()) for name in SUITES)
        draws = 1 if setting.quick else math.ceil(REQUESTS / (2 * items))
        path = _write_config(setting.place, lab, adapter, draws)
        limit = 10 if setting.quick else None
        started = time.perf_counter()
        first = measure(prepare(load(path), limit=limit))
        total = time.perf_counter() - started
        setting.say(f"{first.sent} requests in {total:.1f} s")
        inside = TimedVllm.start + TimedVllm.taking + TimedVllm.steps
        if not TimedVllm.steps or first.failed or (first.sent < REQUESTS and not setting.quick):
            raise Unequal(
                f"{first.sent} requests, {first.failed} failed, {TimedVllm.steps:.1f} s inside vLLM: not what was to be measured"
            )
        started = time.perf_counter()
        second = measure(prepare(load(path), limit=limit))
        again = time.perf_counter() - started
        asking = total - TimedVllm.start
        return Outcome(
            row=row(self.name, ours=total - inside, theirs=total, target=self.target),
            what="seconds outside vLLM, and seconds of the whole run",
            facts={
                "requests": first.sent,
                "draws per item": draws,
                "seconds": round(total, 2),
                "vLLM's start and release": round(TimedVllm.start, 2),
                "vLLM's add_request": round(TimedVllm.taking, 2),
                "vLLM's steps": round(TimedVllm.steps, 2),
                "outside the model": round(total - inside, 2),
                "share outside": round((total - inside) / total, 4),
                "share outside, start not counted": round((total - inside) / asking, 4),
                "share outside, add_request counted as outside": round((total - inside + TimedVllm.taking) / total, 4),
                "requests per second": round(first.sent / total, 1),
                "second run, seconds": round(again, 3),
                "second run, engine starts": second.engines,
                "first / second": round(total / again, 1),
                "model": describe(lab.base),
            },
        )


def _write_config(folder: Path, lab: LabPaths, adapter: Path, draws: int) -> Path:
    engine = f"{__name__}:TimedVllm"
    decoding: dict[str, Any] = {"max_tokens": 40} | ({"draws": draws, "temperature": 0.7} if draws > 1 else {})
    config = {
        "store": str(folder / "runs"),
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
    path.write_text(json.dumps(config), encoding="utf-8")
    return path
