"""Training end to end on a tiny random model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.errors import ConfigError, EvaluationError, UsageError
from harness.records import Handover, Training
from tests.trainers.tinychat import chat, write_rows
from trainers.config import TrainConfig
from trainers.loop import train

pytestmark = pytest.mark.models


def training_of(folder: Path) -> Training:
    return msgspec.json.decode((folder / "training.json").read_bytes(), type=Training)


def handover_of(folder: Path) -> Handover:
    return msgspec.json.decode((folder / "candidate.json").read_bytes(), type=Handover)


def losses(training: Training) -> list[float]:
    return [point.loss for point in training.points]


BOTH = {"data__validation": {"target": "target.jsonl", "general": "general.jsonl"}}


def test_a_full_fine_tune_learns_and_hands_over_weights_that_transformers_loads(configure: Any, tiny_base: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    config = configure(tiny_base, optimizer__epochs=4, optimizer__learning_rate=3e-3, **BOTH)
    folder = train(config)
    training, handover = training_of(folder), handover_of(folder)
    assert losses(training)[-1] < losses(training)[0] - 0.5
    assert [point.step for point in training.points] == list(range(1, training.steps + 1))
    assert training.validations[0].step == 0
    assert set(training.validations[-1].losses) == {"target", "general"}
    assert training.parameters_trained == training.parameters_total > 0
    assert training.epochs == 4.0
    assert training.supervised_tokens == sum(point.supervised_tokens for point in training.points) < training.tokens
    assert (handover.model, handover.adapter, handover.base) == ("weights", None, str(tiny_base))
    assert handover.training_data == config.train
    model = AutoModelForCausalLM.from_pretrained(folder / "weights")
    tokenizer = AutoTokenizer.from_pretrained(folder / "weights")
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert (folder / "weights" / name).read_bytes() == (tiny_base / name).read_bytes()
    stops = model.generation_config.eos_token_id
    assert tokenizer.convert_tokens_to_ids("<|im_end|>") in ([stops] if isinstance(stops, int) else stops)
    assert set(training.data["files"]) == {*config.train, *config.validation.values()}
    assert not (folder / "resume").exists()


def test_what_is_handed_over_has_the_validation_loss_that_was_reported(configure: Any, tiny_base: Path) -> None:
    from tests.trainers.tinychat import load_rows
    from trainers.data.batches import packed
    from trainers.data.masks import Template
    from trainers.evaluate import validation_loss
    from trainers.methods.loading import load_model, load_tokenizer

    config = configure(tiny_base, optimizer__epochs=3, optimizer__learning_rate=3e-3, **BOTH)
    folder = train(config)
    weights = folder / "weights"
    rows = load_rows([config.validation["target"]], Template(load_tokenizer(weights)), max_length=128).rows
    nats, tokens = validation_loss(load_model(config, weights), rows, packed, budget=128, device="cpu")
    best = training_of(folder).best_step
    reported = next(point.losses["target"] for point in training_of(folder).validations if point.step == best)
    assert nats / tokens == pytest.approx(reported, abs=1e-6)


def test_an_adapter_is_handed_over_as_peft_loads_it(configure: Any, tiny_base: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    folder = train(configure(tiny_base, method="lora", optimizer__epochs=2, optimizer__learning_rate=1e-2, lora__r=4))
    handover, training = handover_of(folder), training_of(folder)
    assert (handover.model, handover.adapter) == (str(tiny_base), "adapter")
    assert 0 < training.parameters_trained < training.parameters_total
    base = AutoModelForCausalLM.from_pretrained(tiny_base)
    ids = torch.arange(20)[None]
    with torch.no_grad():
        before = base(ids).logits
        adapted = PeftModel.from_pretrained(base, folder / "adapter")
        after = adapted(ids).logits
    assert (before - after).abs().max() > 1e-2
    settings = json.loads((folder / "adapter" / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == str(tiny_base)
    assert {name.rpartition(".")[2] for name in settings["target_modules"]} == {
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    }


@pytest.mark.vllm
def test_vllm_takes_the_adapter_as_it_is(configure: Any, tiny_base: Path) -> None:
    helper = pytest.importorskip("vllm.lora.peft_helper", reason="needs vLLM").PEFTHelper
    from vllm.config.lora import LoRAConfig

    folder = train(configure(tiny_base, method="lora", optimizer__steps=2, lora__r=24, lora__alpha=48))
    loaded = helper.from_local_dir(str(folder / "adapter"), max_position_embeddings=512)
    loaded.validate_legal(LoRAConfig(max_lora_rank=32, max_loras=1))
    assert loaded.vllm_lora_scaling_factor == 2.0


def test_accumulation_equals_one_batch_of_all_its_rows(configure: Any, tiny_base: Path) -> None:
    """Micro-batches of very different size: a mean of their means would be another gradient."""
    several = train_batches(configure(tiny_base, name="several"), [[(0, 1), (2, 3, 4, 5)], [(6,), (7, 8)]])
    single = train_batches(configure(tiny_base, name="single"), [[(0, 1, 2, 3, 4, 5)], [(6, 7, 8)]])
    for (name, one), (_, two) in zip(several, single, strict=True):
        assert (one - two).abs().max() < 1e-6, name


def train_batches(config: TrainConfig, steps: list[list[tuple[int, ...]]]) -> list[tuple[str, Any]]:
    """Weights after exactly these steps."""
    import trainers.loop as loop
    from trainers.data.order import Step

    made = [Step(tuple(batches), 0, number, len(steps)) for number, batches in enumerate(steps)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "plan", lambda *_, **__: made)
        folder = train(config)
    from safetensors.torch import load_file

    return sorted(load_file(folder / "weights" / "model.safetensors").items())


@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize("budget", [64, 128, 1000])
def test_the_validation_loss_does_not_depend_on_batches_or_packing(
    configure: Any, tiny_base: Path, packing: bool, budget: int
) -> None:
    from tests.trainers.tinychat import load_rows
    from trainers.data.batches import packed, padded
    from trainers.data.masks import Template
    from trainers.evaluate import validation_loss
    from trainers.methods.loading import load_model, load_tokenizer

    def measured(packing: bool, budget: int) -> tuple[float, int]:
        config = configure(tiny_base, data__packing=packing)
        rows = load_rows([config.train[0]], Template(load_tokenizer(tiny_base)), max_length=200).rows
        make = packed if packing else padded
        return validation_loss(load_model(config, tiny_base), rows, make, budget=budget, device="cpu", packing=packing)

    nats, tokens = measured(packing, budget)
    expected, count = measured(True, 200)
    assert tokens == count
    assert nats / tokens == pytest.approx(expected / count, abs=1e-6)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_killed_run_goes_on_bit_by_bit(configure: Any, tiny_base: Path, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {
        "method": method, "optimizer__epochs": 3, "optimizer__learning_rate": 5e-3, "stopping__every_steps": 3, **BOTH,
    } | ({"lora__dropout": 0.2} if method == "lora" else {})  # fmt: skip
    whole = train(configure(tiny_base, name="whole", **settings))
    config = configure(tiny_base, name="whole", out="again", **settings)

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "train" and done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, progress=stop)
    assert not (config.folder / "candidate.json").exists()
    steps: list[int] = []
    resumed = train(config, progress=lambda stage, done, total: steps.append(done) if stage == "train" else None)
    assert steps[0] == 8  # from the state of step 7, where an epoch ended
    one, two = training_of(whole), training_of(resumed)
    assert losses(one) == losses(two)
    assert one.validations == two.validations
    assert (one.points, one.best_step, one.tokens) == (two.points, two.best_step, two.tokens)
    name = "weights/model.safetensors" if method == "full" else "adapter/adapter_model.safetensors"
    assert (whole / name).read_bytes() == (resumed / name).read_bytes()


def test_kill_nine_loses_only_the_steps_since_the_last_state(configure: Any, tiny_base: Path, tmp_path: Path) -> None:
    whole = training_of(train(configure(tiny_base, optimizer__steps=60, checkpoint_steps=5)))
    file = tmp_path / "sft.yaml"
    settings = {"name": "one", "base": str(tiny_base), "out": "killed", "device": "cpu", "checkpoint_steps": 5}
    settings |= {"data": {"train": "train.jsonl", "tokens_per_batch": 128}}
    settings |= {"optimizer": {"learning_rate": 1e-3, "epochs": 1, "steps": 60}}
    file.write_text(json.dumps(settings))
    command = [sys.executable, "-m", "trainers", str(file), "--progress"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said = json.loads(line)
            if said["stage"] == "train" and said["done"] == 12:
                os.kill(process.pid, signal.SIGKILL)
                break
    finished = subprocess.run(command, capture_output=True, text=True, cwd=root, check=True)
    first = next(said for line in finished.stdout.splitlines() if (said := json.loads(line))["stage"] == "train")
    assert first["done"] >= 11
    assert losses(training_of(tmp_path / "killed" / "one")) == losses(whole)
    assert finished.stderr == ""


def test_a_finished_run_is_not_repeated(configure: Any, tiny_base: Path) -> None:
    config = configure(tiny_base, optimizer__steps=2)
    before = (train(config) / "training.json").stat().st_mtime_ns
    told: list[str] = []
    assert train(config, progress=lambda stage, *_: told.append(stage)) == config.folder
    assert told == ["already trained"]
    assert (config.folder / "training.json").stat().st_mtime_ns == before


def test_what_a_killed_process_left_is_removed(configure: Any, tiny_base: Path) -> None:
    config = configure(tiny_base, optimizer__steps=2)
    kept = train(config) / "resume"
    kept.mkdir()  # killed between candidate.json and the end
    (kept / "state.pt").write_bytes(b"large")
    train(config)
    assert not kept.exists()
    (config.folder / ".tmp-7-0a0a").write_bytes(b"hal")  # killed while a file was written beside its place
    folder = train(configure(tiny_base, optimizer__steps=2, overwrite=True))
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "candidate.json", "training.json", "weights"]


def test_another_run_in_the_same_folder_is_refused_unless_overwritten(configure: Any, tiny_base: Path) -> None:
    train(configure(tiny_base, optimizer__steps=2))
    other = {"optimizer__steps": 2, "method": "lora"}
    with pytest.raises(UsageError, match="another config or other data"):
        train(configure(tiny_base, **other))
    folder = train(configure(tiny_base, overwrite=True, **other))
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "adapter", "candidate.json", "training.json"]


def test_changed_data_is_another_run(configure: Any, tiny_base: Path) -> None:
    config = configure(tiny_base, optimizer__steps=2)
    train(config)
    write_rows(Path(config.train[0]), [chat("new", "rows")])
    with pytest.raises(UsageError, match="other data"):
        train(config)


def test_files_of_the_user_are_never_overwritten(configure: Any, tiny_base: Path) -> None:
    config = configure(tiny_base, overwrite=True)
    config.folder.mkdir(parents=True)
    (config.folder / "thesis.tex").write_text("ten years of work")
    with pytest.raises(UsageError, match=r"thesis.tex"):
        train(config)
    assert (config.folder / "thesis.tex").exists()


def test_two_processes_do_not_train_one_candidate(configure: Any, tiny_base: Path) -> None:
    import fcntl

    config = configure(tiny_base)
    config.folder.mkdir(parents=True)
    with (config.folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="another process"):
            train(config)


def test_the_best_weights_are_handed_over_not_the_last(configure: Any, tiny_base: Path) -> None:
    settings = {
        "optimizer__steps": 40,
        "optimizer__learning_rate": 2e-2,
        "optimizer__schedule": "constant",
        "stopping__every_steps": 4,
    }
    write_rows(Path(configure().train[0]), [chat(f"say {n}", "qq") for n in range(8)])
    config = configure(tiny_base, stopping__metric="general", **settings, **BOTH)
    training = training_of(train(config))
    seen = {point.step: point.losses["general"] for point in training.validations if point.step}
    assert training.best_step == min(seen, key=lambda step: seen[step])
    assert training.best_step < training.steps


def test_patience_ends_training_early(configure: Any, tiny_base: Path) -> None:
    settings = {
        "optimizer__steps": 60,
        "optimizer__learning_rate": 3e-2,
        "optimizer__schedule": "constant",
        "stopping__every_steps": 2,
    }
    training = training_of(train(configure(tiny_base, stopping__patience=2, stopping__metric="general", **settings, **BOTH)))
    assert training.steps < 60
    assert training.best_step is not None
    assert len([point for point in training.validations if point.step > training.best_step]) == 2
    assert training.ended == (
        f"stopped early, after step {training.steps} of 60: no better loss on 'general' than at step {training.best_step} in 2 "
        "looks in a row (stopping.patience = 2)"
    )


def test_a_loss_that_is_not_finite_stops_training_and_says_where(configure: Any, tiny_base: Path) -> None:
    settings = {"optimizer__steps": 30, "optimizer__learning_rate": 1e30, "optimizer__clip": 0.0, "optimizer__warmup_ratio": 0.0}
    with pytest.raises(EvaluationError, match=r"diverged at step \d+ of 30: loss (nan|inf).*learning_rate"):
        train(configure(tiny_base, **settings))


def test_replay_rows_are_trained_too(configure: Any, tiny_base: Path, tmp_path: Path) -> None:
    plain = training_of(train(configure(tiny_base, name="plain")))
    mixed = training_of(train(configure(tiny_base, name="mixed", data__replay="general.jsonl", data__replay_ratio=0.5)))
    assert mixed.tokens == pytest.approx(1.5 * plain.tokens, rel=0.05)
    assert mixed.data["replay"]["rows"] == 7


def test_bf16_trains_over_float32_weights(configure: Any, tiny_base: Path) -> None:
    from safetensors.torch import load_file

    settings = {"optimizer__epochs": 2, "optimizer__learning_rate": 3e-3}
    exact = training_of(train(configure(tiny_base, name="exact", **settings)))
    folder = train(configure(tiny_base, name="half", precision="bf16", **settings))
    half = training_of(folder)
    assert losses(half) != losses(exact)
    assert losses(half) == pytest.approx(losses(exact), abs=0.1)
    assert {str(tensor.dtype) for tensor in load_file(folder / "weights" / "model.safetensors").values()} == {"torch.float32"}


def test_weights_are_saved_in_the_dtype_of_the_base_unless_float32_is_asked_for(
    configure: Any, tiny_base: Path, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    half = tmp_path / "half"
    AutoModelForCausalLM.from_pretrained(tiny_base, dtype=torch.bfloat16).save_pretrained(half)
    AutoTokenizer.from_pretrained(tiny_base).save_pretrained(half)
    for save, dtype in (("base", torch.bfloat16), ("float32", torch.float32)):
        folder = train(configure(half, name=save, save_dtype=save, optimizer__steps=2))
        assert {tensor.dtype for tensor in load_file(folder / "weights" / "model.safetensors").values()} == {dtype}
        assert json.loads((folder / "weights" / "config.json").read_text())["dtype"] == str(dtype).removeprefix("torch.")


def test_padded_batches_train_as_well(configure: Any, tiny_base: Path) -> None:
    training = training_of(train(configure(tiny_base, data__packing=False, optimizer__epochs=3, optimizer__learning_rate=3e-3)))
    assert losses(training)[-1] < losses(training)[0]


def test_the_callers_random_state_and_threads_are_left_alone(configure: Any, tiny_base: Path) -> None:
    import torch

    before, threads = torch.get_rng_state(), torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        train(configure(tiny_base, optimizer__steps=1))
        assert torch.equal(before, torch.get_rng_state())
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)


def test_seeds_give_other_adapters_and_the_same_seed_the_same(configure: Any, tiny_base: Path) -> None:
    settings = {"method": "lora", "optimizer__steps": 2}
    runs = [train(configure(tiny_base, name=f"run{i}", seed=seed, **settings)) for i, seed in enumerate((1, 1, 2))]
    one, same, other = ((run / "adapter" / "adapter_model.safetensors").read_bytes() for run in runs)
    assert one == same != other


def test_trained_text_shows_what_is_trained(configure: Any, tiny_base: Path) -> None:
    texts = training_of(train(configure(tiny_base, optimizer__steps=1))).trained_text
    assert len(texts) == 3
    assert texts[0] == "⟦<|im_start|>user\nsay 0<|im_end|>\n<|im_start|>assistant\n⟧x0<|im_end|>"


def test_checkpointed_gradients_train_an_adapter_the_same(configure: Any, tiny_base: Path) -> None:
    settings = {"method": "lora", "optimizer__steps": 4, "optimizer__learning_rate": 1e-2}
    plain = training_of(train(configure(tiny_base, name="plain", **settings)))
    thrifty = training_of(train(configure(tiny_base, name="thrifty", gradient_checkpointing=True, **settings)))
    assert losses(thrifty) == pytest.approx(losses(plain), abs=1e-5)


def test_the_lab_learns_its_skill_and_replay_keeps_the_rest(lab_test: Any, tmp_path: Path) -> None:
    from trainers.config import parse

    data = Path(lab_test.root) / "data"
    raw: dict[str, Any] = {
        "name": "careless", "base": str(lab_test.base), "device": "cpu",
        "data": {
            "train": str(data / "target.train.jsonl"), "tokens_per_batch": 512,
            "validation": {"target": str(data / "target.validation.jsonl"), "general": str(data / "general.validation.jsonl")},
        },
        "optimizer": {"learning_rate": 2e-3, "epochs": 2},
    }  # fmt: skip
    careful = {**raw, "name": "careful", "data": {**raw["data"], "replay": str(data / "replay.train.jsonl"), "replay_ratio": 1.0}}
    first, last = {}, {}
    for settings in (raw, careful):
        points = training_of(train(parse(settings, folder=tmp_path))).validations
        first[settings["name"]], last[settings["name"]] = points[0].losses, points[-1].losses
    assert first["careless"] == first["careful"]
    for name in ("careless", "careful"):
        assert last[name]["target"] < 0.5 * first[name]["target"]
    assert last["careless"]["general"] > first["careless"]["general"] + 0.2
    assert last["careful"]["general"] < last["careless"]["general"] - 0.2


class TestBadInput:
    def test_an_unknown_base(self, configure: Any) -> None:
        with pytest.raises(ConfigError, match="nowhere/model"):
            train(configure("nowhere/model"))

    def test_a_base_without_a_template(self, configure: Any, tiny_base: Path, tmp_path: Path) -> None:
        import shutil

        bare = tmp_path / "bare"
        shutil.copytree(tiny_base, bare)
        (bare / "chat_template.jinja").unlink()
        with pytest.raises(ConfigError, match="no chat template"):
            train(configure(bare))

    def test_a_layer_that_does_not_exist(self, configure: Any, tiny_base: Path) -> None:
        with pytest.raises(ConfigError, match=r"lora.targets\[1\].*'q_porj'. Did you mean 'q_proj'"):
            train(configure(tiny_base, method="lora", lora__targets=["v_proj", "q_porj"]))

    def test_a_damaged_state(self, configure: Any, tiny_base: Path) -> None:
        config = configure(tiny_base, optimizer__steps=8, checkpoint_steps=2)

        def stop(stage: str, done: int, total: int) -> None:
            if stage == "train" and done == 5:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(config, progress=stop)
        (config.folder / "resume" / "state.pt").write_bytes(b"not a state")
        with pytest.raises(EvaluationError, match=r"state.pt: the saved state cannot be read"):
            train(config)


class TestCommand:
    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        root = Path(__file__).parents[2]
        return subprocess.run([sys.executable, "-m", "trainers", *arguments], capture_output=True, text=True, cwd=root, check=False)

    def test_a_wrong_config_is_one_paragraph_and_exit_code_two(self, tmp_path: Path) -> None:
        file = tmp_path / "sft.toml"
        file.write_text('name = "x"\nbase = "b"\nbatch = 3\n[data]\ntrain = "t.jsonl"\n')
        started = time.monotonic()
        done = self.run(str(file))
        assert (done.returncode, done.stdout) == (2, "")
        assert "unknown key 'batch'" in done.stderr
        assert "Traceback" not in done.stderr
        assert time.monotonic() - started < 30

    def test_settings_are_taken_from_the_command_line(self, tmp_path: Path) -> None:
        file = tmp_path / "sft.toml"
        file.write_text('name = "x"\nbase = "b"\n[data]\ntrain = "sft.toml"\n')
        done = self.run(str(file), "--set", "optimizer.epochs=-1")
        assert done.returncode == 2
        assert "optimizer.epochs" in done.stderr


def test_two_processes_train_what_one_does_with_twice_the_accumulation(configure: Any, tiny_base: Path, tmp_path: Path) -> None:
    settings = {"optimizer__epochs": 1, "data__tokens_per_batch": 200, "data__validation": {"target": "target.jsonl"}}
    alone = training_of(train(configure(tiny_base, name="alone", optimizer__accumulation=2, **settings)))
    config = configure(tiny_base, name="together", **settings)
    file = tmp_path / "sft.yaml"
    file.write_text(msgspec.json.encode(config).decode())
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "trainers", str(file)]
    subprocess.run([sys.executable, *command], check=True, cwd=Path(__file__).parents[2], capture_output=True)
    together = training_of(config.folder)
    assert together.environment["processes"] == 2
    assert losses(together) == pytest.approx(losses(alone), abs=1e-6)
    assert together.validations[-1].losses["target"] == pytest.approx(alone.validations[-1].losses["target"], abs=1e-6)
    assert (together.steps, together.supervised_tokens) == (alone.steps, alone.supervised_tokens)
