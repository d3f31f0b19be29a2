"""Every score of every document, task and group equals lm-eval's own ``evaluate`` with its ``hf`` backend on one real model."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from harness.compare import columns
from harness.records import Candidate, Fingerprints, Measured, Run, Sample

pytest.importorskip("lm_eval", reason="lm-eval is an extra")
pytest.importorskip("torch", reason="the lab needs torch")

from suites.lm_eval import LmEval

HEAD = """
dataset_path: json
dataset_kwargs: {data_files: {test: rows.jsonl, train: shots.jsonl}}
test_split: test
"""
CHOICES = """
output_type: multiple_choice
doc_to_text: "{{q}}"
doc_to_choice: "{{choices}}"
doc_to_target: answer
"""
TEXT = """
output_type: generate_until
doc_to_text: "Q: {{q}} A:"
doc_to_target: "{{choices[answer]}}"
"""


def metrics(*entries: str) -> str:
    """A ``metric_list`` of ``name aggregation`` entries; ``!`` for lower is better."""
    lines = []
    for entry in entries:
        name, how = entry.split()
        lines.append(f"  - {{metric: {name}, aggregation: {how.strip('!')}, higher_is_better: {str('!' not in how).lower()}}}")
    return "metric_list:\n" + "\n".join(lines) + "\n"


FILES = {
    "choices": HEAD + CHOICES + metrics("acc mean", "acc_norm mean", "acc_bytes mean", "exact_match mean", "mcc matthews_corrcoef"),
    "two": HEAD
    + CHOICES.replace("{{choices}}", "{{choices[:2]}}").replace("doc_to_target: answer", 'doc_to_target: "{{answer % 2}}"')
    + metrics("acc mean", "f1 f1", "mcc matthews_corrcoef", "brier_score brier_score!"),
    "mutual": HEAD + CHOICES + metrics("acc mean", "acc_mutual_info mean"),
    "prefixed": HEAD + CHOICES + "target_delimiter: ''\ngen_prefix: 'The answer is '\n" + metrics("acc mean", "acc_norm mean"),
    "joined": HEAD
    + CHOICES.replace('"{{q}}"', '"{{q}} {{choices[0][:2]}}"')
    .replace('"{{choices}}"', "\"{{[choices[0][2:] ~ ' it is, I say', choices[1]]}}\"")
    .replace("doc_to_target: answer", 'doc_to_target: "{{answer % 2}}"')
    + "target_delimiter: ''\n"
    + metrics("acc mean", "exact_match mean"),
    "delimited": HEAD + CHOICES + "target_delimiter: ' = '\n" + metrics("acc mean"),
    "letters": HEAD
    + CHOICES.replace('"{{choices}}"', '["A", "B", "C"]').replace(
        '"{{q}}"', '"{{q}}\\nA. {{choices[0]}}\\nB. {{choices[1]}}\\nAnswer:"'
    )
    + metrics("acc mean"),
    "named": HEAD
    + CHOICES.replace("doc_to_target: answer", 'doc_to_target: "{{choices[answer]}}"')
    + metrics("acc mean", "acc_norm mean"),
    "many_right": HEAD + CHOICES.replace("doc_to_target: answer", "doc_to_target: all_right") + metrics("acc mean"),
    "inputs": HEAD
    + "output_type: multiple_choice\ndoc_to_text: answer\ndoc_to_choice: starts\ndoc_to_target: '{{end}}'\n"
    + metrics("acc mean", "acc_norm mean"),
    "last_word": HEAD
    + "output_type: loglikelihood\ndoc_to_text: '{{q}}'\ndoc_to_target: ' {{choices[answer]}}'\n"
    + metrics("perplexity perplexity!", "acc mean"),
    "rolling": HEAD
    + "output_type: loglikelihood_rolling\ndoc_to_text: ''\ndoc_to_target: '{{text}}'\n"
    + metrics("word_perplexity weighted_perplexity!", "byte_perplexity weighted_perplexity!", "bits_per_byte bits_per_byte!"),
    "filtered": HEAD
    + TEXT
    + """
