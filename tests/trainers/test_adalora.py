"""AdaLoRA's ranks really fall, and its penalty is the one of its paper as peft has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.checkpoints import read_adapter_config
from tests.trainers.conftest import Configure
from trainers.loop import train
from trainers.methods.adalora import Ranks
from trainers.methods.loading import load_model, trained_parameters

pytestmark = pytest.mark.models

MODULES = 14  # seven linear layers in each of two blocks


def adapted(configure: Configure, base: Path, **settings: Any) -> tuple[Any, Ranks]:
    """A model whose matrices are not at their start, and its ranks."""
    import torch

    config = configure(base, method="adalora", lora__r=6, adalora__target_r=2, data__packing=False, **settings)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(3)
        model = load_model(config, base, steps=10)
        for _, parameter in trained_parameters(model):
            parameter.normal_(0, 0.3)
    return model, Ranks(config, model)


def ranks_of(folder: Path) -> list[int]:
    from safetensors.torch import load_file

    tensors = load_file(folder / "adapter" / "adapter_model.safetensors")
    return [len(tensor) for name, tensor in tensors.items() if ".lora_A." in name]


def test_ranks_fall_to_what_was_asked_for_and_differ(configure: Configure, tiny_base: Path) -> None:
    settings = {"method": "adalora", "lora__r": 6, "adalora__target_r": 2, "optimizer__learning_rate": 5e-2, "optimizer__steps": 12}
    ranks = ranks_of(train(configure(tiny_base, **settings)))
    assert len(ranks) == MODULES
    assert sum(ranks) == pytest.approx(2 * MODULES, abs=2)  # a module whose rank fell to 0 is saved with one direction of nothing
    assert len(set(ranks)) > 2


def test_every_step_is_told_to_peft(configure: Configure, tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from peft import AdaLoraModel

    told: list[int] = []
    honest = AdaLoraModel.update_and_allocate

    def listening(self: Any, step: int) -> None:
        assert all(p.grad is not None for n, p in self.named_parameters() if ".lora_A." in n), "gradients are gone"
        told.append(step)
        honest(self, step)

    monkeypatch.setattr(AdaLoraModel, "update_and_allocate", listening)
    train(configure(tiny_base, method="adalora", lora__r=4, adalora__target_r=2, optimizer__steps=6))
    assert told == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("weight", [0.0, 0.5, 2.0])
def test_the_penalty_is_what_peft_adds_to_a_loss_of_its_own(configure: Configure, tiny_base: Path, weight: float) -> None:
    import torch

    model, ranks = adapted(configure, tiny_base, adalora__orthogonality=weight)
    ids = torch.arange(20)[None] % 17
    model(input_ids=ids, labels=ids).loss.backward()
    expected = {name: parameter.grad.clone() for name, parameter in trained_parameters(model)}
    model.zero_grad()
    logits = model(input_ids=ids).logits[0, :-1]
    torch.nn.functional.cross_entropy(logits, ids[0, 1:]).backward()
    ranks.add_penalty()
    for name, parameter in trained_parameters(model):
        torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-4, atol=1e-6, msg=name)


def test_the_penalty_agrees_with_finite_differences(configure: Configure, tiny_base: Path) -> None:
    import torch

    model, ranks = adapted(configure, tiny_base)
    ranks.add_penalty()
    matrices = {name: p.detach().double() for name, p in trained_parameters(model) if ".lora_E." not in name}

    def penalty() -> float:
        total = 0.0
        for name, p in matrices.items():
            product = p @ p.T if ".lora_A." in name else p.T @ p
            total += float((product - torch.eye(len(product))).square().sum().sqrt())
        return 0.5 * total / len(matrices)

    name, parameter = next((name, p) for name, p in trained_parameters(model) if ".lora_B." in name)
    for place in ((0, 0), (3, 2)):
        change = []
        for shift in (1e-5, -1e-5):
            matrices[name][place] += shift
            change.append(penalty())
            matrices[name][place] -= shift
        assert float(parameter.grad[place]) == pytest.approx((change[0] - change[1]) / 2e-5, rel=1e-4)


def test_the_best_checkpoint_is_saved_with_its_own_ranks(configure: Configure, tiny_base: Path) -> None:
    """Chosen from before ranks fell: cutting it by the last pattern would be another model."""
    import msgspec

    from harness.records import Training
    from tests.trainers.test_methods import nats, target
    from tests.trainers.test_methods import plain as plainly

    config = configure(
        tiny_base, method="adalora", lora__r=6, adalora__target_r=1, adalora__start=0.5, optimizer__learning_rate=0.3,
        optimizer__schedule="constant", optimizer__steps=12, stopping__every_steps=2, data__validation="target.jsonl",
    )  # fmt: skip
    folder = train(config)
    training = msgspec.json.decode((folder / "training.json").read_bytes(), type=Training)
    assert training.best_step is not None
    best = next(point.losses["target"] for point in training.validations if point.step == training.best_step)
    from peft import PeftModel

    model = PeftModel.from_pretrained(plainly(tiny_base), folder / "adapter").eval()
    assert nats(target(folder), tiny_base, lambda ids: model(input_ids=ids).logits[0]) == pytest.approx(best, abs=2e-5)
    assert (max(ranks_of(folder)) == 6) == (training.best_step < 6)
    assert read_adapter_config(folder / "adapter")["peft_type"] == "LORA"


@pytest.mark.full
def test_two_processes_train_what_one_does(configure: Configure, tiny_base: Path, tmp_path: Path) -> None:
    import subprocess
    import sys

    import msgspec

    settings = {"method": "adalora", "lora__r": 6, "adalora__target_r": 2, "optimizer__learning_rate": 5e-2, "optimizer__steps": 8}
    alone = train(configure(tiny_base, name="alone", optimizer__accumulation=2, **settings))
    config = configure(tiny_base, name="together", **settings)
    file = tmp_path / "sft.yaml"
    file.write_text(msgspec.json.encode(config).decode())
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "trainers", str(file)]
    subprocess.run([sys.executable, *command], check=True, cwd=Path(__file__).parents[2], capture_output=True)
    from safetensors.torch import load_file

    one, two = (load_file(folder / "adapter" / "adapter_model.safetensors") for folder in (alone, config.folder))
    assert set(one) == set(two)
    for name, tensor in one.items():
        assert tensor.shape == two[name].shape, name
        assert (tensor - two[name]).abs().max() < 1e-3, name
