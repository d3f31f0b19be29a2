"""Conclusions as a whole: what they need, that they are repeatable, A/A runs pass and planted ones fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import ComparabilityError
from harness.records import Measured, Metric, Rule
from tests.harness.gate.deciding import CLAIM, LIGHT, MARGIN, decide
from tests.harness.runs import measured, right, samples


def test_without_a_baseline_nothing_is_concluded() -> None:
    with pytest.raises(ComparabilityError, match="'base' was not measured"):
        decide(measured("new", right(5, 5)))
    with pytest.raises(ComparabilityError, match="no candidate to judge"):
        decide(measured("base", right(5, 5)))


def test_the_same_input_gives_the_same_conclusion() -> None:
    rng = np.random.default_rng(0)
    scores = [[float(value) for value in rng.random(80)] for _ in range(2)]
    metrics = {"acc": Metric(kind="bounded")}
    runs = [measured(name, samples([*each]), metrics=metrics) for name, each in zip(("base", "new"), scores, strict=True)]
    first, second = (msgspec.json.encode(decide(*runs, rules=(MARGIN, LIGHT, CLAIM), seed=5)) for _ in range(2))
    assert first == second


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0, None]), st.sampled_from([0.0, 0.5, 1.0, None])), min_size=1, max_size=25),
    st.sampled_from(["binary", "bounded", "real", "count", "ordinal"]),
    st.booleans(),
)
def test_whatever_comes_in_a_sentence_comes_out(rows: list[tuple[Any, Any]], kind: Any, clustered: bool) -> None:
    clusters = {"cluster": [str(index // 3) for index in range(len(rows))]} if clustered else {}
    runs = [
        measured(name, samples([row[side] for row in rows], **clusters), metrics={"acc": Metric(kind=kind)}, retained=True)
        for side, name in enumerate(("base", "new"))
    ]
    rules = (
        MARGIN,
        CLAIM,
        LIGHT,
        Rule(metric="*/*/acc", require="at_least", value=0.5, max_errors=1.0),
        Rule(metric="*/*/acc", require="non_inferior", margin=0.1, relative=True, max_errors=1.0, max_missing=1.0),
    )
    conclusion = decide(*runs, rules=rules, references={"new": "base"})
    text = msgspec.json.encode(conclusion).decode()
    assert "NaN" not in text
    told = [found.comparison for found in conclusion.verdicts[0].findings]
    for each in (*conclusion.comparisons, *(comparison for comparison in told if comparison is not None)):
        assert each.note if each.p is None else 0 < each.p <= 1
        if each.low is not None and each.high is not None:
            assert each.low < each.high
    for found in conclusion.verdicts[0].findings:
        assert found.reason.endswith(".")
        assert "nan" not in found.reason.lower()
    assert conclusion.verdicts[0].sentence


def suites(rng: np.random.Generator, name: str, truth: list[Any], noise: float) -> Iterator[Measured]:
    """Five suites of 150 items; ``noise``: the share of answers that come out differently on another run."""
    for number, known in enumerate(truth):
        scores = np.where(rng.random(150) < noise, rng.random(150) < 0.6, known).astype(float)
        flags = [("truncated",) if flag else () for flag in rng.random(150) < 0.03]
        yield measured(name, samples([*scores], flags=flags), suite=f"s{number}", watched=("truncated", "empty"))


def test_an_a_a_run_fails_no_more_often_than_alpha() -> None:
    rng = np.random.default_rng(3)
    rule = Rule(metric="*/*/acc", require="not_regressed")
    runs = 100
    failed = 0
    for _ in range(runs):
        truth = [rng.random(150) < 0.6 for _ in range(5)]
        conclusion = decide(*suites(rng, "base", truth, 0.2), *suites(rng, "new", truth, 0.2), rules=(rule,))
        failed += conclusion.outcome == "fail"
    assert failed / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)  # losses and bad answers are one family


def test_a_planted_candidate_whose_answers_are_shuffled_fails() -> None:
    rng = np.random.default_rng(4)
    truth = [rng.random(150) < 0.9 for _ in range(5)]
    shuffled = [rng.random(150) < 0.4 for _ in truth]
    for rule in (
        Rule(metric="*/*/acc", require="not_regressed"),
        Rule(metric="*/*/acc", require="non_inferior", margin=0.05, pool=True),
    ):
        conclusion = decide(*suites(rng, "base", truth, 0.1), *suites(rng, "new", shuffled, 0.1), rules=(rule,))
        assert conclusion.outcome == "fail"