generation_kwargs: {until: ["\\n", "."], max_gen_toks: 10, do_sample: false}
filter_list:
  - {name: plain, filter: [{function: take_first}]}
  - {name: word, filter: [{function: regex, regex_pattern: "(\\\\w+)"}, {function: take_first}]}
"""
    + metrics("exact_match mean"),
    "repeated": HEAD
    + TEXT
    + """
repeats: 4
generation_kwargs: {until: ["\\n"], max_gen_toks: 6, do_sample: false}
filter_list:
  - {name: first, filter: [{function: take_first}]}
  - {name: maj, filter: [{function: majority_vote}, {function: take_first}]}
  - {name: maj3, filter: [{function: take_first_k, k: 3}, {function: majority_vote}, {function: take_first}]}
"""
    + metrics("exact_match mean"),
    "overlaps": HEAD
    + TEXT
    + 'generation_kwargs: {until: ["\\n"], max_gen_toks: 10, do_sample: false}\n'
    + metrics("bleu bleu", "chrf chrf", "chrf++ chrf++", "ter ter!"),
    "processed": HEAD
    + TEXT
    + "process_docs: !function own.process\nprocess_results: !function own.grade\n"
    + "generation_kwargs: {until: ['\\n'], max_gen_toks: 8}\n"
    + metrics("prompt mean").rstrip()
    + "\n  - {metric: inst, aggregation: !function own.flat, higher_is_better: true}\n",
    "first_shots": HEAD
    + CHOICES
    + "fewshot_split: train\nfewshot_config: {sampler: first_n}\nnum_fewshot: 2\n"
    + metrics("acc mean", "acc_norm mean"),
    "shots": HEAD + CHOICES + "training_split: train\ndescription: 'Facts. '\n" + metrics("acc mean"),
}
CODE = """
def process(docs):
    return docs.filter(lambda doc: len(doc["choices"]) > 2).map(lambda doc: {"q": doc["q"].upper()})

def grade(doc, results):
    words = results[0].split()
    return {"prompt": float(len(words) > 2), "inst": [word.isalpha() for word in words] or [False]}

def flat(items):
    parts = [part for each in items for part in each]
    return sum(parts) / len(parts)
"""
GROUPS = {
    "sized": "group: sized\ntask: [choices, named, pair]\naggregate_metric_list: [{metric: acc, weight_by_size: true}]\n",
    "plain": """
group: plain
task: [sized, filtered, repeated, overlaps, rolling]
aggregate_metric_list:
  - {metric: acc, weight_by_size: false}
  - {metric: acc_norm, aggregation: mean, weight_by_size: true}
  - {metric: exact_match, filter_list: [plain, first, word], weight_by_size: false}
  - {metric: ter, weight_by_size: true}
  - {metric: bits_per_byte, weight_by_size: false}
