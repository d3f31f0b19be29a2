"""Corpus metrics from sufficient statistics: equal to sacrebleu, and compared without losing the pairing."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sacrebleu.metrics import BLEU, CHRF

from harness import stats

VOCABULARY = ("the", "a", "cat", "dog", "sat", "on", "mat", "猫", "狗", "。", ",", "ran")
WORDS = st.lists(st.sampled_from(VOCABULARY), max_size=9).map(" ".join)
Table = NDArray[np.float64]


def statistics(metric: BLEU | CHRF, hypotheses: list[str], references: list[str]) -> NDArray[np.float64]:
    """Per-segment sufficient statistics, as sacrebleu extracts them."""
    return np.asarray(metric._extract_corpus_statistics(hypotheses, [references]), dtype=float)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=6))
def test_bleu_and_chrf_equal_sacrebleu_on_any_text(pairs: list[tuple[str, str]]) -> None:
    hypotheses, references = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    for name, metric in (("bleu", BLEU()), ("chrf", CHRF())):
        expected = metric.corpus_score(hypotheses, [references]).score
        assert stats.aggregate(name, statistics(metric, hypotheses, references)) == pytest.approx(expected, abs=1e-9)


@pytest.fixture(scope="module")
def translations(text_metrics: Path) -> tuple[list[str], list[str], list[str]]:
    """Reference and two systems, detokenised."""
    folder = text_metrics / "compare_mt"
    names = ("ted.ref.detok.eng.gz", "ted.sys1.detok.eng.gz", "ted.sys2.detok.eng.gz")
    ref, first, second = (gzip.decompress((folder / name).read_bytes()).decode().splitlines() for name in names)
    return ref, first, second


def test_real_translations_score_as_published(text_metrics: Path, translations: tuple[list[str], list[str], list[str]]) -> None:
    expected = json.loads((text_metrics / "expected_sacrebleu2_rouge_score.json").read_text(encoding="utf-8"))
    reference, first, second = translations
    for system, lines in (("sys1", first), ("sys2", second)):
        assert stats.aggregate("bleu", statistics(BLEU(), lines, reference)) == pytest.approx(expected["BLEU"][system], abs=1e-9)
        assert stats.aggregate("chrf", statistics(CHRF(), lines, reference)) == pytest.approx(expected["chrF"][system], abs=1e-9)


def corpus_pairs(
    name: str, base: NDArray[np.float64], cand: NDArray[np.float64], sign: int = 1, seed: int = 1
) -> stats.CorpusPairs:
    units = np.arange(len(base))
    return stats.CorpusPairs(name, base, cand, units, np.zeros(len(base), dtype=np.intp), sign, seed)


def test_real_translations_differ_as_published(translations: tuple[list[str], list[str], list[str]]) -> None:
    reference, first, second = translations
    for name, metric, sign in (("bleu", BLEU(), 1), ("chrf", CHRF(), -1)):
        pairs = corpus_pairs(name, statistics(metric, first, reference), statistics(metric, second, reference))
        found = pairs.interval(0.9)
        assert np.sign(pairs.gain) == sign
        assert found.low is not None
        assert found.high is not None
        assert found.low < pairs.gain < found.high
        assert pairs.test(0.0, "two-sided").p == pytest.approx(1e-4)  # the smallest that 9,999 resamples allow


def test_resampled_scores_are_those_of_the_resampled_documents() -> None:
    rng = np.random.default_rng(0)
    base, cand = rng.integers(1, 9, (30, 2)).astype(float), rng.integers(1, 9, (30, 2)).astype(float)
    pairs = corpus_pairs("ratio", base, cand)
    from harness.stats.resampling import weights

    counts = next(weights(np.zeros(30, dtype=np.intp), 1))
    chosen = np.repeat(np.arange(30), counts[17].astype(int))
    assert len(chosen) == 30
    assert pairs.resampled[1][17] == pytest.approx(stats.aggregate("ratio", cand[chosen]))


def test_fewer_bits_per_byte_are_a_gain() -> None:
    rng = np.random.default_rng(1)
    sizes = rng.integers(200, 400, 80).astype(float)
    base = np.stack([2.0 * sizes + rng.normal(0, 9, 80), sizes], axis=1)
    cand = np.stack([base[:, 0] - 0.1 * sizes + rng.normal(0, 3, 80), sizes], axis=1)
    pairs = corpus_pairs("bits_per_byte", base, cand, sign=-1)
    assert pairs.gain == pytest.approx(0.1, abs=0.01)
    assert pairs.test(0.0, "greater").p < 0.001
    assert pairs.test(-0.01, "greater").p < 0.001
    factor = pairs.relative(0.9)
    assert factor is not None
    assert factor[1] < factor[0] == pytest.approx(0.95, abs=0.01)
    assert factor[0] < factor[2] < 1


def test_a_ratio_interval_agrees_with_the_delta_method() -> None:
    rng = np.random.default_rng(4)
    sizes = rng.integers(50, 150, 400).astype(float)
    base = np.stack([sizes * rng.normal(0.5, 0.1, 400), sizes], axis=1)
    cand = np.stack([base[:, 0] + sizes * rng.normal(0.02, 0.1, 400), sizes], axis=1)
    pairs = corpus_pairs("ratio", base, cand)
    residual = (cand[:, 0] - base[:, 0]) - pairs.gain * sizes
    error = np.sqrt((residual**2).sum()) / sizes.sum()
    found = pairs.interval(0.9)
    assert found.low == pytest.approx(pairs.gain - 1.645 * error, abs=0.0006)
    assert found.high == pytest.approx(pairs.gain + 1.645 * error, abs=0.0006)


def test_clusters_of_documents_are_resampled_whole() -> None:
    rng = np.random.default_rng(5)
    shift = np.repeat(rng.normal(0, 1, 25), 8)
    base = np.stack([np.full(200, 5.0), np.ones(200)], axis=1)
    cand = np.stack([5.0 + shift, np.ones(200)], axis=1)
    whole = stats.CorpusPairs("ratio", base, cand, np.repeat(np.arange(25), 8), np.zeros(200, dtype=np.intp), 1, 1)
    single = corpus_pairs("ratio", base, cand)
    wide, narrow = whole.interval(0.9), single.interval(0.9)
    assert wide.high is not None
    assert wide.low is not None
    assert narrow.high is not None
    assert narrow.low is not None
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_identical_systems_have_an_interval_of_some_width_and_no_significance() -> None:
    base = np.tile([30.0, 40.0], (50, 1))
    pairs = corpus_pairs("ratio", base, base.copy())
    found = pairs.interval(0.9)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0 < found.high
    assert pairs.test(0.0, "two-sided").p == 1.0
    assert pairs.test(-0.5, "greater").p < 0.001
    assert pairs.test(found.low, "greater").p == pytest.approx(0.05, abs=1e-3)
    assert pairs.mde(0.05) == pytest.approx(0.75 * (stats.MeanPairs(*_nothing(50), span=1.0).mde(0.05) or 0.0))


def _nothing(units: int) -> tuple[Table, NDArray[np.intp], NDArray[np.intp], Table]:
    return np.zeros(units), np.arange(units), np.zeros(units, dtype=np.intp), np.ones(units)


def test_swapping_systems_changes_the_sign() -> None:
    rng = np.random.default_rng(9)
    base, cand = (np.stack([rng.normal(5, 1, 60), np.ones(60)], axis=1) for _ in range(2))
    forward, backward = corpus_pairs("ratio", base, cand), corpus_pairs("ratio", cand, base)
    assert forward.gain == pytest.approx(-backward.gain)
    assert forward.test(0.0, "greater").p == pytest.approx(backward.test(0.0, "less").p, abs=0.01)
    assert forward.interval(0.9).low == pytest.approx(-(backward.interval(0.9).high or 0.0))


def test_statistics_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="needs 10 statistics"):
        stats.aggregate("bleu", np.ones((3, 4)))
    with pytest.raises(ValueError, match="unknown aggregation"):
        stats.aggregate("median", np.ones((3, 1)))
    with pytest.raises(ValueError, match="undefined"):
        stats.aggregate("mean", np.ones((0, 1)))
    assert stats.aggregate("mean", np.array([1.0, 2.0])) == 1.5


# ------------------------------------------------------------------------------------------------------ few documents


def sizes_and_bits(rng: np.random.Generator, documents: int) -> tuple[Table, Table]:
    """Documents of very different sizes; one side needs 1 % more bits, more or less."""
    sizes = rng.lognormal(6, 0.8, documents)
    bits = sizes * rng.lognormal(-0.1, 0.25, documents)
    return np.stack([bits, sizes], axis=1), np.stack([bits * rng.lognormal(0.01, 0.05, documents), sizes], axis=1)


def test_one_document_or_one_cluster_gets_a_sentence_instead_of_an_interval() -> None:
    base, cand = sizes_and_bits(np.random.default_rng(0), 6)
    one = corpus_pairs("bits_per_byte", base[:1], cand[:1], -1)
    cluster = stats.CorpusPairs("bits_per_byte", base, cand, np.zeros(6, dtype=np.intp), np.zeros(6, dtype=np.intp), -1)
    for pairs in (one, cluster):
        found = pairs.interval(0.9)
        assert (found.low, found.high) == (None, None)
        assert found.note == "one document or cluster cannot show how scores vary"
        assert pairs.test(-0.1, "greater").p == 1.0
        assert pairs.test(0.0, "two-sided").p == 1.0
        assert pairs.mde(0.05) is None
        assert pairs.items_needed(0.1, 0.05) is None
        assert pairs.relative(0.9) is None


def test_where_few_documents_differ_what_nobody_saw_is_still_possible() -> None:
    rng = np.random.default_rng(1)
    truth, guess = rng.integers(0, 2, 200), rng.integers(0, 2, 200)
    base = np.zeros((200, 4))
    base[np.arange(200), 2 * truth + guess] = 1.0
    cand = base.copy()
    cand[:2] = np.roll(base[:2], 1, axis=1)
    pairs = corpus_pairs("f1_macro", base, cand)
    found = pairs.interval(0.9)
    assert found.low is not None
    assert found.high is not None
    assert found.low < pairs.gain < found.high
    assert found.high - found.low > 0.02  # the resamples of two differing documents span less
    assert "bootstrap" not in found.method
    for border, side in ((found.low, "greater"), (found.high, "less")):
        assert pairs.test(border, side).p == pytest.approx(0.05, abs=2e-3)


def test_documents_that_all_gain_alike_do_not_give_an_interval_of_no_width() -> None:
    base = np.stack([np.linspace(100, 300, 40), np.linspace(200, 250, 40)], axis=1)
    cand = base - np.outer(0.1 * base[:, 1], [1.0, 0.0])
    found = corpus_pairs("bits_per_byte", base, cand, -1).interval(0.9)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.1 < found.high + 1e-9
    assert found.high - found.low > 0.01


def test_bounds_of_the_scale_are_kept() -> None:
    rng = np.random.default_rng(2)
    base, cand = np.zeros((6, 4)), np.zeros((6, 4))
    base[:, 2], cand[:, 0] = 1.0, 1.0
    cand[0] = [0.0, 0.0, 1.0, 0.0]
    found = corpus_pairs("f1", base + rng.integers(0, 2, (6, 1)) * [0, 0, 0, 1.0], cand).interval(0.9)
    assert found.low is not None
    assert found.high is not None
    assert -1.0 <= found.low < found.high <= 1.0


@pytest.mark.parametrize("documents", [3, 4])
def test_under_five_documents_nothing_is_proven_at_five_per_cent(documents: int) -> None:
    base, cand = sizes_and_bits(np.random.default_rng(documents), documents)
    cand[:, 0] = base[:, 0] * 0.5 + np.arange(documents)
    pairs = corpus_pairs("bits_per_byte", base, cand, -1)
    assert pairs.test(-0.01, "greater").p == 0.5**documents
    found = pairs.interval(0.9)
    assert (found.low, found.high) == (None, None)
    assert "too few" in found.note


def test_a_score_by_itself_is_looked_at_with_twice_the_tail() -> None:
    plain = np.random.default_rng(1).gamma(2.0, size=9_999)
    gain, level = (stats.Resampled(float(plain.mean()), plain, 40, skewed=skewed) for skewed in (False, True))
    assert level.p(5.0, "less") == pytest.approx(2 * gain.p(5.0, "less"))
    assert level.ends(0.9) == pytest.approx(gain.ends(0.95))
    assert stats.Resampled(float(plain.mean()), plain, 5, skewed=True).ends(0.9) is None


def test_a_factor_says_no_change_where_the_gain_does() -> None:
    rng = np.random.default_rng(3)
    seen = set()
    for seed in range(60):
        base, cand = sizes_and_bits(rng, int(rng.integers(10, 40)))
        pairs = corpus_pairs("bits_per_byte", base, cand, -1, seed)
        found, factor = pairs.interval(0.9), pairs.relative(0.9)
        assert factor is not None
        assert found.low is not None
        assert found.high is not None
        assert factor[1] <= factor[0] <= factor[2]
        assert (factor[2] < 1) == (found.low > 0)
        assert (factor[1] > 1) == (found.high < 0)
        seen.add((factor[2] < 1, factor[1] > 1))
    assert len(seen) == 2
    assert corpus_pairs("bits_per_byte", *sizes_and_bits(rng, 9), -1).relative(0.9) is None


def test_a_level_and_a_gain_are_spread_alike() -> None:
    rng = np.random.default_rng(4)
    plain = rng.normal(0, 1, 9_999)
    few, many = stats.Resampled(0.0, plain, 5), stats.Resampled(0.0, plain, 5_000)
    assert many.ends(0.9)[1] == pytest.approx(np.quantile(plain, 0.95), rel=1e-3)
    assert few.ends(0.9)[1] / many.ends(0.9)[1] == pytest.approx(2.1318 / 1.6449 * np.sqrt(5 / 4), rel=1e-3)
    low, high = few.ends(0.9)
    assert few.p(low, "greater") == pytest.approx(0.05, abs=2e-4)
    assert few.p(high, "less") == pytest.approx(0.05, abs=2e-4)
    assert few.p(0.0, "two-sided") == pytest.approx(1.0, abs=0.03)


@pytest.mark.full
@pytest.mark.parametrize("documents", [10, 20, 50, 200])
def test_intervals_of_bits_per_byte_cover_the_truth(documents: int) -> None:
    rng = np.random.default_rng(documents)
    truth = float(np.exp(0.01 + 0.05**2 / 2) - 1) * float(np.exp(-0.1 + 0.25**2 / 2))
    beyond = np.zeros(2)
    for seed in range(1000):
        found = corpus_pairs("bits_per_byte", *sizes_and_bits(rng, documents), -1, seed).interval(0.9)
        assert found.low is not None
        assert found.high is not None
        beyond += (-truth < found.low, -truth > found.high)
    assert (beyond / 1000 <= 0.075 + 0.014).all()
