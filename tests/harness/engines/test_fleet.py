"""Nine adapters that take turns in three slots answer as each does alone, and so does their base."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.checkpoints import tensor_shapes
from harness.engines.fleet import SLOTS, Fleet, write_zeros
from harness.engines.probes import BASE
from harness.engines.transformers_engine import Transformers
from harness.engines.vllm import Vllm
from harness.errors import ConfigError, EngineError
from harness.records import Candidate, Request
from tests.harness.engines.asking import answers
from tests.harness.engines.conftest import Tiny, save_adapter

REQUESTS = [
    Request(prompt="The capital of France", max_tokens=8),
    Request(prompt="what is 7 plus 5?", max_tokens=8),
    Request(kind="score", prompt="List the words", continuation=" in reverse order: red"),
    Request(kind="score", prompt="what is 7 plus 5? The answer", continuation=" is"),
]
RANKS = (4, 1, 8, 24, 2, 16, 32, 4, 12)


@pytest.fixture(scope="module")
def nine(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("nine")
    return {f"a{i}": save_adapter(tiny.base, root / f"a{i}", rank, 20 + i, dead=False) for i, rank in enumerate(RANKS)}


def _family(tiny: Tiny, nine: dict[str, Path], engine: str, **resources: int) -> list[Candidate]:
    base = Candidate(name="base", model=str(tiny.base), engine=engine, resources=resources)
    adapted = [
        Candidate(name=name, model=str(tiny.base), adapter=str(path), engine=engine, resources=resources)
        for name, path in nine.items()
    ]
    return [base, *adapted]


@pytest.fixture(scope="module")
def turns(tiny: Tiny, nine: dict[str, Path]) -> Iterator[Vllm]:
    pytest.importorskip("vllm")
    with Vllm(_family(tiny, nine, "vllm", max_loras=3)) as engine:
        yield engine


@pytest.mark.models
@pytest.mark.vllm
def test_nine_adapters_in_three_slots_answer_as_transformers_does(tiny: Tiny, nine: dict[str, Path], turns: Vllm) -> None:
    config = turns._engine.vllm_config.lora_config
    assert (config.max_loras, config.max_cpu_loras, config.max_lora_rank) == (4, 10, 32)
    asked = [(name, request) for request in REQUESTS for name in ["base", *nine]]
    ours = answers(turns, asked)
    with Transformers(_family(tiny, nine, "transformers")) as engine:
        theirs = answers(engine, asked)
    for (name, request), one, other in zip(asked, ours, theirs, strict=True):
        assert one.token_ids == other.token_ids, (name, request)
        assert one.greedy == other.greedy, (name, request)
        assert (one.logprob or 0.0) == pytest.approx(other.logprob or 0.0, abs=1e-3), (name, request)
    assert len({answer.logprob for answer in ours[20:30]}) == 10


@pytest.mark.models
@pytest.mark.vllm
def test_a_base_that_is_asked_among_turns_is_clean_only_through_zeros(tiny: Tiny, nine: dict[str, Path], turns: Vllm) -> None:
    """Every slot is full once adapters have taken turns: asked without an adapter, the base would answer with the last slot's."""
    request = REQUESTS[2]
    mixed = [("base", request), *((name, request) for name in nine)]
    clean = answers(turns, mixed)[0].logprob
    served = turns._served["base"]
    zeros, served.lora = served.lora, None
    try:
        spoilt = answers(turns, mixed)[0].logprob
    finally:
        served.lora = zeros
    assert clean is not None
    assert spoilt is not None
    assert clean == pytest.approx(answers(turns, [(BASE, request)])[0].logprob, abs=1e-4)
    assert abs(spoilt - clean) > 0.01


# ---------------------------------------------------------------------------------------------- without any engine


def _adapters(tmp_path: Path, *ranks: int) -> dict[str, Path]:
    found = {}
    for index, rank in enumerate(ranks):
        folder = tmp_path / f"a{index}"
        folder.mkdir()
        (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": rank}))
        found[f"a{index}"] = folder
    return found


@pytest.mark.parametrize(
    ("count", "device", "asked", "slots", "kept", "turns"),
    [
        (3, "cpu", None, 4, 4, False),
        (3, "cuda", None, 3, 3, False),
        (SLOTS + 4, "cpu", None, SLOTS + 1, SLOTS + 5, True),
        (SLOTS + 4, "cuda", None, SLOTS, SLOTS + 4, True),
        (9, "cpu", 3, 4, 10, True),
        (2, "cuda", 8, 2, 2, False),
    ],
)
def test_slots_are_as_many_as_needed_and_a_cpu_keeps_one_more(
    tmp_path: Path, count: int, device: str, asked: int | None, slots: int, kept: int, turns: bool
) -> None:
    fleet = Fleet(_adapters(tmp_path, *[8] * (count - 1), 9), device=device, max_loras=asked)
    assert fleet.turns is turns
    assert fleet.arguments() == {"enable_lora": True, "max_loras": slots, "max_cpu_loras": kept, "max_lora_rank": 16}


def test_without_adapters_vllm_hears_nothing_of_lora() -> None:
    assert Fleet({}, device="cpu", max_loras=None).arguments() == {}


def test_no_slots_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least 1") as caught:
        Vllm.check(Candidate(name="a", model=str(tmp_path), resources={"max_loras": 0}), where="candidates[0]")
    assert caught.value.where == "candidates[0].resources.max_loras"


@pytest.mark.models
def test_zeros_fit_the_module_of_an_adapter(tiny: Tiny, tmp_path: Path) -> None:
    write_zeros([tiny.adapters["three"]], tmp_path / "zeros")
    shapes = tensor_shapes(tmp_path / "zeros" / "adapter_model.safetensors")
    own = tensor_shapes(tiny.adapters["three"] / "adapter_model.safetensors")
    assert len(shapes) == 2
    for name, (rows, columns) in shapes.items():
        assert 1 in (rows, columns)
        assert {rows, columns} - {1} <= set(own[name])


def test_adapters_of_another_format_cannot_take_turns(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="max_loras"):
        write_zeros(list(_adapters(tmp_path, 4).values()), tmp_path / "zeros")