""",
}


class Case(NamedTuple):
    """A run: tasks, and the options that lm-eval and we are given."""

    tasks: tuple[str, ...]
    num_fewshot: int | None = None
    chat: bool = False
    system: str | None = None
    multiturn: bool = True
    limit: float | None = None


CASES = {
    "choices": Case(
        ("choices", "two", "mutual", "prefixed", "joined", "delimited", "letters", "named", "many_right", "inputs"), limit=14
    ),
    "others": Case(("last_word", "rolling", "filtered", "repeated", "overlaps", "processed"), limit=0.5),
    "groups": Case(("plain",), limit=10),
    "few-shot": Case(
        ("choices", "inputs", "last_word", "filtered", "first_shots", "shots", "mutual", "prefixed"), num_fewshot=3, limit=9
    ),
    "multi-turn": Case(("choices", "filtered", "first_shots", "shots", "prefixed"), 2, chat=True, system="Be brief.", limit=9),
    "one turn": Case(("choices", "filtered", "shots"), 2, chat=True, system="Be brief.", multiturn=False, limit=9),
    "chat": Case(("choices", "last_word", "letters", "repeated", "prefixed"), chat=True, limit=9),
}


@pytest.fixture
def folder(tmp_path: Path, lab_test: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Task files of every shape, and their rows: facts that the model knows, and oddities."""
    lines = (lab_test.data / "lm_eval" / "lab_facts_mc.jsonl").read_text(encoding="utf-8").splitlines()
    facts = [{"q": row["question"], "choices": row["choices"], "answer": row["answer"]} for row in map(json.loads, lines[:20])]
    odd = [
        {"q": "Two and two are ", "choices": ["four", "five of them", "none"], "answer": 0},
        {"q": "名字是", "choices": ["北京", "上海市", "x"], "answer": 1},
        {"q": "The sky is  ", "choices": ["blue and wide", "made of salt", "a small hat"], "answer": 0},
        {"q": "The sky is", "choices": ["blue", "a small hat, or a large one"], "answer": 0},
        {"q": "", "choices": ["a", "b", "c", "d", "e"], "answer": 1},
    ]
    rows = [
        {**row, "starts": [f"{row['q']} {choice}" for choice in row["choices"]], "end": "is right.",
         "all_right": [row["answer"], 1], "text": f"{row['q']} {' '.join(row['choices'])}. " * (1 + number % 3)}
        for number, row in enumerate([*odd, *facts])
    ]  # fmt: skip
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    (tmp_path / "shots.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows[-6:]), encoding="utf-8")
    (tmp_path / "own.py").write_text(CODE)
    for name, text in FILES.items():
        tag = "tag: pair\n" if name in ("two", "letters") else ""
        fewer = text.replace("test: rows.jsonl", "test: shots.jsonl") if name == "letters" else text  # so that sizes count
        (tmp_path / f"{name}.yaml").write_text(f"task: {name}\n{tag}{fewer}", encoding="utf-8")
    for name, text in GROUPS.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)  # lm-eval itself looks for data files in the working directory
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    return tmp_path


def theirs(model: Path, folder: Path, case: Case, **settings: Any) -> Any:
    """lm-eval's own results, with ``simple_evaluate``'s handling of few-shot settings."""
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    lm = HFLM(pretrained=str(model), device="cpu", dtype="float32", batch_size=8, **settings)
    loaded = TaskManager(include_path=str(folder), include_defaults=False).load(list(case.tasks))
    for task in loaded["tasks"].values():
        shots = task.get_config("num_fewshot")
        task.set_config(key="num_fewshot", value=case.num_fewshot if case.num_fewshot is not None and shots != 0 else shots or 0)
        task.set_fewshot_seed(seed=1234)
    return evaluate(
        lm, loaded, bootstrap_iters=0, limit=case.limit, apply_chat_template=case.chat, fewshot_as_multiturn=case.multiturn,
        system_instruction=case.system,
    )  # fmt: skip


def ours(suite: Any, model: Path, **options: Any) -> list[Sample]:
    """Samples of every document in order, answered by the transformers engine in one mixed stream."""
    from harness.engines.transformers_engine import Transformers
    from harness.schedule import Desk, Talk, drive

    candidate = Candidate(name="lab", model=str(model), engine="transformers", options={"dtype": "float32", **options})
    talks = [Talk(id=item.key, candidate="lab", conversation=suite.ask(item)) for item in suite.items()]
    with Desk({"lab": lambda: Transformers([candidate])}) as desk:
        done = list(drive(talks, desk, journal=None, asked={"lab": "lab"}))
    assert [result.error for result in done if result.error] == []
    order = {item.key: item.data["document"] for item in suite.items()}
    return sorted(suite.grade([result.value for result in done], {}, {}), key=lambda sample: order[sample.key])


def suite_of(builds: Any, case: Case, **options: Any) -> Any:
    return builds(
        LmEval, tasks=case.tasks, include=".", num_fewshot=case.num_fewshot, apply_chat_template=case.chat, system=case.system,
        fewshot_as_multiturn=case.multiturn, limit=case.limit, allow_code=True, **options,
    )  # fmt: skip


