"""The benchmarks are honest: equal work or no row, sides in turns, files that say what was measured. Nothing here is timed."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks import lm_eval_run, own_run
from benchmarks.__main__ import main
from benchmarks.agreement import same, same_logprobs, same_questions
from benchmarks.row import Setting, Unequal, alternate, row
from benchmarks.rows import BENCHMARKS
from benchmarks.tasks import CHOICES, METRICS, write_tasks
from harness.engines.encoder import Encoder

COMMANDS = "whole commands"
WITHOUT_VLLM = [each.name for each in BENCHMARKS if "wall time" not in each.name and COMMANDS not in each.name]


def quick(out: Path, *more: str) -> tuple[int, list[dict[str, Any]], dict[str, Any]]:
    """Exit code, rows and details of a tiny run."""
    code = main(["--quick", "--repeats", "1", "--out", str(out), *more])
    return code, json.loads((out / "results.json").read_text()), json.loads((out / "details.json").read_text())


# ------------------------------------------------------------------------------------------------------- whole runs


@pytest.mark.models
def test_a_tiny_run_writes_a_row_per_benchmark_and_what_is_behind_it(lab_test, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.__main__.BENCHMARKS", [each for each in BENCHMARKS if each.name in WITHOUT_VLLM])
    code, rows, details = quick(tmp_path)
    assert code == 0
    assert [found["name"] for found in rows] == WITHOUT_VLLM
    for found in rows:
        assert list(found) == ["name", "ours", "theirs", "ratio", "target", "met"]
        assert found["ratio"] == pytest.approx(found["theirs"] / found["ours"], rel=0.02, abs=0.01)
        assert found["met"] is (found["ratio"] >= round(found["target"], 2))
    assert details["machine"]["threads"] == 1
    assert {"torch", "transformers", "lm-eval"} <= set(details["machine"]["packages"])
    for name in WITHOUT_VLLM[:4]:
        facts = details["rows"][name]
        assert facts["equal"]["choices"] == 16
        assert 0 <= facts["equal"]["largest difference in float32, nats"] <= 1e-4
        assert len(facts["ours"]["seconds"]) == len(facts["theirs"]["seconds"]) == 1
    fleet = details["rows"][WITHOUT_VLLM[4]]["equal"]
    assert set(fleet) == {"base", "adapter1", "adapter2"}
    assert fleet["base"]["bench_choices"] != fleet["adapter1"]["bench_choices"], "the adapters are live"
    assert details["rows"][WITHOUT_VLLM[5]]["engine starts in second runs"] == 0
    changed = details["rows"][WITHOUT_VLLM[6]]
    assert changed["asked after the change"] == changed["the changed adapter's own requests"] > 0
    assert next(found for found in rows if found["name"] == WITHOUT_VLLM[6])["ratio"] == 3.0


@pytest.mark.models
def test_a_timed_run_of_ours_remembers_nothing_of_the_ones_before(lab_test, tmp_path, monkeypatch):
    kept: Counter[str] = Counter()
    keep = Encoder._keep

    def counting(self: Encoder, text: str, special: bool, ids: list[int]) -> None:
        kept[text] += 1
        keep(self, text, special, ids)

    monkeypatch.setattr(Encoder, "_keep", counting)
    code, _, _ = quick(tmp_path, "--only", WITHOUT_VLLM[1], "--repeats", "2")
    assert code == 0
    assert max(kept.values()) == 3, "once to compare the scores, and once in each of two timed runs"


@pytest.mark.models
def test_a_second_run_hashes_the_weights_again(lab_test, tmp_path, monkeypatch):
    hashed: Counter[str] = Counter()
    file_digest = hashlib.file_digest

    def counting(file: Any, kind: str) -> Any:
        hashed[file.name] += 1
        return file_digest(file, kind)

    monkeypatch.setattr(hashlib, "file_digest", counting)
    code, _, _ = quick(tmp_path, "--only", WITHOUT_VLLM[5])
    assert code == 0
    (base,) = {name for name in hashed if name.endswith("/model.safetensors")}
    assert hashed[base] == 3, "to warm up, in the first run, and in the second"


@pytest.mark.models
@pytest.mark.vllm
def test_what_is_not_the_model_is_measured_over_real_vllm(lab_test, tmp_path):
    pytest.importorskip("vllm", reason="vLLM is an extra")
    code, rows, details = quick(tmp_path, "--only", "wall time")
    assert (code, len(rows)) == (0, 1)
    facts = details["rows"][rows[0]["name"]]
    assert facts["requests"] == 100
    assert facts["second run, engine starts"] == 0
    parts = facts["vLLM's start and release"] + facts["vLLM's add_request"] + facts["vLLM's steps"] + facts["outside the model"]
    assert parts == pytest.approx(facts["seconds"], abs=0.05)
    assert min(facts["vLLM's steps"], facts["outside the model"]) > 0


@pytest.mark.models
@pytest.mark.full
def test_whole_commands_leave_equal_scores_on_disk(lab_test, tmp_path):
    code, rows, details = quick(tmp_path, "--only", COMMANDS)
    assert (code, len(rows)) == (0, 1)
    facts = details["rows"][rows[0]["name"]]
    assert set(facts["equal"]) == {"base", "adapter1", "adapter2"}
    assert set(facts["equal"]["base"]) == {f"{task}: mean {metric} on both sides" for task in METRICS for metric in METRICS[task]}


@pytest.mark.models
@pytest.mark.parametrize("name", [WITHOUT_VLLM[1], WITHOUT_VLLM[4]])
def test_a_wrong_score_of_ours_makes_the_benchmark_fail_without_a_row(lab_test, tmp_path, monkeypatch, capsys, name):
    from harness.engines.transformers_engine import Transformers

    poll = Transformers.poll

    def slightly_wrong(self: Transformers, timeout: float) -> Any:
        shifted = []
        for answered in poll(self, timeout):
            result = answered.result
            if getattr(result, "logprob", None) is not None:
                result = msgspec.structs.replace(result, logprob=result.logprob - 1e-3)
            shifted.append(msgspec.structs.replace(answered, result=result))
        return shifted

    monkeypatch.setattr(Transformers, "poll", slightly_wrong)
    code, rows, details = quick(tmp_path, "--only", name)
    assert (code, rows) == (1, [])
    assert "log-probability of (document, choice)" in details["failed"][name]
    assert "no row" in capsys.readouterr().out


@pytest.mark.models
def test_another_grade_than_lm_evals_makes_the_benchmark_fail_without_a_row(lab_test, tmp_path, monkeypatch):
    from suites.lm_eval import LmEval

    grade = LmEval.grade

    def one_flipped(self: LmEval, *arguments: Any) -> Any:
        for number, sample in enumerate(grade(self, *arguments)):
            flipped = {name: 1 - score for name, score in (sample.scores or {}).items()}
            yield msgspec.structs.replace(sample, scores=flipped) if number == 2 else sample

    monkeypatch.setattr(LmEval, "grade", one_flipped)
    code, rows, details = quick(tmp_path, "--only", WITHOUT_VLLM[1])
    assert (code, rows) == (1, [])
    assert "acc of document" in details["failed"][WITHOUT_VLLM[1]]


@pytest.mark.models
def test_some_documents_are_scored_as_they_are_among_all(lab_test, tmp_path):
    from transformers import AutoTokenizer

    tasks = write_tasks(tmp_path / "tasks", lab_test.data, AutoTokenizer.from_pretrained(lab_test.base), {CHOICES: 4})
    lm = lm_eval_run.open_model(lab_test.base, batch_size=4)
    results = [lm_eval_run.evaluate(lm, tasks, [CHOICES], samples=True), lm_eval_run.evaluate_some(lm, tasks, CHOICES, [3, 1])]
    with own_run.open_engine(lab_test.base, threads=1) as engine:
        mine = [
            own_run.answer(engine, tasks, [CHOICES], tmp_path / "all.sqlite"),
            own_run.answer(engine, tasks, [CHOICES], tmp_path / "some.sqlite", documents=[3, 1]),
        ]
    for every, some in (
        [lm_eval_run.logprobs(result, CHOICES) for result in results],
        [own_run.logprobs(answered.suite, answered.completions, CHOICES) for answered in mine],
    ):
        assert set(some) == {(document, choice) for document in (1, 3) for choice in range(4)}
        same("x", some, {key: every[key] for key in some}, within=1e-4)


def test_a_benchmark_that_breaks_leaves_the_others_their_rows(tmp_path, monkeypatch, capsys):
    class Broken:
        name, target = "broken", 2.0

        def run(self, setting: Setting) -> Any:
            raise RuntimeError("out of luck")

    pytest.importorskip("torch", reason="the thread count is torch's")
    monkeypatch.setattr("benchmarks.__main__.BENCHMARKS", [Broken()])
    code, rows, details = quick(tmp_path)
    assert (code, rows, details["failed"]) == (1, [], {"broken": "RuntimeError: out of luck"})
    assert "RuntimeError" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--only", "nothing of this name"], ["--repeats", "0"], ["--threads", "0"]])
def test_bad_flags_are_usage_errors(tmp_path, arguments):
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, "--out", str(tmp_path / "out")])
    assert stopped.value.code == 2
    assert not (tmp_path / "out").exists()


# ------------------------------------------------------------------------------------------------------- agreement


def test_scores_are_the_same_only_within_the_tolerance_and_for_the_same_keys():
    assert same("x", {1: 0.5, 2: 1.0}, {1: 0.5, 2: 1.00005}, within=1e-4) == pytest.approx(5e-5)
    for ours, theirs in [
        ({1: 0.5}, {1: 0.51}),
        ({1: 0.5}, {2: 0.5}),
        ({1: 0.5}, {1: 0.5, 2: 1.0}),
        ({}, {}),
        ({1: math.nan}, {1: 0.5}),
    ]:
        with pytest.raises(Unequal):
            same("x", ours, theirs, within=1e-4)


def test_questions_must_be_the_same_text():
    same_questions("x", {0: ["a", " b"]}, {0: ["a", " b"]})
    for other in ({0: ["a", "b"]}, {1: ["a", " b"]}):
        with pytest.raises(Unequal):
            same_questions("x", {0: ["a", " b"]}, other)


def test_float64_decides_where_float32_rounds_by_more_than_the_tolerance():
    ours, theirs, exact = {(0, 0): -10.0, (1, 0): -20.00005}, {(0, 0): -10.0, (1, 0): -20.0002}, {(1, 0): -20.0}
    asked = []
    found = same_logprobs("x", ours, theirs, lambda documents: asked.append(documents) or (exact, exact))
    assert asked == [[1]]
    assert found["documents that float32 leaves open"] == 1
    assert found["their largest difference in float64, nats"] == 0
    assert found["lm-eval's own float32 against its float64 there, nats"] == pytest.approx(2e-4)
    with pytest.raises(Unequal, match="float64"):  # exactly computed, and still another number
        same_logprobs("x", ours, theirs, lambda documents: ({(1, 0): -20.00011}, exact))
    with pytest.raises(Unequal):  # right in float64, and further off in float32 than rounding explains
        same_logprobs("x", ours | {(1, 0): -20.001}, theirs, lambda documents: (exact, exact))


def test_float64_is_not_asked_where_float32_agrees():
    def never(documents: list[int]) -> Any:
        raise AssertionError(documents)

    assert same_logprobs("x", {(0, 0): -1.0}, {(0, 0): -1.00009}, never)["choices"] == 1
    for ours in ({(0, 0): math.nan}, {(0, 1): -1.0}, {}):
        with pytest.raises(Unequal):
            same_logprobs("x", ours, {(0, 0): -1.0}, never)


# ------------------------------------------------------------------------------------------------------------ rows


def test_the_sides_take_turns_and_the_median_is_reported(tmp_path):
    order: list[str] = []
    setting = Setting(repeats=3, quick=True, threads=1, place=tmp_path, say=lambda text: None)
    (first, found), (second, _) = alternate(("a", lambda: order.append("a")), ("b", lambda: order.append("b")), setting)
    assert order == ["a", "b"] * 3
    assert len(found) == 3
    for timing in (first, second):
        assert timing.median_seconds == sorted(timing.seconds)[1]
        assert len(timing.cpu_seconds) == 3


def test_a_row_is_met_by_its_ratio_and_its_condition():
    assert row("x", ours=2.0, theirs=10.0, target=5.0).met
    assert not row("x", ours=2.001, theirs=10.0, target=5.0).met
    assert not row("x", ours=2.0, theirs=10.0, target=5.0, condition=False).met
    assert row("x", ours=2.0, theirs=10.0, target=5.0).ratio == 5.0
