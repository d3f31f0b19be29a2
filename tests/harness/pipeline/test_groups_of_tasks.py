"""Groups the whole way: from an lm-eval group file to a verdict about the group, its error bars, and the print-out before it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.config import load
from harness.errors import ConfigError
from harness.pipeline import conclude, measure, prepare, preview
from harness.pipeline.concluding import read_measured
from reports.standing import standings

pytest.importorskip("lm_eval", reason="lm-eval is an extra")

TASK = """
task: NAME
dataset_path: json
dataset_kwargs: {data_files: {test: NAME.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{q}}"
doc_to_target: "{{a}}"
generation_kwargs: {until: ["\\n"], max_gen_toks: 8}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
"""
GROUP = "group: both\ntask: [small, large]\naggregate_metric_list: [{metric: exact_match, weight_by_size: false}]\n"
SIZES = {"small": 40, "large": 160}
NON_INFERIOR: dict[str, Any] = {"require": "non_inferior", "margin": 0.15}


def config(folder: Path, *rules: dict[str, Any], **suite: Any) -> Path:
    """Two tasks in a group; ``new`` is worse in the small one: 10 of 40, which is 5 points of all items, and 12.5 of the group."""
    for name, size in SIZES.items():
        rows = [{"q": f"{name} {index} ", "a": str(index)} for index in range(size)]
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        (folder / f"{name}.yaml").write_text(TASK.replace("NAME", name))
    (folder / "both.yaml").write_text(GROUP)
    right = {f"{name} {index} ": str(index) for name, size in SIZES.items() for index in range(size) if index % 20}
    lost = {f"small {index} ": "none" for index in range(1, 11)}
    written = {
        "baseline": "old",
        "candidates": [
            {"name": "old", "engine": "fake", "options": {"answers": right}},
            {"name": "new", "engine": "fake", "reference": "old", "options": {"answers": right | lost}},
        ],
        "suites": [{"name": "qa", "use": "lm_eval", "options": {"tasks": ["both"], "include": "."}, **suite}],
        "rules": list(rules),
        "bad_answers": False,
    }
    (folder / "gate.yaml").write_text(json.dumps(written))
    return folder / "gate.yaml"


def test_a_rule_that_names_the_group_is_about_the_group_and_a_wildcard_about_its_tasks(tmp_path: Path) -> None:
    path = config(
        tmp_path,
        {"metric": "qa/both/exact_match", **NON_INFERIOR},
        {"metric": "qa/*/exact_match", "pool": True, **NON_INFERIOR},
        {"metric": "qa/both/lost", "require": "at_most", "value": 0.5, "against": "reference"},
        retained=True,
        expect={"both/exact_match": [0.9, 1.0], "exact_match": [0.9, 1.0]},
    )
    prepared = prepare(load(path))
    assert {"qa/both/exact_match", "qa/both/lost", "qa/small/exact_match"} <= prepared.metric_ids()
    assert prepared.group_ids() == {"qa/both"}
    shown = preview(prepared).plan.forecasts
    assert [(each.metric, each.items) for each in shown[:3]] == [
        ("qa/both/exact_match", 200), ("qa/*/exact_match", 200), ("qa/both/lost", 200),
    ]  # fmt: skip
    measure(prepared)
    measured = read_measured(load(path))
    assert measured["qa", "new"].run.groups == {"both": {"exact_match": {"small": 1.0, "large": 1.0}}}
    found = conclude(load(path), measured)
    group, pooled, lost = found.verdicts[0].findings
    assert group.comparison is not None
    assert pooled.comparison is not None
    assert lost.comparison is not None
    assert group.comparison.gain == pytest.approx(-10 / 40 / 2)
    assert pooled.comparison.gain == pytest.approx(-10 / 200)
    assert lost.comparison.candidate_value == pytest.approx(10 / 40 / 2)
    assert (group.outcome, pooled.outcome) != ("pass", "pass")
    assert pooled.outcome == "pass"
    assert group.comparison.low is not None
    assert group.comparison.high is not None
    assert group.comparison.low < -0.125 < group.comparison.high
    assert {each.metric for each in found.comparisons} >= {"qa/both/exact_match", "qa/small/exact_match", "qa/large/exact_match"}
    assert next(iter(found.health)).value == pytest.approx(190 / 200)


@pytest.mark.parametrize("glob", ["qa/bo*/exact_match", "qa/both/acc"])
def test_a_rule_that_nothing_answers_is_refused_before_anything_is_asked(tmp_path: Path, glob: str) -> None:
    with pytest.raises(ConfigError, match="no suite provides"):
        prepare(load(config(tmp_path, {"metric": glob, **NON_INFERIOR})))


def test_the_leaderboards_general_gain_counts_no_task_twice(tmp_path: Path) -> None:
    path = config(tmp_path, retained=True)
    (tmp_path / "both.yaml").write_text(GROUP.replace("false", "true"))
    measure(prepare(load(path)))
    measured = read_measured(load(path))
    (standing,) = standings(conclude(load(path), measured), measured)
    assert standing.general is not None
    assert standing.general.gain == pytest.approx(-10 / 40 / 2), "the group's own gain is 5 points"
