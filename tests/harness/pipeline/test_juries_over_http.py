"""Judges behind an OpenAI-compatible endpoint: asked in full, failing in the middle, and asked for what it cannot give."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.records import Measured
from harness.store import Store
from tests.harness.engines.test_openai_api import Server, chat
from tests.harness.pipeline.gated import Gate

PROMPT = """+++
kind = "pointwise"
answer = "json"
reason = true
verdicts = { good = 1, bad = 0 }
+++
{question}|{answer}
"""
ITEMS, LABELS = 12, 24


class Endpoint:
    """Two judges, who like even answers. ``down``: how many verdicts of the model two are given before it fails."""

    def __init__(self, server: Server) -> None:
        self.server, self.down, self.answered = server, 10_000, Counter[str]()
        server.handle = self._handle

    def _handle(self, path: str, body: dict[str, Any], count: int) -> tuple[int, dict[str, str], bytes]:
        del count
        if path != "/v1/chat/completions":
            return 404, {}, b'{"error": "not here"}'
        assert (body["temperature"], body["response_format"]["type"]) == (0.0, "json_schema")
        if body["model"] == "two" and sum(key.startswith("two ") for key in self.answered) >= self.down:
            return 503, {}, b"gone"
        text = body["messages"][-1]["content"]
        self.answered[f"{body['model']} {text}"] += 1
        number = int((re.findall(r"\|(\d+)", text) or ["1"])[0])
        verdict = {"reason": "so it is", "verdict": "bad" if number % 2 else "good"}
        return 200, {}, chat(json.dumps(verdict))


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Server()
    yield Endpoint(server)
    server.close()


@pytest.fixture
def gate(tmp_path: Path, capsys: pytest.CaptureFixture[str], endpoint: Endpoint) -> Gate:
    found = Gate(tmp_path, capsys)
    found.items([{"key": f"k{index}", "prompt": f"question {index}", "cluster": f"c{index}"} for index in range(ITEMS)])
    (tmp_path / "alone.md").write_text(PROMPT)
    rows = [
        {
            "key": index,
            "question": f"label {index}",
            "left": str(index),
            "right": str(index + 1),
            "winner": ("left", "right")[index % 2],
        }
        for index in range(LABELS)
    ]
    (tmp_path / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for candidate, step in zip(found.config["candidates"], (1, 3), strict=True):
        candidate["options"] = {"answers": {f"question {index}": str(index * step) for index in range(ITEMS)}}
    found.config["engines"] = {
        name: {
            "engine": "openai", "model": name, "revision": "1", "options": {"base_url": endpoint.server.url},
            "resources": {"retries": 1, "pause_seconds": 0.01, "concurrency": 1}, "price": {"input": 1.0, "output": 1.0},
        }
        for name in ("one", "two")
    }  # fmt: skip
    options = {"items": "items.jsonl", "judge": ["one", "two"], "prompt": "alone.md", "admission": "labels.jsonl"}
    found.config["suites"] = [{"name": "open", "use": "graded", "options": options}]
    found.config["rules"] = [{"metric": "open/*/grade", "require": "non_inferior", "margin": 0.4}]
    return found


def read(gate: Gate, candidate: str) -> Measured:
    store = Store(gate.folder / "runs")
    return store.read(store.current()["open", candidate])


def test_a_juror_that_goes_down_in_the_middle_is_one_sentence_and_the_next_run_goes_on(gate: Gate, endpoint: Endpoint) -> None:
    endpoint.down = 2 * LABELS + 4 * 20 + 10  # the answers of all pairs, the canaries, and ten answers of the candidates
    told = " ".join(gate.does("run", code=13).split())
    assert "Traceback" not in told
    assert "the judge failed: http://127.0.0.1" in told
    assert "gave no answer in 2 attempts" in told
    errors = [sample.error for name in ("old", "new") for sample in read(gate, name).samples if sample.error is not None]
    assert 0 < len(errors) < 2 * ITEMS
    assert all(str(error).startswith("the judge failed") for error in errors)
    before = dict(endpoint.answered)
    endpoint.down = 10_000
    gate.does("run")
    whole = read(gate, "new")
    assert all(sample.error is None for sample in whole.samples)
    assert len(whole.samples) == ITEMS
    assert [len(sample.judgments) for sample in whole.samples] == [2] * ITEMS
    assert [sample.scores for sample in whole.samples] == [{"grade": float(index % 2 == 0)} for index in range(ITEMS)]
    again = {key for key, count in endpoint.answered.items() if count > 1}
    anchors = {key for key in again if "|" in key and "label" in key}
    assert again == anchors, "but for the anchors, what was answered before is not asked again"
    assert set(before) < set(endpoint.answered)
    admission = whole.run.admission
    assert admission is not None
    assert (admission.admitted, admission.accuracy, admission.pairs) == (True, 1.0, LABELS)
    assert [each.judge for each in admission.spent] == ["one", "two"]
    assert all(each.money == pytest.approx((each.tokens_in + each.tokens_out) / 1e6) for each in admission.spent)


def test_an_endpoint_that_gives_no_log_probabilities_is_found_before_anybody_is_asked(gate: Gate, endpoint: Endpoint) -> None:
    (gate.folder / "word.md").write_text(PROMPT.replace("json", "word").replace("reason = true\n", ""))
    gate.config["suites"][0]["options"] |= {"prompt": "word.md", "probabilities": True}
    told = " ".join(gate.does("run", code=13).split())
    assert "one cannot be asked" in told
    assert "by log-probabilities" in told
    assert "asking old" not in told
    assert not endpoint.answered


def test_a_judge_that_is_not_asked_at_temperature_zero_is_told_of(gate: Gate, endpoint: Endpoint) -> None:
    gate.config["engines"]["two"]["options"]["extra_body"] = {"temperature": 1}
    told = " ".join(gate.does("run", "--dry-run").split())
    assert told.count("two, which judges open, is asked at temperature 1 (extra_body), and not at 0") == 1
    assert "one, which judges open" not in told
    assert not endpoint.answered
