"""Without an NVIDIA GPU these tests skip; where one is required, they fail."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="module", autouse=True)
def cuda() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        if os.environ.get("SFTGATE_REQUIRE_GPU"):
            pytest.fail("no CUDA device")
        pytest.skip("no CUDA device")
