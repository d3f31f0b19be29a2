"""Items that a config leaves out, and how many candidates the store has judged on the same ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.pipeline.left_out import judged_so_far
from harness.records import Fingerprints, Measured
from harness.store import Store
from tests.harness.runs import measured, right


def run(name: str, weights: str | None, adapter: str | None = None, **fields: Any) -> Measured:
    prints = Fingerprints(asked=f"asked {name}", weights=weights, adapter=adapter, template="template")
    return measured(name, right(2, 1), fingerprints=prints, graded=f"{abs(hash((name, weights, adapter))):064d}", **fields)


def test_different_weights_on_the_same_items_are_counted_once_each(tmp_path: Path) -> None:
    store = Store(tmp_path)
    now = [run("prod", "w1"), run("new", "w1", "a1")]
    written = [
        *now,
        run("old", "w1", "a0"),
        run("renamed", "w1", "a0"),
        run("endpoint", None),
        run("other endpoint", None),
        run("last year", "w0", items_hash="others"),
        run("prod", "w2", suite="skill"),
    ]
    for each in written:
        store.write_run(each.run, each.samples)
    assert judged_so_far(store, now) == {"facts": 5}
    assert judged_so_far(store, [*now, run("fresh", "w9")]) == {"facts": 6}, "who was not written yet counts, too"


def test_a_damaged_run_is_nobodys_evidence(tmp_path: Path) -> None:
    store = Store(tmp_path)
    now = run("prod", "w1")
    store.write_run(now.run, now.samples)
    broken = store.write_run(run("old", "w0").run, now.samples)
    (broken / "run.json").write_text("{")
    assert judged_so_far(store, [now]) == {"facts": 1}


def config(folder: Path, **settings: Any) -> Path:
    rows = [{"key": f"q{i}", "prompt": f"say {i}", "target": f"say {i}" if i % 3 else "no"} for i in range(150)]
    (folder / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    seeds = [
        {"name": f"seed{n}", "engine": "fake", "recipe": "careful", "options": {"answers": {f"say {3 * n + 1}": "?"}}}
        for n in range(3)
    ]
    content = {
        "baseline": "prod",
        "candidates": [{"name": "prod", "engine": "fake"}, *seeds],
        "suites": [{"name": "qa", "use": "prompted", "options": {"items": "items.jsonl"}}],
        "rules": [{"metric": "qa/*/exact_match", "require": "non_inferior", "margin": 0.05, "about": "recipe"}],
        **settings,
    }
    path = folder / "gate.yaml"
    path.write_text(json.dumps(content))
    return path


def test_a_recipe_is_gated_from_the_config_to_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["run", str(config(tmp_path))])
    said = " ".join(capsys.readouterr().out.split())
    written = json.loads((tmp_path / "runs" / "verdict.json").read_text())
    assert [each["candidate"] for each in written["verdicts"]] == ["recipe careful"]
    assert code == written["exit_code"] == 0, said
    assert "recipe careful" in said
    assert written["judged"] == {"qa": 4}
    assert "mean of 3 training seeds" in written["verdicts"][0]["findings"][0]["reason"]
    assert "recipe careful" in (tmp_path / "runs" / "report.html").read_text()


def test_a_run_that_was_concluded_once_is_refused_when_its_quarantine_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = {"suite": "qa", "key": "q4", "reason": "ambiguous", "until": "2999-01-01"}
    assert main(["run", str(config(tmp_path, quarantine=[entry]))]) == 0
    written = json.loads((tmp_path / "runs" / "verdict.json").read_text())
    assert written["quarantined"] == [entry]
    assert written["verdicts"][0]["findings"][0]["comparison"]["items"] == 149
    capsys.readouterr()
    late = config(tmp_path, quarantine=[{**entry, "until": "2020-01-01"}])
    assert main(["gate", str(late)]) == 2
    assert "the quarantine of item 'q4' of qa ended on 2020-01-01" in " ".join(capsys.readouterr().err.split())
