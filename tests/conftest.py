"""What all tests share: the test-size lab, built once and cached by its recipe."""

from __future__ import annotations

import pytest

from trainers.lab import LabPaths, build


@pytest.fixture(scope="session")
def lab_test() -> LabPaths:
    """The test-size lab (a real model that knows facts and refusals). Tests that use it are marked ``models``."""
    pytest.importorskip("torch", reason="the lab needs torch")
    pytest.importorskip("transformers", reason="the lab needs transformers")
    return build("test")
