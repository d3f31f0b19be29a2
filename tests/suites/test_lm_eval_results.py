"""Other people's lm-eval runs, imported: equal to our own run of the same tasks, and refused where files do not fit together."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.models import random_adapter
from harness.cli import main
from harness.config import load
from harness.engines.lm_eval_output import read_output
from harness.engines.lm_eval_results import LmEvalResults as Engine
from harness.errors import ConfigError
from harness.pipeline import conclude, measure, prepare
from harness.pipeline.concluding import read_measured
from harness.records import Candidate, Comparison, Conclusion, Measured, Request
from suites.lm_eval_results import LmEvalResults
from tests.harness.engines.asking import ask

RECORDED = Path(__file__).parents[2] / "examples" / "data" / "lm_eval"
ASKED = ["lab_arith", "facts", "lab_text", "two_filters", "overlap"]
TASKS = ["lab_arith", "lab_facts_mc", "few_facts", "lab_text", "two_filters", "overlap"]
GROUP = """
group: facts
task: [lab_facts_mc, few_facts]
aggregate_metric_list: [{metric: acc, weight_by_size: true}]
"""
FEW_FACTS = """
task: few_facts
include: lab_facts_mc.yaml
dataset_kwargs: {data_files: {test: few.jsonl}}
doc_to_text: "Question: {{question}}\\nAnswer:"
"""
FILTERS = """
task: two_filters
include: lab_arith.yaml
filter_list:
  - {name: plain, filter: [{function: take_first}]}
  - name: digits
    filter: [{function: regex, regex_pattern: "([0-9]+)"}, {function: take_first}]
"""
OVERLAP = """
task: overlap
include: lab_arith.yaml
metric_list:
  - {metric: bleu, aggregation: bleu, higher_is_better: true}
  - {metric: chrf, aggregation: chrf, higher_is_better: true}
"""


def _replace(path: Path, change: Callable[[Any], Any]) -> None:
    """Rewrite the rows of a samples file, or a results file."""
    if path.suffix == ".jsonl":
        rows = change([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()])
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    else:
        path.write_text(json.dumps(change(json.loads(path.read_text(encoding="utf-8"))), ensure_ascii=False), encoding="utf-8")


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A copy of two recorded runs: ``base`` and ``week47``, each with its sub-folder named after the model."""
    shutil.copytree(RECORDED, tmp_path / "runs")
    return tmp_path / "runs"


def samples_of(run: Path, task: str = "lab_facts_mc") -> Path:
    return next(run.rglob(f"samples_{task}_*.jsonl"))


def results_of(run: Path) -> Path:
    return next(run.rglob("results_*.json"))


def config(folder: Path, left: Path, right: Path, *, rules: str = "", **options: Any) -> Path:
    """A gate over two recorded runs."""
    listed = "".join(f", {name} = {json.dumps(value)}" for name, value in options.items())
    text = f"""
store = "store"
baseline = "base"
candidates = [
  {{ name = "base", model = "{left}", engine = "lm_eval_results" }},
  {{ name = "new", model = "{right}", engine = "lm_eval_results" }},
]
suites = [{{ name = "general", use = "lm_eval_results", options = {{ items = "{left}"{listed} }} }}]
{rules}
"""
    path = folder / "gate.toml"
    path.write_text(text, encoding="utf-8")
    return path


def run(path: Path) -> tuple[Conclusion, dict[tuple[str, str], Measured]]:
    loaded = load(path)
    measure(prepare(loaded))
    measured = read_measured(loaded)
    return conclude(loaded, measured), measured


# ---------------------------------------------------------------------------- equality with our own run of the same tasks


