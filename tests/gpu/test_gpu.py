"""What a CPU cannot show; ``make gpu`` on a machine with an NVIDIA GPU. Without one these tests skip."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.engines.transformers_engine import Transformers
from harness.engines.vllm import Vllm
from harness.records import Candidate, Message, Request
from tests.harness.engines.asking import answers
from trainers.lab import LabPaths

pytestmark = [pytest.mark.gpu, pytest.mark.models, pytest.mark.vllm]


@pytest.fixture(scope="module", autouse=True)
def cuda() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        if os.environ.get("SFTGATE_REQUIRE_GPU"):
            pytest.fail("no CUDA device")
        pytest.skip("no CUDA device")


def test_vllm_and_transformers_agree_on_the_gpu(lab_test: LabPaths) -> None:
    requests = [
        Request(messages=(Message(role="user", content=f"what is {a} plus {b}?"),), max_tokens=12)
        for a in range(5)
        for b in range(5)
    ]
    requests += [Request(kind="score", prompt="one two", continuation=" three") for _ in range(3)]
    options: dict[str, Any] = {"dtype": "float32", "max_model_len": 256}
    found = []
    for kind, name in ((Vllm, "vllm"), (Transformers, "transformers")):
        candidate = Candidate(name="base", model=str(lab_test.base), engine=name, options=options)
        with kind([candidate]) as engine:
            found.append(answers(engine, [("base", request) for request in requests]))
    for ours, theirs in zip(*found, strict=True):
        if ours.logprob is None:
            assert ours.token_ids == theirs.token_ids
        else:
            assert ours.logprob == pytest.approx(theirs.logprob, abs=1e-3)


def test_the_smallest_demo_runs_on_the_gpu(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness.cli", "demo", "--size", "test", "--folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
