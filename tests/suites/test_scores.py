"""Scores of other tools: read strictly, stored once per content, compared over what both sides have."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.cli import main
from harness.errors import UsageError
from harness.records import Conclusion
from harness.store import Store
from suites.score_files import read_scores
from suites.scores import readings

GOOD = [{"key": f"q{index}", "metric": "acc", "score": int(index % 5 > 0), "cluster": f"c{index // 2}"} for index in range(60)]


def jsonl(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_both_kinds_of_file_say_the_same(tmp_path: Path) -> None:
    lines = jsonl({"key": "a", "metric": m, "score": s, "draw": d, "task": "t", "slice.lang": "zh"}
                  for m, s, d in (("acc", 1, 0), ("acc", 0, 1), ("f1", 0.25, 0)))  # fmt: skip
    table = "key,metric,score,draw,task,slice.lang\na,acc,1,0,t,zh\na,acc,0,1,t,zh\n\na,f1,.25,,t,zh\n"
    (tmp_path / "a.jsonl").write_text(lines)
    (tmp_path / "b.csv").write_bytes(b"\xef\xbb\xbf" + table.replace("\n", "\r\n").encode())
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(table.encode()))
    seen = []
    for name in ("a.jsonl", "b.csv", "c.csv.gz"):
        found = read_scores(tmp_path / name)
        assert (found.items["a"].task, found.items["a"].slices, found.items["a"].cluster) == ("t", {"lang": "zh"}, None)
        seen.append({metric: {draw: row.score for draw, row in draws.items()} for metric, draws in found.values["a"].items()})
    assert seen[0] == seen[1] == seen[2] == {"acc": {0: 1.0, 1: 0.0}, "f1": {0: 0.25}}


HEAD = "key,metric,score"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "", ("empty", "key, metric, score")),
        ("a.csv", " \n \n", ("empty",)),
        ("a.csv", f"{HEAD}\n", ("no score",)),
        ("a.jsonl", "", ("empty",)),
        ("a.txt", "x", (".jsonl", ".csv")),
        ("a.csv", "key;metric;score\na;b;1\n", ("line 1", "parted by commas")),
        ("a.csv", "key,score\na,1\n", ("line 1", "found the columns key, score", "metric")),
        ("a.csv", "key,metric,score,key\na,b,1,a\n", ("column 'key' occurs twice",)),
        ("a.csv", f"{HEAD},clutser\na,m,1,x\n", ("line 2", "clutser", "Did you mean 'cluster'")),
        ("a.csv", f"{HEAD}\na,m\n", ("line 2", "found 2 values", "expected 3")),
        ("a.csv", f"{HEAD}\na,m,1,2\n", ("line 2", "found 4 values")),
        ("a.csv", f"{HEAD}\na,m,nan\n", ("line 2", "'nan'", "finite number")),
        ("a.csv", f"{HEAD}\na,m,1e308\n", ("line 2", "1e+308", "between -1e100 and 1e100")),
        ("a.jsonl", '{"key":"a","metric":"m","score":-1e101}\n', ("line 1", "-1e+101", "between -1e100 and 1e100")),
        ("a.jsonl", '{"key":"q1","metric":"m","score":1,"key":"q2"}\n', ("line 1", "the field 'key' occurs twice")),
        ("a.csv", f"{HEAD}\na,m,inf\n", ("line 2", "'inf'")),
        ("a.csv", f"{HEAD}\na,m,1e999\n", ("line 2", "1e999")),
        ("a.csv", f"{HEAD}\na,m,1_000\n", ("line 2", "1_000")),
        ("a.csv", f"{HEAD}\na,m,１\n", ("line 2", "１")),
        ("a.csv", f'{HEAD}\na,m,"0,5"\n', ("line 2", "'0,5'")),
        ("a.csv", f"{HEAD}\na,m,good\n", ("line 2", "'good'")),
        ("a.csv", f"{HEAD}\na,m,\n", ("line 2", "score missing")),
        ("a.csv", f"{HEAD}\n,m,1\n", ("line 2", "key missing")),
        ("a.csv", f'{HEAD}\na,m,"1\n', ("not CSV",)),
        ("a.csv", f"{HEAD}\na,m,1\nb,m,0\na,m,0\n", ("lines 2 and 4", "'m'", "'a'")),
        ("a.csv", f"{HEAD},draw\na,m,1,0\na,m,1,1\na,m,0,1\n", ("lines 3 and 4", "draw 1")),
        ("a.csv", f"{HEAD},draw\na,m,1,0\na,m,1,1\nb,m,0,0\n", ("line 4", "'b' has draw 0", "'a' has 2 draws (0, 1)")),
        ("a.csv", f"{HEAD},draw\na,m,1,-1\n", ("line 2", "draw is '-1'")),
        ("a.csv", f"{HEAD},cluster\na,m,1,x\na,n,1,y\n", ("cluster of item 'a'", "'x' on line 2", "'y' on line 3")),
        ("a.csv", f"{HEAD},task\na,m,1,x\na,n,1,\n", ("task of item 'a'", "'nothing' on line 3")),
        ("a.csv", f"{HEAD}\na,a/b,1\n", ("line 2", "metric is 'a/b'")),
        ("a.csv", f"{HEAD}\na,m*,1\n", ("metric is 'm*'",)),
        ("a.csv", f"{HEAD}\na,lost,1\n", ("'lost'", "already means something")),
        ("a.csv", f"{HEAD},task\na,m,1,../x\n", ("task is '../x'",)),
        ("a.csv", f"{HEAD}\n\x1b[31m,m,1\n", ("key is", "controls a terminal")),
        ("a.jsonl", '{"key": "a", "metric": "m"}\n', ("line 1", "score missing")),
        ("a.jsonl", '{"key": "a", "metric": "m", "score": NaN}\n', ("line 1", "not JSON")),
        ("a.jsonl", '{"key": "a", "metric": "m", "score": 1e999}\n', ("line 1",)),
        ("a.jsonl", '{"key": "a", "metric": "m", "score": ' + "9" * 400 + "}\n", ("line 1", "finite number")),
        ("a.jsonl", '{"key": "a", "metric": "m", "score": null}\n', ("line 1", "score missing")),
        ("a.jsonl", '{"key": "a", "metric": "m", "score": [1]}\n', ("line 1", "[1]")),
        ("a.jsonl", '{"key": true, "metric": "m", "score": 1}\n', ("line 1", "key is True")),
        ("a.jsonl", '{"key": 1.5, "metric": "m", "score": 1}\n', ("line 1", "key is 1.5")),
        ("a.jsonl", '{"key": "a", "metric": "m", "score": 1, "draw": true}\n', ("line 1", "draw is 'True'")),
        ("a.jsonl", '{"key": "a", "metric": "m", "score": 1, "slices": {"a": "b"}}\n', ("line 1", "'slices'", "slice.NAME")),
        ("a.jsonl", '[1]\n', ("line 1", "list")),
        ("a.jsonl", "{", ("line 1", "not JSON")),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_with_its_line(tmp_path: Path, name: str, content: str, words: tuple[str, ...]) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError) as raised:
        read_scores(path)
    for word in (name, *words):
        assert word in str(raised.value)


def test_another_encoding_and_what_is_no_gzip(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(f"{HEAD}\na,m,1\n".encode("utf-16"))
    with pytest.raises(UsageError, match="not UTF-8"):
        read_scores(tmp_path / "a.csv")
    (tmp_path / "b.csv.gz").write_bytes(b"key,metric,score")
    with pytest.raises(UsageError, match="cannot be read"):
        read_scores(tmp_path / "b.csv.gz")


def test_kinds_are_seen_and_what_is_said_must_be_true(tmp_path: Path) -> None:
    rows = [("a", 1, 0.5, 3, 87.5), ("b", 0, 1.0, 5, -1.0)]
    lines = [{"key": k, "metric": m, "score": s} for k, *scores in rows for m, s in zip("abcd", scores, strict=True)]
    (tmp_path / "a.jsonl").write_text(jsonl(lines))
    scores = read_scores(tmp_path / "a.jsonl")
    found = readings(scores, lower=["d"], kinds={"c": "count"})
    assert {name: (each.kind, each.direction) for name, each in found.items()} == {
        "a": ("binary", "higher"), "b": ("bounded", "higher"), "c": ("count", "higher"), "d": ("real", "lower"),
    }  # fmt: skip
    for kinds, words in (
        ({"b": "binary"}, "its score on line 2 is 0.5; expected 0 or 1"),
        ({"d": "count"}, "line 4 is 87.5; expected 0, 1, 2"),
        ({"c": "bounded"}, "from 0 to 1"),
        ({"a": "corpus"}, "cannot be read as 'corpus'"),
        ({"A": "real"}, "no metric 'A'"),
    ):
        with pytest.raises(UsageError, match=words):
            readings(scores, lower=[], kinds=kinds)
    with pytest.raises(UsageError, match="no metric 'x'"):
        readings(scores, lower=["x"], kinds={})


CONFIG = """
baseline = "old"
candidates = [{ name = "old", engine = "none" }, { name = "new", engine = "none" }]
suites = [{ name = "mmlu", use = "scores" }]
[[rules]]
metric = "mmlu/acc"
require = "non_inferior"
margin = 0.1
"""


class Imports:
    """A folder with a config, into whose store score files are imported."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        self.config = folder / "gate.toml"
        self.config.write_text(CONFIG)

    def file(self, rows: Iterable[dict[str, Any]], name: str = "scores.jsonl") -> Path:
        (self.folder / name).write_text(jsonl(rows))
        return self.folder / name

    def __call__(self, *words: str, code: int = 0) -> str:
        found = main(list(words))
        captured = self.capsys.readouterr()
        assert found == code, captured
        assert "Traceback" not in captured.err
        return captured.out + captured.err

    def scores(self, who: str, rows: Iterable[dict[str, Any]], *flags: str, code: int = 0) -> str:
        where = ["--config", str(self.config)] if "--store" not in flags else []
        return self("import", "scores", str(self.file(rows)), "--candidate", who, "--suite", "mmlu", *where, *flags, code=code)

    def conclusion(self) -> Conclusion:
        return msgspec.json.decode((self.folder / "runs" / "verdict.json").read_bytes(), type=Conclusion)

    @property
    def folders(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "runs" / "mmlu").iterdir())


