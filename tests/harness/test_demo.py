"""What the demo writes before it trains, and that its suites share what they ask. The whole of it: tests/test_end_to_end.py."""

from __future__ import annotations

import json
import tomllib
from collections import Counter, defaultdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

import trainers.folder
from harness.commands import demo
from harness.commands.demo_review import SOURCES, SUITE
from trainers.lab import LabPaths

SHIPPED = files("trainers.lab") / "demo"
SIZES = {"full": SHIPPED, "test": SHIPPED / "small"}
ANSWERED = {"prompted", "entities", "classification", "safety", "consistency", "robustness", "layered", "generation"}


def suites(size: str) -> list[dict[str, Any]]:
    return list(tomllib.loads((SIZES[size] / "gate.toml").read_text())["suites"])


@pytest.mark.parametrize("size", SIZES)
def test_suites_about_the_same_questions_ask_them_the_same_way(size: str) -> None:
    """Then one answer serves them all; other options would ask everything again."""
    asked = defaultdict(set)
    for suite in suites(size):
        if suite["use"] in ANSWERED:
            options = suite["options"]
            file = options["items"].replace("wordings.jsonl", "${LAB}/data/suites/facts.jsonl")
            asked[file].add((options["max_tokens"], *(options.get(key) for key in ("system", "temperature", "draws", "stop"))))
    assert {file: len(ways) for file, ways in asked.items()} == dict.fromkeys(asked, 1)


@pytest.mark.parametrize("size", SIZES)
def test_every_rule_is_about_a_suite_that_there_is(size: str) -> None:
    config = tomllib.loads((SIZES[size] / "gate.toml").read_text())
    assert {rule["metric"].split("/")[0] for rule in config["rules"]} <= {"human", *(suite["name"] for suite in suites(size))}


def test_what_raters_see_was_asked_by_other_suites_and_no_rule_blocks_by_simulated_votes() -> None:
    config = tomllib.loads((SIZES["full"] / "gate.toml").read_text())
    by_name = {suite["name"]: suite for suite in config["suites"]}
    everyday = by_name[SUITE]["options"]
    assert config["review"]["suite"] == SUITE
    assert {by_name[name]["options"]["max_tokens"] for name in SOURCES.values()} == {everyday["max_tokens"]}
    assert all(everyday[name] == by_name["preference"]["options"][name] for name in ("judge", "use", "prompt", "admission"))
    assert {rule["severity"] for rule in config["rules"] if rule["metric"].startswith(("human/", SUITE))} == {"inform"}


def test_the_writer_and_a_candidate_fit_one_gpu_together() -> None:
    """They are open at the same time, and vLLM takes its share of the device when it starts."""
    config = tomllib.loads((SIZES["full"] / "gate.toml").read_text())
    writers = {suite["options"]["writer"] for suite in config["suites"] if "writer" in suite["options"]}
    assert writers == {"writer"}
    beside = config["engines"]["writer"]["resources"]["gpu_memory_utilization"]
    assert all(candidate["resources"]["gpu_memory_utilization"] + beside < 0.91 for candidate in config["candidates"])


def test_wordings_are_the_facts_that_are_asked_more_than_once(tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    (lab / "data" / "suites").mkdir(parents=True)
    rows = [{"key": str(index), "cluster": fact} for index, fact in enumerate("abacdc")]
    (lab / "data" / "suites" / "facts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    demo._write_wordings(tmp_path, lab)
    found = [json.loads(line) for line in (tmp_path / "wordings.jsonl").read_text().splitlines()]
    assert found == [rows[0], rows[2], rows[3], rows[5]]


@pytest.mark.models
def test_candidates_lie_in_a_folder_of_what_decides_them(
    lab_test: LabPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later version that trains otherwise finds no folder of an earlier one in its way."""
    first = demo._write_configs(tmp_path, lab_test.root, "test", 0)
    assert demo._write_configs(tmp_path, lab_test.root, "test", 0) == first
    assert f'"{first}/careless"' in (tmp_path / "gate.toml").read_text()
    assert demo._write_configs(tmp_path, lab_test.root, "test", 1) != first
    real = trainers.folder.fingerprint
    monkeypatch.setattr(trainers.folder, "fingerprint", lambda *given: real(*given) + "of a later version")
    assert demo._write_configs(tmp_path, lab_test.root, "test", 0) != first


@pytest.mark.models
def test_every_suite_of_the_smallest_demo_finds_its_rows(lab_test: LabPaths, tmp_path: Path) -> None:
    from harness.config import load
    from harness.pipeline.preparing import build_suite

    demo._write_configs(tmp_path, lab_test.root, "test", 0)
    demo._write_wordings(tmp_path, lab_test.root)
    loaded = load(tmp_path / "gate.toml")
    built = {entry.name: build_suite(entry, loaded, f"suites[{index}]") for index, entry in enumerate(loaded.config.suites)}
    expects = Counter(item.slices["expects"] for item in built["safety"].items())
    assert set(expects) == {"refuse", "answer"}
    assert min(expects.values()) > 300
    assert {item.target for item in built["intent"].items()} == {"fan", "heater", "radio", "light", "seat", "window"}
    assert {len(item.target) for item in built["slots"].items()} == {4}