@pytest.mark.models
@pytest.mark.parametrize("name", CASES)
def test_every_score_equals_lm_evals(lab_test: Any, folder: Path, builds: Any, name: str) -> None:
    case = CASES[name]
    expected = theirs(lab_test.base, folder, case)
    suite = suite_of(builds, case)
    samples = ours(suite, lab_test.base)
    tasks = list(expected["samples"])
    assert {sample.task for sample in samples} == set(tasks)
    for task in tasks:
        mine = [sample for sample in samples if sample.task == task]
        assert [sample.error for sample in mine if sample.error] == []
        for full in mine[0].scores or {}:
            bare, _, chosen = full.partition("@")
            rows = [row for row in expected["samples"][task] if row["filter"] == (chosen or "none")]
            assert [row["doc_id"] for row in rows] == list(range(len(mine)))
            for sample, row in zip(mine, rows, strict=True):
                _same(suite.metrics[full].aggregator, bare, sample, full, row[bare])
    _same_results(suite, samples, expected)


def _same(aggregator: str, bare: str, sample: Sample, full: str, value: Any) -> None:
    """One document's score against lm-eval's logged value."""
    assert sample.scores is not None
    place = (sample.task, full, sample.prompt)
    if bare == "brier_score":
        right, probabilities = value
        expected = sum((p - (index == right)) ** 2 for index, p in enumerate(probabilities))
        assert sample.scores[full] == pytest.approx(expected, rel=1e-4), place
    elif aggregator == "mean":
        assert sample.scores[full] == value, place
    elif aggregator in ("perplexity", "bits_per_byte"):
        logprob, count = value if isinstance(value, tuple | list) else (value, 1)
        unit = math.log(2) if aggregator == "bits_per_byte" else 1.0
        assert sample.statistics[full] == pytest.approx([-logprob / unit, count], rel=1e-5, abs=1e-4), place
    elif aggregator == "ratio":
        assert sample.statistics[full] == [sum(value), len(value)], place
    elif aggregator in ("mcc", "f1"):
        assert sample.scores[full] == float(value[0] == value[1]), place
    else:  # BLEU and its like: lm-eval logs the two texts
        assert sample.outputs[0].partition("\n")[0] == value[1], place


def _same_results(suite: Any, samples: list[Sample], expected: Any) -> None:
    """Task and group scores, as the gate would compute them, against lm-eval's results."""
    run = Run(
        candidate=Candidate(name="lab"), suite="s", use="lm_eval", fingerprints=Fingerprints(asked="x"), graded="x", items_hash="x",
        suite_hash="x", metrics=suite.metrics, groups=suite.groups,
    )  # fmt: skip
    found = columns(Measured(run=run, samples=tuple(samples)))
    compared = 0
    for place, results in expected["results"].items():
        for key, value in results.items():
            metric, _, chosen = key.partition(",")
            if not chosen or metric.endswith("_stderr"):
                continue
            column = found[f"s/{place}/{metric}" + ("" if chosen == "none" else f"@{chosen}")]
            assert column.value == pytest.approx(value, rel=1e-4, abs=1e-12), (place, key)
            if column.metric.aggregator in ("mean", "mcc", "f1", "ratio") and metric != "brier_score":
                assert column.value == pytest.approx(value, rel=1e-9, abs=1e-12), (place, key)
            compared += 1
    assert compared == len(found)


