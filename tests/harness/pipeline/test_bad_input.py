"""What users get wrong: one paragraph, the right exit code, and nothing asked of any model."""

from __future__ import annotations

import json
import shutil
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from harness.cli import main

ITEM = {"key": "a", "prompt": "one?", "target": "one"}
FAKE = {"engine": "fake", "options": {"behaviour": "echo"}}


class Gate:
    """A config in a folder that can be broken in one place, and run."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        self.flags: list[str] = []
        self.items([ITEM, {"key": "b", "prompt": "two?", "target": "two"}])
        self.config: dict[str, Any] = {
            "baseline": "old",
            "candidates": [{"name": "old", **FAKE}, {"name": "new", **FAKE}],
            "suites": [{"name": "qa", "use": "prompted", "options": {"items": "items.jsonl"}}],
            "rules": [{"metric": "qa/*/exact_match", "require": "not_regressed"}],
        }

    def items(self, rows: list[dict[str, Any]], name: str = "items.jsonl") -> None:
        (self.folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))

    def run(self) -> tuple[int, str]:
        path = self.folder / "gate.yaml"
        path.write_text(json.dumps(self.config))
        code = main(["run", str(path), *self.flags])
        return code, self.capsys.readouterr().err

    def refused(self, *words: str, code: int = 2) -> None:
        found, message = self.run()
        complaint = message[message.index("sftgate:") :]
        assert found == code, message
        for word in words:
            assert word in complaint
        assert "Traceback" not in message
        assert "\n\n" not in complaint.strip(), "one paragraph"
        assert not list(self.folder.glob("runs/qa/*")), "nothing was measured"


@pytest.fixture
def gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Gate:
    return Gate(tmp_path, capsys)


def test_a_missing_items_file(gate: Gate) -> None:
    gate.config["suites"][0]["options"]["items"] = "itemz.jsonl"
    gate.refused("suites[0].options.items", "itemz.jsonl", "Did you mean 'items.jsonl'")


def test_an_unknown_key(gate: Gate) -> None:
    gate.config["suites"][0]["retaned"] = True
    gate.refused("suites[0]", "retaned", "Did you mean 'retained'")


def test_a_wrong_type(gate: Gate) -> None:
    gate.config["seed"] = "seven"
    gate.refused("seed", "seven", "int")


def test_an_unknown_suite(gate: Gate) -> None:
    gate.config["suites"][0]["use"] = "promted"
    gate.refused("suites[0].use", "promted", "Did you mean 'prompted'")


def test_an_item_without_a_target(gate: Gate) -> None:
    gate.items([ITEM, {"key": "b", "prompt": "two?"}])
    gate.refused("items.jsonl, line 2", "no target")


def test_a_repeated_key(gate: Gate) -> None:
    gate.items([ITEM, {"key": "b", "prompt": "two?", "target": "two"}, ITEM])
    gate.refused("line 1", "line 3", "'a'")


def test_an_empty_suite(gate: Gate) -> None:
    gate.items([])
    gate.refused("items.jsonl", "no items")


def test_two_candidates_with_one_name(gate: Gate) -> None:
    gate.config["candidates"][1]["name"] = "old"
    gate.refused("two candidates are named 'old'")


def test_a_baseline_that_is_not_a_candidate(gate: Gate) -> None:
    gate.config["baseline"] = "prod"
    gate.refused("baseline", "'prod'")


def test_a_rule_that_no_suite_can_match(gate: Gate) -> None:
    gate.config["rules"][0]["metric"] = "qa/*/exact_mach"
    gate.refused("exact_mach", "exact_match")


def test_a_band_about_a_metric_that_the_suite_does_not_have(gate: Gate) -> None:
    gate.config["suites"][0]["expect"] = {"exact_mach": [0.1, 0.9]}
    gate.refused("suites[0].expect", "exact_mach", "exact_match")


def test_a_slice_that_no_item_is_in(gate: Gate) -> None:
    gate.items([ITEM | {"slices": {"lang": "en"}}, {"key": "b", "prompt": "two?", "target": "two"}])
    gate.config["rules"][0]["slice"] = "lang=zh"
    gate.refused("rules[0].slice", "lang=zh", "Known: en")


def test_a_use_that_is_no_suite(gate: Gate) -> None:
    gate.config["suites"][0]["use"] = "harness.store:Store"
    gate.refused("suites[0].use", "no suite")


@pytest.mark.parametrize("content", ["{bad", "[1]"])
def test_a_damaged_adapter_given_by_flag(gate: Gate, content: str) -> None:
    (gate.folder / "adapter").mkdir()
    (gate.folder / "adapter" / "adapter_config.json").write_text(content)
    gate.flags = ["--candidate", f"new={gate.folder / 'adapter'}"]
    gate.refused("adapter_config.json")


def test_candidates_that_are_no_list(gate: Gate) -> None:
    gate.config["candidates"] = 3
    gate.flags = ["--candidate", f"new={gate.folder}"]
    gate.refused("candidates", "array")


def test_a_rule_about_votes_is_no_mistake(gate: Gate) -> None:
    gate.config["rules"] = [{"metric": "human/win", "require": "non_inferior", "margin": 0.1}]
    assert gate.run()[0] == 11


def test_a_judge_that_nobody_declared(gate: Gate) -> None:
    gate.config["suites"].append({"name": "pref", "use": "preference", "options": {"items": "items.jsonl", "judge": "gpt"}})
    gate.refused("suites[1].options.judge", "'gpt'")


def test_a_model_folder_that_does_not_exist(gate: Gate) -> None:
    gate.config["candidates"][1] = {"name": "new", "model": "./nowhere/model", "engine": "vllm"}
    gate.refused("candidates[1]", "nowhere/model")


def test_a_model_folder_without_weights(gate: Gate) -> None:
    (gate.folder / "hollow").mkdir()
    (gate.folder / "hollow" / "config.json").write_text('{"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}')
    gate.config["candidates"][1] = {"name": "new", "model": "hollow", "engine": "vllm"}
    gate.refused("candidates[1]", "hollow", "weights")


def test_an_endpoint_that_is_down(gate: Gate) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {"base_url": f"http://127.0.0.1:{port}/v1"}
    gate.config["candidates"][1] = {"name": "new", "model": "x", "engine": "openai", "options": options}
    gate.refused("new cannot be asked", f"127.0.0.1:{port}", code=13)
    gate.flags = ["--dry-run"]
    gate.refused("new cannot be asked", f"127.0.0.1:{port}", code=13)


def test_a_dry_run_reaches_an_endpoint_and_puts_no_model_to_work(gate: Gate) -> None:
    asked: list[str] = []

    class Inner(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"GET {self.path}")
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def do_POST(self) -> None:
            asked.append(f"POST {self.path}")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Inner) as server:
        Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True).start()
        options = {"base_url": f"http://127.0.0.1:{server.server_port}/v1"}
        gate.config["candidates"][1] = {"name": "new", "model": "x", "engine": "openai", "options": options}
        choices = {"prompt": "one or two?", "choices": ["one", "two"], "target": 0}
        gate.items([{"key": key, **choices} for key in "ab"], "choices.jsonl")
        gate.config["suites"].append({"name": "mc", "use": "choices", "options": {"items": "choices.jsonl"}})
        gate.flags = ["--dry-run"]
        code, message = gate.run()
        server.shutdown()
    assert code == 0, message
    assert "dry run: nothing was asked; the endpoint of new can be reached" in " ".join(message.split())
    assert asked == ["GET /v1/models"]


def test_a_candidate_that_is_the_baseline_again_is_a_verdict(gate: Gate) -> None:
    gate.items([{"prompt": f"{number}", "target": f"{number if number % 10 else 'none'}"} for number in range(50)])
    code, message = gate.run()
    assert code == 0, message


@pytest.mark.models
def test_an_adapter_for_another_base(gate: Gate, lab_test: Any) -> None:
    from benchmarks.models import random_adapter

    random_adapter(lab_test.base, gate.folder / "adapter")
    shutil.copytree(lab_test.base, gate.folder / "other")
    _wider(gate.folder / "other")
    gate.config["candidates"][1] = {"name": "new", "model": "other", "adapter": "adapter", "engine": "vllm"}
    gate.refused("candidates[1]", "adapter")


def _wider(folder: Path) -> None:
    """Replace a model by an untrained one that is twice as wide."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder)
    config.hidden_size *= 2
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)


@pytest.mark.models
def test_a_chat_suite_for_a_model_without_a_chat_template(gate: Gate, lab_test: Any) -> None:
    shutil.copytree(lab_test.base, gate.folder / "mute")
    (gate.folder / "mute" / "chat_template.jinja").unlink()
    gate.config["candidates"][1] = {"name": "new", "model": "mute", "engine": "vllm"}
    gate.refused("candidates[1]", "chat template")
