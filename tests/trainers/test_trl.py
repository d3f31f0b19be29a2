"""TRL's SFTTrainer as an oracle: the same rows in the same micro-batches give the same losses and gradients, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.trainers.tinychat import chat, load_rows, write_rows
from trainers.data.order import Step
from trainers.data.rows import Row

pytestmark = pytest.mark.models

STEPS, ACCUMULATION, BUDGET, RATE = 20, 3, 160, 2e-3
LORA: dict[str, Any] = {"method": "lora", "lora__r": 4, "lora__alpha": 8}


class Trained(NamedTuple):
    """Per step: loss, gradient norm before clipping, gradients after it; and the weights at the end."""

    losses: list[float]
    norms: list[float]
    gradients: list[dict[str, Any]]
    weights: dict[str, Any]


@pytest.fixture
def rows(tmp_path: Path, tiny_base: Path) -> list[Row]:
    """Conversations of very different length, no two alike, some of several turns."""
    from trainers.data.masks import Template
    from trainers.methods.loading import load_tokenizer

    made = [chat(f"say {n}", "x" * (n * n % 37 + 1) + str(n)) for n in range(40)]
    made += [chat(f"first {n}", "a" * (n + 1), "and then?", "b" * (3 * n + 1)) for n in range(12)]
    file = write_rows(tmp_path / "parity.jsonl", made)
    return load_rows([str(file)], Template(load_tokenizer(tiny_base)), max_length=BUDGET).rows


def trainable(model: Any) -> dict[str, Any]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


class Listener:
    """Copies every gradient that an optimiser is about to use."""

    def __init__(self) -> None:
        self.model: Any = None
        self.gradients: list[dict[str, Any]] = []

    def __call__(self, *_: Any) -> None:
        self.gradients.append({name: parameter.grad.detach().clone() for name, parameter in trainable(self.model).items()})


@pytest.fixture
def listener() -> Iterator[Listener]:
    from torch.optim.optimizer import register_optimizer_step_pre_hook

    heard = Listener()
    handle = register_optimizer_step_pre_hook(heard)
    yield heard
    handle.remove()


def with_trl(
    model: Any, rows: list[Row], base: Path, place: Path, listener: Listener, *, packing: bool
) -> tuple[Trained, list[Step]]:
    """What TRL does, and the micro-batches of rows that it saw on the way."""
    from datasets import Dataset
    from transformers import AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    listener.model, listener.gradients = model, []
    numbers = {tuple(row.ids.tolist()): number for number, row in enumerate(rows)}
    assert len(numbers) == len(rows)
    seen: list[list[tuple[int, ...]]] = [[]]

    class Recorder(SFTTrainer):  # type: ignore[misc]
        def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
            seen[-1].append(tuple(numbers[ids] for ids in rows_in(inputs)))
            return super().training_step(model, inputs, *args, **kwargs)

    class NextStep(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            seen.append([])

    labels = [[int(token) if trained else -100 for token, trained in zip(row.ids, row.trained, strict=True)] for row in rows]
    trainer = Recorder(
        model=model,
        args=SFTConfig(
            output_dir=str(place), max_steps=STEPS, gradient_accumulation_steps=ACCUMULATION, packing=packing, max_length=BUDGET,
            per_device_train_batch_size=1 if packing else 4, learning_rate=RATE, lr_scheduler_type="linear", warmup_steps=0,
            logging_steps=1, save_strategy="no", report_to=[], use_cpu=True, bf16=False, gradient_checkpointing=False, seed=5,
            disable_tqdm=True,
        ),
        train_dataset=Dataset.from_dict({"input_ids": [row.ids.tolist() for row in rows], "labels": labels}),
        processing_class=AutoTokenizer.from_pretrained(base),
        callbacks=[NextStep()],
    )  # fmt: skip
    trainer.train()
    logs = [entry for entry in trainer.state.log_history if "loss" in entry]
    steps = [Step(tuple(batches), 0, number, STEPS) for number, batches in enumerate(seen[:STEPS])]
    weights = {name: parameter.detach().clone() for name, parameter in trainable(model).items()}
    return Trained([log["loss"] for log in logs], [log["grad_norm"] for log in logs], listener.gradients, weights), steps


def rows_in(inputs: dict[str, Any]) -> Iterator[tuple[int, ...]]:
    """The ids of each row of a micro-batch: between position 0 and the next where they are packed, else without padding."""
    ids = inputs["input_ids"]
    if "attention_mask" in inputs:
        yield from (tuple(row[mask.bool()].tolist()) for row, mask in zip(ids, inputs["attention_mask"], strict=True))
        return
    starts = (inputs["position_ids"][0] == 0).nonzero().flatten().tolist()
    for start, end in zip(starts, [*starts[1:], ids.shape[1]], strict=True):
        yield tuple(ids[0, start:end].tolist())


def with_ours(config: Any, start: dict[str, Any], steps: list[Step], listener: Listener) -> Trained:
    """The same from the same weights."""
    import torch

    import trainers.loop as loop
    from tests.trainers.test_loop import losses, training_of

    def load(*args: Any, **kwargs: Any) -> Any:
        listener.model, listener.gradients = load_model(*args, **kwargs), []
        found = trainable(listener.model)
        assert set(found) == set(start)
        with torch.no_grad():
            for name, value in start.items():
                found[name].copy_(value)
        return listener.model

    load_model = loop.load_model
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "plan", lambda *_, **__: steps)
        patch.setattr(loop, "load_model", load)
        training = training_of(loop.train(config))
    weights = {name: parameter.detach().clone() for name, parameter in trainable(listener.model).items()}
    return Trained(losses(training), [point.grad_norm for point in training.points], listener.gradients, weights)


def base_model(base: Path, *, adapted: bool) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if not adapted:
        return model
    with torch.random.fork_rng():
        torch.manual_seed(11)
        return get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM"))


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("packing", [True, False])
def test_losses_and_gradients_are_those_of_trl(
    configure: Any, tiny_base: Path, tmp_path: Path, rows: list[Row], listener: Listener, packing: bool, method: str
) -> None:
    """Twenty steps of three micro-batches each, from the same start, with clipping and a falling rate."""
    import torch

    pytest.importorskip("trl", reason="needs TRL")
    model = base_model(tiny_base, adapted=method == "lora")
    start = {name: parameter.detach().clone() for name, parameter in trainable(model).items()}
    theirs, steps = with_trl(model, rows, tiny_base, tmp_path / "trl", listener, packing=packing)
    assert {len(step.batches) for step in steps} >= {ACCUMULATION}
    assert max(len(batch) for step in steps for batch in step.batches) > 2
    config = configure(
        tiny_base, data__train="parity.jsonl", data__tokens_per_batch=BUDGET * (1 if packing else 4), data__packing=packing,
        optimizer__steps=STEPS, optimizer__learning_rate=RATE, optimizer__schedule="linear", optimizer__warmup_ratio=0.0,
        optimizer__accumulation=ACCUMULATION, **(LORA if method == "lora" else {}),
    )  # fmt: skip
    ours = with_ours(config, start, steps, listener)
    apart = max(abs(one - two) for one, two in zip(ours.losses, theirs.losses, strict=True))
    far = max(
        (one[name] - value).abs().max()
        for one, two in zip(ours.gradients, theirs.gradients, strict=True)
        for name, value in two.items()
    )
    print(f"{method}, packing {packing}: losses differ by at most {apart:.2g}, gradients by {far:.2g}")
    assert ours.losses == pytest.approx(theirs.losses, abs=1e-5)
    assert ours.norms == pytest.approx(theirs.norms, rel=1e-4)
    assert len(ours.gradients) == len(theirs.gradients) == STEPS
    for number, (one, two) in enumerate(zip(ours.gradients, theirs.gradients, strict=True)):
        for name, value in two.items():
            torch.testing.assert_close(one[name], value, rtol=0, atol=1e-5, msg=lambda said, at=(number, name): f"{at}: {said}")
    for name, value in theirs.weights.items():
        torch.testing.assert_close(ours.weights[name], value, rtol=0, atol=1e-4, msg=name)
    assert max((start[name] - value).abs().max() for name, value in ours.weights.items()) > 1e-2
