"""A base in four bits: trained, handed over as LoRA, merged, with the distance that rounding the base made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.records import Handover, Training
from trainers.config import parse
from trainers.lab import LabPaths
from trainers.loop import train

pytestmark = [pytest.mark.gpu, pytest.mark.models]


@pytest.mark.parametrize("merge", [False, True])
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_four_bits_are_trained_over_and_handed_over_whole(lab_test: LabPaths, tmp_path: Path, merge: bool, precision: str) -> None:
    pytest.importorskip("bitsandbytes")
    data = Path(lab_test.root) / "data"
    raw: dict[str, Any] = {
        "name": "four_bits", "base": str(lab_test.base), "method": "lora", "merge": merge, "precision": precision,
        "data": {
            "train": str(data / "target.train.jsonl"), "validation": str(data / "target.validation.jsonl"), "tokens_per_batch": 512,
        },
        "lora": {"quantise": "nf4"}, "optimizer": {"learning_rate": 5e-3, "epochs": 2},
    }  # fmt: skip
    folder = train(parse(raw, folder=tmp_path))
    training = msgspec.json.decode((folder / "training.json").read_bytes(), type=Training)
    handover = msgspec.json.decode((folder / "candidate.json").read_bytes(), type=Handover)
    assert training.validations[-1].losses["target"] < 0.6 * training.validations[0].losses["target"]
    assert (handover.quantised, handover.serving) == ("nf4", "weights" if merge else "lora")
    if merge:
        assert handover.merge is not None
        assert handover.merge.kl_trained is not None
        assert 0 < handover.merge.kl_trained < handover.merge.kl_base
