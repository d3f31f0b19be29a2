"""``sftgate compare --against pin:NAME``: any pin of the pin file, whether or not the config speaks of it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.harness.pipeline.gated import Gate


@pytest.fixture
def gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Gate:
    gate = Gate(tmp_path, capsys)
    gate.wrong(4)
    gate.does("measure")
    gate.does("baseline", "pin", "w46", "--of", "new")
    gate.wrong(1)
    gate.does("measure")
    return gate


def test_a_pin_that_the_config_does_not_name_is_another_side(gate: Gate) -> None:
    said = gate.does("compare", "--against", "pin:w46")
    assert said.index("old against pin:w46") < said.index("new against pin:w46")
    rows = re.findall(r"qa/items/exact_match +(\S+) +(\S+) +(\S+)", said)
    assert rows == [("0.9500", "1.0000", "+0.0500"), ("0.9500", "0.9875", "+0.0375")]
    assert "old against" not in gate.does("compare", "--against", "pin:w46", "--of", "new")
    assert "against old" in gate.does("compare"), "the baseline stays what it was"


def test_the_promoted_pin_goes_by_its_short_name(gate: Gate) -> None:
    said = gate.does("compare", "--against", "pin", code=12)
    assert "the baseline is the promoted pin, and" in said
    gate.does("baseline", "promote", "pin:w46", "--anyway", "--reason", "the first")
    assert "new against pin:w46" in gate.does("compare", "--against", "pin")


def test_a_pin_that_nobody_pinned_and_no_pins_at_all(gate: Gate) -> None:
    said = gate.does("compare", "--against", "pin:w47", code=2)
    assert "is named 'w47'. Did you mean 'w46'? Known: w46." in said
    said = gate.does("compare", "--against", "w46", code=2)
    assert "'w46' is not a candidate. Did you mean 'pin:w46'? Known: new, old, pin:w46." in said
    gate.pins.unlink()
    assert "there is no pin 'w46'" in gate.does("compare", "--against", "pin:w46", code=12)


def test_suites_that_the_pin_does_not_have_are_named(gate: Gate) -> None:
    rows = [{"key": f"s{index}", "prompt": f"sum {index}", "target": f"sum {index}"} for index in range(20)]
    (gate.folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sums = {"name": "sums", "use": "prompted", "options": {"items": "sums.jsonl"}}
    gate.config["suites"].append(sums)
    gate.does("measure")
    said = " ".join(gate.does("compare", "--against", "pin:w46").split())
    assert "qa/items/exact_match" in said
    assert "sums/items/exact_match" not in said
    assert re.search(r"not compared, because pin:w46 of \d{4}-\d\d-\d\d holds no run of it: sums", said)
    gate.config["suites"] = [sums]
    gate.config["rules"] = []
    assert "with qa, and" in gate.does("compare", "--against", "pin:w46", code=12)


def test_a_pin_whose_answers_are_not_here_is_said(gate: Gate) -> None:
    pinned = re.findall(r'graded = "([0-9a-f]{12})', gate.pins.read_text())
    shutil.rmtree(gate.folder / "runs" / "qa" / f"new@{pinned[0]}")
    assert "the run of pin:w46 in suite 'qa' is not in the store" in gate.does("compare", "--against", "pin:w46", code=12)
    assert "new against old" in gate.does("compare")


def test_a_table_without_p_says_why(gate: Gate) -> None:
    gate.items([{"key": f"k{index}", "prompt": f"question {index}", "target": f"question {index}"} for index in range(400)])
    gate.config["sequential"] = {"looks": 4}
    gate.wrong(200)
    gate.does("measure")
    said = gate.does("compare")
    assert re.search(r"qa/items/exact_match .*\] +– +\d+ ", said)
    assert "all metrics: no p: it was looked at while it was asked" in said
    gate.config["sequential"] = False
    gate.does("measure")
    said = gate.does("compare")
    assert "no p" not in said
    assert "–" not in said