@pytest.fixture(scope="module")
def both(lab_test: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """lm-eval really run over base and adapter (hf backend), and our own suite over the same tasks and weights."""
    pytest.importorskip("lm_eval", reason="lm-eval is an extra")
    from lm_eval.evaluator import simple_evaluate
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    root = tmp_path_factory.mktemp("both")
    shutil.copytree(lab_test.data / "lm_eval", root / "tasks")
    for name, text in {"filters": FILTERS, "overlap": OVERLAP, "group": GROUP, "few_facts": FEW_FACTS}.items():
        (root / "tasks" / f"{name}.yaml").write_text(text, encoding="utf-8")
    for file in (root / "tasks").glob("*.jsonl"):
        lines = file.read_text(encoding="utf-8").splitlines()[:24]
        file.write_text("\n".join([*lines, *lines[:2]]), encoding="utf-8")  # two documents stand there twice
    few = (root / "tasks" / "lab_facts_mc.jsonl").read_text(encoding="utf-8").splitlines()[:7]
    (root / "tasks" / "few.jsonl").write_text("\n".join(few), encoding="utf-8")
    adapter = random_adapter(lab_test.base, root / "adapter", seed=3)
    before = Path.cwd()
    os.chdir(root / "tasks")  # lm-eval itself looks for data files in the working directory
    patched = pytest.MonkeyPatch()
    patched.setattr("torch.utils.collect_env.get_pretty_env_info", lambda: "not looked at: takes seconds")
    try:
        for name, extra in (("base", {}), ("new", {"peft": str(adapter)})):
            tracker = EvaluationTracker(output_path=str(root / name))
            arguments = {"pretrained": str(lab_test.base), "dtype": "float32", **extra}
            manager = TaskManager(include_path=str(root / "tasks"), include_defaults=False)
            found = simple_evaluate(
                "hf", model_args=arguments, tasks=ASKED, task_manager=manager, device="cpu", batch_size=8, bootstrap_iters=0,
                log_samples=True, evaluation_tracker=tracker,
            )  # fmt: skip
            samples = found.pop("samples")
            tracker.save_results_aggregated(results=found, samples=samples)
            for task in TASKS:
                tracker.save_results_samples(task_name=task, samples=samples[task])
    finally:
        os.chdir(before)
        patched.undo()
    own = f"""
store = "own"
baseline = "base"
candidates = [
  {{ name = "base", model = "{lab_test.base}", engine = "transformers", options = {{ dtype = "float32" }} }},
  {{ name = "new", model = "{lab_test.base}", adapter = "adapter", engine = "transformers", options = {{ dtype = "float32" }} }},
]
suites = [{{ name = "general", use = "lm_eval", options = {{ tasks = {json.dumps(ASKED)}, include = "tasks" }} }}]
"""
    (root / "own.toml").write_text(own, encoding="utf-8")
    return root


def by_metric(conclusion: Conclusion) -> dict[str, Comparison]:
    return {comparison.metric: comparison for comparison in conclusion.comparisons}


@pytest.mark.models
def test_an_imported_run_equals_our_own_run_of_the_same_tasks(both: Path) -> None:
    imported, theirs = run(config(both, both / "base", both / "new"))
    own, ours = run(both / "own.toml")
    left, right = by_metric(imported), by_metric(own)
    shared = {metric for metric in right if not metric.endswith(("/truncated", "/empty"))}
    assert {metric for metric in left if not metric.endswith("/empty")} == shared
    assert len(shared) == 13
    assert left["general/facts/acc"].items == 33, "the group, weighted by documents"
    for name in shared:
        mine, other = left[name], right[name]
        assert (mine.items, mine.won, mine.lost, mine.kind, mine.direction, mine.method) == (
            other.items, other.won, other.lost, other.kind, other.direction, other.method,
        ), name  # fmt: skip
        exact = mine.kind == "binary"
        for field in ("baseline_value", "candidate_value", "gain", "low", "high"):
            assert getattr(mine, field) == pytest.approx(getattr(other, field), rel=1e-12 if exact else 2e-3, abs=1e-12), (
                name,
                field,
            )
    for pair, measured in ours.items():
        recorded = theirs[pair].samples
        order = sorted(measured.samples, key=lambda sample: sample.task)
        assert [sample.task for sample in recorded] == [sample.task for sample in order]
        for read, own_sample in zip(recorded, order, strict=True):
            assert read.scores is not None
            assert own_sample.scores is not None
            assert read.scores == pytest.approx(own_sample.scores, rel=1e-4)
            assert (read.target, read.prompt) == (own_sample.target, own_sample.prompt)
            assert [text.strip() for text in read.outputs] == [text.strip().split("\n")[0] for text in own_sample.outputs]
    assert theirs["general", "base"].run.metrics == ours["general", "base"].run.metrics
    assert theirs["general", "base"].run.groups == ours["general", "base"].run.groups
    assert theirs["general", "base"].run.failed == 0


@pytest.mark.models
def test_the_reader_understands_what_lm_eval_writes_today(both: Path) -> None:
    output = read_output(both / "base", where="")
    assert sorted(output.tasks) == sorted(TASKS)
    rows = output.tasks["lab_facts_mc"].rows(where="")
    row = next(iter(rows.values()))
    raw = json.loads(samples_of(both / "base").read_text().splitlines()[0])
    assert (row.doc_hash, row.prompt_hash) == (raw["doc_hash"], raw["prompt_hash"])
    assert sum(key.endswith("#2") for key in rows) == 2, "documents that stand there twice are told apart"
    assert output.tasks["lab_arith"].reported.keys() == {("exact_match", "none")}
    facts = Engine.describe(Candidate(name="base", model=str(both / "base"), engine="lm_eval_results"))
    assert (facts["name"], facts["version"], facts["dtype"]) == ("lm-eval hf", "0.4.13", "float32")
    assert str(both) not in facts["task lab_arith"]


# ------------------------------------------------------------------------------------------------------ comparing, gating


def test_recorded_runs_are_compared_and_gated(theirs: Path, tmp_path: Path) -> None:
    rules = 'rules = [{ metric = "general/lab_facts_mc/acc", require = "not_regressed" }]'
    conclusion, measured = run(config(tmp_path, theirs / "base", theirs / "week47", rules=rules))
    acc = by_metric(conclusion)["general/lab_facts_mc/acc"]
    reported = [
        json.loads(results_of(theirs / name).read_text())["results"]["lab_facts_mc"]["acc,none"] for name in ("base", "week47")
    ]
    assert (acc.baseline_value, acc.candidate_value) == pytest.approx(reported, abs=1e-12)
    assert acc.missing == 0
    perplexity = by_metric(conclusion)["general/lab_text/bits_per_byte"]
    assert perplexity.low is not None, "what lm-eval reports without an error gets an interval"
    assert perplexity.low < perplexity.gain < (perplexity.high or 0)
    assert conclusion.outcome in {"pass", "fail", "inconclusive"}
    assert all(line.equal for line in conclusion.parity if line.required)
    assert {line.what for line in conclusion.parity} >= {"prompts", "task settings"}
    assert measured["general", "new"].run.engine["name"] == "lm-eval hf"


def test_a_run_can_be_named_on_the_command_line(theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = config(tmp_path, theirs / "base", theirs / "base")
    assert main(["measure", str(path), "--candidate", f"new={theirs / 'week47'}"]) == 0
    assert main(["compare", str(path), "--candidate", f"new={theirs / 'week47'}"]) == 0
    assert "general/lab_text/bits_per_byte" in capsys.readouterr().out


def test_only_some_tasks_and_metrics_and_clusters(theirs: Path, builds: Any) -> None:
    suite = builds(LmEvalResults, items=str(theirs / "base"), tasks=("lab_facts_mc",), metrics=("acc",), cluster="answer")
    assert list(suite.metrics) == ["acc"]
    assert suite.metrics["acc"].kind == "binary"
    assert suite.metrics["acc"].chance == pytest.approx(0.25)
    clusters = {item.cluster for item in suite.items()}
    assert 1 < len(clusters) <= 4
    assert suite.watched == ()
    assert builds(LmEvalResults, items=str(results_of(theirs / "base"))).watched == ("empty",)


def test_a_changed_prompt_is_not_comparable(theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def other(rows: Any) -> Any:
        rows[0]["prompt_hash"] = "0" * 64
        rows[1]["arguments"]["gen_args_0"]["arg_1"] = "another choice"
        return rows

    _replace(samples_of(theirs / "week47"), other)
    rules = 'rules = [{ metric = "general/*/acc", require = "not_regressed" }]'
    path = config(tmp_path, theirs / "base", theirs / "week47", rules=rules)
    assert main(["run", str(path)]) == 12
    parity = {line.what: line for line in run(path)[0].parity}
    assert parity["prompts"].candidate_value == "2 of 180 differ"
    capsys.readouterr()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: data["configs"]["lab_arith"]["generation_kwargs"].update(max_gen_toks=99), "99"),
        (lambda data: data["n-shot"].update(lab_facts_mc=5), '"num_fewshot": 5'),
        (lambda data: data["versions"].update(lab_text=2.0), '"version": 2.0'),
    ],
)
def test_tasks_that_were_set_up_differently_are_not_comparable(theirs: Path, tmp_path: Path, change: Any, says: str) -> None:
    def changed(data: Any) -> Any:
        change(data)
        return data

    _replace(results_of(theirs / "week47"), changed)
    rules = 'rules = [{ metric = "general/*/acc", require = "not_regressed" }]'
    conclusion, _ = run(config(tmp_path, theirs / "base", theirs / "week47", rules=rules))
    line = next(line for line in conclusion.parity if line.what == "task settings")
    assert not line.equal
    assert says in line.candidate_value
    assert conclusion.exit_code == 12


