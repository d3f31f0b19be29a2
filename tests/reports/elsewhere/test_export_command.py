"""``sftgate export``: files where they were asked for, and a sentence where an option means nothing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.cli import main
from harness.commands import export
from tests.reports import fixtures


@pytest.fixture
def concluded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    conclusion, measured, _ = fixtures.small()
    monkeypatch.setattr(export, "load_config", lambda _: SimpleNamespace(store=tmp_path / "runs", part=""))
    monkeypatch.setattr(export, "decide", lambda _: (conclusion, measured))
    return tmp_path


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("csv", {"samples.csv", "comparisons.csv"}),
        ("parquet", {"samples.parquet", "comparisons.parquet"}),
        ("llm-comparator", {f"comparator-{name}.json" for name in fixtures.CANDIDATES}),
    ],
)
def test_files_lie_in_the_folder_that_was_named(kind: str, names: set[str], concluded: Path) -> None:
    assert main(["export", "gate.toml", "--to", kind, "--into", str(concluded / "out")]) == 0
    assert {path.name for path in (concluded / "out").iterdir()} == names


def test_by_default_they_lie_in_the_store_and_a_tracker_writes_where_it_wants(
    concluded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "gate.toml", "--to", "csv"]) == 0
    assert (concluded / "runs" / "export" / "samples.csv").is_file()
    assert main(["export", "gate.toml", "--to", "mlflow", "--into", str(concluded)]) == 2
    assert "decides itself" in capsys.readouterr().err