@pytest.fixture
def imports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Imports:
    return Imports(tmp_path, capsys)


def changed(**scores: float) -> list[dict[str, Any]]:
    return [{**row, "score": scores.get(row["key"], row["score"])} for row in GOOD]


def test_imported_scores_are_gated_like_our_own(imports: Imports) -> None:
    said = imports("gate", str(imports.config), code=12)
    assert "no scores of 'old' were imported" in said
    assert f"sftgate import scores FILE --candidate old --suite mmlu --config {imports.config}" in said
    imports.scores("old", GOOD)
    assert "--candidate new --suite mmlu" in imports("run", str(imports.config), code=12)
    imports.scores("new", changed(q1=0))
    assert "clusters" in imports("run", str(imports.config))
    found = imports.conclusion().comparisons[0]
    assert (found.items, found.clusters, found.lost, found.won) == (60, 30, 1, 0)
    imports("measure", str(imports.config))
    assert imports("gate", str(imports.config)), "measuring keeps what no measuring can bring back"
    assert "mmlu/acc" in imports("compare", str(imports.config))
    assert "q1" in imports("show", str(imports.config), "--lost", "new")
    imports.scores("new", changed(**{f"q{index}": 0 for index in range(0, 60, 2)}))
    imports("gate", str(imports.config), code=10)