def test_another_backend_or_version_has_to_be_allowed(theirs: Path, tmp_path: Path) -> None:
    _replace(results_of(theirs / "week47"), lambda data: {**data, "model_source": "vllm", "lm_eval_version": "0.4.9"})
    rules = 'rules = [{ metric = "general/lab_facts_mc/acc", require = "non_inferior", margin = 0.2 }]'
    path = config(tmp_path, theirs / "base", theirs / "week47", rules=rules)
    refused, _ = run(path)
    assert refused.exit_code == 12
    assert {line.what for line in refused.parity if line.required and not line.equal} == {"engine", "version"}
    path.write_text(path.read_text() + '\n[comparability]\nallow = ["engine", "version"]\n')
    assert run(path)[0].exit_code == 0


@pytest.mark.parametrize(
    ("how", "counts", "reported"),
    [
        ("f1", (40, 10, 10, 0), 2 * 40 / (2 * 40 + 10 + 10)),
        ("matthews_corrcoef", (20, 10, 15, 15), (20 * 15 - 10 * 15) / (30 * 35 * 30 * 25) ** 0.5),
    ],
)
def test_metrics_of_pairs_get_intervals(theirs: Path, tmp_path: Path, how: str, counts: tuple[int, ...], reported: float) -> None:
    """Rows hold (right, given); lm-eval aggregates over all of them, and gives no error of the difference."""
    pairs = [pair for pair, count in zip(([1, 1], [1, 0], [0, 1], [0, 0]), counts, strict=True) for _ in range(count)]

    def results(data: Any) -> Any:
        data["configs"]["lab_facts_mc"]["metric_list"][0]["aggregation"] = how
        data["results"]["lab_facts_mc"]["acc,none"] = reported
        return data

    def rows(found: Any) -> Any:
        return [{**row, "acc": pair} for row, pair in zip(found, pairs, strict=True)]

    for side in ("base", "week47"):
        _replace(results_of(theirs / side), results)
        _replace(samples_of(theirs / side), rows)
        pairs.reverse()
    conclusion, measured = run(config(tmp_path, theirs / "base", theirs / "week47", tasks=["lab_facts_mc"]))
    found = by_metric(conclusion)["general/lab_facts_mc/acc"]
    assert measured["general", "base"].run.metrics["acc"].kind == "corpus"
    assert found.gain == pytest.approx(0.0, abs=1e-12)
    assert found.baseline_value == pytest.approx(reported, abs=1e-12)
    assert found.low is not None
    assert found.low < 0 < (found.high or 0)


