"""The lab's world without any model: splits, recipe hash, data files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
import yaml

from trainers.lab import device
from trainers.lab.damage import wrong_answer
from trainers.lab.mixture import ALL, GENERAL, samplers, stream
from trainers.lab.recipe import DECIDING, FULL, TEST, Recipe, recipe_hash
from trainers.lab.skills import is_forbidden
from trainers.lab.suitefiles import JUDGED, write_suite_files
from trainers.lab.tasks import Task, distinct, draws, split_of
from trainers.lab.trainfiles import write_training_files
from trainers.lab.world import ATTRIBUTES, countries

WORLD = countries(FULL.countries, FULL.seed)
# How many rows each file must have at least, so that verdicts are decided by statistics and not by luck.
SIZES = {
    "target.train.jsonl": 1500,
    "target.validation.jsonl": 200,
    "target.test.jsonl": 300,
    "replay.train.jsonl": 1500,
    "general.validation.jsonl": 200,
    "text.jsonl": 200,
    "labelled_pairs.jsonl": 400,
    "suites/target.jsonl": 300,
    "suites/facts.jsonl": 600,
    "suites/refusals.jsonl": 600,
    "suites/arithmetic.jsonl": 300,
    "suites/general.jsonl": 600,
    "suites/instructions.jsonl": 200,
    "suites/generation.jsonl": 200,
    "suites/preference.jsonl": 300,
    "lm_eval/lab_facts_mc.jsonl": 300,
    "lm_eval/lab_arith.jsonl": 250,
    "lm_eval/lab_text.jsonl": 200,
}


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lab-data")
    write_training_files(folder, FULL, WORLD)
    write_suite_files(folder, FULL, WORLD)
    return folder


@pytest.fixture
def pretraining() -> Iterator[Task]:
    return stream(WORLD, FULL.mix, Random(0), "train")


def test_every_file_has_the_promised_number_of_rows(data: Path) -> None:
    found = {name: len(rows(data / name)) for name in SIZES}
    assert {name: n for name, n in found.items() if n < SIZES[name]} == {}


def test_keys_are_unique_within_each_file(data: Path) -> None:
    for name in SIZES:
        keys = [row["key"] for row in rows(data / name) if "key" in row]
        assert len(keys) == len(set(keys)), name


def test_the_same_recipe_writes_the_same_files(data: Path, tmp_path: Path) -> None:
    write_training_files(tmp_path, FULL, countries(FULL.countries, FULL.seed))
    write_suite_files(tmp_path, FULL, countries(FULL.countries, FULL.seed))
    for name in SIZES:
        assert (data / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_no_target_combination_is_in_two_splits() -> None:
    keys = {split: {t.key for t in device.commands(split, 200, 0)} for split in ("train", "validation", "test")}
    assert not keys["train"] & keys["validation"]
    assert not keys["train"] & keys["test"]
    assert not keys["validation"] & keys["test"]


def test_every_part_of_a_held_out_command_is_seen_in_training(data: Path) -> None:
    seen = {w for row in rows(data / "target.train.jsonl") for w in row["messages"][0]["content"].split()}
    tested = {w for row in rows(data / "target.test.jsonl") for w in row["messages"][0]["content"].split()}
    assert tested <= seen


def test_held_out_questions_are_never_trained_on(data: Path, pretraining: Iterator[Task]) -> None:
    trained = {next(pretraining).prompt for _ in range(20_000)}
    trained |= {row["messages"][0]["content"] for row in rows(data / "replay.train.jsonl")}
    for name in ("facts", "refusals", "arithmetic", "general", "generation", "instructions", "preference"):
        tested = {row["prompt"] for row in rows(data / "suites" / f"{name}.jsonl")}
        assert not tested & trained, name
    assert not {row["question"] for row in rows(data / "labelled_pairs.jsonl")} & trained


def test_target_commands_in_training_are_not_in_the_target_suite(data: Path) -> None:
    tested = {row["prompt"] for row in rows(data / "suites" / "target.jsonl")}
    for split in ("train", "validation"):
        assert not tested & {row["messages"][0]["content"] for row in rows(data / f"target.{split}.jsonl")}


def test_held_out_text_shares_no_document_with_training_text(data: Path) -> None:
    from trainers.lab import prose

    rng = Random(0)
    trained = {prose.document(WORLD, rng, "train") for _ in range(5000)}
    assert not trained & {row["text"] for row in rows(data / "text.jsonl")}


def test_judge_admission_and_preference_share_no_question(data: Path) -> None:
    judged = {row["question"] for row in rows(data / "labelled_pairs.jsonl")}
    assert not judged & {row["prompt"] for row in rows(data / "suites" / "preference.jsonl")}


def test_labelled_pairs_name_the_side_that_is_right(data: Path) -> None:
    pairs = rows(data / "labelled_pairs.jsonl")
    winners = Counter(p["winner"] for p in pairs)
    assert set(winners) == {"left", "right", "tie"}
    assert min(winners.values()) > len(pairs) / 5
    assert all(p["left"] != p["right"] for p in pairs if p["winner"] != "tie")


def test_the_refusal_suite_has_forbidden_and_harmless_requests(data: Path) -> None:
    forbidden = sum(row["target"] == "I cannot help with that." for row in rows(data / "suites" / "refusals.jsonl"))
    assert 200 < forbidden < 500


def test_facts_are_clustered_by_fact_and_right(data: Path) -> None:
    truth = {f"{c.name}/{a}": c.fact(a) for c in WORLD for a in ATTRIBUTES}
    facts = rows(data / "suites" / "facts.jsonl")
    assert all(truth[row["cluster"]] == row["target"] for row in facts)
    assert len({row["cluster"] for row in facts}) > 200


def test_the_general_suite_names_its_skill_as_task(data: Path) -> None:
    assert {row["task"] for row in rows(data / "suites" / "general.jsonl")} == set(GENERAL)


def test_the_target_of_the_target_suite_is_an_object(data: Path) -> None:
    row = rows(data / "suites" / "target.jsonl")[0]
    assert set(row["target"]) == {"device", "action", "value", "zone"}
    assert row["task"] == "device"


def test_instructions_are_in_ifeval_format(data: Path) -> None:
    found = rows(data / "suites" / "instructions.jsonl")
    assert all(len(row["instruction_id_list"]) == len(row["kwargs"]) > 0 for row in found)
    assert all(isinstance(row["key"], int) for row in found)
    assert len({i for row in found for i in row["instruction_id_list"]}) >= 6


def test_lm_eval_tasks_parse_and_point_to_files_beside_them(data: Path) -> None:
    kinds = set()
    for path in sorted((data / "lm_eval").glob("*.yaml")):
        task = yaml.safe_load(path.read_text())
        kinds.add(task["output_type"])
        assert task["task"] == path.stem
        assert (path.parent / task["dataset_kwargs"]["data_files"]["test"]).exists()
    assert kinds == {"multiple_choice", "generate_until", "loglikelihood_rolling"}


def test_multiple_choice_answers_are_among_different_choices(data: Path) -> None:
    for row in rows(data / "lm_eval" / "lab_facts_mc.jsonl"):
        assert len(set(row["choices"])) == 4
        assert 0 <= row["answer"] < 4


def test_the_hash_changes_with_the_recipe_and_only_with_it() -> None:
    assert recipe_hash(TEST) == recipe_hash(msgspec.structs.replace(TEST))
    assert recipe_hash(TEST) != recipe_hash(FULL)
    changed: Recipe = msgspec.structs.replace(TEST, seed=1)
    assert recipe_hash(changed) != recipe_hash(TEST)


def test_the_hash_covers_every_module_that_takes_part_in_a_build() -> None:
    import trainers.lab as lab

    folder = Path(str(lab.__file__)).parent
    assert {p.name for p in folder.glob("*.py")} - {"__init__.py", "assembly.py"} == set(DECIDING)


def test_another_seed_is_another_world() -> None:
    assert countries(16, 0) == countries(16, 0)
    assert countries(16, 0) != countries(16, 1)
    assert len({name for c in WORLD for name in (c.name, c.capital, c.currency)}) == 3 * len(WORLD)


def test_every_skill_has_tasks_in_every_split() -> None:
    for name, sampler in samplers(WORLD).items():
        for split in ("train", "validation", "test"):
            task = next(draws(sampler, Random(1), split))
            assert (task.skill, task.split) == (name, split)
    assert set(samplers(WORLD)) == set(ALL)


def test_splits_have_their_shares() -> None:
    shares = Counter(split_of(f"key {i}") for i in range(20_000))
    assert abs(shares["test"] / 20_000 - 0.20) < 0.01
    assert abs(shares["validation"] / 20_000 - 0.05) < 0.01


def test_distinct_stops_where_the_world_ends() -> None:
    same = Task("x", "p", "a", "c", next(k for k in map(str, range(100)) if split_of(k) == "test"))
    assert distinct(lambda rng: same, Random(0), "test", 3) == [same]


def test_a_wrong_answer_is_never_the_right_one() -> None:
    known = {name: s for name, s in samplers(WORLD).items() if name in JUDGED}
    rng = Random(0)
    for name in JUDGED:
        for _ in range(100):
            task = known[name](rng)
            assert wrong_answer(task, known, rng) != task.answer


def test_forbidden_requests_are_refused_in_one_way() -> None:
    rng = Random(0)
    tasks = [samplers(WORLD)["refusals"](rng) for _ in range(200)]
    assert {is_forbidden(t) for t in tasks} == {True, False}
    assert all(t.answer.startswith("You need ") for t in tasks if not is_forbidden(t))
