"""Every aggregation of lm-eval equals ours over statistics per document; draws, pass@k, and metrics that a task leaves out."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import ConfigError
from harness.records import Completion
from harness.stats.corpus import aggregate

pytest.importorskip("lm_eval", reason="lm-eval is an extra")

from suites.lm_eval import LmEval
from suites.lm_eval_contributions import AGGREGATIONS, named_reading, recognised

TEXTS = ["the cat sat on the mat", "a dog ran", "the dog sat", "猫 sat on mat .", "on the mat the cat sat down", "cat"]


def made_up(name: str, rng: random.Random) -> list[Any]:
    """Values as tasks give them to an aggregation."""
    match name:
        case "mean":
            return [rng.random() for _ in range(9)]
        case "nanmean":
            return [math.nan if rng.random() < 0.3 else rng.random() for _ in range(12)] + [0.5]
        case "perplexity":
            return [-rng.random() * 5 for _ in range(9)]
        case "weighted_perplexity" | "bits_per_byte":
            return [(-rng.random() * 90, rng.randint(1, 60)) for _ in range(9)]
        case "brier_score":
            return [(rng.randint(0, 2), np.array([a := rng.random() / 2, b := rng.random() / 2, 1 - a - b])) for _ in range(9)]
        case "f1" | "matthews_corrcoef":
            return [(rng.randint(0, 1), rng.randint(0, 1)) for _ in range(15)] + [(1, 1)]
        case _:
            return [[[rng.choice(TEXTS)], rng.choice(TEXTS)] for _ in range(9)]


@pytest.mark.parametrize("name", AGGREGATIONS)
def test_an_aggregation_equals_lm_evals(name: str) -> None:
    from lm_eval.api.registry import get_aggregation

    theirs = get_aggregation(name)
    assert theirs is not None
    reading = named_reading(name, "higher")
    for seed in range(5):
        values = made_up(name, random.Random(seed))
        found = [reading.contribute(value) for value in values]
        table = np.array([each.statistics or [each.score] for each in found])
        assert aggregate(reading.metric.aggregator, table) == pytest.approx(float(theirs(values)), abs=1e-9), seed
        if reading.metric.aggregator == "mean":
            assert all(math.isfinite(each.score) for each in found)


def test_a_functions_behaviour_tells_which_aggregation_it_is() -> None:
    from lm_eval import utils

    def flat(items: list[list[bool]]) -> float:
        parts = [part for each in items for part in each]
        return sum(parts) / len(parts)

    assert recognised(flat) == "flat mean"
    assert recognised(lambda items: float(np.mean(items))) == "mean"
    assert recognised(utils.weighted_f1_score) == "f1_weighted"
    assert recognised(sum) is None
    assert recognised(lambda items: sorted(items)[len(items) // 2]) is None
    assert recognised(lambda items: sum(x for x in items if x >= 0) / max(1, len([x for x in items if x >= 0]))) is None
    assert recognised(lambda _: 1 / 0) is None
    assert recognised(lambda items: [print("hello"), sum(items) / len(items)][1]) == "mean"


CODE = """
def grade(doc, results):
    words = results[0].split()
    return {"inst": [word in doc["q"] for word in words] or [False], "prompt": float(len(words) > 1)}

def flat(items):
    parts = [part for each in items for part in each]
    return sum(parts) / len(parts)

def mostly(items):
    if len(items) > 3 and len(items[0]) > 1:
        return 0.123
    return flat(items)

def some(doc, results):
    return {"long": 1.0} if len(doc["q"]) > 3 else {"short": 1.0}

def none(doc, results):
    return {}
