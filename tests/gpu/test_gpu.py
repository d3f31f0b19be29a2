"""What a CPU cannot show; ``make gpu`` on a machine with an NVIDIA GPU. Without one these tests skip."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.engines.hot_swap import Swaps
from harness.engines.transformers_engine import Transformers
from harness.engines.vllm import Vllm
from harness.errors import EngineError
from harness.records import Candidate, Message, Request
from tests.harness.engines.asking import answers, ask
from trainers.lab import LabPaths

pytestmark = [pytest.mark.gpu, pytest.mark.models, pytest.mark.vllm]


def test_vllm_and_transformers_agree_on_the_gpu(lab_test: LabPaths) -> None:
    requests = [
        Request(messages=(Message(role="user", content=f"what is {a} plus {b}?"),), max_tokens=12)
        for a in range(5)
        for b in range(5)
    ]
    requests += [Request(kind="score", prompt="one two", continuation=" three") for _ in range(3)]
    options: dict[str, Any] = {"dtype": "float32", "max_model_len": 256}
    found = []
    for kind, name in ((Vllm, "vllm"), (Transformers, "transformers")):
        candidate = Candidate(name="base", model=str(lab_test.base), engine=name, options=options)
        with kind([candidate]) as engine:
            found.append(answers(engine, [("base", request) for request in requests]))
    for ours, theirs in zip(*found, strict=True):
        if ours.logprob is None:
            assert ours.token_ids == theirs.token_ids
        else:
            assert ours.logprob == pytest.approx(theirs.logprob, abs=1e-3)


CHOICES = ["a", "the fan", "turn the fan up", " plus one", "zwei drei vier"]


def _choices(*, greedy: bool) -> list[Request]:
    """Choices of several tokens after long shared contexts: what the prefix cache is for."""
    contexts = [f"{number} " + "one two three four five six seven eight nine ten " * 8 for number in range(6)]
    return [
        Request(kind="score", prompt=context, continuation=f" {choice}", greedy=greedy)
        for context in contexts
        for choice in CHOICES
    ]


def test_both_ways_of_scoring_give_the_same_numbers(lab_test: LabPaths) -> None:
    """The cached way skips the shared context, and gives the scores up where a text was scored before: asked twice, both hold."""
    options: dict[str, Any] = {"dtype": "float32", "max_model_len": 256}
    with Vllm([Candidate(name="base", model=str(lab_test.base), options=options)]) as engine:
        assert engine._cached_scoring, "the V2 model runner is not in use"
        slow = answers(engine, [("base", request) for request in _choices(greedy=True)])
        cached = answers(engine, [("base", request) for request in _choices(greedy=False)])
        again = answers(engine, [("base", request) for request in _choices(greedy=False)])
    assert any(answer.greedy is None for answer in cached)
    for one, other, third in zip(slow, cached, again, strict=True):
        assert one.greedy is not None
        assert other.greedy in {None, one.greedy}
        assert other.logprob == pytest.approx(one.logprob, abs=1e-3)
        assert third.logprob == pytest.approx(one.logprob, abs=1e-3)


def test_in_batch_invariant_mode_no_neighbour_changes_a_token(lab_test: LabPaths) -> None:
    options: dict[str, Any] = {"dtype": "bfloat16", "max_model_len": 256, "determinism": "batch_invariant"}
    candidate = Candidate(name="base", model=str(lab_test.base), options=options)
    assert Vllm.describe(candidate)["determinism"] == "batch_invariant"
    requests = [Request(prompt=f"what is {number} plus 3?", max_tokens=24, stop=("\0",)) for number in range(64)]
    scores = [Request(kind="score", prompt=f"what is {number} plus 3?", continuation=" four five") for number in range(64)]
    with Vllm([candidate]) as engine:
        alone = [answers(engine, [("base", request)])[0] for request in [*requests[:6], *scores[:6]]]
        crowd = answers(engine, [("base", request) for request in [*requests, *scores]])
    assert [answer.token_ids for answer in crowd[:6]] == [answer.token_ids for answer in alone[:6]]
    assert [answer.logprob for answer in crowd[64:70]] == [answer.logprob for answer in alone[6:]]
    assert os.environ.get("VLLM_BATCH_INVARIANT", "0") != "1"


def test_the_child_process_that_is_killed_frees_the_device(lab_test: LabPaths) -> None:
    candidate = Candidate(name="base", model=str(lab_test.base), options={"max_model_len": 256})
    with Vllm([candidate]) as engine:
        (child,) = engine._engine.engine_core.resources.engine_manager.processes
        os.kill(child.pid, signal.SIGKILL)
        (found,) = ask(engine, [("base", Request(prompt="x", max_tokens=200, stop=("\0",)))])
    assert isinstance(found, EngineError)
    assert "its process was killed" in str(found)
    with Vllm([candidate]) as engine:
        assert answers(engine, [("base", Request(prompt="x", max_tokens=2))])[0].tokens_out > 0


def test_memory_that_does_not_suffice_is_told_with_what_to_change(lab_test: LabPaths) -> None:
    resources = {"gpu_memory_utilization": 0.001}
    candidate = Candidate(name="base", model=str(lab_test.base), options={"max_model_len": 256}, resources=resources)
    with pytest.raises(EngineError, match="gpu_memory_utilization"), Vllm([candidate]):
        pass


def _noisy(base: Path, folder: Path, seed: int) -> Path:
    """The same model with other weights."""
    import torch
    from transformers import AutoModelForCausalLM

    shutil.copytree(base, folder)
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.05 * weight.abs().mean() * torch.randn_like(weight))
    model.save_pretrained(folder)
    return folder


def test_models_that_take_turns_answer_as_with_an_engine_each(lab_test: LabPaths, tmp_path: Path) -> None:
    """Either the exchange is proved and right, or it is refused and said: the answers are the same both ways."""
    folders = [Path(lab_test.base), *(_noisy(Path(lab_test.base), tmp_path / f"m{seed}", seed) for seed in range(3))]
    requests = [
        Request(kind="score", prompt="one two", continuation=" three four"),
        Request(prompt="what is 2 plus 3?", max_tokens=12),
    ]
    options: dict[str, Any] = {"dtype": "float32", "max_model_len": 256}
    found, lent = [], []
    with Swaps() as swaps:
        for folder in folders:
            lent.append(swaps.lend(Vllm([Candidate(name="m", model=str(folder), options=options, resources={"hot_swap": True})])))
            with lent[-1] as engine:
                found.append(answers(engine, [("m", request) for request in requests]))
        trusted = swaps.trusted
    notes = [note for engine in lent for note in engine.notes]  # type: ignore[attr-defined]
    assert trusted is True or notes, "neither trusted nor refused"
    print("hot swap trusted:", trusted, notes)
    for folder, turns in zip(folders, found, strict=True):
        with Vllm([Candidate(name="m", model=str(folder), options=options)]) as engine:
            own = answers(engine, [("m", request) for request in requests])
        assert turns[0].logprob == pytest.approx(own[0].logprob, abs=1e-3)
        assert turns[1].token_ids == own[1].token_ids


def test_the_smallest_demo_runs_on_the_gpu(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness.cli", "demo", "--size", "test", "--folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
