"""The demo at full size, for three seeds of training: the verdicts are decided by statistics, not by luck."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from harness.records import Conclusion


@pytest.mark.full
@pytest.mark.models
@pytest.mark.vllm
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_demo_ends_the_same_for_every_seed(tmp_path: Path, seed: int) -> None:
    pytest.importorskip("vllm")
    command = [sys.executable, "-m", "harness.cli", "demo", "--folder", str(tmp_path), "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    conclusion = msgspec.json.decode((tmp_path / "runs" / "verdict.json").read_bytes(), type=Conclusion)
    outcomes = {verdict.candidate: verdict.outcome for verdict in conclusion.verdicts}
    assert outcomes["careless"] == "fail"
    assert outcomes["lora_bare"] == "fail"
    assert "pass" in {outcomes["full_replay"], outcomes["lora_replay"]}
    assert conclusion.admissions
    assert {admission.admitted for admission in conclusion.admissions.values()} == {True, False}
