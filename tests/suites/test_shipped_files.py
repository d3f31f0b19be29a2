"""Files that sftgate ships are found by prefix, from any config."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ConfigError
from suites.rows import locate


def test_a_shipped_file_is_named_by_prefix() -> None:
    assert locate("suites:general.jsonl", folder=Path("/nowhere"), where="x").is_file()


def test_a_misspelt_shipped_file_names_its_neighbour() -> None:
    with pytest.raises(ConfigError, match=r"Did you mean 'general.jsonl'"):
        locate("suites:generl.jsonl", folder=Path("/nowhere"), where="x")
