"""What is seen of a run while it goes on, against naive references; and that looking changes nothing."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from harness.errors import ConfigError, EvaluationError, UsageError
from harness.records import Training
from tests.trainers.tinychat import chat, write_rows
from trainers.data.batches import packed, padded
from trainers.data.masks import Template
from trainers.data.rows import Row
from trainers.loop import train
from trainers.methods.loading import load_model, load_tokenizer
from trainers.watching import flow, watch
from trainers.watching.answering import greedy
from trainers.watching.flow import gradient_norms, group_of, noted_steps
from trainers.watching.memorised import LONGEST, SHORTEST, answers_to_try, repeated

pytestmark = pytest.mark.models

BOTH = {"data__validation": {"target": "target.jsonl", "general": "general.jsonl"}}


def training_of(folder: Path) -> Training:
    return msgspec.json.decode((folder / "training.json").read_bytes(), type=Training)


def row(ids: list[int], trained: slice) -> Row:
    weights = np.zeros(len(ids), dtype=np.float32)
    weights[trained] = 1
    return Row(np.asarray(ids, dtype=np.int64), weights)


# --------------------------------------------------------------------------------------------------------- gradients


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("model.layers.3.mlp.up_proj.weight", "layer 3 mlp"),
        ("module.model.layers.0.self_attn.q_proj.bias", "layer 0 self_attn"),
        ("model.layers.11.post_attention_layernorm.weight", "layer 11 norms"),
        ("model.embed_tokens.weight", "embed_tokens"),
        ("model.norm.weight", "norm"),
        ("base_model.model.model.layers.2.self_attn.q_proj.lora_A.default.weight", "layer 2 self_attn A"),
        ("base_model.model.model.layers.2.mlp.up_proj.lora_B.default.weight", "layer 2 mlp B"),
        ("base_model.model.model.layers.2.mlp.down_proj.lora_magnitude_vector.default.weight", "layer 2 mlp magnitude"),
        ("transformer.h.5.attn.c_attn.weight", "layer 5 attn"),
    ],
)
def test_groups_have_names_for_people(name: str, group: str) -> None:
    assert group_of(name) == group


def test_norms_of_groups_are_those_of_their_gradients(configure: Any, tiny_base: Path) -> None:
    import torch

    model = load_model(configure(tiny_base), tiny_base)
    ids = torch.arange(12)[None]
    model.set_attn_implementation("sdpa")
    model(ids, labels=ids).loss.backward()
    model.model.norm.weight.grad = None
    found = gradient_norms(model)
    naive: dict[str, float] = {}
    for name, parameter in model.named_parameters():
        square = 0.0 if parameter.grad is None else float((parameter.grad.double() ** 2).sum())
        naive[group_of(name)] = naive.get(group_of(name), 0.0) + square
    assert found == pytest.approx({group: math.sqrt(square) for group, square in naive.items()}, rel=1e-5)
    assert found["norm"] == 0.0
    model.model.layers[1].mlp.up_proj.weight.grad[3, 4] = float("nan")
    assert flow.not_finite(model) == ["model.layers.1.mlp.up_proj.weight"]


@pytest.mark.parametrize(
    ("steps", "times", "noted"), [(10, 0, []), (10, 1, [10]), (1, 5, [1]), (10, 4, [1, 4, 7, 10]), (3, 9, [1, 2, 3])]
)
def test_notes_are_spread_over_a_run(steps: int, times: int, noted: list[int]) -> None:
    assert sorted(noted_steps(steps, times)) == noted


def test_a_gradient_that_is_no_number_is_named(configure: Any, tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watch.gradient_norms

    def spoilt(model: Any) -> dict[str, float]:
        model.get_parameter("model.layers.1.mlp.up_proj.weight").grad[0, 0] = float("inf")
        return seen(model)

    monkeypatch.setattr(watch, "gradient_norms", spoilt)
    with pytest.raises(
        EvaluationError, match=r"diverged at step 1 of 7.*the gradient of model\.layers\.1\.mlp\.up_proj\.weight is not"
    ):
        train(configure(tiny_base))


def test_a_loss_that_is_no_number_is_told_where_every_gradient_is_one(
    configure: Any, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "not_finite", lambda model: [])
    settings = {"optimizer__learning_rate": 1e30, "optimizer__clip": 0.0, "optimizer__warmup_ratio": 0.0}
    with pytest.raises(EvaluationError, match=r"diverged at step \d of 7: loss (nan|inf), gradient norm [a-z0-9.e+]+\. Lower"):
        train(configure(tiny_base, **settings))


def test_a_diverged_run_says_how_to_train_under_its_name_again(configure: Any, tiny_base: Path) -> None:
    settings = {"optimizer__clip": 0.0, "optimizer__warmup_ratio": 0.0, **BOTH}
    with pytest.raises(EvaluationError, match=r"To train again under this name, set overwrite = true\."):
        train(configure(tiny_base, optimizer__learning_rate=1e30, **settings))
    with pytest.raises(UsageError, match=r"optimizer.learning_rate \(was 1e\+30, now 0.001\).*set overwrite = true"):
        train(configure(tiny_base, **settings))
    assert training_of(train(configure(tiny_base, overwrite=True, **settings))).steps == 7


# ------------------------------------------------------------------------------------------------ nothing is changed


def test_watching_changes_nothing_that_is_trained(configure: Any, tiny_base: Path) -> None:
    """Dropout, so that a single draw of random numbers by a look would be seen."""
    settings = {"method": "lora", "lora__dropout": 0.3, "optimizer__learning_rate": 1e-2, **BOTH}
    seen = train(configure(tiny_base, **settings))
    blind = train(configure(tiny_base, name="blind", watching={"flow": 0, "answers": 0, "verbatim": 0, "trackers": []}, **settings))
    one, two = training_of(seen), training_of(blind)
    assert one.points == two.points
    assert one.validations == two.validations
    name = "adapter/adapter_model.safetensors"
    assert (seen / name).read_bytes() == (blind / name).read_bytes()
    assert one.flows
    assert one.written
    assert not two.flows
    assert not two.written
    assert [each.tried for each in two.verbatims] == [0] * len(two.verbatims)


def test_a_run_that_was_killed_has_seen_the_same(configure: Any, tiny_base: Path) -> None:
    write_rows(tiny_rows := Path(configure(tiny_base).train[0]), [chat(f"say {n}", "x" * 20 + str(n)) for n in range(20)])
    assert tiny_rows.is_file()
    settings = {"optimizer__epochs": 2, "checkpoint_steps": 3, "watching__flow": 4, **BOTH}
    whole = training_of(train(configure(tiny_base, **settings)))

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "train" and done == 8:
            raise KeyboardInterrupt

    config = configure(tiny_base, out="again", **settings)
    with pytest.raises(KeyboardInterrupt):
        train(config, progress=stop)
    again = training_of(train(config))
    for key in ("points", "flows", "verbatims", "written", "concerns"):
        assert getattr(again, key) == getattr(whole, key), key
    assert [each.step for each in whole.flows] == sorted(noted_steps(whole.steps, 4))
    assert whole.verbatims[0].step == 0
    assert whole.verbatims[0].tried == 20
    assert again.speed is not None
    assert whole.speed is not None
    assert again.speed.steps < whole.speed.steps == whole.steps - 1
    assert whole.speed.tokens_per_second * whole.speed.seconds == pytest.approx(
        whole.tokens * (whole.steps - 1) / whole.steps, rel=0.3
    )


# ------------------------------------------------------------------------------------------------------------ answers


@pytest.mark.parametrize(("method", "make"), [("full", packed), ("full", padded), ("prompt", padded)])
def test_greedy_answers_are_those_of_generate(configure: Any, tiny_base: Path, make: Any, method: str) -> None:
    import torch

    packing = {"data__packing": make is packed}
    model = load_model(configure(tiny_base, method=method, **packing), tiny_base)
    prompts = [np.asarray(ids) for ids in ([72, 101, 12], [40, 41, 42, 43, 44, 45], [9])]
    found = greedy(model, prompts, 7, make, "cpu", tokens=9)
    assert model.training
    model.eval()
    if make is packed:
        model.set_attn_implementation("sdpa")
    for prompt, ids in zip(prompts, found, strict=True):
        true = model.generate(
            input_ids=torch.from_numpy(prompt)[None], max_new_tokens=9, do_sample=False, eos_token_id=7, pad_token_id=0
        )[0].tolist()
        true = true[len(prompt) :] if true[: len(prompt)] == prompt.tolist() else true
        assert ids == true


def test_answers_are_written_at_every_look(configure: Any, tiny_base: Path) -> None:
    settings = {"optimizer__epochs": 6, "optimizer__learning_rate": 1e-2, "watching__answers": 2, "watching__answer_tokens": 12}
    training = training_of(train(configure(tiny_base, **settings, **BOTH)))
    steps = [point.step for point in training.validations]
    assert [each.step for each in training.written] == [step for step in steps for _ in range(2)]
    last = training.written[-2:]
    assert [each.prompt for each in last] == [f"<|im_start|>user\nsay {n}<|im_end|>\n<|im_start|>assistant\n" for n in (30, 31)]
    assert [each.expected for each in last] == ["x30", "xx31"]
    assert all(each.answer.startswith("x") for each in last)
    assert all(each.cut or len(each.answer) < 12 for each in last)


# --------------------------------------------------------------------------------------------------------- memorised


def test_only_long_answers_are_tried_and_only_their_beginning() -> None:
    long = row(list(range(100)), slice(10, 90))._replace(prompt=0.3, scale=2.0)
    short = row(list(range(30)), slice(10, 10 + SHORTEST - 1))
    two = Row(np.arange(60), np.asarray([0] * 10 + [1] * 5 + [0] * 5 + [2] * 20 + [0] * 20, dtype=np.float32))
    tried = answers_to_try([short, long, two], 9, seed=0)
    assert [len(each.ids) for each in tried] == [10 + LONGEST, 40]
    assert [int(np.count_nonzero(each.losses)) for each in tried] == [LONGEST, 20], "not what weighs of the prompt"
    assert np.flatnonzero(tried[1].trained)[0] == 20
    many = [row(list(range(number, number + 40)), slice(5, None)) for number in range(30)]
    assert len(answers_to_try(many, 4, seed=1)) == 4
    ids = [each.ids[0] for each in answers_to_try(many, 4, seed=1)]
    assert ids == [each.ids[0] for each in answers_to_try(many, 4, seed=1)]


@pytest.mark.parametrize("make", [packed, padded])
def test_an_answer_is_repeated_where_greedy_decoding_gives_it(configure: Any, tiny_base: Path, make: Any) -> None:
    """Some answers are what the model says anyway, some differ from that in one token: the first, one in between, the last."""
    model = load_model(configure(tiny_base, data__packing=make is packed), tiny_base)
    prompts = [np.asarray([number, 40 + number, 90]) for number in range(12)]
    said = greedy(model, prompts, -1, make, "cpu", tokens=8)
    rows, true = [], 0
    for number, (prompt, ids) in enumerate(zip(prompts, said, strict=True)):
        answer = list(ids)
        if number % 4:
            place = (0, 4, 7)[number % 4 - 1]
            answer[place] = (answer[place] + 1) % 200
        else:
            true += 1
        rows.append(row([*prompt, *answer], slice(len(prompt), None)))
    assert true == 3
    for budget in (10_000, 25):
        assert repeated(model, rows, make, "cpu", budget=budget) == true
    assert repeated(model, [], make, "cpu", budget=50) == 0
    assert model.training


def test_memorised_answers_of_a_run_are_noticed(configure: Any, tiny_base: Path) -> None:
    """Random letters after each prompt: nothing to understand, only to remember. The same prompts with other letters validate."""
    config = configure(tiny_base)
    draw = np.random.default_rng(0)
    letters = ["".join(draw.choice(list("abcdefgh"), 24)) for _ in range(24)]
    write_rows(Path(config.train[0]), [chat(f"number {n}", text) for n, text in enumerate(letters[:12])])
    write_rows(Path(config.train[0]).parent / "target.jsonl", [chat(f"other {n}", text) for n, text in enumerate(letters[12:])])
    settings = {
        "optimizer__epochs": 60,
        "optimizer__learning_rate": 1e-2,
        "data__tokens_per_batch": 256,
        "stopping__every_steps": 60,
    }
    told: list[str] = []
    training = training_of(
        train(configure(tiny_base, **settings, data__validation="target.jsonl"), progress=lambda stage, *_: told.append(stage))
    )
    last = training.verbatims[-1]
    assert last.trained >= 10
    assert (last.tried, last.validation, last.validation_tried) == (12, 0, 12)
    kinds = {each.kind for each in training.concerns}
    assert {"memorised", "overfitting"} <= kinds
    assert "dead" not in kinds
    assert any("would be repeated word for word" in stage for stage in told)


# -------------------------------------------------------------------------------------------------------- what moved


def test_a_run_that_moves_nothing_is_called_dead(configure: Any, tiny_base: Path) -> None:
    training = training_of(train(configure(tiny_base, method="lora", optimizer__learning_rate=1e-12)))
    assert training.concerns[-1].kind == "dead"
    alive = training_of(train(configure(tiny_base, name="alive", method="lora", optimizer__learning_rate=1e-3)))
    assert not alive.concerns


def test_a_run_that_ruins_the_model_is_called_worse_after_a_single_look(configure: Any, tiny_base: Path) -> None:
    settings = {"optimizer__steps": 4, "optimizer__learning_rate": 3.0, "optimizer__warmup_ratio": 0.0, "stopping__every_steps": 9}
    training = training_of(train(configure(tiny_base, **settings, **BOTH)))
    first, last = training.validations
    assert last.losses["target"] > first.losses["target"] + 1
    assert [each.kind for each in training.concerns if each.kind in ("worse", "overfitting")] == ["worse"]


def test_adapters_that_add_nothing_are_counted(configure: Any, tiny_base: Path) -> None:
    import torch

    model = load_model(configure(tiny_base, method="lora"), tiny_base)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".lora_B." in name and "layers.1.mlp.up_proj" not in name:
                parameter.add_(1)
    assert watch._still(model) == (["model.layers.1.mlp.up_proj"], 14)


# ---------------------------------------------------------------------------------------------------------- trackers


def test_tensorboard_has_what_the_record_has_also_after_a_kill(configure: Any, tiny_base: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = configure(tiny_base, watching__trackers=["tensorboard"], watching__flow=3, checkpoint_steps=2, **BOTH)

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "train" and done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, progress=stop)
    training = training_of(train(config))
    events = EventAccumulator(str(Path(config.out) / "tensorboard" / config.name)).Reload()
    drawn = {tag: [(each.step, each.value) for each in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    assert drawn["train/loss"] == [(point.step, pytest.approx(point.loss)) for point in training.points]
    assert drawn["train/learning_rate"] == [(point.step, pytest.approx(point.learning_rate)) for point in training.points]
    for name in ("target", "general"):
        assert drawn[f"validation/{name}"] == [(each.step, pytest.approx(each.losses[name])) for each in training.validations]
    assert [step for step, _ in drawn["gradient/layer 1 mlp"]] == [each.step for each in training.flows]
    assert not (config.folder / "tensorboard").exists()


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"watching__flow": -1}, "watching.flow"),
        ({"watching__answers": -1}, "watching.answers"),
        ({"watching__answer_tokens": 0}, "watching.answer_tokens"),
        ({"watching__verbatim": -1}, "watching.verbatim"),
        ({"watching__patience": 0}, "watching.patience"),
        ({"watching__gap": -0.1}, "watching.gap"),
        ({"watching__trackers": ["tensorbord"]}, "watching.trackers"),
        ({"watching__trackers": ["mlflow"]}, "watching.trackers"),
    ],
)
def test_a_wrong_watch_is_refused(configure: Any, settings: dict[str, Any], where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError) as caught:
        configure(**settings)
    assert str(caught.value.where).startswith(where)


def test_trackers_do_not_make_another_run(configure: Any, tiny_base: Path) -> None:
    from trainers.folder import fingerprint

    plain, tracked = configure(tiny_base), configure(tiny_base, watching__trackers=[])
    assert fingerprint(plain, tiny_base) == fingerprint(tracked, tiny_base)
    assert fingerprint(configure(tiny_base, watching__flow=3), tiny_base) != fingerprint(plain, tiny_base)


def test_the_template_ends_what_is_written(configure: Any, tiny_base: Path) -> None:
    """Text without the end of turn, and whether it came."""
    from trainers.watching.answering import answered

    template = Template(load_tokenizer(tiny_base))
    config = configure(tiny_base)
    from trainers.data.sets import read_sets

    rows = read_sets(config, template, lambda *_: None).train.rows[:1]
    model = load_model(config, tiny_base)
    (written,) = answered(model, rows, template, packed, "cpu", step=4, tokens=3)
    assert written.step == 4
    assert written.expected == "x0"
    assert "<|im_end|>" not in written.answer
    assert written.cut == (len(greedy(model, [rows[0].ids[:-3]], template.end_id, packed, "cpu", tokens=3)[0]) == 3)
