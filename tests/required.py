"""Parts that a test needs: absent, the test skips and says why; under CI (SFTGATE_REQUIRE_ALL) it fails."""

from __future__ import annotations

import importlib.util
import os

import pytest


def needs(module: str) -> None:
    """Skip the test where ``module`` is not installed; fail it where everything is required."""
    if importlib.util.find_spec(module) is not None:
        return
    reason = f"{module} is not installed"
    if os.environ.get("SFTGATE_REQUIRE_ALL"):
        pytest.fail(reason)
    pytest.skip(reason)
