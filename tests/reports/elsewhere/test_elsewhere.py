"""What leaves for other tools says what was measured, in their words, and can hurt nobody who opens it."""

from __future__ import annotations

import csv
import io
import json
import posixpath
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from lxml import html as lxml_html

from harness.errors import EvaluationError, StoreError, UsageError
from harness.records import Conclusion, Health, Judgment, Measured
from harness.seals import sealed
from reports.elsewhere import notebook, tables, tracking
from reports.elsewhere.comparator import comparator
from reports.standing import standings
from tests.harness.runs import measured, samples
from tests.reports import fixtures
from tests.reports import told as telling


def read_csv(content: bytes) -> list[dict[str, str]]:
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


@pytest.fixture(scope="module")
def made() -> fixtures.Made:
    return fixtures.small()


def test_every_sample_is_a_row_with_its_score_and_its_slices(made: fixtures.Made) -> None:
    table = tables.sample_table(made[1])
    assert len(table) == sum(len(each.samples) for each in made[1].values())
    rows = {(row["suite"], row["candidate"], row["task"], row["key"]): row for row in table}
    for (suite, name), each in made[1].items():
        for sample in each.samples:
            row = rows[suite, name, sample.task, sample.key]
            for metric, value in (sample.scores or {}).items():
                assert row[f"score:{metric}"] == value
            assert (row["error"] is None) == (sample.scores is not None), "an error is not a zero, and has no score"


def test_every_finding_is_a_row_with_the_numbers_of_the_verdict(made: fixtures.Made) -> None:
    conclusion = made[0]
    rows = read_csv(tables.as_csv(tables.comparison_table(conclusion)))
    findings = [(verdict, finding) for verdict in conclusion.verdicts for finding in verdict.findings]
    for (verdict, finding), row in zip(findings, rows, strict=False):
        assert (row["candidate"], row["outcome"], row["verdict"]) == (verdict.candidate, finding.outcome, verdict.outcome)
        if finding.comparison is not None:
            assert float(row["gain"]) == finding.comparison.gain
            assert row["p"] == ("" if finding.comparison.p is None else repr(finding.comparison.p))


def test_no_cell_of_a_csv_is_a_formula_and_hostile_text_stays_text(made: fixtures.Made) -> None:
    rows = read_csv(tables.as_csv(tables.sample_table(made[1])))
    texts = [cell for row in rows for cell in row.values() if cell]
    assert any("HYPERLINK" in cell for cell in texts)
    numeric = [cell for cell in texts if cell[0] in "=+-@\t\r"]
    assert [cell for cell in numeric if not cell.lstrip("-").replace(".", "").replace("e-", "").isdigit()] == []


def test_parquet_holds_the_same_unchanged(made: fixtures.Made) -> None:
    from pyarrow import parquet

    table = tables.sample_table(made[1])
    read = parquet.read_table(io.BytesIO(tables.as_parquet(table))).to_pylist()
    assert read == table
    assert tables.as_csv([]) == b"\xef\xbb\xbf\r\n"
    assert parquet.read_table(io.BytesIO(tables.as_parquet([]))).num_rows == 0


def test_parquet_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match="pip install pyarrow"):
        tables.as_parquet([])


def judged(name: str, score: float, opinions: tuple[Judgment, ...] = ()) -> Measured:
    return measured(name, samples([score, 1.0, None], prompt=["1 + 1?"] * 3, judgments=[opinions, (), ()]))


def test_a_comparator_file_has_the_viewers_fields_and_its_sign() -> None:
    opinions = (
        Judgment(score=1.0, order="left", judge="j", reason="B is right"),
        Judgment(score=0.0, order="right", judge="j", reason="A stands first"),
        Judgment(score=None, order="left", judge="j"),
        Judgment(score=0.9, judge="pointwise"),
    )
    sides = {("facts", "base"): judged("base", 0.0), ("facts", "new"): judged("new", 1.0, opinions)}
    made, left_out = comparator(sides, "base", "new")
    content = json.loads(made)
    assert (len(content["examples"]), left_out) == (2, 1), "an error is no tie, as which the viewer would count it"
    assert set(content) == {"metadata", "models", "examples"}
    assert content["models"] == [{"name": "base"}, {"name": "new"}]
    schema = content["metadata"]["custom_fields_schema"]
    known = {"number", "string", "category", "text", "per_model_number", "per_model_text"}
    assert all(set(field) == {"name", "type"} and field["type"] in known for field in schema)
    first = content["examples"][0]
    assert set(first) == {
        "input_text", "tags", "output_text_a", "output_text_b", "score", "individual_rater_scores", "custom_fields",
    }  # fmt: skip
    assert set(first["custom_fields"]) == {field["name"] for field in schema}
    assert first["score"] == -1.0, "above zero means that A, the baseline, is better"
    assert content["examples"][1]["score"] == 0.0
    assert [(each["score"], each["is_flipped"]) for each in first["individual_rater_scores"]] == [(-1.0, True), (1.0, False)]
    assert first["custom_fields"]["score acc"] == [0.0, 1.0]


