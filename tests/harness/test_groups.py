"""Groups: tasks read together as one stratified metric, with the weights of the suite; never counted beside their tasks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import t as student

from harness.compare import Column, align, columns, compare, level_of
from harness.errors import ConfigError
from harness.gate import Policy, check_rules, conclude, matches
from harness.gate.measurements import Measurements
from harness.gate.policy import jobs
from harness.records import Measured, Metric, Rule, Sample
from harness.stats import MeanPairs, aggregate
from tests.harness.runs import measured, right, samples, table

SIZES = {"small": 30, "large": 90}
PLAIN = {"both": {"acc": {"small": 1.0, "large": 1.0}}}
SIZED = {"both": {"acc": {"small": 30.0, "large": 90.0}}}


def run_of(name: str, scores: dict[str, list[float | None]], groups: dict[str, Any], **fields: Any) -> Measured:
    """A run of two tasks; keys are unlike between them."""
    listed: list[Sample] = []
    for task, values in scores.items():
        listed += samples(values, task=task, key=[f"{task} {index}" for index in range(len(values))])
    return measured(name, listed, groups=groups, **fields)


def reals(seed: int) -> dict[str, list[float | None]]:
    """Scores that nearly all differ between two seeds."""
    rng = np.random.default_rng(seed)
    return {
        task: [float(value) for value in rng.normal(index, 1 + index, size)] for index, (task, size) in enumerate(SIZES.items())
    }


def group(run: Measured, name: str = "acc") -> Column:
    return columns(run)[f"facts/both/{name}"]


@pytest.mark.parametrize("groups", [PLAIN, SIZED, {"both": {"acc": {"small": 5.0, "large": 0.5}}}])
def test_a_groups_error_is_that_of_its_tasks_weighted(groups: dict[str, Any]) -> None:
    metrics = {"acc": Metric(kind="real")}
    base, new = reals(1), reals(2)
    pair = align("m", group(run_of("a", base, groups, metrics=metrics)), group(run_of("b", new, groups, metrics=metrics)), seed=0)
    assert pair.evidence is not None
    weights = groups["both"]["acc"]
    share = {task: weights[task] / sum(weights.values()) for task in SIZES}
    changes = {task: np.array(new[task], dtype=float) - np.array(base[task], dtype=float) for task in SIZES}
    gain = sum(share[task] * changes[task].mean() for task in SIZES)
    error = math.sqrt(sum(share[task] ** 2 * changes[task].var(ddof=1) / SIZES[task] for task in SIZES))
    assert pair.evidence.gain == pytest.approx(gain, rel=1e-12)
    interval = pair.evidence.interval(0.90)
    freedom = sum(SIZES.values()) - 2
    assert interval.method == "stratified paired t interval"
    assert interval.high is not None
    assert interval.low is not None
    assert (interval.high - interval.low) / 2 == pytest.approx(float(student.ppf(0.95, freedom)) * error, rel=1e-9)
    assert pair.values[0] == pytest.approx(sum(share[task] * np.mean(base[task]) for task in SIZES), rel=1e-12)


def test_tasks_weighted_by_their_size_are_one_list_of_items() -> None:
    base = {"small": [*right(10, 20)], "large": [*right(60, 30)]}
    new = {"small": [*right(15, 15)], "large": [*right(59, 31)]}
    pair = align("m", group(run_of("a", base, SIZED)), group(run_of("b", new, SIZED)), seed=0)
    found = compare(pair, "a", "b")
    assert found is not None
    assert (found.baseline_value, found.candidate_value, found.items) == (70 / 120, 74 / 120, 120)
    assert "McNemar" in found.method


def test_tasks_weighted_alike_are_the_mean_of_their_means() -> None:
    scores = {"small": [*right(10, 20)], "large": [*right(81, 9)]}
    found = group(run_of("a", scores, PLAIN))
    assert found.value == pytest.approx((10 / 30 + 81 / 90) / 2, rel=1e-12)
    level = level_of(found, 0.5, level=0.9, seed=0)
    assert level is not None
    assert level.score == pytest.approx(found.value, rel=1e-12)


def test_an_item_that_failed_does_not_raise_the_weight_of_its_task() -> None:
    scores: dict[str, list[float | None]] = {"small": [1.0] * 15 + [None] * 15, "large": [0.0] * 90}
    found = group(run_of("a", scores, PLAIN))
    assert len(found.errors) == 15
    assert found.value == pytest.approx(0.5 / 1.5)


def test_a_corpus_metric_of_a_group_is_the_mean_of_its_tasks_scores() -> None:
    rng = np.random.default_rng(5)
    metric = {"word_perplexity": Metric(kind="ratio", direction="lower", aggregator="perplexity")}
    groups = {"both": {"word_perplexity": {"small": 1.0, "large": 1.0}}}

    def run(name: str, more: float) -> tuple[Measured, dict[str, np.ndarray[Any, Any]]]:
        tables = {task: np.stack([rng.gamma(20 + more, 5, size), np.full(size, 40.0)], axis=1) for task, size in SIZES.items()}
        listed = [
            Sample(key=f"{task} {i}", task=task, scores={"word_perplexity": 1.0}, statistics={"word_perplexity": list(row)})
            for task, rows in tables.items()
            for i, row in enumerate(rows)
        ]
        return measured(name, listed, metrics=metric, primary="word_perplexity", groups=groups), tables

    (base, below), (new, above) = run("a", 0), run("b", 3)
    pair = align("m", group(base, "word_perplexity"), group(new, "word_perplexity"), seed=0)
    assert pair.evidence is not None
    means = [np.mean([aggregate("perplexity", rows) for rows in tables.values()]) for tables in (below, above)]
    assert pair.values == pytest.approx(means, rel=1e-12)
    assert pair.evidence.gain == pytest.approx(means[0] - means[1], rel=1e-9)
    interval = pair.evidence.interval(0.9)
    assert interval.low is not None
    assert interval.high is not None
    assert interval.low < pair.evidence.gain < interval.high < 0
    assert pair.evidence.test(0.0, "two-sided").p < 0.01
    back = align("m", group(new, "word_perplexity"), group(base, "word_perplexity"), seed=0)
    assert back.evidence is not None
    assert back.evidence.gain == pytest.approx(-pair.evidence.gain)


def test_tasks_with_unlike_numbers_of_classes_are_read_together() -> None:
    rng = np.random.default_rng(7)
    classes = {"small": 2, "large": 4}
    tables = {}
    for task, size in SIZES.items():
        right, guess = rng.integers(0, classes[task], (2, size))
        guess = np.where(rng.random(size) < 0.5, right, guess)
        tables[task] = np.zeros((size, classes[task] ** 2))
        tables[task][np.arange(size), right * classes[task] + guess] = 1.0
    listed = [
        Sample(key=f"{task} {i}", task=task, scores={"mcc": 1.0}, statistics={"mcc": list(row)})
        for task, rows in tables.items()
        for i, row in enumerate(rows)
    ]
    metric, groups = {"mcc": Metric(kind="corpus", aggregator="mcc")}, {"both": {"mcc": {"small": 1.0, "large": 3.0}}}
    found = group(measured("a", listed, metrics=metric, primary="mcc", groups=groups), "mcc")
    assert found.value == pytest.approx((aggregate("mcc", tables["small"]) + 3 * aggregate("mcc", tables["large"])) / 4, rel=1e-12)
    alone = [sample if sample.task == "small" else Sample(key=sample.key, task="large", error="gone") for sample in listed]
    pair = align("m", found, group(measured("b", alone, metrics=metric, primary="mcc", groups=groups), "mcc"), seed=0)
    assert pair.evidence is not None
    assert (pair.evidence.items, pair.absent + pair.failed, pair.evidence.gain) == (30, 90, 0.0)


def test_few_losses_in_a_small_heavy_task_are_not_taken_for_few_losses() -> None:
    """Ten of 40 items that carry half of the weight: the interval is at least as wide as the tasks' own errors make it."""
    base = {"small": [*right(40, 0)], "large": [*right(160, 0)]}
    new = {"small": [*right(30, 10)], "large": [*right(160, 0)]}
    pair = align("m", group(run_of("a", base, PLAIN)), group(run_of("b", new, PLAIN)), seed=0)
    assert pair.evidence is not None
    found = pair.evidence.interval(0.9)
    assert found.low is not None
    assert found.high is not None
    error = 0.5 * math.sqrt(0.25 * 0.75 / 39)
    assert pair.evidence.gain == pytest.approx(-0.125)
    assert found.high - found.low >= 2 * 1.645 * error
    assert pair.evidence.test(-0.125, "greater").p >= 0.3


