"""``sftgate list``: everything that a store holds, and what is not to be trusted in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli import main
from harness.store import Store
from reports.serve.answering import Site
from tests.harness.runs import measured, right


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")


def write(store: Store, name: str, graded: str, suite: str = "facts", **fields: object) -> Path:
    run = measured(name, right(8, 2), suite=suite, graded=graded * 16, created=f"2026-11-2{graded}", **fields)
    return store.write_run(run.run, run.samples)


def listed(capsys: pytest.CaptureFixture[str], store: Store, code: int = 0) -> tuple[list[str], str]:
    assert main(["list", str(store.root)]) == code
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return [line.rstrip() for line in captured.out.splitlines()], captured.err


def test_every_run_is_listed_and_the_selected_ones_are_marked(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    old, new, again = write(store, "w1", "1"), write(store, "w1", "2"), write(store, "w1", "2")
    other = write(store, "w2", "3", suite="a b/c")
    smoke = write(store, "w2", "4", limit=10)
    second = write(store, "w2", "5", replicate=1)
    store.set_current({("facts", "w1"): again, ("a b/c", "w2"): other})
    Store(store.root, "smoke").set_current({("facts", "w2"): smoke})
    lines, _ = listed(capsys, store)
    assert len(lines) == 1 + 6 + 1
    rows = {path: next(line for line in lines if f"{path.name} " in f"{line} ") for path in (old, new, again, other, smoke, second)}
    assert len(set(rows.values())) == 6
    assert [row.split()[0] for row in rows.values()] == ["facts", "facts", "selected", "selected", "smoke", "facts"]
    assert rows[smoke].endswith("smoke run")
    assert rows[second].endswith("second run (A/A)")
    assert "a b/c" in rows[other]
    assert lines[-1] == "6 runs, 2 of them selected: what gate, report and compare speak of"
    assert lines.index(rows[other]) < lines.index(rows[old]) < lines.index(rows[again]), "by suite, candidate and time"


def test_runs_that_cannot_be_read_are_listed_and_said_at_the_end(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    fine, changed, lost = write(store, "w1", "1"), write(store, "w2", "2"), write(store, "w3", "3")
    store.set_current({("facts", "w2"): changed, ("facts", "w3"): lost})
    file = changed / "run.json"
    file.write_text(file.read_text().replace('"planned": 10', '"planned": 11'))
    for path in lost.iterdir():
        path.unlink()
    lost.rmdir()
    lines, err = listed(capsys, store, code=13)
    assert any(fine.name in line and "cannot be read" not in line for line in lines)
    for path in (changed, lost):
        (row,) = [line for line in lines if path.name in line]
        assert row.startswith("selected")
        assert row.endswith("cannot be read")
    assert "is not what was written" in err
    assert "And 1 more cannot be read." in err


def test_a_folder_that_is_no_store_and_a_store_without_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, err = listed(capsys, Store(tmp_path), code=2)
    assert "holds no run. Expected the folder of a store" in err
    (tmp_path / "journal.sqlite").touch()
    lines, _ = listed(capsys, Store(tmp_path))
    assert lines[-1].endswith("holds no run yet")


def test_a_store_of_somebody_else_is_a_sentence_and_a_page(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, "w1", "1")

    def locked(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", locked)
    assert main(["list", str(store.root)]) == 13
    assert "current.json' cannot be read or written: Permission denied." in capsys.readouterr().err
    answered = Site(store).answer("/suite?name=facts")
    assert answered.status == 503
    assert b"Permission denied" in answered.content
