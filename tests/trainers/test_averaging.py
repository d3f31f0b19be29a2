"""Candidates made of the weights of a run: means over steps, and points on the way from the base."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.errors import ConfigError
from harness.records import Handover, Training
from trainers.averaging.places import derived
from trainers.loop import train

pytestmark = pytest.mark.models

RUN: dict[str, Any] = {"optimizer__epochs": 3, "optimizer__learning_rate": 5e-3, "save_dtype": "float32"}
SNAPSHOTS = {"averaging__every_steps": 2, "averaging__start_ratio": 0.4}
LORA: dict[str, Any] = {
    "method": "lora", "lora__r": 4, "optimizer__epochs": 3, "optimizer__learning_rate": 2e-2, "optimizer__schedule": "constant",
}  # fmt: skip


def handover_of(folder: Path) -> Handover:
    return msgspec.json.decode((folder / "candidate.json").read_bytes(), type=Handover)


def served(folder: Path) -> dict[str, Any]:
    """The weights that a candidate is served with, float64: an adapter merged by peft."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    written = handover_of(folder)
    model = AutoModelForCausalLM.from_pretrained(folder / written.model).double()
    if written.adapter:
        model = PeftModel.from_pretrained(model, folder / written.adapter).double().merge_and_unload()
    return dict(model.state_dict())


def checkpoints(config: Any) -> dict[int, Any]:
    """Step -> served weights of every checkpoint that was kept."""
    folders = sorted((config.folder / "checkpoints").iterdir())
    return {int(folder.name.rpartition("-")[2]): served(folder) for folder in folders}


def close(one: dict[str, Any], two: dict[str, Any], tolerance: float = 1e-6) -> None:
    import torch

    assert set(one) == set(two)
    for name, value in two.items():
        torch.testing.assert_close(one[name], value, rtol=0, atol=tolerance, msg=lambda said, name=name: f"{name}: {said}")


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(RUN, id="full"),
        pytest.param(LORA, id="lora"),
        pytest.param(LORA | {"lora__rslora": True}, id="rslora", marks=pytest.mark.full),
    ],
)
def test_the_average_is_the_mean_of_the_weights_that_would_have_been_served(
    configure: Any, tiny_base: Path, settings: dict[str, Any]
) -> None:
    config = configure(tiny_base, checkpoints__keep=True, checkpoints__every_steps=2, **SNAPSHOTS, **settings)
    folder = train(config)
    steps = msgspec.json.decode((folder / "training.json").read_bytes(), type=Training).steps
    taken = config.averaging.snapshots(steps)
    assert len(taken) >= 3
    found = derived(config)
    assert list(found) == ["one-average"]
    weights = checkpoints(config)
    expected = {name: sum(weights[step][name] for step in taken) / len(taken) for name in weights[taken[0]]}
    close(served(found["one-average"]), expected)
    apart = max(float((weights[taken[0]][name] - expected[name]).abs().max()) for name in expected)
    assert apart > 1e-3  # a copy of any one of them would be found out
    handover = handover_of(found["one-average"])
    assert (handover.name, handover.base) == ("one-average", str(tiny_base))
    if config.method == "lora":
        assert handover.max_lora_rank is not None
        assert handover.max_lora_rank >= 4 * len(taken)


def test_the_candidate_itself_is_what_it_is_without_averaging(configure: Any, tiny_base: Path) -> None:
    plain = train(configure(tiny_base, name="plain", **RUN))
    beside = train(configure(tiny_base, name="beside", averaging__alphas=[0.5], **SNAPSHOTS, **RUN))
    name = "weights/model.safetensors"
    assert (plain / name).read_bytes() == (beside / name).read_bytes()


@pytest.mark.parametrize("settings", [pytest.param(RUN, id="full", marks=pytest.mark.full), pytest.param(LORA, id="lora")])
def test_a_killed_run_averages_what_a_whole_one_does(configure: Any, tiny_base: Path, settings: dict[str, Any]) -> None:
    whole = configure(tiny_base, checkpoint_steps=3, **SNAPSHOTS, **settings)
    train(whole)
    config = configure(tiny_base, out="again", checkpoint_steps=3, **SNAPSHOTS, **settings)

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "train" and done == total - 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, progress=stop)
    train(config)
    name = "weights/model.safetensors" if settings is RUN else "adapter/adapter_model.safetensors"
    one, two = (derived(each)["one-average"] / name for each in (whole, config))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(RUN, id="full"),
        pytest.param(LORA, id="lora"),
        pytest.param(LORA | {"lora__init": "pissa"}, id="pissa", marks=pytest.mark.full),
        pytest.param(LORA | {"merge": True, "save_dtype": "float32"}, id="merged", marks=pytest.mark.full),
        pytest.param(LORA | {"method": "adalora", "adalora__target_r": 2}, id="adalora", marks=pytest.mark.full),
    ],
)
def test_alpha_lies_on_the_line_from_the_base_to_what_was_trained(
    configure: Any, tiny_base: Path, settings: dict[str, Any]
) -> None:
    from transformers import AutoModelForCausalLM

    config = configure(tiny_base, averaging__alphas=[0.25, 1.5], **settings)
    folder = train(config)
    base = dict(AutoModelForCausalLM.from_pretrained(tiny_base).double().state_dict())
    end = served(folder)
    assert max(float((end[name] - base[name]).abs().max()) for name in base) > 1e-3
    for alpha, place in zip((0.25, 1.5), derived(config).values(), strict=True):
        assert place.name == f"one-alpha-{alpha:g}"
        close(served(place), {name: base[name] + alpha * (end[name] - base[name]) for name in base}, 3e-6)
        handover = handover_of(place)
        assert (handover.name, handover.adapter) == (place.name, handover_of(folder).adapter)


