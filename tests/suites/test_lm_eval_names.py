"""Names are found as lm-eval finds them, without its scan; groups and tags stand for the tasks that lm-eval builds from them."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ConfigError

pytest.importorskip("lm_eval", reason="lm-eval is an extra")

from suites import lm_eval_index
from suites.lm_eval import LmEval
from suites.lm_eval_catalogue import task_files
from suites.lm_eval_index import heads, index_of, installed, yaml_files

HEADS = {
    "a_plain.yaml": "task: plain\ntag: one\n",
    "b_quoted.yaml": "task: 'quoted'  # a comment\ntag:\n  - one\n  - two\n",
    "c_includes.yaml": "include: shared\ntask: included\n",
    "shared": "tag: [two, three]\ntask: never\ndescription: 'task: no'\n",
    "d_flow.yaml": "{task: flow, tag: one}\n",
    "e_group.yaml": "group: bunch\ntask:\n  - plain\n  - flow\n",
    "f_twice.yaml": "task: plain\ntag: late\n",
    "g_tag_first.yaml": "group: one\ntask: [plain]\n",
    "h_class.yaml": "task: python\nclass: !function code.Task\ngroup: nothing\n",
    "i_block.yaml": "doc_to_text: |\n  task: inner\n  group: inner\ntask: block # yes\n",
    "j_continued.yaml": "task: two\n  words\n",
    "k_broken.yaml": "task: [unclosed\n",
    "l_nothing.yaml": "dataset_path: json\n",
    "m_loop.yaml": "include: m_loop.yaml\ntask: loop\n",
    "o_yes.yaml": "task: 'yes'\ntag: off-tag\n",
    "p_quoted_key.yaml": '"task": keyed\n"tag": one\n',
    "q_colon.yaml": "task: a:b/c-d.e\n",
    "r_inherits.yaml": "include: [a_plain.yaml, shared]\ndataset_path: json\n",
    "s_late.yaml": "description: x\ntask:   spaced   \ntag: two\n",
    "t_document.yaml": "---\ntask: document\n",
    "sub/z_deep.yaml": "include: ../shared\ntask: deep\n",
    "__pycache__/x.yaml": "task: hidden\n",
}
KINDS = {"TASK": "task", "PY_TASK": "task", "GROUP": "group", "TAG": "tag"}


def theirs(manager: Any) -> dict[str, tuple[str, str | None, tuple[str, ...]]]:
    """lm-eval's index: kind, file, and a tag's tasks, by name."""
    return {
        name: (kind, None if entry.yaml_path is None else str(entry.yaml_path), tuple(sorted(entry.tags)) if kind == "tag" else ())
        for name, entry in manager.task_index.items()
        if isinstance(name, str)
        for kind in [KINDS[entry.kind.name]]
    }


def ours(index: Any) -> dict[str, tuple[str, str | None, tuple[str, ...]]]:
    return {name: (entry.kind, entry.path, entry.members) for name, entry in index.items()}


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Task files written in every odd way."""
    for name, text in HEADS.items():
        (tmp_path / "odd" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "odd" / name).write_text(text)
    return tmp_path / "odd"


def test_heads_say_what_whole_files_say_to_lm_eval(odd: Path) -> None:
    from lm_eval.tasks import TaskManager

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    expected = theirs(TaskManager(include_path=str(odd), include_defaults=False))
    assert {"plain", "one", "bunch", "python", "block", "two words", "keyed", "deep", "three"} <= set(expected)
    assert ours(index_of(heads(yaml_files(odd)))) == expected


@pytest.mark.full
def test_all_names_of_the_installed_package_are_known() -> None:
    from lm_eval.tasks import TaskManager

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    assert ours(installed()) == theirs(TaskManager(include_defaults=True))


@pytest.fixture
def package(odd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small package in place of lm-eval, and a cache of its own."""
    (odd / "tasks").mkdir()
    for path in [*odd.glob("*.yaml"), odd / "shared"]:
        path.rename(odd / "tasks" / path.name)
    (odd / "__init__.py").touch()

    class Spec:
        origin = str(odd / "__init__.py")

    monkeypatch.setattr(lm_eval_index.importlib.util, "find_spec", lambda _: Spec)
    monkeypatch.setenv("SFTGATE_CACHE", str(tmp_path / "cache"))
    installed.cache_clear()
    yield odd / "tasks"
    installed.cache_clear()


def test_the_installed_names_are_kept_until_a_file_changes(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ours(installed())
    (kept,) = (tmp_path / "cache").iterdir()
    installed.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(lm_eval_index, "heads", lambda _: pytest.fail("read again"))
        assert ours(installed()) == first
    (package / "a_plain.yaml").write_text("task: renamed_since\n")
    installed.cache_clear()
    assert "renamed_since" in installed()
    kept.write_text("{not json")
    (package / "a_plain.yaml").write_text(HEADS["a_plain.yaml"])
    installed.cache_clear()
    assert ours(installed()) == first


def test_a_cache_that_cannot_be_used_costs_time_and_nothing_else(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del package
    (tmp_path / "file").touch()
    monkeypatch.setenv("SFTGATE_CACHE", str(tmp_path / "file" / "below"))
    assert "plain" in installed()


def test_without_lm_eval_there_are_no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lm_eval_index.importlib.util, "find_spec", lambda _: None)
    installed.cache_clear()
    assert installed() == {}
    installed.cache_clear()


# -------------------------------------------------------------------------------------------------------- groups and tags

TASK = """
task: NAME
tag: TAG
dataset_path: json
dataset_kwargs: {data_files: {test: rows.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{q}}"
doc_to_choice: ["yes", "no"]
doc_to_target: 0
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
"""
GROUPS = {
    "inner.yaml": """
group: inner
task: [one, two]
description: 'Inner. '
aggregate_metric_list: {metric: acc, weight_by_size: false}
""",
    "outer.yaml": """
group: outer
task:
  - inner
  - {task: three, description: 'Mine. '}
  - pair
  - {group: inline, task: [{task: six, dataset_path: json, dataset_kwargs: {data_files: {test: rows.jsonl}}, test_split: test,
     output_type: multiple_choice, doc_to_text: '{{q}}', doc_to_choice: ['yes', 'no'], doc_to_target: 1}]}
aggregate_metric_list:
  - {metric: acc, aggregation: mean}
  - {metric: acc_norm, filter_list: [none], weight_by_size: false}
""",
}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five tasks of which two share a tag, a group, and a group of that group, the tag, a task and an inline group."""
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps({"q": f"q{index}"}) for index in range(3)))
    for name, tag in {"one": "x", "two": "x2", "three": "y", "four": "pair", "five": "pair"}.items():
        (tmp_path / f"{name}.yaml").write_text(TASK.replace("NAME", name).replace("TAG", tag))
    for name, text in GROUPS.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)  # lm-eval itself looks for data files in the working directory
    return tmp_path


