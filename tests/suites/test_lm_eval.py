"""lm-eval tasks as a suite: what is asked and how it is graded; and bad task files are named."""

from __future__ import annotations

import json
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import ConfigError, EngineError
from harness.records import Answer, Completion
from harness.stats.corpus import aggregate

pytest.importorskip("lm_eval", reason="lm-eval is an extra")

from suites.lm_eval import LmEval

CHOICES = [
    {"q": "The sky is", "choices": ["blue and wide", "made of salt", "a small hat"], "answer": 0},
    {"q": "Two and two are ", "choices": ["four", "five of them", "none"], "answer": 0},
    {"q": "名字是", "choices": ["北京", "上海市", "x"], "answer": 1},
    {"q": "The sky is", "choices": ["blue and wide", "made of salt", "a small hat"], "answer": 0},
]

MC = """
task: tiny_mc
dataset_path: json
dataset_kwargs: {data_files: {test: mc.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{q}}"
doc_to_choice: "{{choices}}"
doc_to_target: answer
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
"""

GENERATE = """
task: tiny_generate
dataset_path: json
dataset_kwargs: {data_files: {test: mc.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "Q: {{q}} A:"
doc_to_target: "{{choices[answer]}}"
generation_kwargs: {until: ["\\n", "."], max_gen_toks: 12, do_sample: false}
filter_list:
  - name: plain
    filter: [{function: take_first}]
  - name: first-word
    filter:
      - {function: regex, regex_pattern: "(\\\\w+)"}
      - {function: take_first}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true}
"""

BLEU = """
task: tiny_bleu
include: generate.yaml
filter_list:
  - {name: none, filter: [{function: take_first}]}
metric_list:
  - {metric: bleu, aggregation: bleu, higher_is_better: true}
  - {metric: chrf, aggregation: chrf, higher_is_better: true}
"""

ROLLING = """
task: tiny_rolling
dataset_path: json
dataset_kwargs: {data_files: {test: text.jsonl}}
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{text}}"
metric_list:
  - {metric: word_perplexity}
  - {metric: byte_perplexity}
  - {metric: bits_per_byte}
"""

PREFIX = """
task: tiny_prefix
include: mc.yaml
gen_prefix: "The answer is"
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_mutual_info, aggregation: mean, higher_is_better: true}
  - {metric: exact_match, aggregation: mean, higher_is_better: true}
"""

LAST_WORD = """
task: tiny_last_word
dataset_path: json
dataset_kwargs: {data_files: {test: mc.jsonl}}
test_split: test
output_type: loglikelihood
doc_to_text: "{{q}}"
doc_to_target: " {{choices[answer]}}"
metric_list:
  - {metric: perplexity, aggregation: perplexity, higher_is_better: false}
  - {metric: acc, aggregation: mean, higher_is_better: true}
"""