def test_other_alphas_need_no_other_training(configure: Any, tiny_base: Path) -> None:
    train(configure(tiny_base, averaging__alphas=[0.5], **RUN))
    told: list[str] = []
    config = configure(tiny_base, averaging__alphas=[0.5, 0.75], **RUN)
    train(config, progress=lambda stage, *_: told.append(stage))
    assert told == ["already trained", "between", "between"]
    assert list(derived(config)) == ["one-alpha-0.5", "one-alpha-0.75"]


def test_another_run_in_the_folder_leaves_nothing_of_the_one_before(configure: Any, tiny_base: Path) -> None:
    config = configure(tiny_base, averaging__alphas=[0.5], **RUN)
    train(config)
    before = (derived(config)["one-alpha-0.5"] / "weights" / "model.safetensors").read_bytes()
    other = configure(tiny_base, averaging__alphas=[0.5], overwrite=True, seed=1, **RUN)
    train(other)
    assert (derived(other)["one-alpha-0.5"] / "weights" / "model.safetensors").read_bytes() != before


def test_a_blend_stops_where_the_candidate_stops_and_speaks_its_template(configure: Any, tiny_base: Path) -> None:
    config = configure(tiny_base, averaging__alphas=[0.5], averaging__every_steps=2, **RUN)
    folder = train(config)
    for place in derived(config).values():
        for name in ("tokenizer.json", "chat_template.jinja"):
            assert (place / "weights" / name).read_bytes() == (tiny_base / name).read_bytes()
        stops = [json.loads((one / "weights" / "generation_config.json").read_text())["eos_token_id"] for one in (folder, place)]
        assert stops[0] == stops[1]


def test_what_could_not_be_served_is_refused_before_training(configure: Any, tiny_base: Path) -> None:
    settings = {"method": "lora", "lora__r": 64, "optimizer__steps": 40, "averaging__every_steps": 1}
    with pytest.raises(ConfigError, match=r"averaging.every_steps: the mean of 21 adapters of rank 64 has rank 1344.*at most 8"):
        train(configure(tiny_base, **settings))
    with pytest.raises(ConfigError, match=r"averaging.every_steps: there is nothing to average: 50 is more than the run's 40"):
        train(configure(tiny_base, optimizer__steps=40, averaging__every_steps=50))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"averaging__alphas": [0.0]}, "averaging.alphas[0]: expected above 0"),
        ({"averaging__alphas": [0.5, 1.0]}, "averaging.alphas[1]: expected above 0"),
        ({"averaging__alphas": [0.5, 0.5]}, "averaging.alphas: lists a value twice"),
        ({"averaging__start_ratio": 0.2}, "averaging.start_ratio: is given, but averaging.every_steps is 0"),
        ({"averaging__every_steps": 2, "averaging__start_ratio": 1.2}, "averaging.start_ratio: expected a share"),
        ({"averaging__every_steps": 2, "method": "lora", "lora__dora": True}, "averaging.every_steps: knows full"),
        ({"averaging__every_steps": 2, "method": "lora", "merge": True}, "averaging.every_steps: knows full"),
        ({"averaging__alphas": [0.5], "method": "lora", "lora__dora": True}, "averaging.alphas: mixes weights"),
        ({"averaging__alphas": [0.5], "method": "ia3"}, "averaging.alphas: mixes weights, but with method = \"ia3\""),
    ],
)  # fmt: skip
def test_what_cannot_be_averaged_is_refused(configure: Any, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configure(**settings)
    assert str(caught.value).startswith(said)


def test_the_gate_is_asked_about_all_of_them(
    configure: Any, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from harness.cli import main
    from harness.commands import train as command

    configure()  # writes train.jsonl
    (tmp_path / "sft.yaml").write_text(
        json.dumps(
            {
                "name": "one", "base": str(tiny_base), "device": "cpu", "data": {"train": "train.jsonl", "tokens_per_batch": 128},
                "optimizer": {"steps": 4}, "averaging": {"alphas": [0.5], "every_steps": 1},
            }
        )
    )  # fmt: skip
    asked: list[dict[str, Path]] = []
    monkeypatch.setattr(command, "_check_gate", lambda gate: None)
    monkeypatch.setattr(command, "_gate", lambda gate, folders: asked.append(folders) or 0)
    assert main(["train", str(tmp_path / "sft.yaml"), "--gate", "gate.toml"]) == 0
    assert list(asked[0]) == ["one", "one-average", "one-alpha-0.5"]
    assert all((folder / "candidate.json").is_file() for folder in asked[0].values())
    assert capsys.readouterr().out.split() == [str(folder) for folder in asked[0].values()]