def test_what_has_no_score_on_the_viewers_scale_stays_out_of_it_and_is_counted(made: fixtures.Made) -> None:
    for name in fixtures.CANDIDATES:
        content, left_out = comparator(made[1], fixtures.BASELINE, name)
        scores = [each["score"] for each in json.loads(content)["examples"]]
        assert left_out > 0
        assert all(isinstance(score, float | int) and -1 <= score <= 1 for score in scores)


def test_a_tracker_gets_every_rules_numbers_under_names_that_it_takes(made: fixtures.Made) -> None:
    conclusion = made[0]
    for verdict in conclusion.verdicts:
        told = tracking.numbers(conclusion, made[1])[verdict.candidate]
        assert told["gate/pass"] == (verdict.outcome == "pass")
        gains = sorted(each.comparison.gain for each in verdict.findings if each.comparison is not None)
        assert sorted(value for name, value in told.items() if name.endswith("/gain")) == gains
        assert all(sign.isascii() and (sign.isalnum() or sign in "_-./ ") for name in told for sign in name)


def test_every_outlet_shows_the_gains_of_the_page() -> None:
    conclusion, measured, _ = fixtures.full()
    ranked = standings(conclusion, measured)
    told = tracking.numbers(conclusion, measured)
    assert [each.worst.gain for each in ranked if each.worst] == [
        told[each.candidate]["gate/worst_retained_gain"] for each in ranked
    ]
    alone = standings(conclusion, {})
    assert [(each.target, each.worst) for each in alone] == [(each.target, each.worst) for each in ranked], "as a notebook has it"


def test_without_the_runs_a_suite_is_still_spoken_of_by_the_metric_that_it_shows_first() -> None:
    seen = {f"s/t/{name}": telling.finding(metric=f"s/t/{name}").comparison for name in ("acc", "other", "lost")}
    gains = {"s/t/acc": -0.01, "s/t/other": -0.05, "s/t/lost": -0.02}
    comparisons = tuple(msgspec.structs.replace(each, gain=gains[name]) for name, each in seen.items() if each is not None)
    health = Health(candidate="c", suite="s", planned=1, asked=1, failed=0, metric="acc")
    said = msgspec.structs.replace(telling.concluded(), comparisons=comparisons, health=(health,))
    (standing,) = standings(said, {})
    assert standing.worst is not None
    assert (standing.worst.metric, standing.worst.gain) == ("s/t/acc", -0.01)


def test_mlflow_and_wandb_get_a_run_per_candidate(made: fixtures.Made, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    logged: dict[str, Any] = {}

    class Started:
        def __enter__(self) -> None: ...
        def __exit__(self, *_: object) -> None: ...

    def start_run(run_name: str) -> Started:
        logged.setdefault("runs", []).append(run_name)
        return Started()

    monkeypatch.setitem(
        sys.modules, "mlflow",
        SimpleNamespace(start_run=start_run, log_metrics=lambda values: logged.update(metrics=values),
                        set_tags=lambda words: logged.update(tags=words), log_artifact=lambda path: logged.update(report=path)),
    )  # fmt: skip
    lines = tracking.track("mlflow", made[0], made[1], tmp_path, tmp_path / "report.html")
    names = [verdict.candidate for verdict in made[0].verdicts]
    assert (logged["runs"], len(lines), logged["report"]) == (names, len(names), str(tmp_path / "report.html"))
    assert logged["tags"]["sftgate.outcome"] == made[0].verdicts[-1].outcome

    run = SimpleNamespace(summary={}, config={}, finish=lambda: logged.update(finished=True))
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=lambda **kinds: run))
    tracking.track("wandb", made[0], made[1], tmp_path, None)
    assert logged["finished"]
    assert run.summary == tracking.numbers(made[0], made[1])[names[-1]]
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UsageError, match="pip install wandb"):
        tracking.track("wandb", made[0], made[1], tmp_path, None)