def test_the_same_content_is_one_run_and_other_content_another(imports: Imports) -> None:
    imports.scores("old", GOOD)
    first = imports.folders
    assert "was imported before" in imports.scores("old", reversed(GOOD))
    (imports.folder / "a.csv").write_text("key,metric,score,cluster\n" + "".join(
        f"{row['key']},acc,{row['score']}.0,{row['cluster']}\n" for row in GOOD))  # fmt: skip
    flags = ("--candidate", "old", "--suite", "mmlu", "--store", str(imports.folder / "runs"))
    assert "was imported before" in imports("import", "scores", str(imports.folder / "a.csv"), *flags)
    assert imports.folders == first
    imports.scores("old", changed(q1=0))
    assert len(imports.folders) == 2
    assert Store(imports.folder / "runs").current()["mmlu", "old"].name not in first
    imports.scores("old", GOOD)
    assert [Store(imports.folder / "runs").current()["mmlu", "old"].name] == first


def test_scores_that_were_changed_in_the_store_are_imported_again(imports: Imports) -> None:
    imports.scores("old", GOOD)
    imports.scores("new", changed(q1=0))
    for file in (imports.folder / "runs" / "mmlu").glob("*/run.json"):
        fields = json.loads(file.read_text())
        file.write_text(json.dumps({name: value for name, value in fields.items() if name != "seal"}))
    assert "What was imported is imported again" in " ".join(imports("gate", str(imports.config), code=13).split())
    imports.scores("old", GOOD)
    imports.scores("new", changed(q1=0))
    imports("gate", str(imports.config))


