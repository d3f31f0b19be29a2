"""The made-up runs behind ``python -m benchmarks.page`` hold all that a report can show, and are the same every time."""

from __future__ import annotations

from benchmarks.page.made_up import BASELINE, gate, measured


def test_made_up_runs_have_everything_and_do_not_change() -> None:
    conclusion, runs = gate(1200, 2)
    samples = [each for run in runs.values() for each in run.samples]
    assert {name for _, name in runs} == {BASELINE, "week47", "week48"}
    assert len(conclusion.verdicts) == 2
    for what in ("error", "flags", "slices", "draws", "thinking", "extracted", "judgments", "rendered"):
        assert any(getattr(each, what) for each in samples), what
    assert {said.order for each in samples for said in each.judgments} == {"left", "right"}
    assert measured(1200, 2) == runs