SHAPES = {"mc": MC, "generate": GENERATE, "rolling": ROLLING, "bleu": BLEU, "prefix": PREFIX, "last_word": LAST_WORD}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Task files of every shape and their data, beside the config."""
    (tmp_path / "tasks").mkdir()
    for name, text in SHAPES.items():
        (tmp_path / "tasks" / f"{name}.yaml").write_text(text, encoding="utf-8")
    rows = "\n".join(json.dumps(row, ensure_ascii=False) for row in CHOICES)
    (tmp_path / "tasks" / "mc.jsonl").write_text(rows, encoding="utf-8")
    texts = ["The tower stands near the river. " * 3, "A short one.", "今天天气很好。"]
    (tmp_path / "tasks" / "text.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts), encoding="utf-8")
    return tmp_path


def first_is_likeliest(request: Any) -> Completion:
    """Scores shorter continuations higher; generates the first word of the prompt."""
    if request.kind == "score":
        return Completion(logprob=-float(len(request.continuation)), greedy=False, tokens=1, bytes=1)
    if request.kind == "score_rolling":
        return Completion(logprob=-2.0 * len(request.prompt), tokens=1, bytes=1)
    return Completion(text="blue and wide. And more")


def test_names_paths_and_inline_tables_are_the_same_task(folder, builds):
    inline = _parsed(MC) | {"dataset_kwargs": {"data_files": {"test": "tasks/mc.jsonl"}}}
    suites = [
        builds(LmEval, tasks=("tiny_mc",), include="tasks"),
        builds(LmEval, tasks=("tasks/mc.yaml",)),
        builds(LmEval, tasks=(inline,)),
    ]
    keys = [[item.key for item in suite.items()] for suite in suites]
    assert keys[0] == keys[1] == keys[2]
    assert keys[0][3] == f"{keys[0][0]}#2", "a repeated document gets a number"
    assert suites[0].fingerprint() == suites[1].fingerprint() == suites[2].fingerprint()


def test_the_files_that_tasks_are_made_of_are_known_so_that_a_change_is_noticed(folder, builds):
    (folder / "tasks" / "coded.yaml").write_text(GENERATE.replace("tiny_generate", "coded") + "process_docs: !function own.keep\n")
    (folder / "tasks" / "own.py").write_text("def keep(docs):\n    return docs\n")
    (folder / "tasks" / "group.yaml").write_text("group: both\ntask: [tiny_bleu, coded]\n")
    suite = builds(LmEval, tasks=("both",), include="tasks", allow_code=True)
    read = {path.relative_to(folder).as_posix() for path in suite.files}
    assert read == {f"tasks/{name}" for name in ("bleu.yaml", "generate.yaml", "coded.yaml", "own.py", "mc.jsonl")}
    named = builds(LmEval, tasks=("tasks/mc.yaml",))
    assert {path.name for path in named.files} == {"mc.yaml", "mc.jsonl"}


def _parsed(text: str) -> dict[str, Any]:
    import yaml

    return yaml.safe_load(text)


def test_choices_are_scored_after_their_context_and_the_likeliest_is_the_answer(folder, builds, grades, converses):
    suite = builds(LmEval, tasks=("tiny_mc",), include=("tasks",))
    first = next(iter(suite.items()))
    _, asked = converses(suite, first, first_is_likeliest)
    assert [(r.kind, r.prompt, r.continuation) for r in asked] == [
        ("score", "The sky is", f" {choice}") for choice in CHOICES[0]["choices"]
    ]
    samples = grades(suite, first_is_likeliest)
    assert [sample.scores["acc"] for sample in samples.values()] == [0.0, 1.0, 0.0, 0.0]
    assert samples[first.key].outputs == ("a small hat",)
    assert samples[first.key].target == "blue and wide"
    assert suite.metrics["acc"].kind == "binary"
    assert suite.metrics["acc"].chance == pytest.approx(1 / 3)
    assert suite.watched == ()


def test_filters_become_part_of_the_metrics_name(folder, builds, grades):
    suite = builds(LmEval, tasks=("tiny_generate",), include="tasks")
    assert list(suite.metrics) == ["exact_match@plain", "exact_match@first-word"]
    assert suite.watched == ("truncated", "empty")
    sample = next(iter(grades(suite, first_is_likeliest).values()))
    assert sample.scores == {"exact_match@plain": 1.0, "exact_match@first-word": 0.0}


def test_what_the_filters_left_of_an_answer_is_kept_and_what_was_thought_before_it(folder, builds):
    suite = builds(LmEval, tasks=("tiny_generate", "tiny_bleu", "tiny_mc"), include="tasks")
    first = {item.task: item for item in reversed(list(suite.items()))}

    def sample(task: str, *completions: Completion) -> Any:
        (found,) = suite.grade([Answer(key=first[task].key, completions=completions)], {}, {})
        return found

    said = sample("tiny_generate", Completion(text="big dog. And more", reasoning="hm"))
    assert said.extracted == ("plain: big dog\nfirst-word: big",)
    assert (said.outputs, said.thinking) == (("big dog. And more",), ("hm",))
    assert sample("tiny_bleu", Completion(text="big dog. And")).extracted == ("big dog",), "one filter needs no name"
    assert sample("tiny_bleu", Completion(text="big dog")).extracted == (), "all of it was graded"
    count = len(suite._documents[first["tiny_mc"].key].instances)
    choice = sample("tiny_mc", *(Completion(text="", logprob=-float(place), greedy=False) for place in range(count)))
    assert (choice.extracted, choice.thinking) == ((), ())


def test_filters_that_choose_among_draws_leave_no_part_of_each(folder, builds):
    """The majority of three is no part of any of them."""
    settings = {"until": [], "do_sample": True, "temperature": 0.7}
    chosen = [{"name": "vote", "filter": [{"function": "majority_vote"}, {"function": "take_first"}]}]
    task = _parsed(GENERATE) | {"repeats": 3, "generation_kwargs": settings, "filter_list": chosen}
    task["dataset_kwargs"] = {"data_files": {"test": "tasks/mc.jsonl"}}
    suite = builds(LmEval, tasks=(task,))
    (sample,) = suite.grade([Answer(key=next(iter(suite.items())).key, completions=(Completion(text="a"),) * 3)], {}, {})
    assert (len(sample.outputs), sample.extracted) == (3, ())


def test_generation_settings_are_sent(folder, builds, converses):
    suite = builds(LmEval, tasks=("tiny_generate",), include="tasks")
    _, (request,) = converses(suite, next(iter(suite.items())), first_is_likeliest)
    assert (request.max_tokens, request.temperature, request.stop, request.seed) == (12, 0.0, ("\n", "."), 0)


def test_sampled_repeats_are_draws_with_seeds_of_their_own(folder, builds, converses):
    settings = {"until": [], "do_sample": True, "temperature": 0.7, "top_p": 0.9}
    task = _parsed(GENERATE) | {"repeats": 3, "generation_kwargs": settings}
    task["dataset_kwargs"] = {"data_files": {"test": "tasks/mc.jsonl"}}
    suite = builds(LmEval, tasks=(task,))
    _, asked = converses(suite, next(iter(suite.items())), first_is_likeliest)
    assert [request.draw for request in asked] == [0, 1, 2]
    assert len({request.seed for request in asked}) == 3
    assert {request.top_p for request in asked} == {0.9}


def test_rolling_scores_are_corpus_metrics_with_statistics(folder, builds, grades):
    suite = builds(LmEval, tasks=("tiny_rolling",), include="tasks")
    assert {name: metric.aggregator for name, metric in suite.metrics.items()} == {
        "word_perplexity": "perplexity",
        "byte_perplexity": "perplexity",
        "bits_per_byte": "bits_per_byte",
    }
    sample = next(iter(grades(suite, first_is_likeliest).values()))
    assert sample.statistics["byte_perplexity"] == [198.0, 99.0]
    assert sample.scores["bits_per_byte"] == pytest.approx(2.0 / 0.6931471805599453)
    assert suite.metrics["bits_per_byte"].direction == "lower"
    statistics = np.array([sample.statistics["byte_perplexity"]])
    assert aggregate("perplexity", statistics) == pytest.approx(sample.scores["byte_perplexity"])


def test_chat_questions_are_sent_as_messages(folder, builds, converses):
    suite = builds(LmEval, tasks=("tiny_mc",), include="tasks", apply_chat_template=True, system="Be brief.", num_fewshot=1)
    _, asked = converses(suite, next(iter(suite.items())), first_is_likeliest)
    assert asked[0].prompt is None
    assert [message.role for message in asked[0].messages] == ["system", "user", "assistant", "user"]
    assert asked[0].continuation == "blue and wide"


def test_limits_are_documents_or_a_share_rounded_up(folder, builds):
    assert len(list(builds(LmEval, tasks=("tiny_mc",), include="tasks", limit=2).items())) == 2
    assert len(list(builds(LmEval, tasks=("tiny_mc",), include="tasks", limit=2.0).items())) == 2
    assert len(list(builds(LmEval, tasks=("tiny_mc",), include="tasks", limit=0.3).items())) == 2


def test_a_cluster_field_groups_documents(folder, builds):
    items = list(builds(LmEval, tasks=("tiny_mc",), include="tasks", cluster="q").items())
    assert items[0].cluster == items[3].cluster != items[1].cluster


def test_an_engine_without_log_probabilities_is_an_error_not_a_zero(folder, builds, converses):
    suite = builds(LmEval, tasks=("tiny_mc",), include="tasks")
    for value in (None, float("nan")):
        with pytest.raises(EngineError, match="log-probability"):
            converses(suite, next(iter(suite.items())), lambda _, value=value: Completion(text="x", logprob=value))


def test_grading_that_raises_leaves_an_error_not_a_zero(folder, builds, grades):
    (folder / "tasks" / "own.py").write_text(
        textwrap.dedent("""
            def grade(doc, results):
                return {"acc": 1 / len(results[0])}
        """)
    )
    text = GENERATE.replace("exact_match", "acc").replace(", ignore_case: true", "").split("filter_list")[0]
    text = text.replace("tiny_generate", "own") + "process_results: !function own.grade\nmetric_list: [{metric: acc}]\n"
    (folder / "tasks" / "own.yaml").write_text(text)
    with pytest.raises(ConfigError, match="allow_code = true"):
        builds(LmEval, tasks=("own",), include="tasks")
    suite = builds(LmEval, tasks=("own",), include="tasks", allow_code=True)
    replies = iter(["", "abcd", "ab", "a"])
    samples = list(grades(suite, lambda _: next(replies)).values())
    assert samples[0].scores is None
    assert "ZeroDivisionError" in samples[0].error
    assert [sample.scores["acc"] for sample in samples[1:]] == [0.25, 0.5, 1.0]


def test_a_conversation_that_task_code_takes_apart_is_refused(folder, builds, monkeypatch):
    from lm_eval.api.task import ConfigurableTask

    construct = ConfigurableTask.construct_requests
    monkeypatch.setattr(
        ConfigurableTask, "construct_requests", lambda self, doc, ctx, **more: construct(self, doc, f"{ctx} Really?", **more)
    )
    assert list(builds(LmEval, tasks=("tiny_mc",), include="tasks").items())
    with pytest.raises(ConfigError, match="only with apply_chat_template = false"):
        builds(LmEval, tasks=("tiny_mc",), include="tasks", apply_chat_template=True)


def test_code_of_an_installed_module_is_part_of_the_fingerprint(folder, builds, monkeypatch):
    code = folder / "graders_of_mine.py"
    monkeypatch.syspath_prepend(folder)
    text = GENERATE.replace("exact_match", "acc").replace(", ignore_case: true", "").split("filter_list")[0]
    text = text.replace("tiny_generate", "own") + "process_results: !function graders_of_mine.grade\nmetric_list: [{metric: acc}]\n"
    (folder / "tasks" / "own.yaml").write_text(text)
    found = []
    for score in (0.25, 0.75):
        code.write_text(f'def grade(doc, results):\n    return {{"acc": {score}}}\n')
        found.append(builds(LmEval, tasks=("own",), include="tasks", allow_code=True).fingerprint())
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"dataset_kwargs": {"data_files": {"test": "tasks/mcc.jsonl"}}}, "Did you mean 'mc.jsonl'"),
        ({"dataset_kwargs": {"data_files": "tasks/mc.jsonl"}}, "is called 'train'"),
        ({"dataset_kwargs": {}}, "must name files"),
        ({"dataset_kwargs": {"data_files": {"test": "https://example.org/mc.jsonl"}}}, "nothing is downloaded"),
        ({"dataset_path": "someone/not-here"}, "local Hugging Face cache"),
        ({"metric_list": [{"metric": "acc", "aggregation": "median"}]}, "no score per item"),
        ({"metric_list": [{"metric": "likelihood"}]}, "take brier_score"),
        ({"metric_list": [{"metric": "akk"}]}, "akk"),
        ({"doc_to_text": "{{missing.field}}"}, "missing"),
        ({"output_type": "guess"}, "guess"),
    ],
)
def test_bad_tasks_are_named_before_anything_is_asked(folder, builds, change, says):
    task = _parsed(MC) | {"dataset_kwargs": {"data_files": {"test": "tasks/mc.jsonl"}}} | change
    with pytest.raises(ConfigError) as error:
        builds(LmEval, tasks=(task,))
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"tasks": ()}, "no task is named"),
        ({"tasks": ("tiny_mc", "tiny_mc")}, "twice"),
        ({"tasks": ("tasks/nope.yaml",)}, "no file"),
        ({"tasks": ({"dataset_path": "json"},)}, "needs a name"),
        ({"tasks": ("tiny_mc",), "include": "tsks"}, "no folder"),
        ({"tasks": ("tiny_mc",), "limit": 0}, "expected a whole number"),
        ({"tasks": ("tiny_mc",), "metrics": ("akk",)}, "has no metric 'akk'"),
        ({"tasks": ("tiny_mc",), "cluster": "passage"}, "no field 'passage'"),
    ],
)
def test_bad_options_are_named(folder, builds, options, says):
    with pytest.raises(ConfigError) as error:
        builds(LmEval, **{"include": "tasks", **options})
    assert says in str(error.value)


def test_groups_and_tags_stand_for_their_tasks(folder, builds):
    (folder / "tasks" / "mc2.yaml").write_text("include: mc.yaml\ntask: tiny_mc2\ntag: extra\ndoc_to_text: 'Well: {{q}}'\n")
    (folder / "tasks" / "group.yaml").write_text("group: both\ntask: [tiny_mc, tiny_mc2]\n")
    both = builds(LmEval, tasks=("both",), include="tasks")
    assert {item.task for item in both.items()} == {"tiny_mc", "tiny_mc2"}
    assert {item.task for item in builds(LmEval, tasks=("extra",), include="tasks").items()} == {"tiny_mc2"}


def test_hostile_answers_are_graded(folder, builds, grades, hostiles):
    suite = builds(LmEval, tasks=("tiny_generate",), include="tasks", limit=1)
    for text in hostiles:
        started = time.perf_counter()
        (sample,) = grades(suite, lambda _, text=text: text).values()
        assert sample.scores == {"exact_match@plain": 0.0, "exact_match@first-word": 0.0}
        assert time.perf_counter() - started < 5


# ------------------------------------------------------------------------------------------ code, and what it may not do

NESTED = {
    "doc_to_text": "doc_to_text: !function own.run\n",
    "doc_to_choice": "doc_to_choice: !function own.run\n",
    "process_docs": "process_docs: !function own.run\n",
    "custom_dataset": "custom_dataset: !function own.run\n",
    "class": "class: !function own.Task\n",
    "samples": "fewshot_config: {sampler: first_n, samples: !function own.run}\n",
    "sampler": "fewshot_config: {sampler: !function own.Task}\n",
    "metric": "metric_list: [{metric: !function own.run, aggregation: mean, higher_is_better: true}]\n",
    "aggregation": "metric_list: [{metric: acc, aggregation: !function own.run, higher_is_better: true}]\n",
    "filter": "filter_list: [{name: x, filter: [{function: !function own.run}]}]\n",
    "metadata": "metadata: {deep: [[{deeper: !function own.run}]]}\n",
    "outside": "process_docs: !function os.system\n",
}


@pytest.mark.parametrize("field", NESTED)
def test_no_code_of_a_task_file_runs_without_leave(folder, builds, field):
    (folder / "tasks" / "own.py").write_text("raise SystemExit('the code ran')")
    name = NESTED[field].split(":")[0]
    whole = MC.partition("metric_list")[0] if name == "metric_list" else MC
    kept = "\n".join(line for line in whole.splitlines() if not line.startswith(name))
    (folder / "tasks" / "own.yaml").write_text(kept.replace("tiny_mc", "own") + "\n" + NESTED[field])
    with pytest.raises(ConfigError, match="allow_code = true"):
        builds(LmEval, tasks=("own",), include="tasks")


def test_code_by_way_of_an_included_file_or_a_group_needs_leave_too(folder, builds):
    (folder / "tasks" / "own.py").write_text("raise SystemExit('the code ran')")
    (folder / "tasks" / "hidden").write_text("process_docs: !function own.run\n")
    (folder / "tasks" / "own.yaml").write_text("include: [mc.yaml, hidden]\ntask: own\n")
    (folder / "tasks" / "group.yaml").write_text("group: mine\ntask: [tiny_mc]\nprocess_docs: !function own.run\n")
    for name in ("own", "mine"):
        with pytest.raises(ConfigError, match="allow_code = true"):
            builds(LmEval, tasks=(name,), include="tasks")


def test_a_template_cannot_reach_python(folder, builds):
    marker = folder / "escaped"
    reach = "''.__class__.__mro__[1].__subclasses__()"
    opened = f"cycler.__init__.__globals__.os.system('touch {marker}')"
    for text in (reach, opened):
        task = _parsed(MC) | {"doc_to_text": "{{ " + text + " }}", "dataset_kwargs": {"data_files": {"test": "tasks/mc.jsonl"}}}
        for allowed in (False, True):
            with pytest.raises(ConfigError, match="SecurityError"):
                builds(LmEval, tasks=(task,), allow_code=allowed)
    assert not marker.exists()


def test_a_template_may_use_what_templates_need(folder, builds):
    text = "{% for word in q.split() %}{{ word|regex_replace('[a-y]', '.')|upper }} {% endfor %}{{ '%s!' % q.strip()[:3] }}"
    task = _parsed(MC) | {"doc_to_text": text, "dataset_kwargs": {"data_files": {"test": "tasks/mc.jsonl"}}}
    suite = builds(LmEval, tasks=(task,))
    assert next(suite.ask(next(iter(suite.items()))))[0].prompt == "T.. ... .. The!"


def test_a_metric_of_the_hub_is_refused_whether_code_is_allowed_or_not(folder, builds):
    entry = {"metric": "exact_match", "hf_evaluate": True, "aggregation": "mean", "higher_is_better": True}
    task = _parsed(GENERATE) | {"metric_list": [entry], "dataset_kwargs": {"data_files": {"test": "tasks/mc.jsonl"}}}
    for allowed in (False, True):
        with pytest.raises(ConfigError, match="code of the Hugging Face hub"):
            builds(LmEval, tasks=(task,), allow_code=allowed)


def test_an_installed_task_without_its_data_says_what_to_fetch(tmp_path, builds, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    with pytest.raises(ConfigError) as error:
        builds(LmEval, tasks=("hellaswag",))
    assert "'Rowan/hellaswag'" in str(error.value)
    assert "nothing is downloaded" in str(error.value)


def test_only_who_needs_the_greedy_choice_asks_for_it(folder, builds, converses):
    asks = {}
    for name in ("tiny_mc", "tiny_prefix", "tiny_last_word", "tiny_generate"):
        suite = builds(LmEval, tasks=(name,), include="tasks")
        answer = lambda request: Completion(text="x", logprob=-1.0 if request.kind == "score" else None, greedy=False)  # noqa: E731
        _, asked = converses(suite, next(iter(suite.items())), answer)
        asks[name] = {request.greedy for request in asked}
    assert asks == {"tiny_mc": {False}, "tiny_prefix": {True}, "tiny_last_word": {True}, "tiny_generate": {True}}


def test_an_engine_that_does_not_say_what_is_greedy_is_an_error_where_it_is_needed(folder, builds, converses):
    unknown = lambda _: Completion(logprob=-1.0)  # noqa: E731
    converses(builds(LmEval, tasks=("tiny_mc",), include="tasks"), _first(builds, "tiny_mc"), unknown)
    with pytest.raises(EngineError, match="greedy choice"):
        converses(builds(LmEval, tasks=("tiny_last_word",), include="tasks"), _first(builds, "tiny_last_word"), unknown)


def _first(builds: Any, name: str) -> Any:
    return next(iter(builds(LmEval, tasks=(name,), include="tasks").items()))


def test_what_does_not_fit_is_an_error_unless_it_may_be_cut(folder, builds, converses):
    for options, sent in (({}, "error"), ({"overlong": "truncate_left"}, "truncate_left")):
        for name in ("tiny_mc", "tiny_generate"):
            suite = builds(LmEval, tasks=(name,), include="tasks", **options)
            _, asked = converses(suite, next(iter(suite.items())), first_is_likeliest)
            assert {request.overlong for request in asked} == {sent}