@pytest.mark.parametrize("name", ["one", "pair", "inner", "outer"])
def test_a_name_stands_for_the_tasks_that_lm_eval_builds(tree: Path, name: str) -> None:
    from lm_eval.tasks import TaskManager

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    loaded = TaskManager(include_path=str(tree), include_defaults=False).load([name])
    files, groups = task_files((name,), (str(tree),), folder=tree, where="x")
    assert [file.name for file in files] == list(loaded["tasks"])
    for file in files:
        assert (file.config.get("description") or "") == (loaded["tasks"][file.name].get_config("description") or "")
    expected = {name: [task.task_name for task in group.get_all_tasks()] for name, group in loaded["groups"].items()}
    assert {group.name: list(group.tasks) for group in groups} == expected


def test_groups_carry_lm_evals_weights(tree: Path, builds: Any) -> None:
    suite = builds(LmEval, tasks=("outer",), include=".")
    tasks = ["one", "two", "three", "four", "five", "outer::inline::six"]
    assert suite.groups == {
        "inner": {"acc": {"one": 1.0, "two": 1.0}},
        "outer": {"acc": dict.fromkeys(tasks, 3.0), "acc_norm": dict.fromkeys(tasks, 1.0)},
    }
    assert builds(LmEval, tasks=("outer",), include=".", metrics=("acc",)).groups["outer"] == {"acc": dict.fromkeys(tasks, 3.0)}
    limited = builds(LmEval, tasks=("outer",), include=".", limit=2)
    assert set(limited.groups["outer"]["acc"].values()) == {2.0}
    assert suite.fingerprint() != builds(LmEval, tasks=("inner", "three", "pair"), include=".").fingerprint()


def test_a_file_of_ones_own_comes_before_the_installed_task(tree: Path, builds: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "arc_easy.yaml").write_text(TASK.replace("NAME", "arc_easy").replace("TAG", "ai2_arc"))
    with monkeypatch.context() as patched:
        patched.setattr("suites.lm_eval_catalogue.installed", lambda: pytest.fail("looked up although it is there"))
        suite = builds(LmEval, tasks=("arc_easy",), include=".")
    assert len(list(suite.items())) == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("group: bad\ntask: [one, nobody_knows_this]\n", "no task, group or tag is called 'nobody_knows_this'"),
        ("group: bad\ntask: [one, 3]\n", "found 3 among its tasks"),
        ("group: bad\ntask: [{dataset_path: json}]\n", "expected a name, or a mapping with 'task' or 'group'"),
        ("group: bad\ntask: []\n", "no task is named"),
        ("group: bad\ntask: [one]\naggregate_metric_list: [acc]\n", "found 'acc' in aggregate_metric_list"),
        ("group: bad\ntask: [one]\naggregate_metric_list: [{metric: acc, weight: 2}]\n", "'weight': 2"),
        ("group: bad\ntask: [one]\naggregate_metric_list: [{metric: acc, aggregation: max}]\n", "know only 'mean'"),
        ("group: bad\ntask: [one, bad]\n", "group 'bad' is among its own tasks"),
        ("group: bad\ntask: [one, {group: other, task: [bad]}]\n", "group 'bad' is among its own tasks"),
        ("group: x/y\ntask: [one, {task: x-y, dataset_path: json}]\n", "x/y::x-y"),
    ],
)
def test_bad_groups_are_named(tree: Path, builds: Any, text: str, says: str) -> None:
    (tree / "bad.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        builds(LmEval, tasks=("bad.yaml",), include=".")
    assert says in str(error.value)


def test_a_task_and_a_group_of_one_name_are_refused(tree: Path, builds: Any) -> None:
    (tree / "bad.yaml").write_text("group: a-b\ntask: [two, three]\n")
    (tree / "worse.yaml").write_text(TASK.replace("NAME", "a/b").replace("TAG", "z"))
    with pytest.raises(ConfigError, match="a task and a group are both called a-b"):
        builds(LmEval, tasks=("a-b", "a/b"), include=".")
