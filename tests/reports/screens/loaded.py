"""Speed under four loads, with what a token costs in each."""

from __future__ import annotations

import random

from harness.records import Measured, Metric, Sample
from tests.harness.runs import measured
from tests.reports import fixtures
from tests.reports.fixtures import Made
from tests.reports.trained import trainings

LOADS = (1, 2, 8, 32)
SLOW = {"base": 1.0, "full-replay": 1.04, "lora-replay": 1.3}
UNITS = {"seconds": "s", "first_token_seconds": "s", "tokens_out": "tokens"}


def build() -> Made:
    """Two candidates and their baseline."""
    names = ("full-replay", "lora-replay")
    runs = fixtures.measured(names=names, scale=0.12)
    for name in ("base", *names):
        runs["speed", name] = side(name)
    return fixtures.conclusion(runs, names), runs, trainings(names)


def side(name: str) -> Measured:
    """Sixty questions under every load."""
    rows = []
    for load in LOADS:
        for number in range(60):
            dice = random.Random(f"{load}/{number}/{name}")
            tokens = 12 + number * 4
            first = 0.03 * SLOW[name] * (1 + load / 9) * dice.uniform(0.9, 1.3)
            seconds = first + tokens * 0.004 * SLOW[name] * (1 + load / 20) * dice.uniform(0.95, 1.1)
            rows.append(
                Sample(
                    key=f"q{number}@{load}", task=f"load{load}", cluster=f"q{number}", prompt=f"Count to {number}.",
                    outputs=("one two",), scores={"seconds": seconds, "first_token_seconds": first, "tokens_out": float(tokens)},
                )
            )  # fmt: skip
    metrics = {metric: Metric(kind="real", direction="lower", unit=unit) for metric, unit in UNITS.items()}
    return measured(name, rows, suite="speed", use="latency", metrics=metrics)
