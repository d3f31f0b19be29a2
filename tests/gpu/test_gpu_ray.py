"""Two actors on halves of one GPU against one engine without Ray."""

from __future__ import annotations

import pytest

from harness.engines.ray_engine import Ray
from harness.engines.vllm import Vllm
from harness.records import Candidate, Message, Request
from tests.harness.engines.asking import answers
from trainers.lab import LabPaths

pytestmark = [pytest.mark.gpu, pytest.mark.models, pytest.mark.vllm]


def test_two_actors_on_halves_of_a_gpu_answer_like_one_engine(lab_test: LabPaths) -> None:
    asked = [
        ("base", Request(messages=(Message(role="user", content=f"what is {a} plus {b}?"),), max_tokens=12))
        for a in range(8)
        for b in range(8)
    ]
    asked += [("base", Request(kind="score", prompt=f"{number} one two", continuation=" three four")) for number in range(8)]
    options = {"dtype": "float32", "max_model_len": 256}
    share = {"gpu_memory_utilization": 0.2}
    with Vllm([Candidate(name="base", model=str(lab_test.base), options=options, resources=share)]) as engine:
        alone = answers(engine, asked)
    fleet = Candidate(
        name="base", model=str(lab_test.base), engine="ray", options={"engine": "vllm", **options},
        resources={**share, "actors": 2, "num_gpus": 0.5},
    )  # fmt: skip
    with Ray([fleet]) as engine:
        assert engine.need == {"CPU": 1.0, "GPU": 0.5}
        found = answers(engine, asked)
        assert len({seat.local_pid for seat in engine.seats}) == 2
    for ours, theirs in zip(found, alone, strict=True):
        assert ours.token_ids == theirs.token_ids
        if ours.logprob is not None:
            assert ours.logprob == pytest.approx(theirs.logprob, abs=1e-3)