def test_tensorboard_reads_back_what_was_logged(made: fixtures.Made, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tracking.track("tensorboard", made[0], made[1], tmp_path, None)
    name = made[0].verdicts[0].candidate
    (run,) = (tmp_path / name).iterdir()
    found = EventAccumulator(str(run))
    found.Reload()
    told = tracking.numbers(made[0], made[1])[name]
    assert {tag: found.Scalars(tag)[0].value for tag in found.Tags()["scalars"]} == pytest.approx(told)
    assert found.Scalars("gate/pass")[0].wall_time > 1.7e9, "seconds since 1970, by which TensorBoard orders runs"
    assert "sftgate.sentence" in found.Tags()["tensors"]


def test_a_verdict_of_another_day_is_another_run_in_tensorboard_and_no_name_leads_out_of_its_folder(tmp_path: Path) -> None:
    for day in ("2026-11-20T09:00:00+00:00", "2026-11-21T09:00:00+00:00"):
        tracking.track("tensorboard", msgspec.structs.replace(hostile("r"), created=day), {}, tmp_path / "tb", None)
    assert [path.name for path in tmp_path.iterdir()] == ["tb"]
    (candidate,) = (tmp_path / "tb").iterdir()
    assert sorted(path.name for path in candidate.iterdir()) == ["2026-11-20T090000", "2026-11-21T090000"]


def hostile(*rules: str) -> Conclusion:
    return telling.concluded(*(telling.finding(name=name) for name in rules), candidate="recipe:../../x")


def test_rules_of_any_name_get_names_that_mlflow_takes_each_its_own() -> None:
    rules = (
        "../x",
        "x",
        "x/",
        "x 2",
        "a//b",
        "a/./b",
        "..",
        "",
        "/abs",
        " lead",
        "é" * 600,
        "事实保持",
        "事实遗忘",
        "<img>",
        "a\nb",
    )
    told = tracking.numbers(hostile(*rules), {})["recipe:../../x"]
    assert sum(name.endswith("/gain") for name in told) == len(rules)
    for name in told:  # the rules of mlflow.utils.validation, which were tried with the library
        assert re.fullmatch(r"[/\w.\- :]*", name), name
        assert posixpath.normpath(name) == name, name
        assert not name.startswith(("..", "/")), name
        assert len(name) <= 250, name
    assert {"事实保持/gain", "事实遗忘/gain"} <= told.keys()


def test_what_a_tracker_complains_of_is_a_sentence(made: fixtures.Made, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def start_run(run_name: str) -> Any:
        raise RuntimeError("no server\nat http://127.0.0.1:9")

    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace(start_run=start_run))
    with pytest.raises(EvaluationError, match=r"mlflow did not take the verdict on '.*'\. RuntimeError: no server at http"):
        tracking.track("mlflow", made[0], made[1], tmp_path, None)
    (tmp_path / "file").touch()
    with pytest.raises(EvaluationError, match="tensorboard did not take the verdict"):
        tracking.track("tensorboard", made[0], made[1], tmp_path / "file", None)


def test_a_notebook_shows_a_verdict_and_runs_nothing(made: fixtures.Made, tmp_path: Path) -> None:
    path = tmp_path / "verdict.json"
    path.write_bytes(sealed(msgspec.json.encode(made[0])))
    shown = notebook.verdict(tmp_path)
    text = shown._repr_html_()
    tree = lxml_html.fromstring(f"<div>{text}</div>")
    assert {each.tag for each in tree.iter()} <= {"div", "p", "b", "table", "thead", "tbody", "tr", "th", "td", "br"}
    assert not [each for each in tree.iter() if each.attrib]
    for verdict in made[0].verdicts:
        assert verdict.candidate in text
    assert made[0].verdicts[0].candidate in repr(shown)
    assert "May ship too: " in text or "Don’t ship " in text, "whom the answer is about is not all that it says"
    assert "90% interval" in text
    path.write_bytes(path.read_bytes().replace(b"careless", b"harmless"))
    with pytest.raises(StoreError, match="changed"):
        notebook.verdict(path)
    with pytest.raises(StoreError, match="cannot be read"):
        notebook.verdict(tmp_path / "nowhere.json")


def test_a_verdict_of_another_version_is_named_by_its_format(made: fixtures.Made, tmp_path: Path) -> None:
    path = tmp_path / "verdict.json"
    path.write_bytes(sealed(b'{"format": 2, "verdict": "in other words"}'))
    with pytest.raises(StoreError, match="has format 2, and this sftgate reads format 1"):
        notebook.verdict(path)
