"""What all tests share: the test-size lab, built once and cached by its recipe; and the rule that under CI nothing is skipped.

With SFTGATE_REQUIRE_ALL set, a test that skips for want of a part (vLLM, chromium, lm-eval …) fails. Public data that may or may
not lie beside the repository is no part of the installation: its tests say so in their reason and may skip.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from typing import Any

import pytest

from trainers.lab import LabPaths, build

OPTIONAL = "beside the repository"

if "PYTEST_XDIST_WORKER" in os.environ:
    # Several processes test at once. With a thread per core in each of them, torch's threads mostly wait for one another.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: no later search for garbage goes through it again."""
    gc.collect()
    gc.freeze()


def _refuse(report: Any) -> None:
    """Turn a skip into a failure."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("SFTGATE_REQUIRE_ALL") and OPTIONAL not in reason:
        report.outcome = "failed"
        report.longrepr = f"{reason}, and SFTGATE_REQUIRE_ALL asks for every part"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    report = yield
    _refuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    report = yield
    _refuse(report)
    return report


@pytest.fixture(scope="session")
def lab_test() -> LabPaths:
    """The test-size lab (a real model that knows facts and refusals). Tests that use it are marked ``models``."""
    pytest.importorskip("torch", reason="the lab needs torch")
    pytest.importorskip("transformers", reason="the lab needs transformers")
    return build("test")
