"""The lines of the table: a name, and what its config says differently from a careful full fine-tune.

Rates are those of the lab's tiny base, which needs hundreds of times more than a real one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Settings = Mapping[str, Any]

CARELESS, CAREFUL = "full, high rate (careless)", "full, replay (careful)"
FULL = {"optimizer.learning_rate": 2e-3}
LORA = {"method": "lora", "optimizer.learning_rate": 4e-3, "lora.r": 16, "lora.alpha": 32.0}
REPLAY = {"data.replay": "{data}/replay.train.jsonl", "data.replay_ratio": 1.0}
UNPACKED = {"data.packing": False}

RECIPES: dict[str, Settings] = {
    CARELESS: {"optimizer.learning_rate": 4e-3},
    "full": FULL,
    CAREFUL: FULL | REPLAY,
    "full, lowest layer frozen": FULL | {"parameters.freeze_layers": 1},
    "LoRA": LORA,
    "LoRA, replay": LORA | REPLAY,
    "rsLoRA": LORA | {"lora.rslora": True, "lora.alpha": 8.0},
    "DoRA": LORA | {"lora.dora": True},
    "LoRA+": LORA | {"optimizer.learning_rate": 1e-3, "lora.plus_ratio": 16.0},
    "PiSSA": LORA | {"optimizer.learning_rate": 1e-3, "lora.init": "pissa", "lora.alpha": 16.0},
    "AdaLoRA": {"method": "adalora", "optimizer.learning_rate": 2e-2, "lora.r": 12, "adalora.target_r": 8, "adalora.every": 5},
    "IA³": {"method": "ia3", "optimizer.learning_rate": 5e-2},
    "prefix tuning": {"method": "prefix", "optimizer.learning_rate": 5e-2} | UNPACKED,
    "prompt tuning": {"method": "prompt", "optimizer.learning_rate": 1e-1} | UNPACKED,
    "full, focal": FULL | {"objective.loss": "focal"},
    "full, DFT": FULL | {"objective.loss": "dft"},
    "full, KL to the base 0.3": FULL | {"objective.kl": 0.3},
    "full, EWC 10": FULL
    | {"objective.ewc": 10.0, "objective.ewc_data": "{data}/general.validation.jsonl", "objective.ewc_rows": 100},
    "full, L2-SP 0.01": FULL | {"objective.l2_sp": 0.01},
}


def config(settings: Settings, *, name: str, base: str, data: str, out: str, epochs: float, seed: int) -> dict[str, Any]:
    """The config of one line, as ``trainers.config.parse`` takes it."""
    raw: dict[str, Any] = {
        "name": name, "base": base, "out": out, "seed": seed, "device": "cpu",
        "data": {"train": f"{data}/target.train.jsonl", "tokens_per_batch": 512},
        "optimizer": {"epochs": epochs},
        "watching": {"flow": 0, "answers": 0, "verbatim": 0, "trackers": []},
    }  # fmt: skip
    for key, value in settings.items():
        *tables, last = key.split(".")
        target = raw
        for table in tables:
            target = target.setdefault(table, {})
        target[last] = value.replace("{data}", data) if isinstance(value, str) else value
    return raw
