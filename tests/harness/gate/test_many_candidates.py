"""Several candidates that claim a gain: adjusted over the candidates, then over the metrics of each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness import stats
from harness.gate import Policy, conclude
from harness.records import Conclusion, Finding, Looks, Measured, Metric, Rule, Sample, Sequential
from tests.harness.runs import measured, samples, table

CLAIM = Rule(metric="facts/t/acc", require="superior")
ITEMS = 400


def scores(won: int, lost: int, start: int = 0) -> tuple[list[float], list[float]]:
    """Baseline and candidate: ``won`` items gained from place ``start`` on, then ``lost`` ones."""
    base, new = np.zeros(ITEMS), np.zeros(ITEMS)
    base[ITEMS // 2 :] = new[ITEMS // 2 :] = 1.0
    new[start : start + won] = 1.0
    new[ITEMS - lost :] = 0.0
    return list(base), list(new)


def decide(*runs: Measured, rules: tuple[Rule, ...] = (CLAIM,), **policy: Any) -> Conclusion:
    settings: dict[str, Any] = {"baseline": "base", "rules": rules, "bad_answers": False, **policy}
    return conclude(table(*runs), Policy(**settings), created="2026-11-20", environment={})


def claim(found: Conclusion, place: int = 0) -> Finding:
    return found.verdicts[place].findings[0]


def fleet(*news: list[float]) -> list[Measured]:
    base, _ = scores(0, 0)
    return [measured("base", base), *(measured(f"new{index}", new) for index, new in enumerate(news))]


def test_a_claim_of_one_candidate_is_not_adjusted() -> None:
    found = claim(decide(*fleet(scores(20, 6)[1])))
    assert found.comparison is not None
    assert "p_max_t" not in found.comparison.parameters
    assert "max-T" not in found.reason


def test_equal_candidates_cost_nothing_and_the_sentence_says_how_many_there_were() -> None:
    same = scores(17, 6)[1]
    found = decide(*fleet(same, same, same, same))
    for place in range(4):
        comparison = claim(found, place).comparison
        assert comparison is not None
        assert comparison.p == pytest.approx(stats.mcnemar(17, 6, "greater"))
        assert comparison.parameters["p_max_t"] == pytest.approx(comparison.p, abs=0.004)
        assert comparison.parameters["candidates"] == 4
        assert claim(found, place).outcome == "pass"
        assert "after max-T over 4 candidates p = 0.0" in claim(found, place).reason


def test_the_best_of_many_unrelated_candidates_must_be_better() -> None:
    best = scores(17, 6)[1]
    others = [scores(12, 12, start=20 + 12 * index)[1] for index in range(8)]
    alone, crowd = decide(*fleet(best)), decide(*fleet(best, *others))
    assert claim(alone).outcome == "pass"
    assert claim(crowd).outcome == "inconclusive"
    comparison = claim(crowd).comparison
    assert comparison is not None
    assert comparison.p is not None
    assert comparison.p < 0.05 < comparison.parameters["p_max_t"] <= 9 * comparison.p


def test_margins_are_part_of_the_claim() -> None:
    rule = Rule(metric="facts/t/acc", require="superior", margin=0.02)
    found = decide(*fleet(scores(40, 6)[1], scores(40, 6)[1]), rules=(rule,))
    comparison = claim(found).comparison
    assert comparison is not None
    assert comparison.p == pytest.approx(stats.difference_p(40, 6, ITEMS, 0.02, "greater")[0])
    assert comparison.parameters["p_max_t"] == pytest.approx(comparison.p, abs=2e-4)
    assert claim(found).outcome == "pass"


def test_candidates_that_miss_items_are_adjusted_on_what_each_has() -> None:
    base, new = scores(20, 6)
    gaps: list[float | None] = [None if index % 50 == 7 else score for index, score in enumerate(new)]
    runs = [measured("base", base), measured("whole", new), measured("gaps", samples(gaps))]
    found = decide(*runs, max_errors=0.1)
    whole, partial = claim(found, 0).comparison, claim(found, 1).comparison
    assert whole is not None
    assert partial is not None
    assert partial.items == ITEMS - 8
    assert whole.p is not None
    assert partial.p is not None
    for each in (whole, partial):
        assert each.p is not None
        assert each.p <= each.parameters["p_max_t"] < 1.6 * max(whole.p, partial.p)


def test_then_comes_holm_over_the_metrics_of_each_candidate() -> None:
    def both(name: str, first: list[float], second: list[float]) -> Measured:
        listed = [
            Sample(key=f"k{index}", task="t", prompt_hash=f"h{index}", scores={"acc": a, "f1": b})
            for index, (a, b) in enumerate(zip(first, second, strict=True))
        ]
        return measured(name, listed, metrics={"acc": Metric(), "f1": Metric()})

    base = scores(0, 0)[0]
    runs = [both("base", base, base), *(both(f"new{n}", scores(17, 6)[1], scores(12, 12)[1]) for n in range(2))]
    found = claim(decide(*runs, rules=(Rule(metric="facts/t/*", require="superior"),)))
    assert found.comparison is not None
    adjusted = found.comparison.parameters
    assert adjusted["p_holm"] == pytest.approx(2 * adjusted["p_max_t"])
    assert "after max-T over 2 candidates" in found.reason
    assert ", after Holm p = " in found.reason


def corpus(name: str, shift: float, skip: int | None = None) -> Measured:
    rng, other = np.random.default_rng(0), np.random.default_rng(len(name))
    listed = []
    for index in range(60):
        size = int(rng.integers(200, 900))
        bits = size * float(rng.normal(1.0, 0.1)) - size * (shift + float(other.normal(0, 0.02)) * (shift > 0))
        statistics = {"bpb": [bits, float(size)]}
        if index != skip:
            listed.append(Sample(key=f"k{index}", task="t", prompt_hash=f"h{index}", scores={}, statistics=statistics))
    metric = Metric(kind="corpus", aggregator="bits_per_byte", direction="lower")
    return measured(name, listed, metrics={"bpb": metric}, primary="bpb")


@pytest.mark.parametrize("margin", [None, 0.001])
def test_corpus_metrics_share_their_resamples(margin: float | None) -> None:
    rule = Rule(metric="facts/t/bpb", require="superior", margin=margin)
    found = decide(corpus("base", 0.0), corpus("newer", 0.008), corpus("newest", 0.008), rules=(rule,))
    comparison = claim(found).comparison
    assert comparison is not None
    assert comparison.p is not None
    assert comparison.p <= comparison.parameters["p_max_t"] <= 2 * comparison.p
    assert "after max-T over 2 candidates" in claim(found).reason


def test_where_documents_differ_between_candidates_it_is_holm_and_says_so() -> None:
    rule = Rule(metric="facts/t/bpb", require="superior", max_missing=0.1)
    found = claim(decide(corpus("base", 0.0), corpus("newer", 0.008), corpus("newest", 0.008, skip=3), rules=(rule,)))
    assert found.comparison is not None
    assert "p_max_t" not in found.comparison.parameters
    assert found.comparison.parameters["no_max_t"] == "they have different documents"
    assert "after Holm over 2 candidates (they have different documents)" in found.reason


def test_claims_against_different_models_are_holms() -> None:
    runs = fleet(scores(20, 6)[1], scores(20, 6, start=40)[1], scores(1, 0)[1], scores(0, 1)[1])
    rule = Rule(metric="facts/t/acc", require="superior", against="reference")
    found = claim(decide(*runs, rules=(rule,), references={"new0": "new2", "new1": "new3"}))
    assert found.comparison is not None
    assert found.comparison.parameters["no_max_t"] == "they are compared with different models"
    assert found.comparison.parameters["p_holm_candidates"] >= (found.comparison.p or 0.0)


def test_runs_that_were_looked_at_are_never_resampled_together() -> None:
    base, new = scores(60, 6)
    order = np.random.default_rng(0).permutation(ITEMS)
    settings = Sequential(looks=2, min_items=50)
    looks = Looks(settings=settings, planned=(200, 400), made=(200, 400))
    samples_of = {name: samples([values[i] for i in order]) for name, values in (("base", base), ("new", new))}
    runs = [measured("base", samples_of["base"]), *(measured(f"new{n}", samples_of["new"], looks=looks) for n in range(2))]
    decided = decide(*runs)
    found = claim(decided)
    assert found.comparison is not None
    assert found.comparison.p is not None
    assert "p_max_t" not in found.comparison.parameters
    assert found.comparison.parameters["no_max_t"] == "their runs were looked at while they were asked"
    assert found.comparison.parameters["p_holm_candidates"] == pytest.approx(2 * found.comparison.p)
    assert not any("p_max_t" in each.parameters for each in decided.comparisons)


def test_comparisons_for_reading_have_it_too() -> None:
    found = decide(*fleet(scores(20, 6)[1], scores(20, 6, start=40)[1], scores(10, 10)[1]), rules=())
    assert len(found.comparisons) == 3
    for each in found.comparisons:
        assert each.p is not None
        assert each.p <= each.parameters["p_max_t"] <= min(1.0, 3 * each.p)
        assert each.parameters["candidates"] == 3
    assert "p_max_t" not in decide(*fleet(scores(20, 6)[1]), rules=()).comparisons[0].parameters


def test_resamples_drawn_together_are_those_drawn_alone() -> None:
    rng = np.random.default_rng(1)
    base, first, second = (rng.integers(1, 9, (30, 2)).astype(float) for _ in range(3))
    units, one = np.arange(30), np.zeros(30, dtype=np.intp)

    def pairs() -> list[stats.CorpusPairs]:
        return [stats.CorpusPairs("ratio", base, new, units, one, 1, 5) for new in (first, second)]

    together, alone = pairs(), pairs()
    stats.resample_together(together)
    for left, right in zip(together, alone, strict=True):
        assert np.allclose(left.resampled, right.resampled, rtol=1e-12)
        assert left.test(0.0, "two-sided").p == right.test(0.0, "two-sided").p
        assert left.interval(0.9).low == pytest.approx(right.interval(0.9).low, rel=1e-9)