@pytest.mark.models
def test_a_choice_that_shares_a_token_with_its_context_is_flagged(lab_test: Any, folder: Path, builds: Any) -> None:
    """Its score is lm-eval's (see above): that of the whole tokens after the shared one."""
    from harness.engines.transformers_engine import Transformers
    from harness.pipeline.grading import bad_answer_flags
    from harness.protocols import Asked

    del folder
    flags = {}
    for name in ("joined", "choices"):
        suite = suite_of(builds, Case((name,), limit=14))
        requests = [request for item in suite.items() for request in next(suite.ask(item))]
        with Transformers([Candidate(name="lab", model=str(lab_test.base), engine="transformers")]) as engine:
            engine.submit([Asked(ticket=number, candidate="lab", request=request) for number, request in enumerate(requests)])
            results = []
            while len(results) < len(requests):
                results += [answered.result for answered in engine.poll(5.0)]
        flags[name] = bad_answer_flags(results, ())
    assert flags == {"joined": ["boundary"], "choices": []}


# ------------------------------------------------------------------------------------- what does not fit the context

LENGTH = 96


@pytest.mark.models
def test_a_text_of_several_windows_is_scored_as_lm_eval_does_in_a_context_two_tokens_shorter(lab_test, folder, builds):
    """Each token once in both; a window of ours leaves out the two places that lm-eval fills (a server wants room to generate).

    No two windows hold the same tokens: lm-eval takes such for one, and scores the wrong part of them.
    """
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    for number, row in enumerate(rows[:6]):
        row["text"] = " ".join(f"{number} {other['text']}" for other in rows[number : number + 8])
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    case = Case(("rolling",), limit=6)
    samples = ours(suite_of(builds, case), lab_test.base, max_model_len=LENGTH)
    shorter, same = (theirs(lab_test.base, folder, case, max_length=length) for length in (LENGTH - 2, LENGTH))
    nats = [sample.statistics["byte_perplexity"][0] for sample in samples]
    assert nats == pytest.approx([-row["byte_perplexity"][0] for row in shorter["samples"]["rolling"]], rel=1e-5)
    apart = [-row["byte_perplexity"][0] for row in same["samples"]["rolling"]]
    assert nats != pytest.approx(apart, rel=1e-5), "the texts have several windows"
    assert sum(nats) == pytest.approx(sum(apart), rel=0.02)


@pytest.mark.models
def test_what_is_cut_on_the_left_is_scored_as_lm_eval_does_in_a_context_one_token_shorter(lab_test, folder, builds):
    """lm-eval's last token is only predicted, so that it fits one more than the model's context; ours stays within it."""
    text = FILES["choices"].replace('doc_to_text: "{{q}}"', 'doc_to_text: "{{text}} {{text}} {{text}} {{q}}"')
    (folder / "long.yaml").write_text("task: long\n" + text)
    case = Case(("long",), limit=12)
    suite = suite_of(builds, case, overlong="truncate_left")
    mine = ours(suite, lab_test.base, max_model_len=LENGTH)
    expected = theirs(lab_test.base, folder, case, max_length=LENGTH - 1)["samples"]["long"]
    for metric in ("acc", "acc_norm", "acc_bytes", "exact_match"):
        assert [sample.scores[metric] for sample in mine] == [row[metric] for row in expected]
    plain = suite_of(builds, case)
    with pytest.raises(AssertionError, match="overlong = 'truncate_left'"):
        ours(plain, lab_test.base, max_model_len=LENGTH)


@pytest.mark.models
def test_a_prompt_that_is_cut_leaves_room_for_the_answer_as_in_lm_eval(lab_test, folder, builds):
    text = FILES["filtered"].replace("Q: {{q}} A:", "{{text}} {{text}} {{text}} Q: {{q}} A:")
    (folder / "long.yaml").write_text("task: long\n" + text)
    case = Case(("long",), limit=12)
    mine = ours(suite_of(builds, case, overlong="truncate_left"), lab_test.base, max_model_len=LENGTH)
    expected = theirs(lab_test.base, folder, case, max_length=LENGTH)["samples"]["long"]
    for chosen in ("plain", "word"):
        rows = [row for row in expected if row["filter"] == chosen]
        assert [sample.scores[f"exact_match@{chosen}"] for sample in mine] == [row["exact_match"] for row in rows]
    assert [sample.outputs[0].partition("\n")[0].partition(".")[0] for sample in mine] == [row["resps"][0][0] for row in rows]
