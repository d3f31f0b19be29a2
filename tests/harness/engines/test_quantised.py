"""What users ship: quantised checkpoints are ordinary candidates, and a model's ``generation_config.json`` decides nothing.

The checkpoints are quantised here by hand, in the formats that llm-compressor and GPTQModel write. vLLM's CPU build serves both
(GPTQ in 16-bit types only); FP8 and bitsandbytes need a GPU.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.engines.transformers_engine import Transformers
from harness.engines.vllm import Vllm
from harness.errors import EngineError
from harness.records import Candidate, Message, Request
from tests.harness.engines.asking import answers
from tests.harness.engines.conftest import Tiny

pytestmark = [pytest.mark.models, pytest.mark.vllm]

REQUESTS = [
    Request(kind="score", prompt="The capital of", continuation=" France is Paris"),
    Request(kind="score", prompt="what is 7", continuation=" plus 5? red"),
    Request(kind="score", prompt="List the words in reverse", continuation=" order"),
    Request(prompt="The capital of France", max_tokens=6),
]


def _int8(name: str, weight: Any) -> tuple[dict[str, Any], Any]:
    """W8A8 as llm-compressor writes it: int8 per output channel. Returns the tensors, and the weight they stand for."""
    import torch

    scale = weight.abs().amax(1, keepdim=True) / 127
    whole = (weight / scale).round().clamp(-128, 127)
    return {name: whole.to(torch.int8), name.replace(".weight", ".weight_scale"): scale}, whole * scale


def _gptq(name: str, weight: Any, group: int = 32) -> tuple[dict[str, Any], Any]:
    """Four bits, symmetric, eight to an int32 along the input; zero points are stored less one."""
    import torch

    out, columns = weight.shape
    groups = weight.reshape(out, columns // group, group)
    scale = groups.abs().amax(-1) / 7
    whole = (groups / scale[..., None]).round().clamp(-8, 7)
    bits = (whole + 8).to(torch.int32).reshape(out, columns).T.contiguous()
    packed = torch.zeros(columns // 8, out, dtype=torch.int32)
    zeros = torch.zeros(columns // group, out // 8, dtype=torch.int32)
    for place in range(8):
        packed |= bits[place::8] << (4 * place)
        zeros |= 7 << (4 * place)
    stem = name.removesuffix(".weight")
    order = torch.arange(columns, dtype=torch.int32) // group
    tensors = {f"{stem}.qweight": packed, f"{stem}.qzeros": zeros, f"{stem}.scales": scale.T.contiguous(), f"{stem}.g_idx": order}
    return tensors, (whole * scale[..., None]).reshape(out, columns)


EIGHT = {"num_bits": 8, "type": "int", "symmetric": True}
CONFIGS: dict[str, dict[str, Any]] = {
    "compressed-tensors": {
        "quant_method": "compressed-tensors",
        "format": "int-quantized",
        "quantization_status": "compressed",
        "ignore": ["lm_head"],
        "config_groups": {
            "group_0": {
                "targets": ["Linear"],
                "weights": {**EIGHT, "strategy": "channel", "dynamic": False},
                "input_activations": {**EIGHT, "strategy": "token", "dynamic": True},
            }
        },
    },
    "gptq": {
        "quant_method": "gptq", "bits": 4, "group_size": 32, "desc_act": False, "sym": True, "lm_head": False,
        "checkpoint_format": "gptq",
    },
}  # fmt: skip


def _quantise(base: Path, root: Path, method: str, pack: Callable[[str, Any], tuple[dict[str, Any], Any]]) -> tuple[Path, Path]:
    """The base quantised, and a plain model with the weights that it then stands for."""
    from safetensors.torch import load_file, save_file

    quantised, plain = shutil.copytree(base, root / "quantised"), shutil.copytree(base, root / "plain")
    tensors: dict[str, Any] = {}
    meant: dict[str, Any] = {}
    for name, weight in load_file(base / "model.safetensors").items():
        packed, same = pack(name, weight) if weight.dim() == 2 and "embed" not in name else ({name: weight}, weight)
        tensors |= packed
        meant[name] = same.contiguous()
    save_file(tensors, quantised / "model.safetensors", metadata={"format": "pt"})
    save_file(meant, plain / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((base / "config.json").read_text())
    (quantised / "config.json").write_text(json.dumps(config | {"quantization_config": CONFIGS[method]}))
    return quantised, plain


@pytest.mark.parametrize(("method", "pack", "dtype"), [("compressed-tensors", _int8, "float32"), ("gptq", _gptq, "bfloat16")])
def test_a_quantised_checkpoint_answers_as_the_weights_it_stands_for(
    tiny: Tiny, tmp_path: Path, method: str, pack: Callable[[str, Any], tuple[dict[str, Any], Any]], dtype: str
) -> None:
    pytest.importorskip("vllm")
    quantised, plain = _quantise(tiny.base, tmp_path, method, pack)
    candidate = Candidate(name="a", model=str(quantised), options={"dtype": dtype})
    assert Vllm.describe(candidate)["quantization"] == method
    assert Vllm.describe(Candidate(name="a", model=str(plain), options={"dtype": dtype}))["quantization"] is None
    with Vllm([candidate]) as engine:
        ours = answers(engine, [("a", request) for request in REQUESTS])
    with Transformers([Candidate(name="a", model=str(plain), engine="transformers")]) as engine:
        theirs = answers(engine, [("a", request) for request in REQUESTS])
    for one, other in zip(ours[:-1], theirs[:-1], strict=True):
        assert one.logprob == pytest.approx(other.logprob, abs=0.25)
        assert abs((one.logprob or 0.0) - (other.logprob or 0.0)) > 1e-7
    assert len(ours[-1].token_ids) == len(theirs[-1].token_ids)


def test_lora_over_a_base_that_vllm_cannot_adapt_is_a_clear_error(tiny: Tiny, tmp_path: Path) -> None:
    pytest.importorskip("vllm")
    quantised, _ = _quantise(tiny.base, tmp_path, "compressed-tensors", _int8)
    family = [
        Candidate(name="base", model=str(quantised)),
        Candidate(name="one", model=str(quantised), adapter=str(tiny.adapters["one"])),
    ]
    with pytest.raises(EngineError, match="compressed-tensors: vLLM may not serve LoRA over it"), Vllm(family):
        pass


STOP = 221
"""A token that the tiny model soon writes; its ``generation_config.json`` names it as an end of turn."""


def test_a_hostile_generation_config_changes_no_token(tiny: Tiny, tmp_path: Path) -> None:
    """Only the ends of turn are read from it: models list there what their tokenizer does not."""
    pytest.importorskip("vllm")
    friendly, hostile = shutil.copytree(tiny.base, tmp_path / "friendly"), shutil.copytree(tiny.base, tmp_path / "hostile")
    own = json.loads((tiny.base / "generation_config.json").read_text())
    ends = {"eos_token_id": [own["eos_token_id"], STOP]}
    (friendly / "generation_config.json").write_text(json.dumps(own | ends))
    evil = {
        "do_sample": True, "temperature": 1.9, "top_k": 3, "top_p": 0.1, "min_p": 0.9, "repetition_penalty": 5.0, "seed": 3,
        "max_length": 3, "min_length": 50, "suppress_tokens": list(range(100)), "stop_strings": ["a", "e"], "max_new_tokens": 1,
        "num_beams": 4, "no_repeat_ngram_size": 1, "max_tokens": 1, "presence_penalty": 2.0, "frequency_penalty": 2.0,
    }  # fmt: skip
    (hostile / "generation_config.json").write_text(json.dumps(own | evil | ends))
    chat = (Message(role="user", content="what is 7 plus 5?"),)
    requests = [
        Request(prompt="The capital of France", max_tokens=20),
        Request(messages=chat, max_tokens=20),
        *(Request(messages=chat, max_tokens=20, temperature=1.2, top_p=0.95, seed=seed) for seed in range(4)),
        Request(kind="score", prompt="The capital of", continuation=" France is Paris"),
    ]
    for kind, name in ((Vllm, "vllm"), (Transformers, "transformers")):
        found = []
        for folder in (friendly, hostile):
            with kind([Candidate(name="a", model=str(folder), engine=name)]) as engine:
                found.append(answers(engine, [("a", request) for request in requests]))
        for one, other in zip(*found, strict=True):
            assert (one.token_ids, one.finish, one.logprob) == (other.token_ids, other.finish, other.logprob)
        assert found[0][0].finish == "stop"
        assert 2 < found[0][0].tokens_out < 20
        assert len({answer.token_ids for answer in found[0][2:6]}) == 4