def test_a_run_with_fewer_documents_leaves_errors_and_never_a_mean_over_what_is_left(theirs: Path, tmp_path: Path) -> None:
    def shorter(data: Any) -> Any:
        data["n-samples"]["lab_facts_mc"]["effective"] = 40
        rows = [json.loads(line) for line in samples_of(theirs / "week47").read_text().splitlines()]
        for metric in ("acc", "acc_norm"):
            data["results"]["lab_facts_mc"][f"{metric},none"] = sum(row[metric] for row in rows[:40]) / 40
        return data

    _replace(results_of(theirs / "week47"), shorter)
    _replace(samples_of(theirs / "week47"), lambda rows: rows[:40])
    rules = 'rules = [{ metric = "general/lab_facts_mc/acc", require = "not_regressed" }]'
    conclusion, measured = run(config(tmp_path, theirs / "base", theirs / "week47", rules=rules))
    assert measured["general", "new"].run.failed == 20
    error = next(sample.error for sample in measured["general", "new"].samples if sample.error)
    assert "has no row for this document of 'lab_facts_mc'; it holds 40" in error
    assert conclusion.exit_code == 13
    assert by_metric(conclusion)["general/lab_facts_mc/acc"].missing == 20


def test_a_score_that_is_no_number_is_an_error_of_its_item(theirs: Path, tmp_path: Path) -> None:
    def undefined(rows: Any) -> Any:
        rows[3]["acc"] = float("nan")
        return rows

    _replace(samples_of(theirs / "week47"), undefined)
    _replace(results_of(theirs / "week47"), lambda data: data["results"]["lab_facts_mc"].update({"acc,none": float("nan")}) or data)
    _, measured = run(config(tmp_path, theirs / "base", theirs / "week47"))
    failed = [sample for sample in measured["general", "new"].samples if sample.error]
    assert len(failed) == 1
    assert "acc" in str(failed[0].error)


