"""``train --advise``: what is advised for models, data and devices of every size, and that it can be set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.commands.advising import config_with
from tests.trainers.audit.rows import silent
from tests.trainers.tinychat import chat, write_rows
from trainers.advising.facts import Facts, facts_of
from trainers.advising.rules import _bytes, _with, advise
from trainers.config import load
from trainers.data.masks import Template
from trainers.data.order import plan
from trainers.data.sets import read_sets
from trainers.methods.loading import load_tokenizer
from trainers.watching.memory import Shape

pytestmark = pytest.mark.models

GB = 10**9


def base(billions: float) -> dict[str, Shape]:
    """Of Llama's proportions."""
    parameters = int(billions * GB)
    layers = 32 if billions > 2 else 16
    width = int((parameters / (12 * layers)) ** 0.5)
    plain = Shape(parameters, parameters, parameters, layers, width, 3 * width, width // 4, 128_000, 128_000 * width)
    return {"full": plain, "lora": plain._replace(trained=14 * layers * width)}


def facts(billions: float = 8, free: int | None = 80 * GB, **others: Any) -> Facts:
    known: dict[str, Any] = {
        "shapes": base(billions), "conversations": 5_000, "rows": 5_000, "tokens": 2_000_000, "supervised": 800_000,
        "longest": 3_000, "answers": 5_000, "distinct": 1.0, "answer": 160.0, "prompt": 240.0, "documents": False, "replay": False,
        "validation": False, "device": "NVIDIA H100", "cuda": True, "half": True, "free": free,
    }  # fmt: skip
    return Facts(**known | others)


def advised(configure: Any, known: Facts) -> dict[str, Any]:
    return {each.key: each.value for each in advise(configure(), known)}


def test_a_usual_run_is_lora_at_ten_times_the_rate(configure: Any) -> None:
    found = advised(configure, facts())
    assert (found["method"], found["precision"], found["optimizer.learning_rate"]) == ("lora", "bf16", 1e-4)
    assert found["lora.alpha"] == 2 * found["lora.r"]
    assert found["optimizer.epochs"] == 2.0
    assert found["data.tokens_per_batch"] >= 3_000
    assert "lora.quantise" not in found
    assert "gradient_checkpointing" not in found


@pytest.mark.parametrize("billions", [0.002, 0.1, 0.6, 8, 70])
@pytest.mark.parametrize("gigabytes", [8, 24, 80, 141])
@pytest.mark.parametrize("cuda", [True, False])
def test_what_is_advised_fits_where_anything_does(configure: Any, billions: float, gigabytes: int, cuda: bool) -> None:
    known = facts(billions, gigabytes * GB, cuda=cuda, half=cuda)
    found = advise(configure(), known)
    made = _with(configure(), [each for each in found if each.key != "data.replay_ratio"])
    smallest = {8: 0.6, 24: 8, 80: 70, 141: 70}[gigabytes]
    if cuda and billions <= smallest:
        assert _bytes(made, known) <= known.free  # type: ignore[operator]
    assert all(each.reason and each.source for each in found)
    assert ("lora.quantise" in {each.key for each in found}) <= cuda


def test_a_base_that_does_not_fit_in_sixteen_bits_is_quantised_on_a_gpu(configure: Any) -> None:
    assert advised(configure, facts(8, 12 * GB))["lora.quantise"] == "nf4"
    assert "lora.quantise" not in advised(configure, facts(8, 12 * GB, cuda=False, half=False))


def test_rank_grows_with_what_is_to_be_learned(configure: Any) -> None:
    ranks = [advised(configure, facts(1, supervised=count))["lora.r"] for count in (10**5, 3 * 10**7, 10**8)]
    assert ranks == sorted(ranks)
    assert ranks[0] == 8
    assert ranks[0] < ranks[-1]
    same = advised(configure, facts(1, supervised=10**8, distinct=0.001))
    assert same["lora.r"] == 8, "the same answers again hold nothing new"


def test_more_than_an_adapter_holds_wants_all_weights_where_they_fit(configure: Any) -> None:
    much = {"supervised": 10**10, "tokens": 10**10, "conversations": 10**6, "documents": True}
    found = advised(configure, facts(1, **much))
    assert found["method"] == "full"
    assert found["optimizer.learning_rate"] == 1e-5
    assert found["optimizer.epochs"] == 1.0
    assert found["data.replay_ratio"] == 0.25
    assert advised(configure, facts(8, 24 * GB, **much))["method"] == "lora"


def test_few_data_make_small_steps_and_a_longer_warm_up(configure: Any) -> None:
    few = advised(configure, facts(conversations=200, tokens=40_000, supervised=10_000, longest=500))
    assert few["optimizer.epochs"] == 3.0
    assert few["data.tokens_per_batch"] * few["optimizer.accumulation"] <= 1_000
    assert few["optimizer.warmup_ratio"] == 0.1
    assert few["data.validation_share"] == 0.1
    tiny = advised(configure, facts(conversations=20, tokens=4_000, supervised=1_000, longest=500))
    assert tiny["optimizer.learning_rate"] == pytest.approx(1.5e-4), "in short runs LoRA wants more"


def test_what_is_there_is_not_advised(configure: Any) -> None:
    found = advised(configure, facts(replay=True, validation=True))
    assert not {"data.replay_ratio", "data.validation_share"} & set(found)


@pytest.mark.parametrize(
    ("others", "task"),
    [
        ({"documents": True}, "documents"),
        ({"answer": 3.0, "distinct": 0.001}, "labels"),
        ({"answer": 3.0, "distinct": 0.9}, "short answers"),
        ({}, "long answers"),
    ],
)
def test_the_task_is_told_by_the_form_of_its_answers(others: dict[str, Any], task: str) -> None:
    assert facts(**others).task == task


def test_facts_are_those_of_the_files(configure: Any, tiny_base: Path) -> None:
    config = configure(tiny_base, data__tokens_per_batch=10)
    write_rows(Path(config.train[0]), [chat("a", "yes"), chat("bb", "no"), chat("c", "yes"), chat("d", "no", "e", "yes")])
    found = facts_of(config, silent)
    assert (found.conversations, found.rows, found.answers) == (4, 4, 5)
    assert found.distinct == 2 / 5
    assert found.answer == pytest.approx((3 * 4 + 2 * 3) / 5), "with the end of turn, byte by byte"
    assert (found.documents, found.replay, found.validation, found.cuda) == (False, False, False, False)
    assert found.shapes["lora"].trained == 2 * (2 * (32 + 32) + 2 * (32 + 16) + 3 * (32 + 64))


@pytest.mark.parametrize("also", ["", "optimizer.steps = 7\noptimizer.warmup_steps = 3\ndata.max_length = 400\n"])
def test_the_command_prints_a_config_that_can_be_saved_as_it_is(
    configure: Any, tiny_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], also: str
) -> None:
    configure()
    place = tmp_path / "sft.toml"
    place.write_text(f'name = "one"\nbase = "{tiny_base}"\ndevice = "cpu"\ndata.train = "train.jsonl"\n{also}')
    assert main(["train", str(place), "--advise"]) == 0
    printed = capsys.readouterr().out
    assert "24 conversations" in printed
    assert not (tmp_path / "out").exists(), "nothing is trained"
    assert ("yours, 7, override the epochs" in printed) == bool(also)
    (tmp_path / "advised.toml").write_text(printed[printed.index("# a whole config") :])
    config = load(tmp_path / "advised.toml")
    assert (config.method, config.lora.r, config.data.validation_share) == ("lora", 8, 0.21)
    assert (config.device, config.optimizer.steps, config.optimizer.epochs) == ("cpu", 0, 3.0)
    assert config.train == load(place).train


