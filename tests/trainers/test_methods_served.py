"""Every method improves the lab's target, and the engine that its candidate.json names serves what was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.config import read_handover
from harness.engines.transformers_engine import Transformers
from harness.engines.vllm import Vllm
from harness.records import Candidate, Message, Request, Training
from tests.harness.engines.asking import answers
from trainers.config import parse
from trainers.lab import LabPaths
from trainers.loop import train

pytestmark = [pytest.mark.models, pytest.mark.vllm, pytest.mark.full]

METHODS: dict[str, dict[str, Any]] = {
    "full": {"method": "full", "optimizer": {"learning_rate": 2e-3}},
    "top": {"method": "full", "optimizer": {"learning_rate": 2e-3}, "parameters": {"freeze_layers": 1, "layer_decay": 0.8}},
    "lora": {"method": "lora"},
    "rslora": {"method": "lora", "lora": {"r": 8, "alpha": 8, "rslora": True}},
    "lora_plus": {"method": "lora", "lora": {"plus_ratio": 4.0}, "optimizer": {"learning_rate": 2e-3}},
    "pissa": {"method": "lora", "lora": {"r": 8, "init": "pissa"}, "optimizer": {"learning_rate": 2e-3}},
    "adalora": {"method": "adalora", "lora": {"r": 12}, "adalora": {"target_r": 6}, "optimizer": {"learning_rate": 2e-2}},
    "dora": {"method": "lora", "lora": {"dora": True}},
    "ia3": {"method": "ia3", "optimizer": {"learning_rate": 3e-2}},
    "merged": {"method": "lora", "merge": True},
    "prefix": {"method": "prefix", "optimizer": {"learning_rate": 5e-2}},
    "prompt": {"method": "prompt", "optimizer": {"learning_rate": 5e-2}},
}
VIRTUAL = ("prefix", "prompt")
SAID = '{"device": "fan", "action": "up", "value": 12, "zone": "rear"}'


@pytest.fixture(scope="module")
def trained(lab_test: LabPaths, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place, folders = tmp_path_factory.mktemp("served"), {}
    for name, settings in METHODS.items():
        raw = {
            "name": name, "base": str(lab_test.base), "device": "cpu", **settings,
            "data": {
                "train": str(lab_test.data / "target.train.jsonl"), "validation": str(lab_test.data / "target.validation.jsonl"),
                "tokens_per_batch": 512, "packing": name not in VIRTUAL,
            },
            "optimizer": {"learning_rate": 5e-3, "epochs": 2, **settings.get("optimizer", {})},
        }  # fmt: skip
        folders[name] = train(parse(raw, folder=place))
    return folders


def candidate(name: str, folder: Path, engine: str) -> Candidate:
    handover = read_handover(folder)
    options = {"dtype": "float32"} | ({"max_model_len": 256} if engine == "vllm" else {})
    return Candidate(name=name, engine=engine, model=handover.model, adapter=handover.adapter, options=options)


def scores(kind: Any, candidates: list[Candidate]) -> dict[str, list[float]]:
    """Log-probabilities of an answer to some questions, by candidate."""
    questions = [f"raise the ventilator by {number} behind me now" for number in range(11, 17)]
    asked = [Request(kind="score", messages=(Message(role="user", content=text),), continuation=SAID) for text in questions]
    with kind(candidates) as engine:
        found = answers(engine, [(each.name, request) for each in candidates for request in asked])
    numbers = [completion.logprob for completion in found]
    return {each.name: numbers[at * len(asked) : (at + 1) * len(asked)] for at, each in enumerate(candidates)}  # type: ignore[misc]


@pytest.mark.parametrize("name", METHODS)
def test_the_target_improves(name: str, trained: dict[str, Path]) -> None:
    training = msgspec.json.decode((trained[name] / "training.json").read_bytes(), type=Training)
    first, last = (training.validations[at].losses["target"] for at in (0, -1))
    assert last < (0.95 if name in VIRTUAL else 0.75) * first, (first, last)


def test_vllm_serves_what_was_trained(trained: dict[str, Path], lab_test: LabPaths) -> None:
    """All LoRA kinds from one engine, beside their base; what must be merged, and whole weights, one by one."""
    serving = {name: read_handover(folder) for name, folder in trained.items()}
    together = [name for name, handover in serving.items() if handover.serving == "lora"]
    assert together == ["lora", "rslora", "lora_plus", "pissa", "adalora"]
    assert [name for name, handover in serving.items() if handover.serving == "merge"] == ["dora", "ia3"]
    base = Candidate(name="base", engine="vllm", model=str(lab_test.base), options={"dtype": "float32", "max_model_len": 256})
    served = scores(Vllm, [base, *(candidate(name, trained[name], "vllm") for name in together)])
    for name in ("dora", "ia3", "merged", "top"):
        served |= scores(Vllm, [candidate(name, trained[name], "vllm")])
    for name, found in served.items():
        if name != "base":
            expected = scores(Transformers, [candidate(name, trained[name], "transformers")])[name]
            assert found == pytest.approx(expected, abs=2e-3), name
            assert found != pytest.approx(served["base"], abs=0.1), name


@pytest.mark.parametrize("name", VIRTUAL)
def test_transformers_serves_virtual_tokens(name: str, trained: dict[str, Path]) -> None:
    """What the engine says of validation answers is what training measured."""
    served = scores(Transformers, [candidate(name, trained[name], "transformers")])[name]
    handover = read_handover(trained[name])
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(handover.model, dtype=torch.float32), handover.adapter)
    tokenizer = AutoTokenizer.from_pretrained(handover.model)
    question = [{"role": "user", "content": "raise the ventilator by 11 behind me now"}]
    prompt = tokenizer.apply_chat_template(question, add_generation_prompt=True, tokenize=False)
    ids = tokenizer(prompt + '{"device": "fan", "action": "up", "value": 12, "zone": "rear"}', add_special_tokens=False)[
        "input_ids"
    ]
    start = len(tokenizer(prompt.rstrip(), add_special_tokens=False)["input_ids"])
    with torch.no_grad():
        logits = model.eval()(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids))).logits[0, -len(ids) :]
    logprobs = logits.log_softmax(-1)[:-1].gather(-1, torch.tensor(ids[1:])[:, None])[:, 0]
    assert served[0] == pytest.approx(float(logprobs[start - 1 :].sum()), abs=1e-3)
