"""What a suite says that an item has scores of is what its answers are scored by, whatever they say: right, wrong or garbage."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.engines.lm_eval_results import LmEvalResults as Recorded
from harness.plugins import load
from harness.protocols import Suite, hinging_of, metrics_by_item
from harness.records import Answer, Candidate, Completion, Item, Judgment, Request, Sample
from suites import SUITES
from suites.coding.sandbox import means_of
from tests.harness.engines.asking import answers as answered
from tests.harness.runs import measured, samples
from tests.suites.conftest import converse

QUESTIONS = [
    {"key": "a", "prompt": "Say yes.", "target": "yes", "task": "words"},
    {"key": "b", "prompt": "What is 3 + 4?", "target": "7", "task": "sums"},
]
CHOICES = [{"key": "a", "prompt": "1 + 1 =", "choices": ["2", "3"], "target": "A"}]
WORDED = [
    {"key": "a", "prompt": "Which city?", "references": ["The capital of France is Paris, of course."]},
    {"key": "b", "prompt": "How much?", "references": ["12.5"]},
]
GENERATED = (
    "exact_match", "token_f1", "chrf", "bleu", "ter", "rougeL", "length_ratio", "language_match", "repetition", "loop",
    "distinct_1", "reference_byte_perplexity",
)  # fmt: skip
TASK = """
dataset_path: json
dataset_kwargs: {data_files: {test: choices.jsonl}}
test_split: test
output_type: %s
doc_to_text: "{{prompt}}"
doc_to_choice: "{{choices}}"
doc_to_target: "{{choices.index('2')}}"
"""
OWN_GRADING = """
def graded(doc, results):
    return {"right": 1.0, "long": 1.0} if len(results[0]) > 9 else {"right": 0.0}
