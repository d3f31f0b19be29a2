"""Prediction-powered inference: the formula, the paper's own package, and coverage on known truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.simulation.judges import World, line, problems
from harness.stats.means import MeanPairs
from harness.stats.prediction import PredictionPowered

Array = NDArray[np.float64]


def judged(seed: int, items: int, noise: float = 0.5) -> tuple[Array, Array]:
    """What people say, around 0.1, and a judge that leans."""
    random = np.random.default_rng(seed)
    human = random.normal(0.1, 0.5, items)
    return human, 0.2 + 0.8 * human + random.normal(0, noise, items)


def panel(random: np.random.Generator, items: int, right: float) -> tuple[Array, Array]:
    """A simulated panel: won, tied or lost against the baseline; the judge says the same at a rate of ``right``, else guesses."""
    human = random.choice([-1.0, 0.0, 1.0], size=items, p=[0.25, 0.4, 0.35])
    return human, np.where(random.random(items) < right, human, random.choice([-1.0, 0.0, 1.0], size=items, p=[0.1, 0.3, 0.6]))


def of(human: Array, judge: Array, labelled: int, **options: object) -> PredictionPowered:
    return PredictionPowered(human[:labelled], judge[:labelled], judge[labelled:], **options)  # type: ignore[arg-type]


# ----------------------------------------------------------------------------------------------------- the formula


def test_estimate_lambda_and_error_are_the_formulas() -> None:
    human, judge = judged(0, 700)
    found, y, f, others = of(human, judge, 100), human[:100], judge[:100], judge[100:]
    lam = np.mean((y - y.mean()) * (f - f.mean())) / ((1 + 100 / 600) * np.var(judge, ddof=1))
    assert found.lam == pytest.approx(lam)
    assert 0.3 < lam < 1
    assert found.gain == pytest.approx(lam * others.mean() + (y - lam * f).mean())
    variance = lam**2 * others.var(ddof=1) / 600 + (y - lam * f).var(ddof=1) / 100
    assert found.error == pytest.approx(np.sqrt(variance))
    half = found.interval(0.95).high - found.gain  # type: ignore[operator]
    assert half == pytest.approx(1.984 * np.sqrt(variance), rel=0.005)  # t with 99, and a little of t with 599 degrees


@pytest.mark.parametrize(
    ("seed", "estimate", "low", "high"),
    [
        (0, 0.09214156696743406, 0.06267107528745433, 0.12161205864741378),
        (1, 0.04844667811882143, 0.006474724562964634, 0.09041863167467826),
        (2, 0.07717557461228719, 0.030531320662684033, 0.12381982856189035),
    ],
)
def test_the_papers_package_says_the_same(seed: int, estimate: float, low: float, high: float) -> None:
    """ppi-python 0.2.3 on these very numbers: ``ppi_mean_pointestimate``, and ``ppi_mean_ci`` at alpha 0.1 with our λ.

    Recorded: in one process with it (it imports numba), vLLM 0.32 does not start.
    """
    human, judge = judged(seed, 1500, noise=0.2 + seed)
    found = of(human, judge, 300)
    assert found.gain == pytest.approx(estimate, abs=1e-12)
    ours = found.interval(0.9)
    assert ours.low is not None
    assert ours.high is not None
    assert (ours.low + ours.high) / 2 == pytest.approx((low + high) / 2, abs=1e-12)
    assert ours.high - ours.low == pytest.approx(high - low, rel=0.01)  # t for normal, n − 1 for n
    assert ours.high - ours.low > high - low


def test_at_lambda_0_it_is_the_estimate_from_people_alone_exactly() -> None:
    human, judge = judged(1, 400)
    against = of(human, -judge, 100)  # λ would be negative
    constant = of(human, np.ones(400), 100)
    alone = MeanPairs(
        human[:100], np.arange(100), np.zeros(100, dtype=np.intp), np.ones(100), size=float(np.abs(human[:100]).max())
    )
    for found in (against, constant):
        assert found.lam == 0.0
        assert found.because == "the judge says nothing about what people say"
        assert found.gain == human[:100].mean()
        assert found.error == pytest.approx(human[:100].std(ddof=1) / 10)
        assert (found.interval(0.95).low, found.interval(0.95).high) == (alone.interval(0.95).low, alone.interval(0.95).high)
        assert (found.effective, found.saved) == (100, 0)


def test_under_fifty_labels_people_alone_decide_and_it_says_so() -> None:
    human, judge = judged(2, 400)
    few, enough = of(human, judge, 49), of(human, judge, 50)
    assert few.because == "49 labelled items count; under 50 people alone decide"
    assert few.gain == human[:49].mean()
    assert few.interval(0.95).method == "paired t interval of human labels only"
    assert enough.because == ""
    assert enough.interval(0.95).method == "prediction-powered (PPI++)"
    clustered = PredictionPowered(human[:90], judge[:90], judge[90:], np.repeat(np.arange(45), 2), np.arange(45, 355))
    assert "45 labelled" in clustered.because
    assert of(human, judge, 400).because == "every item has a human label"


def test_swapping_candidate_and_baseline_changes_the_sign() -> None:
    human, judge = judged(3, 500)
    one, two = of(human, judge, 120), of(-human, -judge, 120)
    assert two.gain == pytest.approx(-one.gain)
    assert (two.interval(0.9).low, two.interval(0.9).high) == pytest.approx((-one.interval(0.9).high, -one.interval(0.9).low))  # type: ignore[operator]


# ------------------------------------------------------------------------------------------------------ known truth


def test_it_covers_and_is_narrower_on_known_truth() -> None:
    random, held, rounds, true, hand, ours = np.random.default_rng(6), 0, 400, 0.1, 0.0, 0.0
    for _ in range(rounds):
        found = of(*panel(random, 800, right=0.8), 80)
        held += abs(found.gain - true) <= 1.99 * found.error
        ours, hand = ours + found.error, hand + found.by_hand.differences.std(ddof=1) / np.sqrt(80)
    assert held / rounds >= 0.95 - 3 * 0.0109
    assert ours < 0.8 * hand  # of the labels, a third would not have been needed


def test_its_deployed_interval_covers_too() -> None:
    random, held, rounds = np.random.default_rng(7), 0, 120
    for _ in range(rounds):
        found = of(*panel(random, 700, right=0.75), 70, span=1.0).interval(0.95)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.1 <= found.high
    assert held / rounds >= 0.95 - 3 * 0.0199


def test_an_ordinary_judge_makes_the_interval_narrower() -> None:
    """Right on three of four items, a hundred labels: its errors are no reason to be less certain than people alone are."""
    found = line(World(0.75, 100, 1000, 0.5), 20, seed=1)
    assert 0.84 < found.narrower < 0.92
    assert 1.2 < found.worth < 1.6


def test_the_best_judge_saves_most_and_still_covers() -> None:
    found = line(World(0.97, 100, 200, 0.8), 30, seed=1)
    assert found.narrower < 0.8
    assert list(problems([found])) == []


def test_the_proof_can_fail() -> None:
    certain = replace(line(World(0.75, 50, 200, 0.8), 2, seed=0), repetitions=600, above=0.11, narrower=0.97)
    told = list(problems([certain]))
    assert "misses 11.0 % on one side" in told[0]
    assert "97 % of the width" in told[-1]


def test_people_alone_have_wilsons_interval_and_not_a_t() -> None:
    """320 of 400 won; recorded: statsmodels 0.15 ``proportion_confint(320, 400, 0.1, "wilson")``."""
    human = np.where(np.arange(400) < 320, 0.5, -0.5)
    ends = PredictionPowered(human, np.full(400, 0.5), np.full(90, 0.5), span=0.5).alone(0.9)
    assert ends.low is not None
    assert ends.high is not None
    assert (0.5 + ends.low, 0.5 + ends.high) == pytest.approx((0.7651362037142215, 0.8308327465551648), abs=1e-6)
    few = PredictionPowered(human[270:370], np.full(100, 0.5), np.full(90, 0.5), span=0.5).alone(0.9)
    assert few.low is not None
    assert few.high is not None
    assert 0.4136 <= 0.5 + few.low <= 0.4189  # 50 of 100: never narrower than Wilson's, nor wider than Clopper and Pearson's
    assert 0.5811 <= 0.5 + few.high <= 0.5864


def test_a_judge_that_never_erred_on_few_labels_is_not_believed_to_be_perfect() -> None:
    """The rest after the judge has no variance at all here; what nobody saw is up to about 3/60 of the span."""
    human = np.tile([-1.0, 0.0, 1.0], 2000)
    found = of(human, human, 60, span=1.0)
    ends = found.interval(0.95)
    assert ends.low is not None
    assert ends.high is not None
    assert ends.high - ends.low > 0.08
    assert found.effective < 1500
    assert found.lam > 0.98
    assert found.error < 0.02  # which alone would be worth as many labels as there are items


def test_crossing_clusters_are_one_unit_on_both_sides() -> None:
    """Every item twice, once labelled and once not: the two halves move together, and the error knows."""
    random = np.random.default_rng(9)
    each = random.normal(0, 1, 200)
    human, judge = each + random.normal(0, 0.1, 200), each + random.normal(0, 0.1, 200)
    codes = np.arange(200)
    crossed = PredictionPowered(human, judge, judge, codes, codes)
    apart = PredictionPowered(human, judge, judge)
    lam = crossed.lam
    assert crossed.error == pytest.approx((lam * judge + human - lam * judge).std(ddof=1) / np.sqrt(200))
    assert apart.error < 0.8 * crossed.error
    for found in (crossed, apart):
        ends = found.interval(0.95)
        assert ends.high is not None
        assert ends.high - found.gain == pytest.approx(1.972 * found.error, rel=0.01)


def test_disputed_items_drawn_more_often_do_not_tilt_the_estimate() -> None:
    """Items that the judge calls ties are drawn ten times as often, and are worse for the candidate."""
    random, true, found, plain, held = np.random.default_rng(10), 0.1, [], [], 0
    for _ in range(150):
        human, judge = panel(random, 1500, right=0.7)
        odds = np.where(judge == 0, 10.0, 1.0)
        chance = np.minimum(1.0, 200 * odds / odds.sum())
        drawn = random.random(1500) < chance
        one = PredictionPowered(human[drawn], judge[drawn], judge[~drawn], probabilities=chance[drawn], span=1.0)
        held += one.because == "" and abs(one.gain - true) <= 1.99 * one.error
        found.append(one.gain)
        plain.append(human[drawn].mean())
    assert np.mean(found) == pytest.approx(true, abs=3 * np.std(found) / np.sqrt(150))
    assert abs(np.mean(plain) - true) > 0.03
    assert held / 150 >= 0.95 - 3 * 0.0178


def test_equal_probabilities_are_none_and_unequal_ones_are_hajeks() -> None:
    human, judge = judged(11, 500)
    equal = of(human, judge, 100, probabilities=np.full(100, 0.2))
    assert equal.gain == of(human, judge, 100).gain
    chance = np.linspace(0.1, 0.4, 100)
    blind = of(human, np.ones(500), 100, probabilities=chance)
    assert blind.gain == pytest.approx((human[:100] / chance).sum() / (1 / chance).sum())
    powered = of(human, judge, 100, probabilities=chance)
    rest = human[:100] - powered.lam * judge[:100]
    assert powered.gain == pytest.approx(powered.lam * judge.mean() + (rest / chance).sum() / (1 / chance).sum())
    v = (1 - chance) / chance**2
    y, f = (side[:100] - np.average(side[:100], weights=v) for side in (human, judge))
    assert powered.lam == pytest.approx(min(1.0, (v * y * f).sum() / (v * f * f).sum()))
    assert "count" in of(human, judge, 60, probabilities=np.geomspace(0.001, 1, 60)).because


def test_what_is_no_input() -> None:
    with pytest.raises(ValueError, match="one for each"):
        PredictionPowered(np.ones(3), np.ones(2), np.ones(4))
    with pytest.raises(ValueError, match="together"):
        PredictionPowered(np.ones(3), np.ones(3), np.ones(4), np.arange(3))
    with pytest.raises(ValueError, match="above 0"):
        PredictionPowered(np.ones(1), np.ones(1), np.ones(4), probabilities=np.zeros(1))
    with pytest.raises(ValueError, match="2 probabilities for 1"):
        PredictionPowered(np.ones(1), np.ones(1), np.ones(4), probabilities=np.ones(2))
