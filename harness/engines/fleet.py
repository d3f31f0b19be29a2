"""Many LoRA adapters over one base inside vLLM: how many share a step, and under which identity each is asked.

On a CPU, vLLM 0.32 gives rows without an adapter the *last* LoRA slot when they share a batch with adapter rows (upstream #48421,
#49656). Where all adapters have a slot, there is one slot more, which stays empty. Where they take turns every slot fills up, so
there the base is asked through an adapter of zeros, which has a slot like the others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.checkpoints import adapter_files, read_adapter_config, tensor_shapes
from harness.engines.adapters import content_hash, lora_rank, max_lora_rank
from harness.errors import EngineError

SLOTS = 16
"""Adapters that share a step unless ``resources.max_loras`` says otherwise: every slot is as large as the largest rank."""


class Fleet:
    """The adapters of one engine, by candidate. ``turns``: there are more of them than may share a step."""

    def __init__(self, adapters: Mapping[str, Path], *, device: str, max_loras: int | None) -> None:
        self.adapters = dict(adapters)
        self.device = device
        self.sharing = min(len(self.adapters), max_loras or SLOTS)
        self.turns = self.sharing < len(self.adapters)
        self.ranks = [lora_rank(read_adapter_config(folder)) for folder in self.adapters.values()]

    def arguments(self) -> dict[str, Any]:
        """vLLM's arguments for these adapters; empty where there are none. All of them stay in memory, whoever has a slot."""
        if not self.adapters:
            return {}
        spare = 1 if self.device == "cpu" else 0
        return {
            "enable_lora": True,
            "max_loras": self.sharing + spare,
            "max_cpu_loras": len(self.adapters) + spare,
            "max_lora_rank": max_lora_rank(self.ranks),
        }

    def identities(self, folder: Path) -> tuple[dict[str, Any], Any]:
        """The ``LoRARequest`` of every candidate with an adapter, and the base's: None, or zeros written into ``folder``.

        vLLM's prefix cache knows an adapter by name and path only, so its content hash is part of the name.
        """
        from vllm.lora.request import LoRARequest

        requests = {
            name: LoRARequest(lora_name=f"{name}@{content_hash(path)}", lora_int_id=1 + index, lora_path=str(path))
            for index, (name, path) in enumerate(self.adapters.items())
        }
        if self.device != "cpu" or not self.turns:
            return requests, None
        write_zeros(list(self.adapters.values()), folder)
        return requests, LoRARequest(lora_name="@zeros", lora_int_id=1 + len(self.adapters), lora_path=str(folder))


def write_zeros(adapters: list[Path], folder: Path) -> None:
    """Write an adapter of rank 1 that changes nothing into ``folder``, for a module that one of ``adapters`` changes."""
    import numpy as np
    from safetensors.numpy import save_file

    for adapter in adapters:
        for file in adapter_files(adapter):
            shapes = tensor_shapes(file) if file.suffix == ".safetensors" else {}
            for name, shape in shapes.items():
                other = name.replace(".lora_A.", ".lora_B.")
                if not name.endswith(".lora_A.weight") or len(shape) != 2 or other not in shapes:
                    continue
                zeros = {name: np.zeros((1, shape[1]), np.float32), other: np.zeros((shapes[other][0], 1), np.float32)}
                folder.mkdir(parents=True, exist_ok=True)
                save_file(zeros, str(folder / "adapter_model.safetensors"))
                module = name.removesuffix(".lora_A.weight").rpartition(".")[2]
                config = {
                    "peft_type": "LORA",
                    "task_type": "CAUSAL_LM",
                    "r": 1,
                    "lora_alpha": 1,
                    "target_modules": [module],
                    "bias": "none",
                }
                (folder / "adapter_config.json").write_text(json.dumps(config))
                return
    raise EngineError(
        "more adapters than resources.max_loras take turns only where one of them is a safetensors file with a pair of plain LoRA "
        "matrices; raise max_loras to their number."
    )