def test_items_of_one_side_are_missing_ones_and_bounded_by_the_rule(imports: Imports) -> None:
    imports.scores("old", GOOD)
    assert "3 items of old have no score here, and 1 here have none there" in imports.scores(
        "new", [*changed()[3:], {"key": "more", "metric": "acc", "score": 1, "cluster": "c"}]
    )
    imports("gate", str(imports.config), code=11)
    assert "4 items are on one side only" in imports.conclusion().verdicts[0].findings[0].reason
    imports.config.write_text(CONFIG + "max_missing = 0.1\n")
    imports("gate", str(imports.config))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda row: {**row, "cluster": "other"}, "another task, cluster or slice"),
        (lambda row: {**row, "slice.lang": "zh"}, "another task, cluster or slice"),
        (lambda row: {**row, "key": f"x{row['key']}"}, "of which none has a key of the baseline's"),
    ],
)
def test_other_items_under_the_same_keys_cannot_be_compared(
    imports: Imports, change: Callable[[dict[str, Any]], dict[str, Any]], words: str
) -> None:
    imports.scores("old", GOOD)
    imports.scores("new", map(change, GOOD))
    imports("gate", str(imports.config), code=12)
    assert words in imports.conclusion().verdicts[0].findings[0].reason


def test_one_metric_is_read_in_one_way(imports: Imports) -> None:
    imports.scores("old", GOOD)
    said = imports.scores("new", changed(q1=1.5), code=2)
    assert "'acc' of 'mmlu' is real, higher is better here, and binary, higher is better in what was imported for 'old'" in said
    assert "lower is better here" in imports.scores("new", GOOD, "--lower", "acc", code=2)
    imports.scores("new", changed(q1=0.5))
    imports("gate", str(imports.config))