def test_what_no_config_could_say_is_a_comment(configure: Any, tiny_base: Path) -> None:
    config = configure(tiny_base, precision="bf16", optimizer__weights="bf16")
    printed = config_with(config, advise(config, facts(half=False, cuda=False)))
    assert any(line.startswith("# with data.replay = FILES, also data.replay_ratio = 0.1") for line in printed)
    assert any(line.startswith("# training refuses this as it stands: ") for line in printed)


@pytest.mark.parametrize("packing", [True, False])
def test_steps_are_those_that_the_run_takes(configure: Any, tiny_base: Path, packing: bool) -> None:
    config = configure(tiny_base, data__packing=packing)
    made = _with(config, [each for each in advise(config, facts_of(config, silent)) if each.key != "data.replay_ratio"])
    told = next(each.reason for each in advise(config, facts_of(config, silent)) if each.key == "optimizer.accumulation")
    data = read_sets(made, Template(load_tokenizer(tiny_base)), silent)
    steps = plan(made, data.train.lengths, sources=data.sources, keys=data.keys)
    about = int(told.partition("about ")[2].partition(" steps")[0])
    assert about == pytest.approx(len(steps), abs=6), "which rows are held out is known to the run alone"
    tokens = made.data.tokens_per_batch * made.optimizer.accumulation
    assert about > 1.1 * made.optimizer.epochs * sum(data.train.lengths) / tokens, "batches are not filled to the brim"


def test_texts_beyond_the_context_are_cut_and_one_row_is_not_parted(configure: Any, tiny_base: Path, tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("many words " * 300)
    config = configure(tiny_base, data__train="book.txt", data__format="text")
    found = {each.key: each.value for each in advise(config, facts_of(config, silent))}
    assert (found["data.max_length"], found["data.too_long"]) == (512, "cut")
    assert found["data.tokens_per_batch"] == 512
    assert "data.validation_share" not in found
    reasons = " ".join(each.reason for each in advise(config, facts_of(config, silent)))
    assert "1 document:" in reasons
    assert " 1 steps" not in reasons