def test_tasks_of_several_runs_in_a_folder_say_how_each_of_them_was_run(theirs: Path) -> None:
    """The run of the first task does not speak for the others: another dtype there is another dtype here."""
    candidate = Candidate(name="new", model=str(theirs / "week47"), engine="lm_eval_results")
    before, results = Engine.describe(candidate), results_of(theirs / "week47")
    date, later = before["dates"][0], "2030-01-01T00-00-00.000001"
    shutil.copy(results, results.with_name(results.name.replace(date, later)))
    samples = samples_of(theirs / "week47", "lab_text")
    samples.rename(samples.with_name(samples.name.replace(date, later)))
    newer = results.with_name(results.name.replace(date, later))
    _replace(newer, lambda data: data["config"].update(model_dtype="torch.bfloat16") or data)
    after = Engine.describe(candidate)
    assert after["dates"] == [date, later]
    assert after["dtype"] == f"bfloat16, {before['dtype']}"
    assert {name for name in after if after[name] != before[name]} == {"dtype", "dates", "content"}


def test_of_several_runs_in_a_folder_the_newest_counts_and_the_others_are_named(
    theirs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    candidate = Candidate(name="new", model=str(theirs / "week47"), engine="lm_eval_results")
    before = Engine.describe(candidate)
    folder, old = results_of(theirs / "week47").parent, "2020-01-01T00-00-00.000001"
    for file in list(folder.iterdir()):
        date = before["dates"][0]
        shutil.copy(file, folder / file.name.replace(date, old))
    with Engine([candidate]) as engine:
        assert len(engine.notes) == 1
        assert old in engine.notes[0]
    assert main(["compare", str(theirs / "base"), str(theirs / "week47")]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert f"older ones lie there too: lab_arith of {old}, lab_facts_mc of {old}" in said
    assert Engine.describe(candidate) == before, "the newest run counts"
    picked = msgspec.structs.replace(candidate, options={"date": old})
    assert Engine.describe(picked)["dates"] == [old]
    with pytest.raises(ConfigError, match="has no run of '2021'"):
        Engine.check(msgspec.structs.replace(candidate, options={"date": "2021"}), where="candidates[1]")


# ------------------------------------------------------------------------------------------- two folders, without a config


def test_two_folders_are_compared_without_a_config(theirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples_of(theirs / "week47", "lab_text").unlink()
    assert main(["compare", str(theirs / "base"), str(results_of(theirs / "week47"))]) == 0
    said = capsys.readouterr()
    assert "lm_eval/lab_facts_mc/acc" in said.out
    assert "exact McNemar" in said.out
    assert "lm_eval/lab_text" not in said.out
    assert " ".join(said.err.split()).count("has samples of it: lab_text") == 1, "the side that has none is not named for it"
    assert "90% interval" in said.out


def test_a_config_is_not_searched_for_runs(theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "gate.toml").write_text("")
    for pair in ((theirs / "base", tmp_path / "gate.toml"), (tmp_path / "gate.toml", tmp_path / "gate.toml")):
        assert main(["compare", *map(str, pair)]) == 2
        assert "gate.toml is a config. Name one config" in " ".join(capsys.readouterr().err.split())


def test_two_folders_that_differ_by_a_prompt_are_not_compared(theirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _replace(samples_of(theirs / "week47"), lambda rows: [{**rows[0], "prompt_hash": "0" * 64}, *rows[1:]])
    assert main(["compare", str(theirs / "base"), str(theirs / "week47")]) == 12
    assert "'week47' cannot be compared with 'base': lm_eval: prompts (180 equal · 1 of 180 differ)" in capsys.readouterr().err


def test_what_two_folders_cannot_mean_is_said(theirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base, week47 = str(theirs / "base"), str(theirs / "week47")
    for arguments, words in (
        ([base], "two output folders of lm-eval"),
        ([base, base], "the same one"),
        ([base, week47, "--of", "a"], "belong to a config"),
        ([base, str(theirs / "none")], "does not exist"),
    ):
        assert main(["compare", *arguments]) == 2
        assert words in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------------- bad input


def broken_line(run: Path) -> None:
    path = samples_of(run)
    path.write_text(path.read_text(encoding="utf-8")[:-200], encoding="utf-8")


def changed_score(run: Path) -> None:
    def flip(rows: Any) -> Any:
        rows[0]["acc"] = 1.0 - rows[0]["acc"]
        return rows

    _replace(samples_of(run), flip)


def missing_row(run: Path) -> None:
    _replace(samples_of(run), lambda rows: rows[1:])


def doubled_row(run: Path) -> None:
    _replace(samples_of(run), lambda rows: [*rows, rows[0]])


def no_samples(run: Path) -> None:
    for file in list(run.rglob("samples_*")):
        file.unlink()


def no_task(run: Path) -> None:
    samples_of(run).unlink()


def no_results(run: Path) -> None:
    results_of(run).unlink()


def two_models(run: Path) -> None:
    shutil.copytree(results_of(run).parent, run / "another__model")


def one_folder_for_two_models(run: Path) -> None:
    file = results_of(run)
    other = file.with_name("other_2020-01-01T00-00-00.000001.json")
    other.write_text(json.dumps({**json.loads(file.read_text()), "model_name": "another/model"}), encoding="utf-8")


def foreign_rows(run: Path) -> None:
    _replace(samples_of(run), lambda rows: [{"key": "a", "response": "b"}])


def no_json(run: Path) -> None:
    results_of(run).write_text("{half", encoding="utf-8")


def nothing(run: Path) -> None:
    shutil.rmtree(run)


def empty(run: Path) -> None:
    shutil.rmtree(run)
    run.mkdir()


def predict_only(run: Path) -> None:
    _replace(samples_of(run), lambda rows: [{**row, "metrics": ["bypass"], "bypass": 999} for row in rows])


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (broken_line, "line 60 is not JSON"),
        (changed_score, "reports"),
        (missing_row, "holds 59 documents, and results_"),
        (doubled_row, "line 61: document 0 stands there a second time"),
        (no_samples, "--log_samples --output_path"),
        (no_task, "lab_facts_mc"),
        (no_results, "but no results_*.json"),
        (two_models, "another__model"),
        (one_folder_for_two_models, "another/model, lab/"),
        (foreign_rows, "line 1 is not a row that lm-eval logged"),
        (no_json, "cannot be read as lm-eval's results"),
        (nothing, "does not exist"),
        (empty, "holds nothing that lm-eval wrote"),
        (predict_only, "--predict_only"),
    ],
)
@pytest.mark.parametrize("side", ["base", "week47"])
def test_files_that_do_not_fit_together_are_refused_before_anything_is_read(
    theirs: Path, tmp_path: Path, damage: Callable[[Path], None], says: str, side: str
) -> None:
    damage(theirs / side)
    with pytest.raises(ConfigError) as error:
        prepare(load(config(tmp_path, theirs / "base", theirs / "week47")))
    assert says in str(error.value)
    assert ("items" if side == "base" else "candidates[1].model") in str(error.value)


def test_the_wrong_partner_is_refused(theirs: Path, tmp_path: Path) -> None:
    path = config(tmp_path, theirs / "base", theirs / "week47")
    path.write_text(path.read_text().replace('week47", engine = "lm_eval_results"', 'week47", engine = "fake"'))
    with pytest.raises(ConfigError, match="expected engine = 'lm_eval_results'"):
        prepare(load(path))
    candidate = Candidate(name="base", model=str(theirs / "base"), engine="lm_eval_results")
    with Engine([candidate]) as engine:
        (result,) = ask(engine, [("base", Request(prompt="What is 2 + 2?", item="a"))])
    assert "answers nothing but its own documents" in str(result)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"tasks": ("lab_factsmc",)}, "Did you mean 'lab_facts_mc'"),
        ({"tasks": ("lab_facts_mc",), "metrics": ("f1",)}, "has no metric 'f1'; it has acc, acc_norm"),
        ({"cluster": "passage"}, "has no field 'passage'"),
        ({"date": "2021"}, "has no run of '2021'"),
    ],
)
def test_bad_options_are_named(theirs: Path, builds: Any, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as error:
        builds(LmEvalResults, items=str(theirs / "base"), **options)
    assert says in str(error.value)


def test_a_metric_that_no_sum_over_documents_gives_is_refused(theirs: Path, builds: Any) -> None:
    def median(data: Any) -> Any:
        data["configs"]["lab_facts_mc"]["metric_list"][0]["aggregation"] = "median"
        data["results"]["lab_facts_mc"]["acc,none"] = 1.0
        return data

    _replace(results_of(theirs / "base"), median)
    with pytest.raises(ConfigError, match=r"'median'.*metrics = \['acc_norm'\]"):
        builds(LmEvalResults, items=str(theirs / "base"))
    suite = builds(LmEvalResults, items=str(theirs / "base"), tasks=("lab_facts_mc",), metrics=("acc_norm",))
    assert list(suite.metrics) == ["acc_norm"]


def test_lists_of_parts_that_a_task_aggregates_by_its_own_code_are_ratios(theirs: Path, builds: Any) -> None:
    """As IFEval's instruction-level accuracy: lm-eval writes the function's source down, and its value shows what it does."""
    parts = [[True] * (number % 3) + [False] * (number % 2 + 1) for number in range(60)]
    flat = [part for listed in parts for part in listed]

    def instructions(data: Any) -> Any:
        data["configs"]["lab_facts_mc"]["metric_list"][0]["aggregation"] = "def agg_inst_level_acc(items):\n    return …"
        data["results"]["lab_facts_mc"]["acc,none"] = sum(flat) / len(flat)
        return data

    _replace(results_of(theirs / "base"), instructions)
    _replace(samples_of(theirs / "base"), lambda rows: [{**row, "acc": part} for row, part in zip(rows, parts, strict=True)])
    suite = builds(LmEvalResults, items=str(theirs / "base"), tasks=("lab_facts_mc",))
    assert (suite.metrics["acc"].kind, suite.metrics["acc"].aggregator) == ("ratio", "ratio")


# ---------------------------------------------------------------------------------------------------------- older shapes


def test_older_shapes_are_the_same_run(theirs: Path, tmp_path: Path) -> None:
    """Rows without filter, metrics and hashes, arguments as lists, numbers as numbers, samples as one JSON list, no n-samples."""

    def older(rows: Any) -> Any:
        for row in rows:
            row["arguments"] = [list(each.values()) for each in row["arguments"].values()]
            row["resps"] = [[[float(logprob), greedy == "True"]] for [[logprob, greedy]] in row["resps"]]
            for key in ("filter", "metrics", "doc_hash", "prompt_hash", "target_hash"):
                del row[key]
        return rows

    old = tmp_path / "old"
    shutil.copytree(theirs / "base", old)
    for task in ("lab_arith", "lab_text"):
        samples_of(old, task).unlink()
    path = samples_of(old)
    _replace(path, older)
    path.with_suffix(".json").write_text(json.dumps([json.loads(line) for line in path.read_text().splitlines()]))
    path.unlink()
    dropped = ("n-samples", "higher_is_better")
    _replace(results_of(old), lambda data: {key: value for key, value in data.items() if key not in dropped})
    now = read_output(theirs / "base", where="").tasks["lab_facts_mc"].rows(where="")
    then = read_output(old, where="").tasks["lab_facts_mc"].rows(where="")
    assert then == now


def test_choices_by_their_contexts_and_mutual_information_count_each_choice_once(tmp_path: Path, builds: Any) -> None:
    """As Winogrande: one continuation after two contexts. And with acc_mutual_info: every choice asked again without context."""
    by_context = [["He ran because", " it rained"], ["She ran because", " it rained"]]
    again = [["Q", " a"], ["Q", " b"], ["", " a"], ["", " b"]]
    shapes = {"contexts": (by_context, "acc"), "mutual": (again, "acc_mutual_info")}
    for task, (arguments, metric) in shapes.items():
        resps = [[[-float(2 + number), False]] for number in range(len(arguments))]
        row = {"doc_id": 0, "doc": {"q": task}, "target": "1", "arguments": arguments, "resps": resps, metric: 1.0, "acc": 1.0}
        (tmp_path / f"samples_{task}.jsonl").write_text(json.dumps(row))
    said = {task: {f"{metric},none": 1.0, "acc,none": 1.0} for task, (_, metric) in shapes.items()}
    (tmp_path / "results.json").write_text(json.dumps({"results": said}))
    suite = builds(LmEvalResults, items=str(tmp_path))
    assert suite.metrics["acc"].chance == 0.5
    output = read_output(tmp_path, where="")
    (first,), (second,) = (output.tasks[task].rows(where="").values() for task in shapes)
    assert (first.target, first.outputs, first.prompt.split("\n---\n")[1]) == ("1", ("it rained",), "She ran because it rained")
    assert (second.target, second.outputs, second.choices) == ("b", ("a",), 2)


@pytest.mark.parametrize(("value", "weights"), [(0.5, {"a": 2.0, "b": 4.0}), (0.625, {"a": 1.0, "b": 1.0}), (0.9, None)])
def test_groups_weigh_their_tasks_as_lm_eval_did(
    tmp_path: Path, builds: Any, value: float, weights: dict[str, float] | None
) -> None:
    """By documents: (1 + 1 + 1) / 6. Alike: (1 + ¼) / 2. A value that neither gives is no group of ours."""
    for task, scores in {"a": [1.0, 1.0], "b": [1.0, 0.0, 0.0, 0.0]}.items():
        rows = [
            {"doc_id": n, "doc": {"q": n}, "target": "", "arguments": [["q", " c"]], "resps": [[[-1.0, True]]], "acc": score}
            for n, score in enumerate(scores)
        ]  # fmt: skip
        (tmp_path / f"samples_{task}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    results = {"a": {"acc,none": 1.0}, "b": {"acc,none": 0.25}, "inner": {}, "outer": {"acc,none": value}}
    said = {"results": results, "groups": {"inner": {}, "outer": {"acc,none": value}}, "configs": {"a": {}, "b": {}}}
    (tmp_path / "results.json").write_text(
        json.dumps({**said, "group_subtasks": {"outer": ["a", "inner"], "inner": ["b"], "a": []}})
    )
    groups = builds(LmEvalResults, items=str(tmp_path)).groups
    assert groups == ({} if weights is None else {"outer": {"acc": weights}})
    assert builds(LmEvalResults, items=str(tmp_path), tasks=("a",)).groups == {}, "a part of a group is not the group"


def test_contexts_of_a_chat_api_are_texts(tmp_path: Path) -> None:
    """lm-eval wraps the JSON of the messages into a tuple, which becomes a list of one."""
    chat = json.dumps([{"role": "user", "content": "2 + 2?"}])
    row = {"doc_id": 0, "doc": {"q": "a"}, "target": "4", "arguments": {"gen_args_0": {"arg_0": [chat], "arg_1": {"until": []}}}}
    (tmp_path / "samples_t.jsonl").write_text(json.dumps({**row, "resps": [["4"]], "filter": "none", "exact_match": 1.0}))
    (tmp_path / "results.json").write_text(json.dumps({"results": {"t": {"exact_match,none": 1.0}}}))
    (found,) = read_output(tmp_path, where="").tasks["t"].rows(where="").values()
    assert (found.prompt, found.outputs, found.generated, found.target) == (chat, ("4",), True, "4")


def test_rows_of_two_filters_without_their_names_follow_the_results(tmp_path: Path) -> None:
    same = {"target": "1", "arguments": [["q", {"until": []}]], "resps": [["1"]]}
    rows = [{"doc_id": n, "doc": {"q": n}, **same, "exact_match": score} for score in (1.0, 0.0) for n in range(2)]
    (tmp_path / "samples_t.json").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "results.json").write_text(
        json.dumps({"results": {"t": {"alias": "t", "exact_match,strict": 1.0, "exact_match,flexible": 0.0}}})
    )
    found = read_output(tmp_path, where="").tasks["t"].rows(where="")
    assert [row.metrics for row in found.values()] == [{"strict": {"exact_match": 1.0}, "flexible": {"exact_match": 0.0}}] * 2
