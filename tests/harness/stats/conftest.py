"""Published and cross-checked values, beside the repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"


@pytest.fixture(scope="session")
def vectors() -> dict[str, Any]:
    """``statistics_vectors.json``."""
    file = SHARED / "statistics_vectors.json"
    if not file.is_file():
        pytest.skip("the data folder with statistics_vectors.json is not beside the repository")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="session")
def text_metrics() -> Path:
    """The folder with real translations and their BLEU and chrF."""
    folder = SHARED / "text_metrics"
    if not folder.is_dir():
        pytest.skip("the data folder with text_metrics is not beside the repository")
    return folder
