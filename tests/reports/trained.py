"""Made-up trainings of the candidates, with the losses that such trainings would show."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from harness.records import Concern, Evaluation, Flow, Speed, Training, TrainingPoint, ValidationPoint, Verbatim, Written
from tests.reports.answered import CANDIDATES


def trainings(names: Sequence[str] = CANDIDATES) -> dict[str, Training]:
    """A training of every candidate, with the losses that such a training would show."""
    return {name: _training(name) for name in names}


def _training(name: str) -> Training:
    dice = random.Random(name)
    steps = 240 if name == "careless" else 180
    forgets = {"careless": 1.1, "lora": 0.55, "full-replay": 0.05, "lora-replay": 0.03}[name]
    points = tuple(
        TrainingPoint(
            step=step,
            loss=0.12 + 2.1 * math.exp(-step / 28) + dice.uniform(-0.03, 0.06),
            learning_rate=2e-3 * min(1, step / 12) * (0.5 + 0.5 * math.cos(math.pi * step / steps)),
            grad_norm=0.6 + 5 * math.exp(-step / 15) + (9.0 if name == "careless" and step == 120 else 0.3 * abs(math.sin(step))),
            supervised_tokens=512,
        )
        for step in range(1, steps + 1)
    )
    validations = tuple(
        ValidationPoint(
            step=step,
            losses={"device": 0.15 + 2.0 * math.exp(-step / 30), "general": 0.62 + forgets * (1 - math.exp(-step / 60))},
            divergences={"device": 0.4 * (1 - math.exp(-step / 30)), "general": forgets * (1 - math.exp(-step / 60))},
        )
        for step in range(0, steps + 1, 20)
    )
    evaluations = tuple(
        Evaluation(
            step=step,
            target=0.7 * (1 - math.exp(-step / 50)),
            loss=0.3 * forgets * step / steps,
            broken=int(forgets > 1 and step > 120),
            unproven=int(forgets > 0.5 and step > 60),
        )
        for step in range(60, steps + 1, 60)
    )
    lora = "lora" in name
    concerns = (
        ()
        if forgets < 1
        else (
            Concern(
                kind="overfitting", step=steps, seen="the loss on <device> was best at step 120", advice="Train for fewer epochs"
            ),
        )
    )
    written = tuple(
        Written(step=step, prompt="<|im_start|>user\nsay 1", answer=f"<b>{step}</b>", expected="1", cut=True) for step in (0, steps)
    )
    return Training(
        name=name,
        method="lora" if lora else "full",
        base="lab/base",
        steps=steps,
        best_step=steps - 20,
        handed_over=steps - 20,
        chosen=True,
        points=points,
        validations=validations,
        evaluations=evaluations if "replay" not in name or not lora else (),
        supervised_tokens=steps * 512,
        concerns=concerns,
        written=written,
        flows=tuple(_flow(step, steps) for step in range(0, steps + 1, 20)),
        verbatims=tuple(
            Verbatim(step=step, trained=round(forgets * 40 * step / steps), tried=48, validation=step // 60, validation_tried=32)
            for step in range(0, steps + 1, 60)
        ),
        speed=Speed(
            tokens_per_second=41_200.0,
            supervised_tokens_per_second=9_000.0,
            steps=steps - 1,
            seconds=13.9,
            flops_per_second=4e14,
            device="NVIDIA H200",
            peak_flops=989e12,
            utilisation=0.41,
        ),
        seconds=14.2,
        parameters_trained=65_536 if lora else 1_042_048,
        parameters_total=1_042_048,
    )


def _flow(step: int, steps: int) -> Flow:
    """The lower layers learn less and less."""
    shares = {f"layer {layer} {part}": 10.0 ** (layer - 3) for layer in range(4) for part in ("attention", "mlp")}
    return Flow(step=step, norms={"embeddings": 0.0, **{name: share * (1.1 - step / steps) for name, share in shares.items()}})