@pytest.mark.parametrize(
    ("losses", "sizes"),
    [
        ((0.05, 0.05), (40, 160)),
        ((0.05, 0.05, 0.05, 0.05, 0.05), (20, 100, 100, 100, 100)),
        pytest.param((0.1, 0.0), (40, 160), marks=pytest.mark.full),
        pytest.param((0.3, 0.0), (40, 160), marks=pytest.mark.full),
        pytest.param((0.2, 0.0, 0.0), (30, 100, 300), marks=pytest.mark.full),
    ],
)
def test_a_group_that_lost_its_whole_margin_rarely_passes(losses: tuple[float, ...], sizes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    strata = np.repeat(np.arange(len(sizes)), sizes)
    weights = np.concatenate([np.full(size, 1 / size) for size in sizes])
    margin, passed, runs = float(np.mean(losses)), 0, 800
    for run in range(runs):
        lost = np.concatenate([rng.random(size) < rate for rate, size in zip(losses, sizes, strict=True)])
        found = MeanPairs(-lost.astype(float), np.arange(len(lost)), strata, weights, span=1.0, seed=run)
        passed += found.test(-margin, "greater").p < 0.05
    assert passed / runs <= 0.065


IDS = ("facts/small/acc", "facts/large/acc", "facts/both/acc")


@pytest.mark.parametrize(
    "glob", ["facts/*/acc", "facts/b*/acc", "*", "facts/*", "*/acc", "facts/bot[h]/acc", "facts/?oth/acc", "*/*/acc"]
)
def test_a_wildcard_never_means_a_group(glob: str) -> None:
    assert not matches(glob, "facts/both/acc", {"facts/both"})
    assert matches(glob, "facts/both/acc"), "without the group it would"


@pytest.mark.parametrize("glob", ["facts/both/acc", "*/both/acc", "facts/both/*", "f*/both/a?c"])
def test_a_rule_that_names_the_group_means_it(glob: str) -> None:
    assert matches(glob, "facts/both/acc", {"facts/both"})
    listed = jobs(Policy(baseline="a", rules=(Rule(metric=glob, require="superior"),), bad_answers=False), IDS, {"facts/both"})
    assert [job.metrics for job in listed] == [("facts/both/acc",)]


def test_a_pooled_rule_counts_every_task_once() -> None:
    base, new = (
        run_of("a", {"small": right(10, 20), "large": right(60, 30)}, PLAIN),
        run_of("b", {"small": right(15, 15), "large": right(60, 30)}, PLAIN),
    )
    rules = (
        Rule(metric="facts/*/acc", require="non_inferior", margin=0.1, pool=True),
        Rule(metric="facts/both/acc", require="non_inferior", margin=0.1),
    )
    found = conclude(table(base, new), Policy(baseline="a", rules=rules), created="now", environment={})
    pooled, grouped = [finding.comparison for finding in found.verdicts[0].findings]
    assert pooled is not None
    assert grouped is not None
    assert (pooled.items, pooled.gain) == (120, pytest.approx(5 / 120))
    assert (grouped.items, grouped.gain) == (120, pytest.approx(5 / 60))
    assert {each.metric for each in found.comparisons} == set(IDS)


def test_forgetting_is_counted_for_the_group_too() -> None:
    base = run_of("a", {"small": right(10, 20), "large": right(60, 30)}, PLAIN, retained=True)
    new = run_of("b", {"small": right(7, 23), "large": right(60, 30)}, PLAIN, retained=True)
    measurements = Measurements(table(base, new), Policy(baseline="a", references={"b": "a"}))
    lost = measurements.column("b", "facts/both/lost", "a")
    assert lost is not None
    assert lost.value == pytest.approx(3 / 30 / 2)
    assert {"facts/both/lost", "facts/both/acc"} <= measurements.declared


def test_a_suites_score_leaves_the_group_out_unless_it_is_named() -> None:
    run = run_of("a", {"small": right(10, 20), "large": right(81, 9)}, PLAIN)
    measurements = Measurements(table(run), Policy(baseline="a"))
    assert measurements.value("facts", "a", "acc") == pytest.approx(91 / 120)
    assert measurements.value("facts", "a", "both/acc") == pytest.approx((1 / 3 + 0.9) / 2)
    assert measurements.groups == {"facts/both"}


def test_a_rule_that_only_a_group_could_answer_must_name_it() -> None:
    rule = Rule(metric="facts/bo*/acc", require="superior")
    with pytest.raises(ConfigError, match="no suite provides"):
        check_rules([rule], IDS, groups={"facts/both"})
    check_rules([Rule(metric="facts/both/acc", require="superior")], IDS, groups={"facts/both"})