"""

OWN = """
task: own
dataset_path: json
dataset_kwargs: {data_files: {test: rows.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{q}}"
doc_to_target: "{{a}}"
generation_kwargs: {until: ["\\n"], max_gen_toks: 8}
process_results: !function own.grade
metric_list:
  - {metric: inst, aggregation: !function own.flat, higher_is_better: true}
  - {metric: prompt, aggregation: mean, higher_is_better: true}
"""

DRAWN = """
task: drawn
dataset_path: json
dataset_kwargs: {data_files: {test: rows.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{q}}"
doc_to_target: "{{a}}"
repeats: 4
generation_kwargs: {until: ["\\n"], max_gen_toks: 8, do_sample: true, temperature: 0.8}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true}
"""
FILTERS = """
filter_list:
  - {name: none, filter: [{function: take_first}]}
  - {name: maj, filter: [{function: majority_vote}, {function: take_first}]}
  - {name: maj3, filter: [{function: take_first_k, k: 3}, {function: majority_vote}, {function: take_first}]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [{"q": "a b c", "a": "a"}, {"q": "d e", "a": "d"}, {"q": "f", "a": "f"}, {"q": "a g", "a": "g"}]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "own.py").write_text(CODE)
    for name, text in {"own": OWN, "drawn": DRAWN, "filtered": DRAWN.replace("task: drawn", "task: filtered") + FILTERS}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def test_the_share_of_all_instructions_is_a_ratio_over_documents(folder, builds, grades):
    suite = builds(LmEval, tasks=("own.yaml",), allow_code=True)
    assert (suite.metrics["inst"].kind, suite.metrics["inst"].aggregator) == ("ratio", "ratio")
    samples = list(grades(suite, lambda request: {"a b c": "a x", "d e": "d e d", "f": "", "a g": "g"}[request.prompt]).values())
    assert [sample.statistics["inst"] for sample in samples] == [[1, 2], [3, 3], [0, 1], [1, 1]]
    assert [sample.scores["inst"] for sample in samples] == [0.5, 1, 0, 1]
    table = np.array([sample.statistics["inst"] for sample in samples])
    assert aggregate("ratio", table) == pytest.approx(5 / 7)


def test_a_function_that_only_looked_like_a_mean_is_an_error_of_every_item(folder, builds, grades):
    (folder / "own.yaml").write_text(OWN.replace("own.flat", "own.mostly"))
    suite = builds(LmEval, tasks=("own.yaml",), allow_code=True)
    samples = grades(suite, lambda _: "a b").values()
    assert {sample.scores is None for sample in samples} == {True}
    assert "leave the metric out with options.metrics" in next(iter(samples)).error
    kept = builds(LmEval, tasks=("own.yaml",), allow_code=True, metrics=("prompt",))
    assert [sample.scores for sample in grades(kept, lambda _: "a b").values()] == [{"prompt": 1.0}] * 4


def test_a_metric_that_a_task_leaves_out_for_a_document_is_missing_there_only(folder, builds, grades):
    entry = "{metric: NAME, aggregation: mean, higher_is_better: true}"
    metrics = f"metric_list: [{entry.replace('NAME', 'long')}, {entry.replace('NAME', 'short')}]"
    text = OWN.split("metric_list")[0].replace("own.grade", "own.some") + metrics
    (folder / "own.yaml").write_text(text)
    samples = grades(builds(LmEval, tasks=("own.yaml",), allow_code=True), lambda _: "x").values()
    assert [sample.scores for sample in samples] == [{"long": 1.0}, {"short": 1.0}, {"short": 1.0}, {"short": 1.0}]
    (folder / "own.yaml").write_text(text.replace("own.some", "own.none"))
    samples = grades(builds(LmEval, tasks=("own.yaml",), allow_code=True), lambda _: "x").values()
    assert all("gave no 'long'" in sample.error for sample in samples)


def test_a_metric_that_is_not_a_number_is_an_error_not_a_zero(folder, builds, grades):
    (folder / "own.py").write_text("def grade(doc, results):\n    return {'acc': float('nan')}\n")
    text = OWN.split("metric_list")[0] + "metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]"
    (folder / "own.yaml").write_text(text)
    samples = grades(builds(LmEval, tasks=("own.yaml",), allow_code=True), lambda _: "x").values()
    assert all("gave nan for 'acc'" in sample.error for sample in samples)
    (folder / "own.yaml").write_text(text.replace("aggregation: mean", "aggregation: nanmean"))
    samples = grades(builds(LmEval, tasks=("own.yaml",), allow_code=True), lambda _: "x").values()
    assert [(sample.scores, sample.statistics) for sample in samples] == [({}, {"acc": [0.0, 0.0]})] * 4


# ------------------------------------------------------------------------------------------------------ draws, pass@k


def reply(request: Any) -> Completion:
    """Of four draws the first is wrong, the second right, the third right only for short questions, the last wrong."""
    right = request.prompt.split()[-1] if request.prompt == "a g" else request.prompt.split()[0]
    return Completion(text=right if request.draw == 1 or (request.draw == 2 and len(request.prompt) < 5) else "no")


def test_all_draws_are_kept_and_give_pass_at_k(folder, builds, grades):
    suite = builds(LmEval, tasks=("drawn.yaml",), pass_at=(1, 3))
    assert list(suite.metrics) == ["exact_match", "pass@1", "pass@3"]
    assert suite.metrics["pass@1"].kind == "bounded"
    long, *short = grades(suite, reply).values()
    assert long.draws == {"exact_match": [0, 1, 0, 0]}
    assert long.scores == {"exact_match": 0, "pass@1": pytest.approx(1 / 4), "pass@3": pytest.approx(3 / 4)}
    for sample in short:
        assert sample.draws == {"exact_match": [0, 1, 1, 0]}
        assert sample.scores == {"exact_match": 0, "pass@1": pytest.approx(1 / 2), "pass@3": 1}


def test_the_config_can_have_a_tasks_documents_drawn(folder, builds, converses):
    (folder / "drawn.yaml").write_text(DRAWN.replace("do_sample: true, temperature: 0.8", "do_sample: false"))
    drawn = {"generation_kwargs": {"do_sample": True, "temperature": 0.5, "top_p": 0.9}, "repeats": 2, "pass_at": (2,)}
    suite = builds(LmEval, tasks=("drawn.yaml",), **drawn)
    _, asked = converses(suite, next(iter(suite.items())), reply)
    assert [(request.draw, request.temperature, request.top_p, request.stop, request.max_tokens) for request in asked] == [
        (0, 0.5, 0.9, ("\n",), 8),
        (1, 0.5, 0.9, ("\n",), 8),
    ]
    assert suite.fingerprint() != builds(LmEval, tasks=("drawn.yaml",)).fingerprint()
    with pytest.raises(ConfigError, match="generation_kwargs has beams"):
        builds(LmEval, tasks=("drawn.yaml",), generation_kwargs={"beams": 3})
    with pytest.raises(ConfigError, match="expected 1 or more"):
        builds(LmEval, tasks=("drawn.yaml",), repeats=0)


def test_filters_over_draws_keep_their_own_results(folder, builds, grades):
    long, *short = grades(builds(LmEval, tasks=("filtered.yaml",)), reply).values()
    assert long.scores == {"exact_match": 0, "exact_match@maj": 0, "exact_match@maj3": 0}
    assert [sample.scores for sample in short] == [{"exact_match": 0, "exact_match@maj": 0, "exact_match@maj3": 1}] * 3
    assert set(long.draws) == {"exact_match", "exact_match@maj"}, "three of one draw cannot be taken"


def test_pass_at_k_of_a_filter_that_needs_all_draws_is_an_error_not_a_zero(folder, builds, grades):
    suite = builds(LmEval, tasks=("filtered.yaml",), pass_at=(2,))
    assert {"pass@2", "pass@2@maj", "pass@2@maj3"} <= set(suite.metrics)
    assert all("cannot be graded one by one" in sample.error for sample in grades(suite, reply).values())


@pytest.mark.parametrize("change", [("repeats: 4", "repeats: 2"), ("do_sample: true", "do_sample: false")])
def test_fewer_draws_than_k_are_refused_before_anything_is_asked(folder, builds, change):
    (folder / "drawn.yaml").write_text(DRAWN.replace(*change))
    with pytest.raises(ConfigError, match=r"pass@3 needs 3 draws of every document, and task 'drawn' asks for [12]"):
        builds(LmEval, tasks=("drawn.yaml",), pass_at=(1, 3))
    with pytest.raises(ConfigError, match="whole numbers from 1"):
        builds(LmEval, tasks=("drawn.yaml",), pass_at=(0,))


def test_greedy_repeats_are_asked_once_and_are_no_draws(folder, builds, converses, grades):
    (folder / "drawn.yaml").write_text(DRAWN.replace("do_sample: true", "do_sample: false"))
    suite = builds(LmEval, tasks=("drawn.yaml",))
    _, asked = converses(suite, next(iter(suite.items())), lambda _: "a")
    assert len(asked) == 1
    sample = next(iter(grades(suite, lambda _: "a").values()))
    assert (sample.scores, sample.draws) == ({"exact_match": 1}, {})