def test_draws_of_different_numbers_cannot_be_compared(imports: Imports) -> None:
    imports.scores("old", [{**row, "draw": draw} for row in GOOD for draw in (0, 1)])
    imports.scores("new", GOOD)
    imports("gate", str(imports.config), code=12)
    imports.scores("new", [{**row, "draw": draw} for row in GOOD for draw in (0, 1)])
    assert "identical" in imports("gate", str(imports.config))


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--candidate", "nwe", "--suite", "mmlu"), "Did you mean 'new'"),
        (("--candidate", "new", "--suite", "mmul"), "Did you mean 'mmlu'"),
        (("--candidate", "../new", "--suite", "mmlu"), "cannot be the name of a candidate"),
        (("--candidate", "new", "--suite", "a/../../b"), "cannot be the name of a suite"),
        (("--candidate", "new", "--suite", "human"), "cannot be the name of a suite"),
        (("--candidate", "new", "--suite", "mmlu", "--kind", "acc"), "METRIC=KIND"),
        (("--candidate", "new", "--suite", "mmlu", "--kind", "f1=real"), "no metric 'f1'"),
    ],
)
def test_names_and_flags_that_do_not_fit(imports: Imports, flags: tuple[str, ...], words: str) -> None:
    file = imports.file(GOOD)
    assert words in imports("import", "scores", str(file), *flags, "--config", str(imports.config), code=2)
    assert not (imports.folder / "runs").exists()


def test_a_file_that_is_not_there_and_a_suite_that_asks(imports: Imports) -> None:
    imports.file(GOOD)
    absent = str(imports.folder / "scores.jsnol")
    flags = ("--candidate", "old", "--suite", "mmlu", "--config", str(imports.config))
    assert "Did you mean 'scores.jsonl'" in imports("import", "scores", absent, *flags, code=2)
    assert "is a folder" in imports("import", "scores", str(imports.folder), *flags, code=2)
    (imports.folder / "items.jsonl").write_text('{"prompt": "one?", "target": "1"}\n')
    asking = '{ name = "mmlu", use = "prompted", options = { items = "items.jsonl" } }'
    imports.config.write_text(CONFIG.replace('{ name = "mmlu", use = "scores" }', asking))
    assert 'use = "scores"' in imports("import", "scores", str(imports.folder / "scores.jsonl"), *flags, code=2)
    assert "engine = 'none' and answers nothing" in imports("measure", str(imports.config), code=2)
    imports.config.write_text(CONFIG.replace('use = "scores"', 'use = "scores", options = { items = "x" }'))
    assert "suites[0].options" in imports("measure", str(imports.config), code=2)
    imports.config.write_text(CONFIG.replace('engine = "none"', 'engine = "none", options = { x = 1 }', 1))
    assert "candidates[0].options" in imports("measure", str(imports.config), code=2)


def test_scores_beside_a_suite_that_asks(imports: Imports) -> None:
    items = [{"key": f"k{index}", "prompt": f"question {index}", "target": f"question {index}"} for index in range(40)]
    (imports.folder / "items.jsonl").write_text(jsonl(items))
    text = CONFIG.replace('engine = "none"', 'engine = "fake"')
    text = text.replace("suites = [", 'suites = [{ name = "qa", use = "prompted", options = { items = "items.jsonl" } }, ')
    imports.config.write_text(text)
    imports.scores("old", GOOD)
    imports.scores("new", changed(q1=0))
    imports("run", str(imports.config))
    assert {health.suite for health in imports.conclusion().health} == {"qa", "mmlu"}
    assert imports.conclusion().verdicts[0].findings[0].outcome == "pass"
    before = imports.conclusion()
    imports("run", str(imports.config), "--smoke", "3", code=11)
    assert imports.conclusion() == before, "a smoke run leaves the verdict of the full one alone"
    imports("gate", str(imports.config))


def test_imported_scores_can_be_pinned(imports: Imports) -> None:
    imports.scores("old", GOOD)
    imports.scores("new", changed(q1=0))
    imports("gate", str(imports.config))
    imports("baseline", "promote", str(imports.config), "new")
    imports.config.write_text(CONFIG.replace('baseline = "old"', 'baseline = "pin"'))
    imports.scores("new", changed(q2=0))
    imports("run", str(imports.config))
    assert imports.conclusion().baseline == "pin:new"
    found = next(each for each in imports.conclusion().comparisons if each.candidate == "new")
    assert (found.won, found.lost) == (1, 1)