"""

BUILT: dict[str, dict[str, Any]] = {
    "prompted": {"items": "questions.jsonl", "score": ("exact_match", "contains")},
    "choices": {"items": "choices.jsonl"},
    "lm_eval": {"tasks": ("choose.yaml", "say.yaml"), "allow_code": True},
    "instructions": {"items": "suites:instructions.jsonl", "by": "instruction"},
    "layered": {"items": "suites:layered.jsonl", "by": "group"},
    "forgetting": {"items": "questions.jsonl", "text": "suites:general_text.jsonl"},
    "robustness": {"items": "suites:robustness.jsonl"},
    "long_context": {"lengths": (500,), "repeats": 1},
    "drift": {"items": "questions.jsonl", "writer": "base"},
    "generation": {"items": "worded.jsonl", "metrics": GENERATED},
    "classification": {"items": "suites:classification.jsonl", "by_label": True},
    "entities": {"items": "suites:entities.jsonl", "by_type": True},
    "safety": {"items": "suites:safety.jsonl", "wrappers": "suites:wrappers.jsonl", "toxic_words": "words.txt"},
    "honesty": {"items": "suites:honesty.jsonl"},
    "consistency": {"items": "suites:consistency.jsonl"},
    "coding": {
        "items": "problems.jsonl",
        "draws": 2,
        "temperature": 1.0,
        "sandbox": "isolated" if means_of("isolated") else "limits",
    },
    "graded": {"items": "questions.jsonl", "judge": "judge"},
    "preference": {"items": "questions.jsonl", "judge": "judge", "prompt": "lab_pairwise"},
    "tools": {"items": "suites:tools.jsonl"},
    "latency": {"items": "questions.jsonl", "concurrency": (1, 2)},
}
ELSEWHERE = ("lm_eval_results", "scores")
"""Suites that ask nothing, below."""

GARBAGE = ("", "\x00\x01", "no", "[" * 500, '{"a": 1}', "I'm sorry, but I can't help with that.", "I don't know.")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, rows in (("questions", QUESTIONS), ("choices", CHOICES), ("worded", WORDED)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    problem = {"task_id": 1, "text": "Add one.", "code": "def plus(x):\n  return x + 1", "test_list": ["assert plus(1) == 2"]}
    (tmp_path / "problems.jsonl").write_text(json.dumps(problem), encoding="utf-8")
    (tmp_path / "words.txt").write_text("blockhead\n", encoding="utf-8")
    (tmp_path / "own.py").write_text(OWN_GRADING, encoding="utf-8")
    both = "metric_list: [{metric: acc}, {metric: acc_norm}]"
    (tmp_path / "choose.yaml").write_text(f"task: choose\n{TASK % 'multiple_choice'}{both}", encoding="utf-8")
    listed = ", ".join(f"{{metric: {name}, aggregation: mean, higher_is_better: true}}" for name in ("right", "long"))
    own = f"process_results: !function own.graded\nmetric_list: [{listed}]"
    (tmp_path / "say.yaml").write_text(f"task: say\n{TASK % 'generate_until'}{own}", encoding="utf-8")
    return tmp_path


def build(name: str, folder: Path) -> Any:
    kind = load(name, SUITES, what="suite")
    return kind(name, kind.Options(**BUILT[name]), seed=7, folder=folder, where="suites[0]")


def right(item: Item, request: Request) -> Completion:
    """The answer that the item wants, in every form in which an item can want one."""
    target: Any = item.target
    if isinstance(target, list) and target and all(isinstance(each, dict) and "name" in each for each in target):
        accepted = [{name: values[0] for name, values in each.get("accepted", {}).items()} for each in target]
        made = zip(target, accepted, strict=True)
        arguments = [(each["name"], json.dumps(each["arguments"] | others)) for each, others in made]
        return said("", tool_calls=tuple({"id": "1", "function": {"name": name, "arguments": text}} for name, text in arguments))
    if isinstance(target, dict):
        if target.get("expects") in ("refuse", "abstain"):
            return said("I'm sorry, but I can't help with that." if target["expects"] == "refuse" else "I don't know.")
        wanted = target.get("wanted") or ["Of course: here it is."]
        return said(wanted[0] if "expects" in target else json.dumps(target))
    if item.data.get("disturbed"):
        asked = [item.data["messages"], *(variant["messages"] for variant in item.data["disturbed"].values())]
        place = [[turn["content"] for turn in turns][-1] for turns in asked].index(request.messages[-1].content)
        target = [item.target, *(variant["target"] for variant in item.data["disturbed"].values())][place]
    listed = target if isinstance(target, list) else [target]
    return said("\n".join(map(str, listed)) if item.task == "multi_needle" else str(next(iter(listed), "No call is needed.")))


def said(text: str, **fields: Any) -> Completion:
    return Completion(text=text, tokens_in=9, tokens_out=len(text), seconds=0.5, first_token_seconds=0.1, **fields)


def replying(text: str | None, item: Item) -> Callable[[Request], Completion]:
    """``text``, or what is right; and a likelihood where one is asked for."""

    def reply(request: Request) -> Completion:
        if request.kind != "generate":
            size = len((request.continuation or request.prompt or "").encode())
            return Completion(logprob=-0.1 * size, greedy=False, tokens=size, bytes=size)
        return right(item, request) if text is None else said(text)

    return reply


def check(suite: Suite, items: Sequence[Item], samples: Iterable[Sample]) -> set[str]:
    """Every sample has what was said of its item. All names that were said."""
    found, hinging, every = {sample.key: sample for sample in samples}, hinging_of(suite), set[str]()
    said = metrics_by_item(suite, items)
    for item in items:
        sample, told = found[item.key], said[item.key]
        assert sample.scores is not None, sample.error
        scored = sample.scores.keys() | sample.statistics.keys()
        sure = {name for name in told if not {name, f"{item.task}/{name}"} & hinging}
        assert scored <= told, (item.key, scored - told)
        assert sure <= scored, (item.key, sure - scored)
        every |= told
    return every


def graded(suite: Any, text: str | None) -> list[Sample]:
    items = list(suite.items())
    answers = [converse(suite, item, replying(text, item))[0] for item in items]
    judgments = {item.key: (Judgment(score=1.0),) for item in items} if suite.judge else {}
    return list(suite.grade(answers, judgments, {}))


def test_every_suite_is_looked_at() -> None:
    assert {*BUILT, *ELSEWHERE} == SUITES.keys()


@pytest.mark.parametrize("name", BUILT)
def test_every_item_has_the_metrics_that_its_suite_says(name: str, folder: Path) -> None:
    if name == "lm_eval":
        pytest.importorskip("lm_eval", reason="lm-eval is an extra")
    suite = build(name, folder)
    for text in (None, *GARBAGE):
        assert check(suite, list(suite.items()), graded(suite, text)) == suite.metrics.keys(), "no metric is nobody's"


@pytest.mark.parametrize("name", ["latency", "forgetting"])
def test_what_an_engine_does_not_tell_is_said_to_hinge_on_it(name: str, folder: Path) -> None:
    suite = build(name, folder)
    items = list(suite.items())
    told = [converse(suite, item, lambda _: Completion(text="yes", logprob=-1.0, bytes=3, reasoning="…"))[0] for item in items]
    found = list(suite.grade(told, {}, {}))
    check(suite, items, found)
    said = metrics_by_item(suite, items)
    assert any((sample.scores or {}).keys() < said[sample.key] for sample in found)


RIGHT = {
    "prompted": "exact_match", "classification": "accuracy", "entities": "joint", "safety": "as_expected",
    "consistency": "all_right", "tools": "calls", "long_context": "right", "robustness": "worst",
}  # fmt: skip
"""Where what is called right here is right: its metric is 1 of every item that has it."""


@pytest.mark.parametrize("name", RIGHT)
def test_the_right_answers_of_these_tests_are_right(name: str, folder: Path) -> None:
    suite, metric = build(name, folder), RIGHT[name]
    values = {sample.key: (sample.scores or {}).get(metric) for sample in graded(suite, None)}
    meant = {key for key, told in metrics_by_item(suite, suite.items()).items() if metric in told}
    assert values == {key: 1.0 if key in meant else None for key in values}
    assert meant


def test_what_was_recorded_says_itself_what_it_has() -> None:
    recorded = Path(__file__).parents[2] / "examples" / "data" / "lm_eval"
    kind = load("lm_eval_results", SUITES, what="suite")
    suite = kind("old", kind.Options(items=str(recorded / "base")), seed=7, folder=recorded, where="suites[0]")
    items = list(suite.items())
    talks = [(item, suite.ask(item)) for item in items]
    asked = [("base", request) for _, talk in talks for request in next(talk)]
    with Recorded([Candidate(name="base", model=str(recorded / "base"), engine="lm_eval_results")]) as engine:
        told = [Answer(key=item.key, completions=(one,)) for item, one in zip(items, answered(engine, asked), strict=True)]
    assert check(suite, items, suite.grade(told, {}, {})) == suite.metrics.keys()


def test_imported_scores_are_those_that_any_run_has() -> None:
    kind = load("scores", SUITES, what="suite")
    suite = kind("theirs", kind.Options(), seed=7, folder=Path(), where="suites[0]")
    suite.adopt([measured("old", samples([1.0, 0.0])), measured("new", samples([0.5], metric="f1"))])
    assert metrics_by_item(suite, suite.items()) == {"k0": {"acc", "f1"}, "k1": {"acc"}}
